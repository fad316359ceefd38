"""What an API server holds of an object beside what was applied, field by field, and the committed list of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

LIST = Path(__file__).with_name("extra_fields.yaml")
ANY = "any"  # the section of extra_fields.yaml about every kind


class Field(NamedTuple):
    """A field as a path (`spec.rules[*].verbs`) and what it holds."""

    path: str
    value: Any


class Line(NamedTuple):
    """A line of extra_fields.yaml: a field's path on objects of a kind, and why it is there or what it defaults to."""

    kind: str
    path: str


def lacking(wanted: Any, held: Any, path: str = "") -> Iterator[str]:
    """Every field of `wanted` that `held` does not hold, or holds otherwise."""
    if isinstance(wanted, dict) and isinstance(held, dict):
        for key, value in wanted.items():
            inner = f"{path}.{key}".lstrip(".")
            if key in held:
                yield from lacking(value, held[key], inner)
            else:
                yield f"{inner} is gone"
    elif isinstance(wanted, list) and isinstance(held, list) and len(wanted) == len(held):
        for number, (ours, theirs) in enumerate(zip(wanted, held, strict=True)):
            yield from lacking(ours, theirs, f"{path}[{number}]")
    elif type(wanted) is not type(held) or wanted != held:
        yield f"{path} is {held!r}, and the tree has {wanted!r}"


def further(wanted: Any, held: Any, path: str = "") -> Iterator[Field]:
    """Every field that `held` has and `wanted` has not, whole where all of it is further."""
    if isinstance(wanted, dict) and isinstance(held, dict):
        for key, value in held.items():
            inner = f"{path}.{key}".lstrip(".")
            if key in wanted:
                yield from further(wanted[key], value, inner)
            elif isinstance(value, dict) and inner in ("metadata", "metadata.annotations", "metadata.labels", "spec"):
                yield from further({}, value, inner)  # such a folder says nothing, what is in it does
            else:
                yield Field(inner, value)
    elif isinstance(wanted, list) and isinstance(held, list):
        for ours, theirs in zip(wanted, held, strict=False):
            yield from further(ours, theirs, f"{path}[*]")


def explained(listed: dict[str, dict[str, Any]], kind: str, found: Field) -> Line | None:
    """The line that says why a field is there: a reason for what varies, `default: VALUE` for what must be that value."""
    for section in (kind, ANY):
        entry = listed.get(section, {}).get(found.path)
        if isinstance(entry, str) or (isinstance(entry, dict) and found.value in entry["default"]):
            return Line(section, found.path)
    return None


def read_list() -> dict[str, dict[str, Any]]:
    """extra_fields.yaml."""
    found: dict[str, dict[str, Any]] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return found


def lines(listed: dict[str, dict[str, Any]]) -> set[Line]:
    """Every line of it."""
    return {Line(kind, path) for kind, entries in listed.items() for path in entries}
