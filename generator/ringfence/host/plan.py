"""Neutral host objects → HostPlan: every flag as text, every file with path, owner and mode. Pure.

A plan is what all distributions have in common; `forms` writes it down as one of them takes it, and the sandbox
runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ringfence.documents import dump
from ringfence.model import Bundle
from ringfence.shape import Manifest

CONTROL_PLANE, WORKER = "control-plane", "worker"
# Mappings of these flags are name=value pairs; those of all others are sets of names (kube-apiserver reference).
_PAIRS = frozenset({"feature-gates", "runtime-config"})


@dataclass(frozen=True, slots=True)
class HostFile:
    """One file on a host. `content` is structured where the file is; `text` is what is written, always."""

    name: str
    path: str
    mode: str  # four octal digits
    owner: str  # user:group
    roles: tuple[str, ...]  # control-plane, worker
    component: str  # whose static pod needs it mounted; empty for none
    flag: str  # of that component, which names the path; empty for none
    run: bool  # a script to be run once the files are in place
    content: Mapping[str, Any] | None
    text: str
    source: str  # id of the object that it comes from


@dataclass(frozen=True, slots=True)
class Permission:
    """Owner and mode of something that exists on a host, or of a folder that is made there."""

    path: str  # may hold * as shells know it
    mode: str
    owner: str
    roles: tuple[str, ...]
    create: bool


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What the hosts of a cluster are told, whatever their distribution."""

    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # component -> flag -> value
    mounts: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)  # component -> folder -> read-only?
    files: tuple[HostFile, ...] = ()
    permissions: tuple[Permission, ...] = ()

    def file(self, name: str) -> HostFile | None:
        """The file called `name`, such as `authentication`; None when no control writes it."""
        return next((f for f in self.files if f.name == name), None)

    def without(self, names: Iterable[str]) -> tuple[HostFile, ...]:
        """The files but those that a form writes down in a way of its own."""
        left_out = frozenset(names)
        return tuple(f for f in self.files if f.name not in left_out)


def plan(bundle: Bundle) -> HostPlan:
    """The plan of a bundle's host plane; empty where a provider owns it."""
    flags: dict[str, dict[str, str]] = {}
    mounts: dict[str, dict[str, bool]] = {}
    files: list[HostFile] = []
    permissions: list[Permission] = []
    for manifest in bundle.host:
        body = manifest.body
        if manifest.kind == "Component":
            flags.setdefault(manifest.name, {}).update({n: flag_text(n, v) for n, v in body.get("flags", {}).items()})
            folders = {path: bool(m.get("readOnly", True)) for path, m in body.get("mounts", {}).items()}
            mounts.setdefault(manifest.name, {}).update(folders)
        elif manifest.kind == "File":
            files.append(_file(manifest, body))
        else:
            permissions.extend(_permissions(body))
    for one in files:
        if one.flag:
            flags.setdefault(one.component, {})[one.flag] = one.path
        if one.component:
            mounts.setdefault(one.component, {}).setdefault(one.path.rpartition("/")[0], True)
    return HostPlan(
        {c: dict(sorted(f.items())) for c, f in sorted(flags.items()) if f},
        {c: dict(sorted(m.items())) for c, m in sorted(mounts.items()) if m},
        tuple(sorted(files, key=lambda f: f.path)),
        tuple(sorted(permissions, key=lambda p: p.path)),
    )


def flag_text(name: str, value: Any) -> str:
    """A flag's value as it stands behind `--name=`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, dict):
        if name in _PAIRS:
            return ",".join(f"{k}={'true' if v else 'false'}" for k, v in sorted(value.items()))
        return ",".join(sorted(k for k, v in value.items() if v))
    return str(value)


def _file(manifest: Manifest, body: Mapping[str, Any]) -> HostFile:
    content = body.get("content")
    return HostFile(
        name=manifest.name,
        path=body["path"],
        mode=body["mode"],
        owner=body["owner"],
        roles=tuple(body["roles"]),
        component=body.get("component", ""),
        flag=body.get("flag", ""),
        run=body.get("run", False),
        content=content,
        text=body["text"] if content is None else dump(content),
        source=manifest.id,
    )


def _permissions(body: Mapping[str, Any]) -> Iterable[Permission]:
    roles = tuple(body["roles"])
    for path, entry in body["paths"].items():
        yield Permission(path, entry["mode"], entry["owner"], roles, entry.get("create", False))
