"""Removals that change nothing: what is left out is then what Kubernetes does anyway."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.mutants import FLIP, REMOVAL, Mutant

# What a component's help doesn't say: k8s.io/kubernetes pkg/controlplane/instance.go, DefaultAPIResourceConfigSource.
_MEMBERS = {("runtime-config", "api/alpha"): "false"}
_FLAGS = {
    "api-audiences": "https://kubernetes.default.svc.cluster.local",  # the issuer's, which kubeadm sets to this
    "root-ca-file": "/etc/kubernetes/pki/ca.crt",  # of the kubeconfig, which is the same (controllermanager.go)
    "tls-min-version": "VersionTLS12",  # crypto/tls, Config.MinVersion
}
# k8s.io/pod-security-admission admission/api/v1/defaults.go; k8s.io/apiserver pkg/apis/audit/v1/types.go, and of a KMS
# plugin pkg/apis/apiserver/v1/defaults.go.
_FIELDS = {
    **dict.fromkeys(("enforce", "audit", "warn"), "privileged"),
    **dict.fromkeys(("enforce-version", "audit-version", "warn-version"), "latest"),
    "omitManagedFields": False,
    "cacheSize": 4096,  # plugin/pkg/admission/eventratelimit
    "timeout": "3s",
    "group": "",  # the core group
}


class Defaults:
    """What a component does when a flag is left out, as its own help says."""

    def __init__(self, program: Path) -> None:
        done = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        self._help = {m[1]: m[2] for m in re.finditer(r"^\s+--([a-z0-9-]+)(.*)$", said, re.MULTILINE)}
        gates = re.finditer(r"^\s+(?:[a-z]+:)?(\w+)=true\|false \(.*default=(true|false)\)", said, re.MULTILINE)
        self._gates = {m[1]: m[2] for m in gates}

    def same(self, flag: str, value: str) -> bool:
        """Is it the value without the flag?"""
        said = self._help.get(flag, "")
        default = re.search(r'\(default "?([^)"]*)"?\)', said) or re.match(r"\s+'?([^'\s]+)'?$", said)
        return _seconds(_FLAGS.get(flag) or (default[1] if default else "false")) == _seconds(value)

    def same_member(self, flag: str, member: str, value: str) -> bool:
        """Is a member of a set, or a key's value, the same when it is not named?"""
        if flag == "feature-gates":
            return self._gates.get(member) == value
        on = re.search(r"default enabled ones \(([^)]*)\)", self._help.get(flag, ""))
        return _MEMBERS.get((flag, member)) == value or (on is not None and member in re.split(r",\s*", on[1]))


def _seconds(value: str) -> str:
    """A duration such as 1m0s in seconds; everything else as it is."""
    if not (value and re.fullmatch(r"(\d+h)?(\d+m)?(\d+s)?", value)):
        return value
    parts = re.findall(r"(\d+)([hms])", value)
    return str(sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in parts))


def changes_nothing(mutant: Mutant, tools: Mapping[str, Path], known: dict[str, Defaults]) -> bool:
    """Is this a removal that leaves the same value behind? `known` keeps what components said."""
    if mutant.moot:
        return True
    if mutant.kind != REMOVAL or mutant.gone is None:
        return False
    if mutant.files:
        return _empty(mutant.gone)
    defaults = _of(mutant.component, tools, known)
    ((flag, _),) = mutant.flags.items()
    if isinstance(mutant.gone, tuple):
        return defaults.same_member(flag, *mutant.gone)
    return defaults.same(flag, mutant.gone)


def _empty(value: Any, name: str = "") -> bool:
    """Does a field say nothing but what holds without it? `identity: {}` says something, a list without items does not."""
    if isinstance(value, dict):
        return bool(value) and all(_empty(inner, str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return all(_empty(inner) for inner in value)
    return bool(name in _FIELDS and _FIELDS[name] == value)


def _of(component: str, tools: Mapping[str, Path], known: dict[str, Defaults]) -> Defaults:
    if component not in known:
        known[component] = Defaults(tools[component])
    return known[component]


def repeats_a_removal(mutant: Mutant, tools: Mapping[str, Path], known: dict[str, Defaults]) -> bool:
    """Is this a flip to the value that a flag has when it is left out? That is asked once."""
    if mutant.kind != FLIP or mutant.files or len(mutant.flags) != 1:
        return False
    defaults = _of(mutant.component, tools, known)
    ((flag, value),) = mutant.flags.items()
    return value is not None and "=" not in value and defaults.same(flag, value)
