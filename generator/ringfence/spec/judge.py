"""Judging a document: the JSON Schema says yes or no and fills defaults, pydantic words the no.

Compiling the schema costs 2 ms, importing the pydantic models 100: a valid document never pays for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ringfence import bundled
from ringfence.documents import Document, Path
from ringfence.errors import InputError, RingfenceError, nearest, raise_all

if TYPE_CHECKING:
    from pydantic import BaseModel

_MODELS = {
    "cluster": ("document", "ClusterDocument"),
    "profile": ("document", "ProfileDocument"),
    "control": ("control", "ControlDocument"),
    "probes": ("control", "ProbesDocument"),
    "findings": ("report", "FindingsDocument"),
}
KINDS = tuple(_MODELS)


def judge(document: Document, kind: str) -> dict[str, Any]:
    """The document's data with every default filled in; raises all of its errors, each with its place."""
    schema, valid = _judge(kind)
    if not valid(document.value):
        raise_all(_refusals(document, kind))
    filled: dict[str, Any] = _fill(schema, document.value, schema.get("$defs", {}))
    return filled


@cache
def _judge(kind: str) -> tuple[dict[str, Any], Callable[[Any], bool]]:
    """The schema of a document kind and its compiled verdict."""
    import jsonschema_rs

    schema = json.loads(bundled.document_schema(kind).read_bytes())
    return schema, jsonschema_rs.validator_for(schema).is_valid


def model(kind: str) -> type[BaseModel]:
    """The pydantic model of a document kind."""
    from importlib import import_module

    module, name = _MODELS[kind]
    found: type[BaseModel] = getattr(import_module(f"ringfence.spec.{module}"), name)
    return found


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a document kind, as committed under docs/schema/."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"ringfence/v1alpha1/{kind}.json",
        **model(kind).model_json_schema(),
    }


def _fill(schema: dict[str, Any], value: Any, defs: dict[str, Any]) -> Any:
    """`value` with the defaults of `schema` where it leaves something out. The value is valid."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        if options:
            wanted = dict if isinstance(value, dict) else type(value)
            schema = next((o for o in options if wanted is dict and "$ref" in o), {})
            return _fill(schema, value, defs) if schema else value
    if isinstance(value, list):
        items = schema.get("items", {})
        if "type" in items and items["type"] != "object":
            return value
        return [item if item.__class__ is str else _fill(items, item, defs) for item in value]
    properties = schema.get("properties")
    if not isinstance(value, dict) or not properties:
        return value
    return {
        name: _fill(inner, value[name], defs) if name in value else _default(inner, defs)
        for name, inner in properties.items()
        if name in value or "default" in inner or "$ref" in inner
    }


def _default(schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    return _fill(schema, schema.get("default", {}), defs)


def _refusals(document: Document, kind: str) -> list[RingfenceError]:
    from pydantic import ValidationError

    try:
        model(kind).model_validate(document.value)
    except ValidationError as bad:
        return [_refusal(document, kind, e) for e in bad.errors(include_url=False)]
    return [InputError(f"not a valid {kind} document", place=document.place())]


def _refusal(document: Document, kind: str, error: Any) -> RingfenceError:
    """One pydantic error as one line: what, where, and the nearest valid choice."""
    path: Path = tuple(p for p in error["loc"] if p not in ("short", "full"))
    what, got, ctx = error["type"], error["input"], error.get("ctx", {})
    place = document.place(path)
    name = _spell(path)
    if what == "extra_forbidden":
        parent = _spell(path[:-1])
        hint = nearest(str(path[-1]), _fields(kind, error["loc"][:-1]))
        return InputError(f'unknown key "{path[-1]}"' + (f" in {parent}" if parent else ""), place=place, hint=hint)
    if what == "missing":
        return InputError(f'missing key "{path[-1]}"' + (f" in {_spell(path[:-1])}" if path[1:] else ""), place=place)
    if what == "literal_error":
        choices = [c.strip("' ") for c in ctx["expected"].replace(" or ", ", ").split(",")]
        hint = nearest(str(got), choices)
        if isinstance(got, float):
            hint = f'quote it: "{got}"'
        return InputError(f"{name}: {_show(got)} is not a valid choice", place=place, hint=hint)
    if what == "string_pattern_mismatch":
        return InputError(f"{name}: {_show(got)} does not parse", place=place, hint=_pattern_hint(ctx["pattern"]))
    if what.endswith("_type") or what.startswith("union_tag"):
        expected = {"union_tag_invalid": "string or mapping"}.get(what, _TYPES.get(what, what))
        quoted = f'quote it: "{got}"' if expected == "string" and isinstance(got, (int, float)) else None
        return InputError(f"{name}: expected {expected}, got {_show(got)}", place=place, hint=quoted)
    return InputError(f"{name}: {error['msg'].lower()}, got {_show(got)}", place=place)


_TYPES = {
    "string_type": "string",
    "int_type": "integer",
    "bool_type": "true or false",
    "list_type": "list",
    "dict_type": "mapping",
    "model_type": "mapping",
    "float_type": "number",
}


def _spell(path: Path) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _show(value: Any) -> str:
    """A short, safe rendering of a refused value."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _pattern_hint(pattern: str) -> str:
    from ringfence.spec import document as d

    return {
        d.NAME: "use lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit",
        d.CIDR: "write an address and a prefix length, such as 10.0.0.0/16",
        d.QUANTITY: 'write a quantity such as "500m", 2 or 4Gi',
        d.DATE: "write a date as YYYY-MM-DD",
        d.URL: "write an https URL",
    }.get(pattern, f"it must match {pattern}")


def _fields(kind: str, loc: Path) -> list[str]:
    """The keys allowed at `loc`, read from the JSON Schema."""
    schema = json_schema(kind)
    defs, here = schema["$defs"], schema
    for part in loc:
        here = _step(here, part, defs)
    return list(_deref(here, defs).get("properties", {}))


def _deref(schema: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        if options:
            schema = next((o for o in options if "$ref" in o), {})
    return defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _step(schema: dict[str, Any], part: str | int, defs: dict[str, Any]) -> dict[str, Any]:
    if part in ("short", "full"):
        return schema
    schema = _deref(schema, defs)
    if isinstance(part, int):
        found: dict[str, Any] = schema.get("items", {})
        return found
    properties = schema.get("properties", {})
    return properties[part] if part in properties else schema.get("additionalProperties", {}) or {}
