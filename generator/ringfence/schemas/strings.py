"""Which strings of an object its schema does not look at."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

# Keywords whose verdict on a node cannot depend on a string below it.  Whatever is not here, such as oneOf, not, enum,
# const or uniqueItems, makes the answer "not free".
BLIND = {
    "$ref", "additionalProperties", "allOf", "items", "maxItems", "maxProperties", "maximum", "minItems",
    "minProperties", "minimum", "multipleOf", "properties", "required", "type",
}  # fmt: skip
ABOUT_STRINGS = {"format", "maxLength", "minLength", "pattern"}  # they look at a string, not at what holds one


def is_free(defs: Schema, root: Schema, path: tuple[str | int, ...]) -> bool:
    """Tell whether any string at the path is as valid as any other; False when that is not certain."""
    nodes = applied(defs, root)
    for step in path:
        if nodes is None or not all(holds(node, step) for node in nodes):
            return False
        below: list[Schema] = []
        for node in nodes:
            child = child_of(node, step)
            if child is False:
                return False
            if isinstance(child, dict):
                deeper = applied(defs, child)
                if deeper is None:
                    return False
                below.extend(deeper)
        nodes = below
    return nodes is not None and all(takes_any_string(node) for node in nodes)


def applied(defs: Schema, schema: Schema) -> list[Schema] | None:
    """Return all the schemas that apply where this one does ($ref, allOf); None when one of them is not plain."""
    found: list[Schema] = []
    waiting = [schema]
    seen: set[str] = set()
    while waiting:
        node = waiting.pop()
        if not isinstance(node, dict) or not node.keys() <= BLIND | ABOUT_STRINGS:
            return None
        found.append(node)
        waiting.extend(node.get("allOf", ()))
        target = node.get("$ref")
        if target is not None and target not in seen:
            seen.add(target)
            waiting.append(defs[target.removeprefix("#/$defs/")])
    return found


def holds(node: Schema, step: str | int) -> bool:
    """Tell whether the schema's type allows a step into it."""
    return allows(node, "object" if isinstance(step, str) else "array")


def allows(node: Schema, name: str) -> bool:
    """Tell whether the schema allows values of this JSON type."""
    types = node.get("type", name)
    return name in types if isinstance(types, list) else name == types


def child_of(node: Schema, step: str | int) -> Schema | bool:
    """Return the schema of a field or an item: True when it is not restricted, False when it may not be there."""
    if isinstance(step, int):
        found = node.get("items", True)
    elif step in node.get("properties", {}):
        found = node["properties"][step]
    else:
        found = node.get("additionalProperties", True)
    return found if isinstance(found, dict | bool) else False


def takes_any_string(node: Schema) -> bool:
    """Tell whether a schema accepts every string."""
    return allows(node, "string") and not node.keys() & ABOUT_STRINGS
