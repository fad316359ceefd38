"""A bundle's objects as Pulumi resources, verbatim: what a reviewer read in the tree is what `pulumi up` applies."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import pulumi

from ringfence.errors import InputError, raise_all
from ringfence.shape import Manifest, Path, Wave, paths
from ringfence.sinks.pulumi import treatment

Key = tuple[str, str, str, str]  # API group, kind, namespace, name: an object's identity on a cluster
_EXACT = 2**53  # Pulumi carries every number as a double: integers past this lose bits


@dataclass(frozen=True, slots=True)
class Terms:
    """What one stack has decided about its objects: what is lifted, and what is there already."""

    unprotect: bool = False
    existing: frozenset[Key] = frozenset()  # on the cluster and ours, or adopted: imported unless in the state
    adopted: frozenset[Key] = frozenset()  # made by somebody else and named in `adopt`: their fields become ours


class KubernetesObject(pulumi.CustomResource):
    """One object on the cluster, registered without the typed SDK: its properties are the manifest's keys."""

    def __init__(self, token: str, name: str, body: Mapping[str, Any], opts: pulumi.ResourceOptions) -> None:
        super().__init__(token, name, dict(body), opts)

    @property
    def metadata(self) -> pulumi.Output[dict[str, Any]]:
        """The object's metadata as the API server holds it."""
        found: pulumi.Output[dict[str, Any]] = pulumi.get(self, "metadata")
        return found


@dataclass(slots=True)
class _Registered:
    """What has been registered so far, for later waves to wait for."""

    waves: dict[int, list[KubernetesObject]] = field(default_factory=dict)
    namespaces: dict[str, KubernetesObject] = field(default_factory=dict)
    owned: set[str] = field(default_factory=set)  # namespaces that go with the stack, and all in them


def key_of(manifest: Manifest) -> Key:
    """The identity of an object."""
    return (manifest.shape.group, manifest.kind, manifest.namespace, manifest.name)


def register(
    parent: pulumi.Resource,
    objects: Iterable[Manifest],
    opts: pulumi.ResourceOptions | None = None,
    terms: Terms | None = None,
) -> dict[str, KubernetesObject]:
    """Register objects as children of `parent`, in waves; returns them by `Kind/namespace/name`.

    Logical names are `<parent's name>/<namespace>/<kind>-<name>`. `opts` is merged into every object's options.
    Raises InputError, before anything is registered, for what must not or can't become a Pulumi resource.
    """
    terms = terms or Terms()
    ordered = sorted(objects, key=lambda m: m.wave)
    raise_all(list(_refusals(ordered)))
    made, result = _Registered(), {}
    for manifest in ordered:
        options = _options(parent, manifest, made, terms)
        resource = KubernetesObject(
            treatment.token(manifest),
            f"{parent.pulumi_resource_name}/{treatment.local_name(manifest)}",
            _body(manifest, key_of(manifest) in terms.adopted),
            pulumi.ResourceOptions.merge(options, opts) if opts else options,
        )
        made.waves.setdefault(manifest.wave, []).append(resource)
        if manifest.kind == "Namespace":
            made.namespaces[manifest.name] = resource
            if not _retained(manifest, terms):
                made.owned.add(manifest.name)
        result[manifest.id] = resource
    return result


def stack_name() -> str:
    """The stack as objects on a cluster name it: `project/stack`."""
    return f"{pulumi.get_project()}/{pulumi.get_stack()}"


def _body(manifest: Manifest, forced: bool) -> dict[str, Any]:
    body = manifest.body
    metadata = body["metadata"]
    added = treatment.added_annotations(manifest, stack_name(), forced)
    body["metadata"] = {**metadata, "annotations": {**metadata.get("annotations", {}), **added}}
    return body


def _options(parent: pulumi.Resource, manifest: Manifest, made: _Registered, terms: Terms) -> pulumi.ResourceOptions:
    patched = treatment.patched(manifest)
    imported = not patched and key_of(manifest) in terms.existing
    return pulumi.ResourceOptions(
        parent=parent,
        version=_provider_version(),
        depends_on=list(_needed(manifest, made)),
        protect=treatment.protected(manifest) and not terms.unprotect,
        retain_on_delete=_retained(manifest, terms),
        delete_before_replace=not patched,  # names are fixed: a second object can't stand beside the first
        deleted_with=made.namespaces[manifest.namespace] if manifest.namespace in made.owned else None,
        aliases=[_alias(f, parent) for f in treatment.formerly(manifest)],
        import_=treatment.cluster_id(manifest) if imported else None,
    )


def _retained(manifest: Manifest, terms: Terms) -> bool:
    """Does the object stay on the cluster whatever becomes of the stack?

    Deleting a patch takes its fields back: kube-system would stand open. And what somebody else made, and others have
    put things in, is not ours to empty: it stays for as long as `adopt` names it.
    """
    return treatment.patched(manifest) or (treatment.holds_others(manifest) and key_of(manifest) in terms.adopted)


def _needed(manifest: Manifest, made: _Registered) -> Sequence[KubernetesObject]:
    """What must be there first: the whole previous wave, but for a guard in a namespace that namespace alone.

    Guards are the many: naming every namespace in each would make the state grow with the square of their number.
    """
    if manifest.wave <= Wave.GUARDS and manifest.namespace in made.namespaces:
        return [made.namespaces[manifest.namespace]]
    earlier = [wave for wave in made.waves if wave < manifest.wave]
    return made.waves[max(earlier)] if earlier else []


def _alias(former: treatment.Former, parent: pulumi.Resource) -> pulumi.Alias:
    changes: dict[str, Any] = {}
    if former.name is not None:
        changes["name"] = f"{parent.pulumi_resource_name}/{former.name}"
    if former.token is not None:
        changes["type_"] = former.token
    return pulumi.Alias(**changes)


@cache
def _provider_version() -> str:
    """The provider that belongs to the installed package; the typed SDK itself is never imported."""
    return version("pulumi-kubernetes")


def _refusals(objects: Iterable[Manifest]) -> Iterator[InputError]:
    """What can't be registered, and why."""
    seen: set[Key] = set()
    for manifest in objects:
        if key_of(manifest) in seen:
            yield InputError(f"{manifest.id} is given twice", hint="register each object once in a stack")
        seen.add(key_of(manifest))
        if manifest.kind == "Secret" and not manifest.shape.group:
            yield InputError(
                f"{manifest.id}: a Secret's content would lie in Pulumi's state",
                hint="register a reference to it, such as an ExternalSecret",
            )
        yield from _field_refusals(manifest)


def _field_refusals(manifest: Manifest) -> Iterator[InputError]:
    for path, value in paths(manifest.body):
        if problem := _problem(path, value):
            yield InputError(f"{manifest.id}: {'.'.join(str(p) for p in path)} {problem[0]}", hint=problem[1])


def _problem(path: Path, value: Any) -> tuple[str, str] | None:
    if value is None:
        return "is null, which Pulumi drops", "leave the field out"
    if isinstance(value, int) and abs(value) > _EXACT:
        return f"is {value}, which Pulumi would round", "write it as a string, where its kind allows that"
    if isinstance(value, float) and not math.isfinite(value):
        return "is no number that JSON has", "write a finite number"
    if path[:2] == ("metadata", "annotations") and str(path[-1]).startswith("pulumi.com/"):
        return "is Pulumi's own", "leave it out: it is set when the object is registered"
    return None
