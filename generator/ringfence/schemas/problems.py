"""What is wrong with an object, in ringfence's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError

Path = tuple[str | int, ...]

SCALARS = (str, int, float, bool, type(None))
LONGEST = 80  # characters of a refused value that a message shows


@dataclass(frozen=True)
class Problem:
    """One reason why an object is not valid: the place in it, a short message and, where there is one, a hint."""

    path: Path
    message: str
    hint: str | None = None

    def order(self) -> tuple[object, ...]:
        """Sort by path, list positions by number, then by message."""
        steps = tuple((0, step, "") if isinstance(step, int) else (1, 0, step) for step in self.path)
        return (steps, self.message, self.hint or "")


def describe(error: ValidationError, schema: dict[str, Any]) -> Iterator[Problem]:
    """Say one jsonschema_rs error; `schema` is the document it was found with."""
    path = tuple(error.instance_path)
    keyword = error.kind.name
    details = error.kind.as_dict()
    if keyword == "additionalProperties":
        parent = at(schema, error.schema_path[:-1])
        known = parent.get("properties", {}) if isinstance(parent, dict) else {}
        for field in details["unexpected"]:
            yield Problem((*path, field), f'unknown field "{field}"', suggestion(field, known))
        return
    hint = None
    if keyword == "enum":
        hint = suggestion(error.instance, details["options"])
    elif keyword in ("anyOf", "oneOf") and "context" in details:
        hint = closest(details["context"], schema, path)
    say = WORDS.get(keyword)
    yield Problem(path, error.message if say is None else say(error.instance, details), hint)


def at(schema: Any, path: Iterable[str | int]) -> Any:
    """Follow a schema path; None when it leads nowhere."""
    for step in path:
        try:
            schema = schema[step]
        except (KeyError, IndexError, TypeError):
            return None
    return schema


def suggestion(written: object, known: Iterable[Any]) -> str | None:
    """Return a hint when what was written resembles something known, letter case aside."""
    import difflib

    if not isinstance(written, str):
        return None
    names = {name.lower(): name for name in known if isinstance(name, str)}
    near = difflib.get_close_matches(written.lower(), names, n=1)
    return f'did you mean "{names[near[0]]}"?' if near else None


def closest(branches: list[list[ValidationError]], schema: dict[str, Any], path: Path) -> str | None:
    """Return a hint from the branch of an anyOf or oneOf that has least to object to."""
    failed = sorted((errors for errors in branches if errors), key=len)
    if not failed:
        return None
    first = min(describe(failed[0][0], schema), key=Problem.order)
    where = first.path[len(path) :] if first.path[: len(path)] == path else first.path
    place = ".".join(map(str, where))
    return f"the nearest form: {place + ': ' if place else ''}{first.message}"


def shown(value: object) -> str:
    """Return a value as JSON, cut short."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=repr)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def type_name(value: object) -> str:
    """Return the JSON name of a value's type, Python's for what JSON has not."""
    for python, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (dict, "object")):
        if isinstance(value, python):
            return name
    if isinstance(value, list | tuple):
        return "array"
    return "null" if value is None else type(value).__name__


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def options(values: list[Any]) -> str:
    """Return the values of an enum as a list."""
    return ", ".join(shown(value) for value in values)


# keyword → the message for (refused value, the error's details); other keywords keep jsonschema_rs' own message
WORDS: dict[str, Callable[[Any, dict[str, Any]], str]] = {
    "type": lambda value, d: f"expected {' or '.join(d['types'])}, got {type_name(value)}",
    "required": lambda _, d: f'missing required field "{d["property"]}"',
    "enum": lambda value, d: f"{shown(value)} is not one of {options(d['options'])}",
    "const": lambda value, d: f"expected {shown(d['expected_value'])}, got {shown(value)}",
    "pattern": lambda value, d: f"{shown(value)} does not match {d['pattern']}",
    "format": lambda value, d: f"{shown(value)} is not a valid {d['format']}",
    "minimum": lambda value, d: f"{shown(value)} is less than {d['limit']}",
    "maximum": lambda value, d: f"{shown(value)} is more than {d['limit']}",
    "minLength": lambda _, d: f"shorter than {counted(d['limit'], 'character')}",
    "maxLength": lambda _, d: f"longer than {counted(d['limit'], 'character')}",
    "minItems": lambda _, d: f"fewer than {counted(d['limit'], 'item')}",
    "maxItems": lambda _, d: f"more than {counted(d['limit'], 'item')}",
    "minProperties": lambda _, d: f"fewer than {counted(d['limit'], 'field')}",
    "maxProperties": lambda _, d: f"more than {counted(d['limit'], 'field')}",
    "anyOf": lambda _, d: f"fits none of the {len(d['context'])} allowed forms",
    "oneOf": lambda _, d: (
        "fits more than one of the allowed forms, of which exactly one is allowed"
        if any(not errors for errors in d["context"])
        else f"fits none of the {len(d['context'])} allowed forms"
    ),
    "not": lambda *_: "has a form that is not allowed",
}


def not_json(value: object, path: Path = ()) -> Iterator[Problem]:
    """Yield the values and keys that JSON cannot carry; a subclass of str counts, the validator takes none."""
    if isinstance(value, dict):
        for key, child in value.items():
            if type(key) is not str:
                yield Problem(path, f"expected string keys, got {key!r}", "quote it")
            else:
                yield from not_json(child, (*path, key))
    elif isinstance(value, list | tuple):
        for number, child in enumerate(value):
            yield from not_json(child, (*path, number))
    elif type(value) not in SCALARS:
        yield Problem(path, f"expected a JSON value, got {type(value).__name__}")


def cidr_like(text: str) -> bool:
    """Tell whether a string is an address block, as Go's net.ParseCIDR: an address and a prefix length."""
    import ipaddress

    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return text.rpartition("/")[2].isdecimal() and "/" in text
