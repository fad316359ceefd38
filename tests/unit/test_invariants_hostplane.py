"""Rules about the API server's flags: each on flags that break it and on their nearest relatives that don't."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.documents import Document, dump
from ringfence.findings import examine
from ringfence.schemas import SchemaStore

STORE = SchemaStore("1.36")


def found(flags: dict[str, Any], component: str = "kube-apiserver") -> list[tuple[str, str, str]]:
    """Control, path and message of every finding; each has a remedy."""
    body = {
        "apiVersion": "host.ringfence/v1alpha1",
        "kind": "Component",
        "metadata": {"name": component},
        "flags": flags,
    }
    report = examine([Document("x.yaml", body, dump(body))], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy for f in report.findings)
    return [(f.control, ".".join(map(str, f.path)), f.message) for f in report.findings]


@pytest.mark.parametrize(
    ("flags", "control", "message"),
    [
        ({"token-auth-file": "/t"}, "apiserver-no-static-tokens", "--token-auth-file lets in"),
        ({"basic-auth-file": "/t"}, "apiserver-no-static-tokens", "--basic-auth-file lets in"),
        ({"authorization-mode": "AlwaysAllow"}, "apiserver-authz-chain", "exclude each other"),
        ({"authorization-mode": {"Node": True, "RBAC": True}}, "apiserver-authz-chain", "exclude each other"),
        ({"authorization-webhook-config-file": "/w"}, "apiserver-authz-chain", "exclude each other"),
        ({"anonymous-auth": "false"}, "apiserver-anon-health-only", "authentication.yaml exclude each other"),
        ({"oidc-issuer-url": "https://id"}, "apiserver-anon-health-only", "authentication.yaml exclude each other"),
        ({"disable-admission-plugins": {"PodSecurity": True}}, "apiserver-admission-core", "PodSecurity in --disable"),
        ({"disable-admission-plugins": "Priority,LimitRanger"}, "apiserver-admission-core", "LimitRanger in --disable"),
        ({"disable-admission-plugins": ["ServiceAccount"]}, "apiserver-admission-core", "ServiceAccount in --disable"),
        ({"enable-admission-plugins": {"AlwaysAdmit": True}}, "apiserver-admission-core", "AlwaysAdmit in --enable"),
        ({"feature-gates": {"AllAlpha": True}}, "apiserver-alpha-off", "AllAlpha in --feature-gates"),
        ({"feature-gates": "AllBeta=true,AllAlpha=true"}, "apiserver-alpha-off", "AllAlpha in --feature-gates"),
        ({"runtime-config": ["api/all=true"]}, "apiserver-alpha-off", "api/all in --runtime-config"),
        ({"runtime-config": {"api/alpha": True}}, "apiserver-alpha-off", "api/alpha in --runtime-config"),
    ],
)
def test_flags_that_take_back_a_promise(flags: dict[str, Any], control: str, message: str) -> None:
    assert [(c, p) for c, p, _ in found(flags)] == [(control, f"flags.{next(iter(flags))}")]
    assert message in found(flags)[0][2]


@pytest.mark.parametrize(
    "flags",
    [
        {"authentication-config": "/a", "authorization-config": "/z"},
        {"disable-admission-plugins": {"PodSecurity": False, "DefaultIngressClass": True}},
        {"enable-admission-plugins": {"AlwaysPullImages": True}},
        {"feature-gates": {"AllAlpha": False, "PodsAPI": True}},
        {"runtime-config": "api/alpha=false,internal.apiserver.k8s.io/v1alpha1=true"},
    ],
)
def test_flags_that_keep_it(flags: dict[str, Any]) -> None:
    assert found(flags) == []


def test_other_components_are_not_meant() -> None:
    assert found({"anonymous-auth": "false", "authorization-mode": "Webhook"}, "kubelet") == []


def test_components_of_other_people_are_not_meant() -> None:
    body = {"apiVersion": "dapr.io/v1alpha1", "kind": "Component", "metadata": {"name": "kube-apiserver"}}
    assert examine([Document("x.yaml", body, dump(body))], STORE).findings == ()
