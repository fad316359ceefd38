"""The filters of templates: at most ten, each pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any


def cel(value: Any) -> str:
    """A value as a CEL literal: text, number, truth or a list of them. Source: the CEL specification, literals."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + json.dumps(value, ensure_ascii=False)[1:-1].replace("'", "\\'") + "'"  # CEL has no surrogate pairs
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(cel(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no CEL literal")


def join(values: Iterable[str], separator: str = "") -> str:
    """Strings joined with a separator."""
    return separator.join(values)


def unique(values: Iterable[Any]) -> list[Any]:
    """The values without repeats, in the order of their first appearance."""
    return list(dict.fromkeys(values))


def switched_on(names: Iterable[str]) -> dict[str, bool]:
    """Names as a mapping in which each is true: a set of flags that fold, such as feature gates."""
    return dict.fromkeys(names, True)


FILTERS: dict[str, Callable[..., Any]] = {
    "cel": cel,
    "join": join,
    "length": len,
    "list": list,
    "sort": sorted,
    "switched_on": switched_on,
    "unique": unique,
}
