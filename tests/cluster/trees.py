"""Changes to nested mappings and lists, each on a copy."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from ringfence.shape import Path


def spell(path: Path) -> str:
    """As people write it."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def at(tree: Any, path: Path) -> Any:
    """What stands there."""
    for step in path:
        tree = tree[step]
    return tree


def put(tree: Any, path: Path, value: Any) -> Any:
    """With another value there."""
    made = copy.deepcopy(tree)
    at(made, path[:-1])[path[-1]] = value
    return made


def less(tree: Any, path: Path) -> Any:
    """Without what stands there."""
    made = copy.deepcopy(tree)
    del at(made, path[:-1])[path[-1]]
    return made


def leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every value that is neither a mapping nor a list."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from leaves(inner, (*path, i))
    else:
        yield path, value
