"""Definitions of the custom kinds that a bundle uses, in place of the operators that register them on a cluster.

Made from the schemas that ringfence validates with, so that the API server itself refuses what they refuse. What such
a schema doesn't hold isn't there either: CEL rules, defaults, conversion between versions. Nobody acts on the objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ringfence.schemas import SchemaStore

if TYPE_CHECKING:
    from ringfence.model import Bundle
    from ringfence.sandbox.readiness import Client

_KIND = "CustomResourceDefinition"
_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Groups that the API server wants an approval for (apiextensions.k8s.io/v1, api-approved.kubernetes.io).
_PROTECTED = re.compile(r"(^|\.)(k8s|kubernetes)\.io$")
_UNAPPROVED = {"api-approved.kubernetes.io": "unapproved, a stand-in on a disposable control plane"}
_JUNCTORS = ("allOf", "anyOf", "oneOf")
_OPEN = {"x-kubernetes-preserve-unknown-fields": True}
_OF_TYPES = ("type", "additionalProperties")  # what a structural schema says outside junctors alone

Definition = dict[str, Any]
Schema = dict[str, Any]


def of_bundle(bundle: Bundle) -> tuple[Definition, ...]:
    """A definition for each custom kind among the bundle's objects, but for those that the bundle defines itself."""
    store = SchemaStore(bundle.cluster.kubernetes)
    builtin = store.groups()
    uses: dict[tuple[str, str], dict[str, bool]] = {}
    own = set()
    for manifest in bundle:
        group, _, version = manifest.shape.api_version.rpartition("/")
        if group not in builtin:
            uses.setdefault((group, manifest.kind), {})[version] = bool(manifest.namespace)
        elif manifest.kind == _KIND:
            own.add((manifest.body["spec"]["group"], manifest.body["spec"]["names"]["kind"]))
    return tuple(define(store, *key, uses[key]) for key in sorted(uses.keys() - own))


