"""Facts about a cluster's namespaces and the groups behind it that templates use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.errors import InputError
from ringfence.spec import Cluster, read_cluster
from ringfence.spec.quotas import QUOTA_SIZES


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    def read(**changes: Any) -> Cluster:
        return read_cluster(write_cluster(tmp_path, **changes), "cluster.yaml")

    return read


def platform(cluster: Cluster) -> dict[str, tuple[str, bool]]:
    """Level of each platform namespace, and whether somebody else makes it."""
    return {n.name: (n.pod_security, n.exists) for n in cluster.platform_namespaces}


def on(distribution: str = "kubeadm", cni: str = "cilium", **components: Any) -> dict[str, Any]:
    kubernetes = {"version": "1.36", "distribution": distribution}
    return {"kubernetes": kubernetes, "network": {"cni": cni}, "components": components}


PLATFORMS = [
    (on(), {}),
    (on(cni="calico"), {"calico-system": ("privileged", True), "tigera-operator": ("privileged", True)}),
    (on("rke2"), {"cattle-system": ("privileged", True)}),
    (on(runtime=["falco"]), {"falco": ("privileged", False)}),
    (on(admission="kyverno"), {"kyverno": ("restricted", False)}),
    (on(mesh="istio-ambient"), {"istio-cni": ("privileged", False), "istio-system": ("restricted", False)}),
    (on(monitoring={"namespace": "metrics"}), {"metrics": ("privileged", False)}),
    (on(ingressControllers=[{"namespace": "edge"}]), {"edge": ("restricted", False)}),
]


@pytest.mark.parametrize(("changes", "expected"), PLATFORMS)
def test_platform_namespaces_follow_what_the_cluster_runs(facts: Any, changes: Any, expected: Any) -> None:
    assert platform(facts(**changes)) == {"kube-system": ("privileged", True), **expected}
    assert all(n.reason for n in facts(**changes).platform_namespaces)


def test_a_namespace_shared_by_components_has_the_level_of_the_one_that_needs_most(facts: Any) -> None:
    shared = on(monitoring={"namespace": "edge"}, ingressControllers=[{"namespace": "edge"}])
    assert platform(facts(**shared))["edge"] == ("privileged", False)


OWN = {"name": "longhorn-system", "podSecurity": "privileged", "reason": "disks", "exists": True}


def test_the_platform_has_namespaces_of_the_users_own(facts: Any) -> None:
    cluster = facts(**on(namespaces=[OWN, {"name": "backup", "reason": "runs unprivileged"}]))
    assert platform(cluster)["longhorn-system"] == ("privileged", True)
    assert platform(cluster)["backup"] == ("restricted", False)
    assert {n.component for n in cluster.platform_namespaces} == {"kubernetes", "platform"}
    assert {"longhorn-system", "backup"} <= set(cluster.system_namespaces)


def test_what_the_user_says_of_a_namespace_stands(facts: Any) -> None:
    held = {"name": "falco", "podSecurity": "baseline", "reason": "the plugin source alone runs here"}
    assert platform(facts(**on(runtime=["falco"], namespaces=[held])))["falco"] == ("baseline", False)


@pytest.mark.parametrize(
    ("namespaces", "tenant", "message"),
    [
        ([OWN, OWN], "shop", 'namespace "longhorn-system" is listed twice'),
        ([{**OWN, "name": "default"}], "shop", 'namespace "default" is Kubernetes\' own'),
        ([{**OWN, "name": "kube-system"}], "shop", 'namespace "kube-system" is Kubernetes\' own'),
        ([OWN], "longhorn-system", 'namespace "longhorn-system" is reserved by the platform'),
    ],
)
def test_namespaces_of_the_users_own_are_told_apart(facts: Any, namespaces: Any, tenant: str, message: str) -> None:
    tenants = [{"name": "shop", "owner": "shop@example.com", "namespaces": [tenant]}]
    with pytest.raises(InputError, match=message):
        facts(tenants=tenants, **on(namespaces=namespaces))


def test_idle_namespaces_are_kubernetes_own_but_for_the_one_in_use(facts: Any) -> None:
    cluster = facts()
    assert set(cluster.idle_namespaces) == {"default", "kube-node-lease", "kube-public"}
    assert set(cluster.idle_namespaces).isdisjoint(n.name for n in cluster.platform_namespaces)


def test_trusted_groups_are_administrators_break_glass_and_what_installers_made(facts: Any) -> None:
    groups = {"platformAdmin": ["oidc:admins"], "breakGlass": ["oidc:emergency", "oidc:admins"], "auditor": ["oidc:a"]}
    cluster = facts(identity={"groups": groups}, **on(cni="calico", runtime=["falco"], namespaces=[OWN]))
    assert cluster.trusted_groups == (
        "system:masters",
        "kubeadm:cluster-admins",
        "oidc:admins",
        "oidc:emergency",
        "system:serviceaccounts:calico-system",
        "system:serviceaccounts:kube-system",
        "system:serviceaccounts:longhorn-system",
        "system:serviceaccounts:tigera-operator",
    )


def test_no_service_account_of_what_ringfence_makes_is_trusted(facts: Any) -> None:
    cluster = facts(**on(runtime=["falco"], admission="kyverno"))
    assert [g for g in cluster.trusted_groups if "serviceaccounts" in g] == ["system:serviceaccounts:kube-system"]


def test_a_quota_is_a_size_or_numbers_and_the_tenants_unless_given(facts: Any) -> None:
    entries = ["one", {"name": "two", "quota": "large"}, {"name": "three", "quota": {"pods": 7}}]
    tenants = [{"name": "shop", "owner": "shop@example.com", "quota": "small", "namespaces": entries}]
    one, two, three = facts(tenants=tenants).namespaces
    assert (one.quota, two.quota) == (QUOTA_SIZES["small"], QUOTA_SIZES["large"])
    assert three.quota["pods"] == 7
    assert set(three.quota) == set(QUOTA_SIZES["small"])


def test_no_size_lets_a_namespace_have_load_balancers() -> None:
    assert {size["loadBalancers"] for size in QUOTA_SIZES.values()} == {0}
