"""Resolved controls × cluster → fragments: shapes with the strings that fill them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from ringfence.errors import InputError, Place, RingfenceError, raise_all
from ringfence.model import Emit, ResolvedControl, Stage
from ringfence.render.alike import Layout, freeze
from ringfence.render.environment import CompiledTemplate, Environment
from ringfence.render.structure import Structure, Word, is_blank
from ringfence.shape import Shape
from ringfence.spec.facts import Cluster

_CLUSTER_SUBJECT = (None,)


class Fragment(NamedTuple):
    """What one template gave for one object: all of it, or the part its control is answerable for."""

    shape: Shape
    values: tuple[str, ...]


class Renderer:
    """Renders clusters; keeps compiled templates and structures, so that a fleet shares them."""

    def __init__(self, cache: FilePath | None = None) -> None:
        self._environment = Environment(cache)
        self._templates: dict[str, CompiledTemplate] = {}
        self._structures: dict[Any, tuple[Shape, ...]] = {}

    def render(
        self, cluster: Cluster, controls: Sequence[ResolvedControl], part: tuple[int, int] = (0, 1)
    ) -> list[Fragment]:
        """Every fragment of these controls, in no promised order; raises all template errors at once.

        `part` (k, n) takes the k-th of n equal parts of the tenants' namespaces; what is not per tenant
        namespace belongs to part 0.
        """
        fragments: list[Fragment] = []
        errors: list[RingfenceError] = []
        for control in controls:
            for emit in selected(control, cluster):
                subjects = _subjects(emit, control, cluster, part)
                try:
                    fragments.extend(self._emit(cluster, control, emit, subjects))
                except InputError as bad:
                    errors.append(bad)
        raise_all(errors)
        return fragments

    def _emit(
        self, cluster: Cluster, control: ResolvedControl, emit: Emit, subjects: Sequence[Any]
    ) -> Iterator[Fragment]:
        if not subjects or not emit.template:
            return
        folder = control.control.folder
        file = f"{folder}/{emit.template}"
        shown = f"templates/{control.control.domain}/{control.id}/{emit.template}"
        template = self._templates.get(file)
        if template is None:
            template = self._templates[file] = self._environment.compile(FilePath(file), shown)
        each_namespace = emit.each != "cluster"
        context = {"cluster": cluster, "params": _params(control), "control": control}
        slots = emit.each == "namespace"
        missing = [key for key in emit.needs if not cluster.given(key)]
        for layout, values in template.layouts(context, "namespace" if each_namespace else "subject", subjects):
            if layout.shapes is None:
                if missing and not is_blank(layout.text):
                    raise _needed(control, missing[0], context.get("namespace"), cluster)
                layout.shapes = self._shapes(layout, slots, shown, control, emit)
                if not slots:
                    _outside_tenants(layout.shapes, cluster)
            strings = values if slots else ()
            for shape in layout.shapes:
                yield Fragment(shape, strings)

    def _shapes(
        self, layout: Layout, slots: bool, shown: str, control: ResolvedControl, emit: Emit
    ) -> tuple[Shape, ...]:
        """The shapes of a layout: those of an equal one, or made of it."""
        key = (emit, layout.text, tuple([freeze(v) for v in layout.values if not slots or v.__class__ is not str]))
        if key in self._structures:
            return self._structures[key]
        found = Structure(layout.text, layout.values, slots, shown).shapes(control.id, control.control.domain, emit)
        for shape in found if slots else ():
            if shape.namespace is None and shape.kind != "Namespace":
                raise InputError(
                    f"{shape.kind} has no namespace, but the template renders once a namespace",
                    place=Place(shown, 1, 1),
                    hint="set metadata.namespace, or `each: cluster` in control.yaml",
                )
        return self._structures.setdefault(key, tuple(found))


def _outside_tenants(shapes: Sequence[Shape], cluster: Cluster) -> None:
    """Several processes share out tenants' namespaces: what is written there must come from one of them."""
    for shape in shapes:
        if shape.namespace in cluster.tenant_namespaces:
            origin = shape.origins["metadata", "namespace"]
            raise InputError(
                f"{shape.kind} lies in a tenant's namespace, but the template renders once a cluster",
                place=Place(origin.template, origin.line, 1),
                hint="set `each: namespace` in control.yaml",
            )


