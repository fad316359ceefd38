"""Operations on schemas for `tools/schemas.py`: compacting, closing, sharing and writing them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
COPIED = {
    "type", "required", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "minProperties", "maxProperties", "multipleOf",
}  # fmt: skip
FORMATS = {"date-time", "cidr", "ipv4", "ipv6"}  # those the API server checks; it ignores idn-hostname, double, int64
INT32 = (-(2**31), 2**31 - 1)
BASE64 = r"^[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*$"  # never refuses what Go's base64 accepts
HOISTED = 160  # bytes: a subschema at least this long that occurs twice in a CRD group becomes a definition


def short(name: str) -> str:
    """Shorten io.k8s.api.core.v1.Pod to core.v1.Pod; two or three parts tell all definitions apart."""
    parts = name.split(".")
    return ".".join(parts[-3:] if re.fullmatch(r"v\d\w*", parts[-2]) else parts[-2:])


def compact(node: Any, structural: bool = True) -> Any:
    """Reduce one OpenAPI or JSON schema to the keywords that decide validity.

    `structural` is false inside oneOf, anyOf, allOf and not, whose branches restrict fields that are declared outside.
    """
    if isinstance(node, bool):
        return node
    out: Schema = {key: node[key] for key in COPIED & node.keys()}
    if "$ref" in node:
        return {"$ref": "#/$defs/" + short(node["$ref"].rsplit("/", 1)[1])}
    if isinstance(out.get("type"), list):
        kept = [name for name in out["type"] if name != "null"]
        out["type"] = kept[0] if len(kept) == 1 else kept
    if "enum" in out:
        out["enum"] = [value for value in out["enum"] if value is not None]
    compact_number(node, out)
    if node.get("format") in FORMATS and out.get("type", "string") == "string":
        out["format"] = node["format"]
    elif node.get("format") == "byte":
        out.setdefault("pattern", BASE64)
    if "items" in node:
        out["items"] = compact(node["items"], structural)
    compact_object(node, out, structural)
    for word in ("oneOf", "anyOf", "allOf"):
        if word in node:
            out[word] = [compact(branch, structural=False) for branch in node[word]]
    if "not" in node:
        out["not"] = compact(node["not"], structural=False)
    if node.get("x-kubernetes-int-or-string"):
        out["type"] = ["integer", "string"]
        out.pop("anyOf", None)
        out.pop("allOf", None)
    return out


def compact_number(node: Schema, out: Schema) -> None:
    """Write the bounds of a 32-bit integer, and OpenAPI's boolean exclusive bounds as JSON Schema's numbers."""
    if node.get("format") == "int32" and out.get("type") == "integer":
        out["minimum"] = max(out.get("minimum", INT32[0]), INT32[0])
        out["maximum"] = min(out.get("maximum", INT32[1]), INT32[1])
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if node.get(exclusive) is True:
            out[exclusive] = out.pop(bound)


def compact_object(node: Schema, out: Schema, structural: bool) -> None:
    """Close an object that declares no open fields, and forget required fields that the API server defaults."""
    fields = node.get("properties", {})
    if fields:
        out["properties"] = {name: compact(field, structural) for name, field in fields.items()}
    if structural and "required" in out:
        out["required"] = [name for name in out["required"] if "default" not in fields.get(name, {})]
    if not out.get("required", True):
        del out["required"]
    rest = node.get("additionalProperties")
    if isinstance(rest, dict):
        out["additionalProperties"] = compact(rest, structural)
        return
    opened = rest is True or node.get("x-kubernetes-preserve-unknown-fields")
    if node.get("x-kubernetes-embedded-resource") and not opened:
        out["properties"] = {"apiVersion": TEXT, "kind": TEXT, "metadata": {"type": "object"}} | out.get(
            "properties", {}
        )
    if rest is False or (structural and node.get("type") == "object" and not opened):
        out["additionalProperties"] = False


def top_level(schema: Schema, api_version: str, kind: str, metadata: Schema | None) -> Schema:
    """Return the schema of a whole object: constant apiVersion and kind, a name, any status."""
    required = set(schema.get("required", ())) - {"status"} | {"apiVersion", "kind"}
    fields = {**schema["properties"], "apiVersion": {"const": api_version}, "kind": {"const": kind}}
    if metadata is not None:
        fields["metadata"] = metadata
        required.add("metadata")
    if "status" in fields:
        fields["status"] = {"type": "object"}
    return {**schema, "properties": fields, "required": sorted(required), "additionalProperties": False}


def references(node: Any) -> Iterator[str]:
    """Yield the definition names that a schema refers to."""
    if isinstance(node, dict):
        target = node.get("$ref")
        if isinstance(target, str):  # a mapping here is a property called $ref
            yield target.removeprefix("#/$defs/")
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def reachable(defs: Schema, roots: Iterable[str]) -> Schema:
    """Return the definitions that the roots need, themselves included."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(references(defs[name]))
    return {name: defs[name] for name in seen}


def hoist(schemas: dict[str, Schema]) -> tuple[Schema, dict[str, str]]:
    """Share the subschemas that occur more than once; returns (definitions, key → definition name)."""
    seen: dict[str, int] = {}
    for schema in schemas.values():
        count(schema, seen)
    defs: Schema = {}
    names: dict[str, str] = {}

    def share(node: Any, label: str) -> Any:
        if not isinstance(node, dict):
            return node
        text = line(node)
        if len(text) < HOISTED or seen[text] < 2:
            return replace(node, label, share)
        if text not in names:
            names[text] = free_name(label, names)
            defs[names[text]] = replace(node, label, share)
        return {"$ref": f"#/$defs/{names[text]}"}

    tops = {key: "{2}.{1}".format(*("/" + key).rsplit("/", 2)) for key in schemas}
    for key, schema in schemas.items():
        defs[tops[key]] = replace(schema, tops[key], share)
    return defs, tops


def free_name(label: str, names: dict[str, str]) -> str:
    """Return the field's name, numbered when another definition has it."""
    taken = set(names.values())
    return next(name for name in (label, *(f"{label}-{n}" for n in range(2, 10_000))) if name not in taken)


def count(node: Any, seen: dict[str, int]) -> None:
    """Count each distinct subschema's places; what is inside a repeated subschema counts once."""
    text = line(node)
    seen[text] = seen.get(text, 0) + 1
    if seen[text] == 1:
        replace(node, "", lambda child, _: count(child, seen))


def replace(node: Schema, label: str, change: Callable[[Any, str], Any]) -> Schema:
    """Return a schema with `change(child, label)` applied to each schema directly inside it."""
    out = dict(node)
    if "properties" in node:
        out["properties"] = {name: change(child, name) for name, child in sorted(node["properties"].items())}
    for word in ("items", "additionalProperties", "not"):
        if isinstance(node.get(word), dict):
            out[word] = change(node[word], label)
    for word in ("oneOf", "anyOf", "allOf"):
        if word in node:
            out[word] = [change(child, label) for child in node[word]]
    return out


def line(value: Any) -> str:
    """Return canonical one-line JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def dump(document: Schema) -> str:
    """Return a schema document's text: one kind and one definition a line, sorted."""
    parts = []
    for key, value in document.items():
        if isinstance(value, dict):
            rows = ",\n".join(f"{line(name)}:{line(value[name])}" for name in sorted(value))
            parts.append(f"{line(key)}:{{\n{rows}\n}}")
        else:
            parts.append(f"{line(key)}:{line(value)}")
    return "{" + ",\n".join(parts) + "}\n"
