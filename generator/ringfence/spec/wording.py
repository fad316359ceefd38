"""One error of a pydantic model as one line for people: what, where, and what to type next."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ringfence.documents import Document, Path
from ringfence.errors import InputError, nearest
from ringfence.spec import fields as d

_Schema = Mapping[str, Any]

_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "int_from_float": "integer",
    "bool_type": "true or false",
    "list_type": "list",
    "dict_type": "mapping",
    "model_type": "mapping",
}
_PATTERNS = {
    d.NAME: "use lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit",
    d.CIDR: "write an address and a prefix length, such as 10.0.0.0/16",
    d.ADDRESS: "write an address such as 10.0.0.1 or fd00::1",
    d.QUANTITY: 'write a quantity such as "500m", "2" or 4Gi',
    d.DATE: 'write a date as "YYYY-MM-DD"',
    d.URL: "write an https URL without query, fragment or user name",
    d.LABEL_KEY: "write a label such as app or example.com/app",
    d.LABEL_VALUE: "use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends",
    d.LINE: "write it on one line",
    d.WORD: "leave out white space and control characters",
    d.PREFIX: "use lower-case letters, digits and dashes, and end it with a colon",
    d.FOLDER: "write a relative path such as clusters/production",
}


def refusal(document: Document, kind: str, schema: _Schema, error: Any) -> InputError:
    """One pydantic error of a document; `schema` is the JSON Schema of its kind."""
    path: Path = tuple(p for p in error["loc"] if p not in (d.SHORT, d.FULL, "[key]"))
    message, hint = _say(kind, schema, path, error)
    return InputError(message, place=document.place(path), hint=hint)


def _say(kind: str, schema: _Schema, path: Path, error: Any) -> tuple[str, str | None]:
    """Message and hint."""
    what, got, ctx, loc = error["type"], error["input"], error.get("ctx", {}), error["loc"]
    name = _spell(path) or "the document"
    if what in ("extra_forbidden", "missing"):
        known = _fields(schema, path[:-1])
        inside = f" in {_spell(path[:-1])}" if path[1:] else ""
        if what == "missing":
            why = known.get(path[-1], {}).get("description", "").rstrip(".")
            return f'missing key "{path[-1]}"{inside}', f"add `{path[-1]}:`" + (f" ({why})" if why else "")
        hint = nearest(str(path[-1]), map(str, known)) or f"`ringfence schema {kind}` lists them"
        return f"unknown key {_show(path[-1])}{inside}", hint
    if loc[-1:] == ("[key]",):
        return f"{_spell(path[:-1])}: {_show(path[-1])} is not a valid key", _key_hint(what, ctx)
    if what == "literal_error":
        choices = [c.strip("' ") for c in ctx["expected"].replace(" or ", ", ").split(",")]
        return f"{name}: {_show(got)} is not a valid choice", _choice_hint(got, choices)
    if what == "string_pattern_mismatch":
        return f"{name}: {_show(got)} does not parse", _pattern_hint(got, ctx["pattern"])
    if what in _TYPES:
        wanted = "string or mapping" if loc[-1:] == (d.FULL,) and what == "model_type" else _TYPES[what]
        return f"{name}: expected {wanted}, got {_show(got)}", _type_hint(wanted, got, _fields(schema, path))
    message, advice = _bound(what, got, ctx)
    return f"{name}: {message or error['msg'].lower()}", advice


def _bound(what: str, got: Any, ctx: Mapping[str, Any]) -> tuple[str, str | None]:
    """Message and hint for a bound that was passed; no message when it is something else."""
    if what in ("greater_than_equal", "less_than_equal"):
        return f"{got} is out of range", f"write at least {ctx['ge']}" if "ge" in ctx else f"write at most {ctx['le']}"
    if not what.endswith(("too_short", "too_long")):
        return "", None
    noun = "character" if what.startswith("string") else "item"
    bound = f"at least {ctx['min_length']:,}" if "min_length" in ctx else f"at most {ctx['max_length']:,}"
    return f"it has {len(got):,} {noun}{'' if len(got) == 1 else 's'}", f"write {bound}"


def _choice_hint(got: Any, choices: list[str]) -> str | None:
    if not isinstance(got, str) and str(got) in choices:
        return f'quote it: "{got}"'
    return nearest(str(got), choices)


def _type_hint(wanted: str, got: Any, fields: Mapping[str | int, _Schema]) -> str | None:
    if got is None:
        return "write a value, or remove the key"
    if wanted.startswith("string") and isinstance(got, (bool, int, float)):
        return f'quote it: "{json.dumps(got)}"'
    if wanted in ("integer", "true or false") and isinstance(got, str):
        return "remove the quotes" if got.isdecimal() or got in ("true", "false") else None
    if wanted == "list" and not isinstance(got, dict):
        return f"write [{_show(got)}]"
    if wanted == "mapping":
        return f"its keys: {', '.join(map(str, fields))}" if fields else "write keys and values"
    return None


def _pattern_hint(got: str, pattern: str) -> str:
    if pattern == d.REGISTRY and re.search(pattern, f"{got}/"):
        return f'end it with a slash: "{got}/"'
    if pattern == d.REGISTRY:
        return "write a host in lower case, perhaps a path, and a slash, such as registry.example.com/team/"
    return _PATTERNS.get(pattern, f"it must match {pattern}")


def _key_hint(what: str, ctx: Mapping[str, Any]) -> str | None:
    if "pattern" in ctx:
        return _pattern_hint("", ctx["pattern"])
    return f"expected {ctx['expected']}" if what == "literal_error" else None


def _spell(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _show(value: Any) -> str:
    """A short, safe rendering of a refused value."""
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields(schema: _Schema, path: Path) -> dict[str | int, _Schema]:
    """The keys allowed at `path` of a document, with their schemas."""
    here: _Schema = schema
    for part in path:
        here = _mapping(here, schema["$defs"])
        if isinstance(part, int):
            here = here.get("items", {})
        else:
            known = here.get("properties", {})
            here = known[part] if part in known else _of_any_key(here)
    return dict(_mapping(here, schema["$defs"]).get("properties", {}))


def _of_any_key(schema: _Schema) -> _Schema:
    found = next(iter(schema.get("patternProperties", {}).values()), None) or schema.get("additionalProperties")
    return found if isinstance(found, dict) else {}


def _mapping(schema: _Schema, defs: _Schema) -> _Schema:
    """The schema itself, or of several the one that is a mapping's."""
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        if options:
            return _mapping(next((o for o in options if "$ref" in o or "oneOf" in o), {}), defs)
    found: _Schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found
