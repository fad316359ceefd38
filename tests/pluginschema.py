"""The schema of stacks/plugin, in one form however it was got."""

from __future__ import annotations

import json
from typing import Any

from helpers import ROOT

GOLDEN = ROOT / "tests" / "goldens" / "plugin-schema.json"


def canonical(schema: str) -> str:
    """A package schema without what only one of its writers says, and without the version, which every release changes."""
    found = json.loads(schema)
    del found["version"]
    return json.dumps(_said_by_all(found), indent=2, sort_keys=True) + "\n"


def _said_by_all(value: Any) -> Any:
    if isinstance(value, list):
        return [_said_by_all(v) for v in value]
    if not isinstance(value, dict):
        return value
    kept = {k: _said_by_all(v) for k, v in value.items() if v not in (None, {}, [])}  # the engine leaves empty ones out
    for inner in ("items", "additionalProperties"):
        if isinstance(kept.get(inner), dict):
            kept[inner].pop("description", None)  # Python's analyzer repeats the outer one there
    return kept
