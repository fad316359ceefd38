"""Mutants of what ringfence emits: one object, fragment, flag or field gone, or set as a mistake would set it.

A mutant says what it changes and how; `test_mutants` puts it in force on a real control plane and asks the probes of its
control. What is alike is changed once: of objects of one structure the one in a namespace that the control's probes use.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cluster.trees import less
from cluster.trees import put as _with

from ringfence.arrange import arrange
from ringfence.build import Resolution
from ringfence.model import Bundle, ResolvedControl, Stage
from ringfence.probes.pairs import load_pairs
from ringfence.probes.places import NotApplicable, Places
from ringfence.render import Renderer
from ringfence.render.renderer import selected
from ringfence.shape import HOST_API, Manifest, Path

Body = dict[str, Any]
REMOVAL, FLIP = "removal", "flip"
_RENDERER, _FOLDED = Renderer(), {}  # what structures share, from mutant to mutant
_WIDER = ("no condition ", "all that its policy matches")
BINDINGS = ("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding")


@dataclass(frozen=True)
class Mutant:
    """`objects` are (object as it is, object as it becomes or None) of the cluster plane; the rest is the host's."""

    control: str
    kind: str
    what: str
    objects: tuple[tuple[Manifest, Body | None], ...] = ()
    component: str = ""
    flags: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, Body | str] = field(default_factory=dict)  # path on the host -> its content, or text
    moot: str = ""  # another flag that makes this one moot
    gone: Any = None  # of a removal on the host: a flag's text, a member and its value, or a field

    def __str__(self) -> str:
        return f"{self.control}: {self.what}"

    @property
    def refuses_more(self) -> bool:
        """Does its policy leave fewer out? Then it may refuse what other controls' pairs want to pass."""
        return f" with {_WIDER[0]}" in self.what or f" with {_WIDER[1]}" in self.what


def proved_by_api(controls: Iterable[ResolvedControl]) -> list[ResolvedControl]:
    """Enforced controls whose first proof is a request to the API server."""
    return [c for c in controls if c.stage is Stage.ENFORCE and c.control.proof[0] == "api"]


# ------------------------------------------------------------------------------------------------- the cluster plane


def of_cluster_plane(resolution: Resolution, bundle: Bundle, control: ResolvedControl) -> Iterator[Mutant]:
    """Removals of each object and fragment of the control, then flips of what it set."""
    whole = {m.id: m for m in bundle.manifests if control.id in m.shape.controls}
    if not whole:
        return
    wanted = probed_namespaces(resolution, control)
    for row in selected(control, resolution.cluster):
        if row.plane != "cluster" or not row.template:
            continue
        without = _without(resolution, control, row)
        changed = [m for id_, m in whole.items() if without.get(id_) != m.body]
        for alike in _alike(changed, wanted):
            objects = tuple((m, without.get(m.id)) for m in alike)
            what = f"without the part of {row.template}" if objects[0][1] else "gone"
            yield Mutant(control.id, REMOVAL, f"{_name(alike)} {what}", objects)
    for alike in _alike(whole.values(), wanted):
        for each in zip(*(flips(m.body, _own(m, control.id)) for m in alike), strict=True):
            objects = tuple((m, body) for m, (_, body) in zip(alike, each, strict=True))
            yield Mutant(control.id, FLIP, f"{_name(alike)} with {each[0][0]}", objects)


def _name(alike: list[Manifest]) -> str:
    return alike[0].id + (f" and {len(alike) - 1} more like it" if len(alike) > 1 else "")


def _without(resolution: Resolution, control: ResolvedControl, row: Any) -> dict[str, Body]:
    """Every object of the cluster plane when one row of `emits` is left out."""
    emits = tuple(e for e in control.control.emits if e is not row)
    less = replace(control, control=replace(control.control, emits=emits))
    controls = [less if c.id == control.id else c for c in resolution.controls]
    found = arrange(_RENDERER.render(resolution.cluster, controls), _FOLDED)
    return {m.id: m.body for m in found if m.shape.api_version != HOST_API}


def probed_namespaces(resolution: Resolution, control: ResolvedControl) -> set[str]:
    """Namespaces that the control's pairs ask in."""
    found: set[str] = set()
    for pair in load_pairs(control.control):
        requests = (pair.refuse, pair.admit, *({"who": None, **one} for one in pair.given))
        try:
            places = Places(resolution.cluster, requests, control.excepted_namespaces)
        except NotApplicable:
            continue
        found.update(places.namespaces)
        found.update(r["namespace"] for r in requests if r["namespace"] and "<" not in r["namespace"])
    return found


def _alike(manifests: Iterable[Manifest], wanted: set[str]) -> list[list[Manifest]]:
    """Objects that differ in names alone, together: those in a wanted namespace, else the first. Namespaces one by one."""
    by_form: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_form.setdefault(_form(manifest), []).append(manifest)
    found = []
    for alike in by_form.values():
        inside = [m for m in alike if (m.namespace or (m.name if m.kind == "Namespace" else "")) in wanted]
        if alike[0].kind == "Namespace":
            found.extend([m] for m in inside or alike[:1])
        else:
            found.append(inside or alike[:1])
    return found


