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

from ringfence.arrange import arrange
from ringfence.build import Resolution
from ringfence.model import HOST_API, Bundle, Manifest, Path, ResolvedControl, Stage
from ringfence.probes.pairs import load_pairs
from ringfence.probes.places import NotApplicable, Places
from ringfence.render import Renderer
from ringfence.render.renderer import selected

Body = dict[str, Any]
REMOVAL, FLIP = "removal", "flip"
_RENDERER, _FOLDED = Renderer(), {}  # what structures share, from mutant to mutant
BINDINGS = ("ValidatingAdmissionPolicyBinding",)


@dataclass(frozen=True)
class Mutant:
    """`objects` are (object as it is, object as it becomes or None) of the cluster plane; the rest is the host's."""

    control: str
    kind: str
    what: str
    objects: tuple[tuple[Manifest, Body | None], ...] = ()
    component: str = ""
    flags: Mapping[str, str | None] = field(default_factory=dict)
    files: Mapping[str, Body] = field(default_factory=dict)  # name of a File -> its content

    def __str__(self) -> str:
        return f"{self.control}: {self.what}"


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
        for manifest in _one_of_each(changed, wanted):
            left = without.get(manifest.id)
            what = f"{manifest.id} without the part of {row.template}" if left else f"{manifest.id} gone"
            yield Mutant(control.id, REMOVAL, what, ((manifest, left),))
    for manifest in _one_of_each(whole.values(), wanted):
        for what, body in flips(manifest.body, _own(manifest, control.id)):
            yield Mutant(control.id, FLIP, f"{manifest.id} with {what}", ((manifest, body),))


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
        found.update(n.name for n in places._chosen.values())
        found.update(r["namespace"] for r in requests if r["namespace"] and "<" not in r["namespace"])
    return found


def _one_of_each(manifests: Iterable[Manifest], wanted: set[str]) -> list[Manifest]:
    """Of objects that differ in names alone those in a wanted namespace; of what lies in none of them the first."""
    by_form: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_form.setdefault(_form(manifest), []).append(manifest)
    found = []
    for alike in by_form.values():
        inside = [m for m in alike if (m.namespace or (m.name if m.kind == "Namespace" else "")) in wanted]
        found.extend(inside or alike[:1])
    return found


def _form(manifest: Manifest) -> str:
    """Equal for objects of one kind that differ in their names, their namespaces and whom they name."""
    body = copy.deepcopy(manifest.body)
    body["metadata"] = {k: sorted(v) for k, v in body["metadata"].items() if isinstance(v, dict)}
    if manifest.namespace:
        body["name"] = manifest.name
    for subject in body.get("subjects", ()):
        subject["name"] = ""
    return json.dumps(body, sort_keys=True)


def _own(manifest: Manifest, control: str) -> set[Path]:
    """Paths of the fields that a control set."""
    return {path for path, origin in manifest.shape.origins.items() if origin.control == control}


def flips(body: Body, own: set[Path]) -> Iterator[tuple[str, Body]]:
    """The object with one setting as a mistake would leave it."""
    kind = body["kind"]
    if kind in BINDINGS and "Deny" in body["spec"].get("validationActions", ()):
        yield "Deny turned to Warn", _with(body, ("spec", "validationActions"), ["Warn", "Audit"])
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
        if "CREATE" in rule["operations"] and len(rule["operations"]) > 1:
            left = [o for o in rule["operations"] if o != "CREATE"]
            yield "a selector without CREATE", _with(body, (*here, "operations"), left)


def _namespace_flips(body: Body, own: set[Path]) -> Iterator[tuple[str, Body]]:
    loose = {"enforce": "privileged", "enforce-version": "v1.25"}
    for name, value in loose.items():
        path = ("metadata", "labels", f"pod-security.kubernetes.io/{name}")
        if path in own and body["metadata"]["labels"].get(path[2]) not in (None, value):
            yield f"{name}: {value}", _with(body, path, value)


def _raised(amounts: Mapping[str, Any]) -> Body:
    return {
        k: f"{v}000" if str(v).isdigit() else re.sub(r"^([0-9.]+)", r"\g<1>000", str(v)) for k, v in amounts.items()
    }


def _limits(body: Body) -> Body:
    items = [{**i, **{k: _raised(i[k]) for k in ("max",) if k in i}} for i in body["spec"]["limits"]]
    return _with(body, ("spec", "limits"), items)


# ---------------------------------------------------------------------------------------------------- the host plane


def of_host_plane(bundle: Bundle, control: ResolvedControl) -> Iterator[Mutant]:
    """Removals and flips of the flags and file fields that the control set, of components that run in a sandbox."""
    for manifest in bundle.host:
        if control.id not in manifest.shape.controls:
            continue
        body, own = manifest.body, _own(manifest, control.id)
        if manifest.kind == "Component":
            yield from _of_flags(control.id, manifest.name, body.get("flags", {}), own)
        elif manifest.kind == "File" and body.get("component") and "content" in body:
            yield from _of_file(control.id, manifest, body, own)


