"""The schema of stacks/plugin, in one form however it was got."""

from __future__ import annotations

import json
from typing import Any

from helpers import ROOT

GOLDEN = ROOT / "tests" / "goldens" / "plugin-schema.json"


def canonical(schema: str) -> str:
    """A package schema without what only one of its writers says: empty values, and the version, which each release changes."""
    found = json.loads(schema)
    del found["version"]
    return json.dumps(_filled(found), indent=2, sort_keys=True) + "\n"


def _filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _filled(v) for k, v in value.items() if v not in (None, {}, [])}
    return [_filled(v) for v in value] if isinstance(value, list) else value
