"""Traps about who gets in, each shown not to be so on what is rendered or refused; a cluster proves the rest by probes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.host import HostPlan, plan
from ringfence.model import Bundle, Stage

OIDC = {"oidc": [{"url": "https://id.example.com", "audience": "kubernetes"}]}
GROUPS = {"groups": {"platformAdmin": ["oidc:platform"], "auditor": ["oidc:audit"], "breakGlass": ["oidc:glass"]}}
PROFILES = pytest.mark.parametrize("profile", ["baseline", "restricted", "zero-trust"])
KUBEADM = pytest.mark.parametrize("distribution", ["kubeadm", "rke2", "k3s", "talos", "generic"])


@cache
def builder() -> Builder:
    return Builder()


def built(folder: Path, **changes: Any) -> Bundle:
    return builder().build(write_cluster(folder, **{"identity": {**OIDC, **GROUPS}, **changes}))


def host(folder: Path, profile: str, distribution: str = "kubeadm") -> HostPlan:
    return plan(built(folder, profile=profile, kubernetes={"version": "1.36", "distribution": distribution}))


def stage(bundle: Bundle, control: str) -> Stage:
    return next(c.stage for c in bundle.controls if c.id == control)


@KUBEADM
@PROFILES
def test_trap_18_a_structured_file_and_the_flags_it_replaces_are_never_both_there(
    tmp_path: Path, profile: str, distribution: str
) -> None:
    found = host(tmp_path, profile, distribution)
    flags = found.flags["kube-apiserver"]
    assert flags["authentication-config"].endswith("/authentication.yaml")
    assert not [f for f in flags if f.startswith("oidc-") or f == "anonymous-auth"]
    file = found.file("authentication")
    assert file is not None
    assert file.content is not None
    assert {"jwt", "anonymous"} <= file.content.keys()


@PROFILES
def test_trap_18_a_list_of_suites_stands_only_where_it_has_a_meaning(tmp_path: Path, profile: str) -> None:
    flags = host(tmp_path, profile).flags["kube-apiserver"]
    assert ("tls-cipher-suites" in flags) is (flags["tls-min-version"] == "VersionTLS12")


def test_trap_42_extended_tokens_are_watched_before_they_are_refused(tmp_path: Path) -> None:
    flag = "service-account-extend-token-expiration"
    audit, enforce = (host(tmp_path / p, p).flags["kube-apiserver"] for p in ("baseline", "restricted"))
    assert stage(built(tmp_path, profile="baseline"), "apiserver-sa-tokens") is Stage.AUDIT
    assert (audit[flag], enforce[flag]) == ("true", "false")
    assert "service-account-max-token-expiration" not in audit


@PROFILES
def test_trap_46_nobody_is_made_one_of_system_masters(tmp_path: Path, profile: str) -> None:
    bundle = built(tmp_path, profile=profile)
    subjects = [s for m in bundle if m.kind.endswith("Binding") for s in m.body.get("subjects") or ()]
    names = {s["name"] for s in subjects if s["kind"] == "Group"}
    assert "system:masters" not in names
    assert "oidc:glass" in names, "emergencies are a binding, which can be taken back"
    found = plan(bundle)
    file = found.file("authentication")
    assert file is not None
    assert file.content is not None
    for entry in file.content["jwt"]:
        assert entry["claimMappings"]["groups"]["prefix"] == "oidc:"
        assert any(
            "user.groups.exists(n, n.startsWith('system:')" in r["expression"] for r in entry["userValidationRules"]
        )
    assert "CertificateSubjectRestriction" in found.flags["kube-apiserver"]["enable-admission-plugins"]
    assert found.file("seal-admin-kubeconfigs") is not None, "and the certificate that is one is put away"


@PROFILES
def test_trap_47_roles_of_ours_extend_no_other_and_gather_none(tmp_path: Path, profile: str) -> None:
    bundle = built(tmp_path, profile=profile)
    roles = [m.body for m in bundle if m.kind == "ClusterRole"]
    assert roles
    for role in roles:
        assert "aggregationRule" not in role
        assert not [k for k in role["metadata"].get("labels", {}) if "aggregate-to-" in k]
    guards = [m for m in bundle if "rbac-no-aggregation" in m.shape.controls]
    assert bool(guards) is (profile != "baseline"), "the baseline leaves operators alone"