def _form(manifest: Manifest) -> str:
    """Equal for objects of one kind that differ in their names, namespaces, amounts, notes, and whom they name."""
    body = copy.deepcopy(manifest.body)
    body["metadata"] = {"labels": sorted(body["metadata"].get("labels", ()))}
    if manifest.kind == "ResourceQuota":
        body["spec"]["hard"] = sorted(body["spec"]["hard"])
    if manifest.namespace:
        body["name"] = manifest.name
    if "subjects" in body:
        body["subjects"] = sorted({s["kind"] for s in body["subjects"]})
    return json.dumps(body, sort_keys=True)


def _own(manifest: Manifest, control: str) -> set[Path]:
    """Paths of the fields that a control set."""
    return {path for path, origin in manifest.shape.origins.items() if origin.control == control}


def flips(body: Body, own: set[Path]) -> Iterator[tuple[str, Body]]:
    """The object with one setting as a mistake would leave it."""
    kind = body["kind"]
    if kind in BINDINGS and "Deny" in body["spec"].get("validationActions", ()):
        yield "Deny turned to Warn", _with(body, ("spec", "validationActions"), ["Warn", "Audit"])
    if kind in BINDINGS and body["spec"].get("matchResources"):
        yield _WIDER[1], less(body, ("spec", "matchResources"))
    if kind in ("ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"):
        yield from _policy_flips(body)
    if kind == "Namespace":
        yield from _namespace_flips(body, own)
    if kind in ("Role", "ClusterRole") and body.get("rules"):
        yield "every verb", _with(body, ("rules", 0, "verbs"), ["*"])
        yield "its last rule lost", _with(body, ("rules",), body["rules"][:-1])
    if kind in ("RoleBinding", "ClusterRoleBinding") and body.get("subjects"):
        yield "another subject", _with(body, ("subjects", 0, "name"), "oidc:somebody-else")
    if kind == "ResourceQuota":
        yield "limits a thousand times as high", _with(body, ("spec", "hard"), _raised(body["spec"]["hard"]))
    if kind == "LimitRange":
        yield "ceilings a thousand times as high", _limits(body)
    if kind == "ServiceAccount":
        yield "its token mounted", _with(body, ("automountServiceAccountToken",), True)
    if kind == "FlowSchema":
        yield "somebody else's requests", _with(body, ("spec", "rules", 0, "subjects"), _NOBODY)


_NOBODY = [{"kind": "User", "user": {"name": "somebody-else"}}]


def _policy_flips(body: Body) -> Iterator[tuple[str, Body]]:
    """Not `failurePolicy: Ignore`: it tells where an expression can't be evaluated, which no request brings ours to."""
    spec = body["spec"]
    for i, validation in enumerate(spec.get("validations", ())):
        yield (
            f"validation {i} always true",
            _with(body, ("spec", "validations", i), {**validation, "expression": "true"}),
        )
    for i, rule in enumerate(spec["matchConstraints"]["resourceRules"]):
        here = ("spec", "matchConstraints", "resourceRules", i)
        for resource in rule["resources"] if len(rule["resources"]) > 1 else ():
            left = [r for r in rule["resources"] if r != resource]
            yield f"a selector without {resource}", _with(body, (*here, "resources"), left)
        which = f"rule {i}" if len(spec["matchConstraints"]["resourceRules"]) > 1 else "a selector"
        for operation in rule["operations"] if len(rule["operations"]) > 1 else ():
            left = [o for o in rule["operations"] if o != operation]
            yield f"{which} without {operation}", _with(body, (*here, "operations"), left)
    conditions = spec.get("matchConditions", ())
    for condition in conditions:
        if " in [])" not in condition["expression"]:  # which leaves nobody out
            left = [c for c in conditions if c is not condition]
            yield f"{_WIDER[0]}{condition['name']}", _with(body, ("spec", "matchConditions"), left)


def _namespace_flips(body: Body, own: set[Path]) -> Iterator[tuple[str, Body]]:
    loose = {"enforce": "privileged", "enforce-version": "v1.25"}
    for name, value in loose.items():
        path = ("metadata", "labels", f"pod-security.kubernetes.io/{name}")
        if path in own and body["metadata"]["labels"].get(path[2]) not in (None, value):
            yield f"{name}: {value}", _with(body, path, value)


def _raised(amounts: Mapping[str, Any]) -> Body:
    return {
        k: f"{v if int(v) else 1}000" if str(v).isdigit() else re.sub(r"^([0-9.]+)", r"\g<1>000", str(v))
        for k, v in amounts.items()
    }


def _limits(body: Body) -> Body:
    items = [{**i, **{k: _raised(i[k]) for k in ("max",) if k in i}} for i in body["spec"]["limits"]]
    return _with(body, ("spec", "limits"), items)