def _params(control: ResolvedControl) -> dict[str, Any]:
    """Parameters for templates. A choice is a word of a short list: part of the structure, so rules can read it."""
    types = control.control.params
    return {n: Word(v) if types[n].type == "choice" else v for n, v in control.params.items()}


def selected(control: ResolvedControl, cluster: Cluster) -> Iterator[Emit]:
    """The rows of `emits` that are for this cluster at this stage, beside what else is enforced."""
    return (e for e in fitting(control, cluster) if not held_back(control, e) and not yields(control, e))


def fitting(control: ResolvedControl, cluster: Cluster) -> Iterator[Emit]:
    """The rows of `emits` that are for this cluster at this stage, whatever else is enforced."""
    return (emit for emit in _for_cluster(control, cluster) if all(map(cluster.given, emit.given)))


def ungiven(control: ResolvedControl, cluster: Cluster) -> list[str]:
    """Keys that cluster.yaml says nothing under, and rows for this cluster at this stage wait for."""
    keys = (key for emit in _for_cluster(control, cluster) for key in emit.given)
    return [key for key in dict.fromkeys(keys) if not cluster.given(key)]


def _for_cluster(control: ResolvedControl, cluster: Cluster) -> Iterator[Emit]:
    if control.stage is Stage.OFF:
        return
    for emit in control.control.emits:
        if (
            not (emit.plane == "host" and cluster.managed)
            and control.stage.value in emit.stages
            and in_range(cluster.kubernetes, emit.kubernetes)
            and _facts(cluster, emit)
        ):
            yield emit


def held_back(control: ResolvedControl, emit: Emit) -> bool:
    """Does the row wait for a control that is not enforced here?"""
    return bool(emit.beside) and control.companions[emit.beside].stage is not Stage.ENFORCE


def yields(control: ResolvedControl, emit: Emit) -> bool:
    """Does another control, which is enforced here, write this in its way?"""
    return bool(emit.unless) and control.companions[emit.unless].stage is Stage.ENFORCE


def _needed(control: ResolvedControl, key: str, namespace: Any, cluster: Cluster) -> InputError:
    whom = f' for namespace "{namespace.name}"' if namespace else ""
    return InputError(
        f"{control.id} can't be written{whom} without {key}",
        place=Place(cluster.file),
        hint=f"set {key}, or set the control off with a reason",
    )


def in_range(version: str, wanted: str) -> bool:
    """Is a minor version such as 1.36 within `>=1.33 <1.36`?"""
    number = int(version.partition(".")[2])
    for bound in wanted.split():
        limit = int(bound.partition(".")[2])
        if (bound.startswith(">=") and number < limit) or (bound.startswith("<") and number >= limit):
            return False
    return True


def _facts(cluster: Cluster, emit: Emit) -> bool:
    for name, accepted in emit.when.items():
        fact = cluster.fact(name)
        if not (fact & set(accepted) if isinstance(fact, frozenset) else fact in accepted):
            return False
    return True


def _subjects(emit: Emit, control: ResolvedControl, cluster: Cluster, part: tuple[int, int]) -> Sequence[Any]:
    """What the template is rendered for, exceptions left out unless the row is for them too."""
    excepted = frozenset() if emit.excepted else control.excepted_namespaces
    if emit.beside:
        excepted |= control.companions[emit.beside].excepted_namespaces
    if emit.each == "namespace":
        number, parts = part
        size = -(-len(cluster.namespaces) // parts)
        found: Sequence[Any] = cluster.namespaces[number * size : (number + 1) * size]
    elif part[0] != 0:
        return ()
    elif emit.each == "cluster":
        return _CLUSTER_SUBJECT
    else:
        patched = emit.each == "existing-namespace"
        found = [n for n in cluster.platform_namespaces if n.exists == patched]
    return [n for n in found if n.name not in excepted] if excepted else found
