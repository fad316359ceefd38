"""The choices of cluster.yaml, read from its JSON Schema: options and documents can't drift apart."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ringfence import bundled


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(bundled.document_schema("cluster").read_bytes())
    return schema


def choices(*path: str) -> tuple[str, ...]:
    """The values that the field at `path` may take, such as `choices("network", "cni")`."""
    found = _field(path)
    return tuple(found.get("enum") or found["items"]["enum"])


def default(*path: str) -> Any:
    """The default of the field at `path`."""
    return _field(path)["default"]


def _field(path: tuple[str, ...]) -> dict[str, Any]:
    here = _schema()
    for name in path:
        if "$ref" in here:
            here = _schema()["$defs"][here["$ref"].rpartition("/")[2]]
        here = here["properties"][name]
    return here
