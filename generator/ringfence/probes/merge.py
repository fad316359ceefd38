"""Merging what differs over an object, and finding out in what an answer differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_BY_NAME = ("containers", "initContainers", "volumes")  # lists whose items have a name of their own


def merged(base: Any, over: Any, key: str = "") -> Any:
    """`base` with `over` merged in; null removes a key, a list replaces the other but for containers and volumes."""
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        result = dict(base)
        for name, value in over.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = merged(result.get(name), value, name)
        return result
    if key in _BY_NAME and isinstance(base, list) and isinstance(over, list):
        return _named(base, over)
    return over


def _named(base: list[Any], over: list[Any]) -> list[Any]:
    result = {item.get("name"): item for item in base}
    for item in over:
        result[item.get("name")] = merged(result.get(item.get("name")), item)
    return list(result.values())


def difference(wanted: Any, got: Any, path: str = "") -> str | None:
    """The first way in which `got` does not hold all of `wanted`: `no <path>` or `<path>: <value>`; None when it does.

    Of a list, each wanted item must match one that is there, in any order.
    """
    return next(_differences(wanted, got, path), None)


def _differences(wanted: Any, got: Any, path: str) -> Iterator[str]:
    if got is None and wanted is not None:
        yield f"no {path}"
    elif isinstance(wanted, Mapping) and isinstance(got, Mapping):
        for key, value in wanted.items():
            yield from _differences(value, got.get(key), f"{path}.{key}" if path else key)
    elif isinstance(wanted, list) and isinstance(got, list):
        for item in wanted:
            found = [difference(item, one, f"{path}[{i}]") for i, one in enumerate(got)]
            if not found:
                yield f"no {path}"
            elif all(found):
                scalar = not isinstance(item, (Mapping, list))
                yield f"{path}: {_show(got)}" if scalar else found[0] or ""
    elif wanted != got:
        yield f"{path}: {_show(got)}"


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:197] + "..."
