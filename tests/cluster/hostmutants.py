"""Mutants of the host plane: one flag, file or field of a file gone, or set as a mistake would set it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from cluster.mutants import FLIP, REMOVAL, Mutant
from cluster.trees import at, leaves, less, put, spell

from ringfence.host.plan import flag_text
from ringfence.model import Bundle, ResolvedControl
from ringfence.shape import Manifest, Path

Body = dict[str, Any]
_SET = "enable-admission-plugins"
_OFF = ("AlwaysPullImages", "DenyServiceExternalIPs", "EventRateLimit", "NodeRestriction")  # unless named
_ABOUT = ("apiVersion", "kind", "name", "type", "message", "cacheSize")  # what a mapping is and says, and no setting
_CONTROLLER = "system:serviceaccount:kube-system:replicaset-controller"  # by whose hand everybody makes pods
# etcd heeds these only where it is not given the others (client/pkg/transport/listener.go, server/embed/config.go).
_MOOT = {
    "auto-tls": "cert-file",
    "client-cert-auth": "trusted-ca-file",
    "peer-auto-tls": "peer-cert-file",
    "peer-client-cert-auth": "peer-trusted-ca-file",
}
HOST = "host"  # in place of a component: what lies on a host and no component reads
# Name of a script → what of it somebody might leave out, and what is then left.
_SCRIPTS = {"seal-admin-kubeconfigs": ("super-admin.conf admin.conf", "admin.conf")}
_TOKENS = "/etc/kubernetes/ringfence/tokens.csv"
# What a control keeps away by emitting nothing.
_MISTAKES = {
    "apiserver-no-static-tokens": (
        Mutant(
            "apiserver-no-static-tokens",
            FLIP,
            "kube-apiserver with --token-auth-file",
            component="kube-apiserver",
            flags={"token-auth-file": _TOKENS},
            files={_TOKENS: "ringfence-static-token,somebody,1\n"},
        ),
    ),
}
_WORSE = {
    "root-ca-file": {"/etc/kubernetes/pki/ca.crt": "/etc/kubernetes/pki/etcd/ca.crt"},
    "tls-min-version": {"VersionTLS13": "VersionTLS12", "VersionTLS12": "VersionTLS10"},
    "anonymous-auth": {"false": "true"},
}


def of_host_plane(bundle: Bundle, control: ResolvedControl) -> Iterator[Mutant]:
    """Removals and flips of the flags and file fields that the control set, of components that run in a sandbox."""
    yield from _MISTAKES.get(control.id, ())
    for manifest in bundle.host:
        if control.id not in manifest.shape.controls:
            continue
        body = manifest.body
        if manifest.kind == "Component":
            own = {p for p, origin in manifest.shape.origins.items() if origin.control == control.id}
            yield from _of_flags(control.id, manifest.name, body.get("flags", {}), own)
        elif manifest.kind == "File" and body.get("component") and "content" in body:
            yield from _of_file(control.id, manifest, body)
        elif manifest.name in _SCRIPTS:
            yield from _of_script(control.id, manifest.name, body)


def _of_script(control: str, name: str, body: Body) -> Iterator[Mutant]:
    """Of a script that probes run below a copy of the host."""
    right, wrong = _SCRIPTS[name]
    assert right in body["text"], name
    yield Mutant(control, REMOVAL, f"{name} gone", component=HOST, files={body["path"]: ""})
    changed = body["text"].replace(right, wrong)
    yield Mutant(control, FLIP, f"{name} with {wrong} alone", component=HOST, files={body["path"]: changed})


# ------------------------------------------------------------------------------------------------------------ flags


def _of_flags(control: str, component: str, flags: Body, own: set[Path]) -> Iterator[Mutant]:
    for name, value in flags.items():
        if isinstance(value, dict):
            for key in (k for k in value if ("flags", name, k) in own):
                yield from _of_member(control, component, name, value, key)
        elif ("flags", name) in own and _MOOT.get(name) in flags:
            yield from _of_moot(control, component, name, flag_text(name, value))
        elif ("flags", name) in own:
            text = flag_text(name, value)
            gone = f"{component} without --{name}={_short(text)}"
            yield Mutant(control, REMOVAL, gone, component=component, flags={name: None}, gone=text)
            if (worse := _worse(name, text)) is not None:
                changed = f"{component} with --{name}={worse}"
                yield Mutant(control, FLIP, changed, component=component, flags={name: worse})


def _of_member(control: str, component: str, name: str, value: Body, key: str) -> Iterator[Mutant]:
    """Of a flag that is a set or a mapping: one member gone, and turned over."""
    left = flag_text(name, {k: v for k, v in value.items() if k != key}) or None
    gone, said = f"{component} --{name} without {key}", (key, str(value[key]).lower())
    yield Mutant(control, REMOVAL, gone, component=component, flags={name: left}, gone=said)
    if name == _SET:
        if key in _OFF:
            return
        off = {_SET: left, "disable-admission-plugins": key}
        yield Mutant(
            control, FLIP, f"{component} with --disable-admission-plugins={key}", component=component, flags=off
        )
    else:
        over = flag_text(name, {**value, key: not value[key]})
        what = f"{component} --{name} with {key}={str(not value[key]).lower()}"
        yield Mutant(control, FLIP, what, component=component, flags={name: over})


def _of_moot(control: str, component: str, name: str, text: str) -> Iterator[Mutant]:
    """Of a flag that another one makes moot: it gone, which changes nothing, and both turned off."""
    other = _MOOT[name]
    gone = f"{component} without --{name}={text}"
    yield Mutant(control, REMOVAL, gone, component=component, flags={name: None}, moot=other)
    if text == "true":
        off: dict[str, str | None] = {name: "false", other: None}
        yield Mutant(
            control, FLIP, f"{component} with --{name}=false, without --{other}", component=component, flags=off
        )


def _worse(name: str, text: str) -> str | None:
    """The value that somebody in a hurry would set; None where removing the flag is all that can go wrong."""
    if name in _WORSE:
        return _WORSE[name].get(text)
    if text in ("true", "false"):
        return "false" if text == "true" else "true"
    if name == "api-audiences":
        return f"{text},elsewhere"
    if match := re.fullmatch(r"([0-9]+)(s|m|h|h0m0s)", text):
        return f"{int(match[1]) * 1000}{match[2]}"
    return None


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


# ------------------------------------------------------------------------------------------------------------ files


def _of_file(control: str, manifest: Manifest, body: Body) -> Iterator[Mutant]:
    content = body["content"]

    def mutant(kind: str, what: str, changed: Body, gone: Any = None) -> Mutant:
        files = {body["path"]: changed}
        return Mutant(control, kind, f"{manifest.name}: {what}", component=body["component"], files=files, gone=gone)

    if manifest.shape.controls == (control,) and body.get("flag"):
        flag = {body["flag"]: None}
        yield Mutant(control, REMOVAL, f"{manifest.name} gone", component=body["component"], flags=flag)
    for path in units(content, ()):
        if _owner(manifest, path) == control:
            gone = {path[-1]: at(content, path)}
            yield mutant(REMOVAL, f"without {spell(path)}", less(content, path), gone)
    for path, what, changed in content_flips(content):
        if _owner(manifest, path) == control:
            yield mutant(FLIP, what, changed)


def _owner(manifest: Manifest, path: Path) -> str:
    """The control that set a field of the content, or the nearest around it."""
    origins = manifest.shape.origins
    around = (("content", *path[:end]) for end in range(len(path), -1, -1))
    return next((origins[p].control for p in around if p in origins), "")


def units(value: Any, path: Path) -> Iterator[Path]:
    """What can be left out by itself: fields, and items of lists.

    Not what says of what kind a mapping is, and no single item of what an audit rule leaves out of the log: a rule that
    leaves less out loses nothing. Nor the name or secret of a key, which hosts make.
    """
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in _ABOUT:
                if len(value) > 1 or not path:
                    yield (*path, key)
                if key != "keys" and (value.get("level") != "None" or not isinstance(inner, list)):
                    yield from units(inner, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            if len(value) > 1:
                yield (*path, i)
            yield from units(item, (*path, i))


def content_flips(content: Body) -> Iterator[tuple[Path, str, Body]]:
    """Fields of a structured file as a mistake would leave them, each with where it stands."""
    for path, value in leaves(content, ()):
        for worse in () if path[-1] in _ABOUT else _worse_fields(path, value):
            yield path, f"{spell(path)}: {json.dumps(worse)}", put(content, path, worse)
    for i, entry in enumerate(content.get("resources", ())):  # of an EncryptionConfiguration
        if entry.get("providers") and "identity" not in entry["providers"][0]:
            rest = [p for p in entry["providers"] if "identity" not in p]
            here: Path = ("resources", i, "providers")
            yield here, f"identity first in resources[{i}]", put(content, here, [{"identity": {}}, *rest])
    for i, plugin in enumerate(content.get("plugins", ())):  # of an AdmissionConfiguration
        if "exemptions" in plugin["configuration"]:
            here = ("plugins", i, "configuration", "exemptions", "usernames")
            yield here, "a controller among exemptions.usernames", put(content, here, [_CONTROLLER])
    for i, _ in enumerate(content.get("authorizers", ())):
        others = [a for j, a in enumerate(content["authorizers"]) if j != i]
        allowed = [{"type": "AlwaysAllow", "name": "everybody"}, *others]
        yield ("authorizers", i), f"AlwaysAllow in place of authorizers[{i}]", {**content, "authorizers": allowed}


_LEVELS = {"Metadata": ("None", "RequestResponse"), "RequestResponse": ("None",)}


def _worse_fields(path: Path, value: Any) -> tuple[Any, ...]:
    """What somebody in a hurry would write."""
    if path[-1] == "level":
        return _LEVELS.get(value, ())
    worse = _worse_field(path, value)
    return () if worse is None else (worse,)


def _worse_field(path: Path, value: Any) -> Any:
    name = path[-1]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value * 1000
    if name == "enforce" and value != "privileged":
        return "privileged"
    if name in ("enforce-version", "audit-version", "warn-version"):
        return "v1.0"
    if name == "path" and path[0] == "anonymous":
        return "/version"
    if name == "expression" and "ValidationRules" in str(path[-3]):
        return "true"
    if name == "prefix":
        return ""
    if name in ("audit", "warn") and value != "privileged":
        return "privileged"
    return None
