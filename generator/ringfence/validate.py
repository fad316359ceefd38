"""Arranged objects → Bundle: schemas and invariants, every object, every error. The only maker of a Bundle.

An object is valid when its structure is (checked once, in full, on a real object) and when the strings that
differ stand where any string is valid. Where some stand under an enum, a pattern or a bound, one object of each
combination of those is checked in full. tests/properties/ compares this with checking every object in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from ringfence.errors import InputError, Place, RingfenceError, nearest, raise_all
from ringfence.invariants import Violation, object_rules, set_rules
from ringfence.model import Bundle, ResolvedControl, Stage
from ringfence.render import fitting, held_back, ungiven, yields
from ringfence.schemas import KindSchema, SchemaStore
from ringfence.shape import HOST_API, Joined, Manifest, Path, Shape, Slot, fill_text, paths
from ringfence.spec.facts import Cluster

# DNS-1123 subdomain; RBAC names may hold colons (k8s.io/apimachinery pkg/api/validation/path).
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?\Z")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_RBAC_NAME = re.compile(r"[^/%\s]{1,253}\Z")
_RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


def validate(
    cluster: Cluster, controls: Sequence[ResolvedControl], manifests: tuple[Manifest, ...], store: SchemaStore
) -> Bundle:
    """The bundle of these objects; raises every error of the stage."""
    errors: list[RingfenceError] = []
    checks: dict[Shape, _Check] = {}
    for manifest in manifests:
        check = checks.get(manifest.shape)
        if check is None:
            check = checks[manifest.shape] = _check_of(manifest, store, errors)
        errors.extend(check(manifest))
    host = tuple(m for m in manifests if m.shape.api_version == HOST_API)
    objects = tuple(m for m in manifests if m.shape.api_version != HOST_API) if host else manifests
    for rule in set_rules() if not errors else ():
        errors.extend(_broken(rule.control, m, v) for m, v in rule.check(objects))
    raise_all(errors)
    return Bundle(cluster, tuple(controls), objects, unemitted(cluster, controls, manifests), host)


def unemitted(cluster: Cluster, controls: Sequence[ResolvedControl], manifests: Sequence[Manifest]) -> dict[str, str]:
    """Controls that emit nothing for this cluster, each with the reason."""
    emitted = {id_ for m in {m.shape for m in manifests} for id_ in m.controls}
    return {c.id: _why_nothing(c, cluster) for c in controls if c.id not in emitted}


def _why_nothing(control: ResolvedControl, cluster: Cluster) -> str:
    if control.stage is Stage.OFF:
        return f"stage off: {control.stage_source}"
    rows = list(fitting(control, cluster))
    waiting = [row for row in rows if held_back(control, row)]
    for row in rows:
        if row.invariant and row not in waiting:
            return f"no object: the invariant {row.invariant} keeps it"
    if waiting:
        other = control.companions[waiting[0].beside]
        return f"only where {other.id} is enforced; it is {other.stage.value}: {other.stage_source}"
    if yielding := [row for row in rows if yields(control, row)]:
        return f"{yielding[0].unless} is enforced, and writes this in its way"
    if cluster.distribution in control.control.managed:
        return str(control.control.managed[cluster.distribution])
    if missing := ungiven(control, cluster):
        return f"only where cluster.yaml gives {' and '.join(missing)}"
    if control.stage is Stage.AUDIT and control.control.audit_form:
        return f"no audit form: {control.control.audit_form}"
    return "this cluster and its parameters leave nothing to emit"


_Check = Callable[[Manifest], list[RingfenceError]]


def _check_of(first: Manifest, store: SchemaStore, errors: list[RingfenceError]) -> _Check:
    """How objects of this shape are checked; kept with a shape that is fine, for other clusters of a fleet."""
    plans, key = first.shape.plans, f"valid in {store.kubernetes}"
    if key in plans:
        known: _Check = plans[key]
        return known
    before = len(errors)
    check = _plan(first, store, errors)
    if len(errors) == before and not check(first):  # a first object that is refused vouches for nothing
        plans[key] = check
    return check


def _plan(first: Manifest, store: SchemaStore, errors: list[RingfenceError]) -> _Check:
    """How objects of this shape are checked, after the shape itself was."""
    shape = first.shape
    schema = store.kind(shape.api_version, shape.kind)
    if schema is None:
        errors.append(unknown_kind(store, shape.api_version, shape.kind, place_of(shape, ("apiVersion",))))
        return _name_errors
    wrong = _schema_errors(first, schema)
    for rule in object_rules():
        if shape.kind in rule.kinds and not wrong:  # rules read fields as what the schema says they are
            errors.extend(_broken(rule.control, first, v) for v in rule.check(shape.tree))
    bound = tuple(leaf for path, leaf in _open(shape) if not schema.is_free_string(path))
    if not bound:
        errors.extend(wrong)
        return _name_errors
    fine: set[tuple[str, ...]] = set()  # strings with which an object of this shape was valid

    def check(manifest: Manifest) -> list[RingfenceError]:
        strings = tuple([fill_text(text, manifest.values) for text in bound])
        if strings in fine:
            return _name_errors(manifest)
        found: list[RingfenceError] = [*_schema_errors(manifest, schema)]
        if not found:
            fine.add(strings)
        return [*found, *_name_errors(manifest)]

    return check


def unknown_kind(store: SchemaStore, api_version: str, kind: str, place: Place | None) -> InputError:
    """The error for an object that the target Kubernetes does not serve, naming where it does."""
    versions = store.versions_of(api_version, kind)
    if versions:
        return InputError(
            f"{api_version} {kind} does not exist in Kubernetes {store.kubernetes}",
            place=place,
            hint=f"it does in {', '.join(versions)}",
        )
    others = store.versions_with_kind(kind)
    hint = f"{kind} is served as {', '.join(others)}" if others else nearest(kind, store.kinds())
    return InputError(f"{api_version} {kind} is no kind that ringfence has a schema for", place=place, hint=hint)


def _open(shape: Shape) -> Iterator[tuple[Path, Slot | Joined]]:
    """The strings that differ from object to object, with their paths."""
    return ((path, leaf) for path, leaf in paths(shape.tree) if isinstance(leaf, (Slot, Joined)))


def _schema_errors(manifest: Manifest, schema: KindSchema) -> list[RingfenceError]:
    return [
        InputError(f"{manifest.id}: {_spell(p.path)}{p.message}", place=place_of(manifest.shape, p.path), hint=p.hint)
        for p in schema.problems(manifest.body)
    ]


@lru_cache(maxsize=65_536)
def _is_label(namespace: str) -> bool:
    return bool(_LABEL.match(namespace))


def _name_errors(manifest: Manifest) -> list[RingfenceError]:
    """A name that is none; a namespace that is none would also name a folder of the tree."""
    if manifest.namespace and not _is_label(manifest.namespace):
        return [
            InputError(
                f'{manifest.kind}: "{manifest.namespace[:80]}" is no valid namespace',
                place=place_of(manifest.shape, ("metadata", "namespace")),
                hint="namespaces are lower-case letters, digits and dashes, at most 63",
            )
        ]
    if _NAME.match(manifest.name) or (manifest.kind in _RBAC_KINDS and _RBAC_NAME.match(manifest.name)):
        return []
    return [
        InputError(
            f'{manifest.kind}: "{manifest.name[:80]}" is no valid name',
            place=place_of(manifest.shape, ("metadata", "name")),
            hint="names are lower-case letters, digits, dashes and dots",
        )
    ]


def _broken(control: str, manifest: Manifest, violation: Violation) -> InputError:
    return InputError(
        f"{manifest.id}: {violation.message} ({control})",
        place=place_of(manifest.shape, violation.path),
        hint=violation.remedy,
    )


def place_of(shape: Shape, path: Path) -> Place | None:
    """The template line that set the field at `path`, or its nearest ancestor."""
    for end in range(len(path), 0, -1):
        if (origin := shape.origins.get(path[:end])) is not None:
            return Place(origin.template, origin.line, 1)
    return None


def _spell(path: Path) -> str:
    return ".".join(str(p) for p in path) + ": " if path else ""
