"""`ringfence list`: what there is: controls, profiles, frameworks, components, exceptions."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.cli.choices import choices
from ringfence.cli.console import console
from ringfence.cli.inputs import as_of_option, cluster_file, days_left, json_option, shown, templates_option
from ringfence.errors import UsageError, nearest
from ringfence.model import PROFILES

if TYPE_CHECKING:
    from ringfence.build import Builder, Resolution
    from ringfence.model import Control

Rows = Iterable[Mapping[str, Any]]


@click.command("list", short_help="Profiles, controls, frameworks, components, exceptions.")
@click.argument("what", default="controls", metavar="[WHAT]")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--profile", type=click.Choice(PROFILES), help="Stages under this profile.")
@click.option("--cluster", metavar="FILE", help="Stages, components or exceptions of this cluster.")
@json_option
@templates_option
@as_of_option
def command(
    what: str, name: str | None, profile: str | None, cluster: str | None, output: str, templates: tuple[str, ...],
    as_of: str,
) -> None:  # fmt: skip
    """List WHAT: controls (default), profiles, frameworks, framework NAME, components, exceptions, provider.

    `provider` says what a managed cluster's provider does instead of each control of the host plane.
    """
    if what not in _LISTS:
        raise UsageError(f'can\'t list "{what}"', hint=nearest(what, _LISTS))
    if (name is not None) != (what == "framework"):
        raise UsageError("list framework needs its name" if name is None else f'"{name}" is one word too many')
    if profile and cluster:
        raise UsageError("--profile and --cluster exclude each other: a cluster has its profile")
    rows = list(_LISTS[what](_Query(name or "", profile, cluster, templates, as_of)))
    if output == "json":
        console.data(json.dumps(rows, indent=2, ensure_ascii=False) + "\n")
    elif rows:
        console.table(list(rows[0]), [[_text(v) for v in row.values()] for row in rows], out=sys.stdout)
    else:
        console.say(f"no {what}")


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


@dataclass(frozen=True)
class _Query:
    """The command's options, and what they lead to."""

    name: str
    profile: str | None
    cluster: str | None
    templates: tuple[str, ...]
    as_of: str

    @cached_property
    def builder(self) -> Builder:
        from ringfence.build import Builder

        return Builder([Path(t) for t in self.templates])

    @cached_property
    def resolution(self) -> Resolution | None:
        """The cluster of --cluster; None without."""
        file = cluster_file(self.cluster) if self.cluster else None
        return self.builder.resolve(file, shown(file)) if file else None

    def stages(self, control: Control) -> dict[str, str]:
        """The control's stage: in the cluster, under the profile, or under each profile."""
        if self.resolution:
            return {"stage": next(c.stage.value for c in self.resolution.controls if c.id == control.id)}
        if self.profile:
            return {"stage": control.stage(self.profile).value}
        return {p: control.stage(p).value for p in PROFILES}


def _controls(query: _Query) -> Rows:
    for control in query.builder.catalog:
        yield {
            "id": control.id,
            "profile": control.profile,
            "severity": control.severity.value,
            **query.stages(control),
            "title": control.title,
        }


def _profiles(query: _Query) -> Rows:
    from ringfence.errors import Place
    from ringfence.spec import read_profile

    for name in PROFILES:
        profile = read_profile(name, Path(), Place(name))
        stages = [c.stage(name).value for c in query.builder.catalog]
        yield {
            "profile": name,
            "title": profile.title,
            "posture": profile.posture,
            "enforce": stages.count("enforce"),
            "audit": stages.count("audit"),
        }


def _frameworks(query: _Query) -> Rows:
    from ringfence.reference import FRAMEWORKS, coverage

    for name, title in FRAMEWORKS.items():
        found = coverage(query.builder.catalog, name)
        controls = {c.id for controls in found.values() for c in controls}
        yield {"framework": name, "title": title, "numbers": len(found), "controls": len(controls)}


def _framework(query: _Query) -> Rows:
    from ringfence.reference import FRAMEWORKS, coverage

    if query.name not in FRAMEWORKS:
        hint = nearest(query.name, FRAMEWORKS) or "see `ringfence list frameworks`"
        raise UsageError(f'unknown framework "{query.name}"', hint=hint)
    for number, controls in coverage(query.builder.catalog, query.name).items():
        for control in controls:
            yield {"number": number, "control": control.id, **query.stages(control), "title": control.title}


def _component_names() -> Iterable[tuple[str, str]]:
    """Every component by the name that controls use, with the key of `components` that chooses it."""
    for kind in ("mesh", "admission", "secrets", "runtime"):
        yield from ((name, kind) for name in choices("components", kind) if name not in ("none", "native"))
    yield from (("monitoring", "monitoring"), ("ingress-controller", "ingressControllers"))


def _components(query: _Query) -> Rows:
    from ringfence.spec.platform import component_namespaces

    cluster = query.resolution.cluster if query.resolution else None
    for name, kind in _component_names():
        namespaces = component_namespaces(name)
        served = [
            c.id for c in query.builder.catalog if any(name in values for e in c.emits for values in e.when.values())
        ]
        row: dict[str, Any] = {
            "component": name,
            "kind": kind,
            "namespaces": [f"{n.name} (pss={n.pod_security})" for n in namespaces],
            "controls": served,
        }
        yield {**row, "chosen": "yes" if name in cluster.enabled_components else "no"} if cluster else row


def _exceptions(query: _Query) -> Rows:
    file = cluster_file(query.cluster)
    if file is None:
        raise UsageError("list exceptions needs a cluster", hint="name it with --cluster FILE")
    cluster = query.builder.resolve(file, shown(file)).cluster
    for one in sorted(cluster.exemptions, key=lambda e: (e.expires, e.name)):
        yield {
            "name": one.name,
            "control": one.control,
            "owner": one.owner,
            "expires": one.expires,
            "daysLeft": days_left(one.expires, query.as_of),
            "scope": [*one.namespaces, *one.names],
            "ticket": one.ticket,
            "reason": one.reason,
        }


def _provider(query: _Query) -> Rows:
    from ringfence.errors import InputError, Place
    from ringfence.host import provider_rows

    if query.resolution is None:
        raise UsageError("list provider needs a cluster", hint="name it with --cluster FILE")
    cluster = query.resolution.cluster
    if not cluster.managed:
        raise InputError(
            f"{cluster.name} has no provider: its hosts take the files under host/ of its tree",
            place=Place(cluster.file),
            hint="list provider is for kubernetes.distribution eks, gke and aks",
        )
    keys = ("control", "stage", "verdict", "by", "statement", "source", "title")
    for row in provider_rows(query.resolution.controls, cluster.distribution):
        yield {key: row.get(key, "") for key in keys}


_LISTS: dict[str, Callable[[_Query], Rows]] = {
    "controls": _controls,
    "profiles": _profiles,
    "frameworks": _frameworks,
    "framework": _framework,
    "components": _components,
    "exceptions": _exceptions,
    "provider": _provider,
}
