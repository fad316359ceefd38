"""Judging a document: the JSON Schema says yes or no and fills defaults, pydantic words the no.

Compiling the schema costs 2 ms, importing the pydantic models 100: a valid document never pays for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ringfence import bundled
from ringfence.documents import Document
from ringfence.errors import InputError, RingfenceError, raise_all

if TYPE_CHECKING:
    from pydantic import BaseModel

_MODELS = {
    "cluster": ("document", "ClusterDocument"),
    "profile": ("document", "ProfileDocument"),
    "control": ("control", "ControlDocument"),
    "probes": ("probes", "ProbesDocument"),
    "findings": ("report", "FindingsDocument"),
    "verdicts": ("report", "VerdictsDocument"),
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
    schema: dict[str, Any] = _closed(model(kind).model_json_schema())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"ringfence/v1alpha1/{kind}.json",
        **schema,
    }


def _closed(node: Any) -> Any:
    """The schema with mappings whose keys follow a pattern closed to other keys, as their models are."""
    if isinstance(node, dict):
        closed = {key: _closed(value) for key, value in node.items()}
        return {**closed, "additionalProperties": False} if "patternProperties" in closed else closed
    return [_closed(value) for value in node] if isinstance(node, list) else node


def _fill(schema: dict[str, Any], value: Any, defs: dict[str, Any]) -> Any:
    """`value` with the defaults of `schema` where it leaves something out. The value is valid."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    for options in (schema.get("oneOf"), schema.get("anyOf")):
        if options:
            forms = [o for o in options if not o.keys().isdisjoint(("$ref", "oneOf", "anyOf"))]
            schema = forms[0] if forms and isinstance(value, dict) else {}
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

    from ringfence.spec.wording import refusal

    try:
        model(kind).model_validate(document.value)
    except ValidationError as bad:
        schema = json_schema(kind)
        return [refusal(document, kind, schema, e) for e in bad.errors(include_url=False)]
    return [InputError(f"not a valid {kind} document", place=document.place())]