def _of_flags(control: str, component: str, flags: Body, own: set[Path]) -> Iterator[Mutant]:
    def mutant(kind: str, what: str, name: str, value: str | None) -> Mutant:
        return Mutant(control, kind, f"{component} {what}", component=component, flags={name: value})

    for name, value in flags.items():
        if isinstance(value, dict):
            mine = [k for k in value if ("flags", name, k) in own]
            for key in mine:
                left = flag_text(name, {k: v for k, v in value.items() if k != key})
                yield mutant(REMOVAL, f"--{name} without {key}", name, left or None)
        elif ("flags", name) in own:
            text = flag_text(name, value)
            yield mutant(REMOVAL, f"without --{name}={_short(text)}", name, None)
            if (worse := _worse(name, text)) is not None:
                yield mutant(FLIP, f"with --{name}={worse}", name, worse)


def flag_text(name: str, value: Any) -> str:
    """As the plan writes it."""
    from ringfence.host.plan import flag_text as written

    return written(name, value)


_WORSE = {
    "tls-min-version": {"VersionTLS13": "VersionTLS12", "VersionTLS12": "VersionTLS10"},
    "anonymous-auth": {"false": "true"},
}


def _worse(name: str, text: str) -> str | None:
    """The value that somebody in a hurry would set; None where removing the flag is all that can go wrong."""
    if name in _WORSE:
        return _WORSE[name].get(text)
    if text in ("true", "false"):
        return "false" if text == "true" else "true"
    if match := re.fullmatch(r"([0-9]+)(s|m|h|h0m0s)?", text):
        return f"{int(match[1]) * 1000}{match[2] or ''}" if match[2] else None
    return None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _of_file(control: str, manifest: Manifest, body: Body, own: set[Path]) -> Iterator[Mutant]:
    content = {p[1:] for p in own if p[0] == "content" and len(p) > 1}

    def mutant(kind: str, what: str, changed: Body) -> Mutant:
        return Mutant(
            control, kind, f"{manifest.name}: {what}", component=body["component"], files={body["path"]: changed}
        )

    if manifest.shape.controls == (control,) and body.get("flag"):
        flag = {body["flag"]: None}
        yield Mutant(control, REMOVAL, f"{manifest.name} gone", component=body["component"], flags=flag)
    tops = [p for p in sorted(content, key=str) if not any(p[:end] in content for end in range(1, len(p)))]
    fixed = {("apiVersion",), ("kind",)}
    for path in (p for p in tops if p not in fixed):
        for inner in units(_at(body["content"], path), path):
            yield mutant(REMOVAL, f"without {spell(inner)}", _less(body["content"], inner))
        for what, changed in content_flips(body["content"], path):
            yield mutant(FLIP, what, changed)


def units(value: Any, path: Path) -> Iterator[Path]:
    """A field, and what of it can be left out by itself: the items of its lists, and fields below items."""
    yield path
    if (isinstance(value, list) and len(value) > 1) or (
        isinstance(value, list) and any(isinstance(v, dict) for v in value)
    ):
        for i, item in enumerate(value):
            if len(value) > 1:
                yield (*path, i)
            if isinstance(item, dict):
                for key, inner in item.items():
                    yield from units(inner, (*path, i, key)) if isinstance(inner, (list, dict)) else ()
    elif isinstance(value, dict):
        for key, inner in value.items():
            if len(value) > 1 or isinstance(inner, (dict, list)):
                yield from units(inner, (*path, key)) if isinstance(inner, (list, dict)) else [(*path, key)]


def content_flips(content: Body, top: Path) -> Iterator[tuple[str, Body]]:
    """Fields of a structured file as a mistake would leave them."""
    for path, value in _leaves(_at(content, top), top):
        if isinstance(value, bool):
            yield f"{spell(path)}: {str(not value).lower()}", _with(content, path, not value)
        elif isinstance(value, int):
            yield f"{spell(path)}: {value * 1000}", _with(content, path, value * 1000)
        elif path[-1] == "level" and value in ("Metadata", "None", "RequestResponse", "Request"):
            worse = "None" if value != "None" else "RequestResponse"
            yield f"{spell(path)}: {worse}", _with(content, path, worse)
        elif path[-1] == "enforce" and value != "privileged":
            yield f"{spell(path)}: privileged", _with(content, path, "privileged")
        elif path[-1] == "path" and path[:1] == ("anonymous",):
            yield f"{spell(path)}: /version", _with(content, path, "/version")
    if top == ("resources",):
        for i, entry in enumerate(content["resources"]):
            if entry["providers"] and "identity" not in entry["providers"][0]:
                rest = [p for p in entry["providers"] if "identity" not in p]
                yield (
                    f"identity first in resources[{i}]",
                    _with(content, (*top, i, "providers"), [{"identity": {}}, *rest]),
                )


# ------------------------------------------------------------------------------------------------------------- trees


def spell(path: Path) -> str:
    """As people write it."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def _at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _with(tree: Any, path: Path, value: Any) -> Any:
    made = copy.deepcopy(tree)
    _at(made, path[:-1])[path[-1]] = value
    return made


def _less(tree: Any, path: Path) -> Any:
    made = copy.deepcopy(tree)
    del _at(made, path[:-1])[path[-1]]
    return made


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, i))
    else:
        yield path, value