def define(store: SchemaStore, group: str, kind: str, used: Mapping[str, bool]) -> Definition:
    """A definition of one kind; `used` is version → do its objects have namespaces, which not every schema tells."""
    versions, namespaced = [], True
    for version, inside in sorted(used.items()):
        schema = store.kind(f"{group}/{version}", kind)
        assert schema is not None, f"{group}/{version} {kind} was validated"  # noqa: S101 # unknown kinds are refused
        namespaced = inside if schema.namespaced is None else schema.namespaced
        whole = {"openAPIV3Schema": _top_level(schema.schema)}
        versions.append({"name": version, "served": True, "storage": False, "schema": whole})
    versions[-1]["storage"] = True
    metadata = {"name": f"{plural(kind)}.{group}", "annotations": _UNAPPROVED if _PROTECTED.search(group) else {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": _KIND,
        "metadata": metadata,
        "spec": {
            "group": group,
            "names": {"kind": kind, "listKind": f"{kind}List", "singular": kind.lower(), "plural": plural(kind)},
            "scope": "Namespaced" if namespaced else "Cluster",
            "versions": versions,
        },
    }


def plural(kind: str) -> str:
    """The name of a kind's resource, by the rule that the projects whose kinds we emit keep to."""
    lower = kind.lower()
    if re.search(r"[^aeiou]y$", lower):
        return f"{lower[:-1]}ies"
    return lower + ("es" if re.search(r"(s|x|z|ch|sh)$", lower) else "s")


# ------------------------------------------------------------------------------------------------ structural schemas


def _top_level(document: Schema) -> Schema:
    """What a definition holds of a kind's schema: the API server itself judges apiVersion, kind and metadata."""
    defs = document["$defs"]
    found = structural(document, defs)
    text = {"type": "string"}
    found["properties"] |= {"apiVersion": text, "kind": text, "metadata": {"type": "object"}}
    found["required"] = [r for r in found.get("required", ()) if r not in ("apiVersion", "kind", "metadata")]
    return {k: v for k, v in found.items() if v != []}


def structural(node: Any, defs: Mapping[str, Schema]) -> Schema:
    """A JSON Schema as a structural schema: one type everywhere, no references, closed by pruning.

    Source: Kubernetes documentation, Custom Resources, Specifying a structural schema.
    """
    if not isinstance(node, dict):  # true: anything
        return dict(_OPEN)
    if "$ref" in node:
        return structural(defs[node["$ref"].removeprefix("#/$defs/")], defs)
    found = {k: v for k, v in node.items() if k not in ("$schema", "$defs", "type", "additionalProperties", "const")}
    found |= _typed(node)
    if "const" in node:
        found["enum"] = [node["const"]]
    if "properties" in node:
        found["properties"] = {name: structural(inner, defs) for name, inner in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict):
        found["additionalProperties"] = structural(node["additionalProperties"], defs)
    if "items" in node:
        found["items"] = structural(node["items"], defs)
    for junctor in _JUNCTORS:
        if junctor in node:
            found[junctor] = [_inside_junctor(inner, defs) for inner in node[junctor]]
    if "not" in node:
        found["not"] = _inside_junctor(node["not"], defs)
    return found


def _typed(node: Schema) -> Schema:
    """The type of a node, and whether it takes fields that it doesn't name."""
    kinds = node.get("type")
    if isinstance(kinds, list) and set(kinds) == {"integer", "string"}:
        return {"x-kubernetes-int-or-string": True}
    if kinds is None:
        return dict(_OPEN)
    opened = kinds == "object" and node.get("additionalProperties", True) is True
    return {"type": kinds, **(_OPEN if opened else {})}


def _inside_junctor(node: Any, defs: Mapping[str, Schema]) -> Schema:
    """A branch of anyOf and its like: conditions alone, since types stand outside."""
    if not isinstance(node, dict):
        return {}
    if "$ref" in node:
        return _inside_junctor(defs[node["$ref"].removeprefix("#/$defs/")], defs)
    found = {k: v for k, v in node.items() if k not in _OF_TYPES}
    if "properties" in node:
        found["properties"] = {name: _inside_junctor(inner, defs) for name, inner in node["properties"].items()}
    for junctor in _JUNCTORS:
        if junctor in node:
            found[junctor] = [_inside_junctor(inner, defs) for inner in node[junctor]]
    for single in ("not", "items"):
        if single in node:
            found[single] = _inside_junctor(node[single], defs)
    return found


# ------------------------------------------------------------------------------------------------- on an API server


def install(client: Client, definitions: Iterable[Definition]) -> None:
    """Register kinds that nobody has registered yet; ToolError with the API server's refusal."""
    for one in definitions:
        client.ensure(_COLLECTION, one)


def served(client: Client, definitions: Iterable[Definition]) -> bool:
    """Are all of them established, and do their resources answer?"""
    return all(_established(client, one) for one in definitions)


def _established(client: Client, one: Definition) -> bool:
    status, text = client.request("GET", f"{_COLLECTION}/{one['metadata']['name']}")
    conditions = json.loads(text).get("status", {}).get("conditions", ()) if status == 200 else ()
    if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        return False
    group, names = one["spec"]["group"], one["spec"]["names"]
    resources = (f"/apis/{group}/{v['name']}/{names['plural']}?limit=1" for v in one["spec"]["versions"])
    return all(client.answers(path) for path in resources)


def stand_ins(definitions: Iterable[Definition]) -> list[dict[str, str]]:
    """What stands in for what, for the sandbox's record."""
    return [
        {
            "what": f"{_KIND} {one['metadata']['name']} ({', '.join(v['name'] for v in one['spec']['versions'])})",
            "for": f"the project that owns {one['spec']['group']}, which registers {one['spec']['names']['kind']}",
            "reason": "the bundle has such objects; made from the schema that ringfence ships, and nobody acts on them",
        }
        for one in definitions
    ]
