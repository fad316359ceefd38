"""What guards let pass, by what the cluster runs: nothing for what is not chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.spec import Cluster, read_cluster
from ringfence.spec.grants import KINDS

FLUX = {"layout": "flux", "path": "a", "flux": {"name": "platform"}}
ARGO = {"layout": "argocd", "path": "a", "argocd": {"repoURL": "https://git.example.com/a"}}


@pytest.fixture
def cluster(tmp_path: Path) -> Any:
    def read(distribution: str = "talos", cni: str = "cilium", **changes: Any) -> Cluster:
        kubernetes = {"version": "1.36", "distribution": distribution}
        return read_cluster(write_cluster(tmp_path, kubernetes=kubernetes, network={"cni": cni}, **changes), "c.yaml")

    return read


def test_the_api_server_and_a_providers_add_ons_are_never_refused(cluster: Any) -> None:
    assert cluster().reconcilers == ("system:apiserver",)
    assert cluster("eks").reconcilers == ("system:apiserver", "eks:addon-manager")


def test_only_kubernetes_own_binding_names_cluster_admin_at_first(cluster: Any) -> None:
    assert cluster().cluster_admin_grants == ("cluster-admin cluster-admin system:masters",)


@pytest.mark.parametrize(
    ("changes", "grants"),
    [
        ({"distribution": "kubeadm"}, ["kubeadm:cluster-admins cluster-admin kubeadm:cluster-admins"]),
        ({"distribution": "eks"}, ["eks:addon-cluster-admin cluster-admin eks:addon-manager"]),
        (
            {"delivery": FLUX},
            [
                "cluster-reconciler-flux-system cluster-admin system:serviceaccount:flux-system:helm-controller",
                "cluster-reconciler-flux-system cluster-admin system:serviceaccount:flux-system:kustomize-controller",
            ],
        ),
    ],
)
def test_installers_and_engines_that_are_bound_to_it(cluster: Any, changes: Any, grants: list[str]) -> None:
    assert list(cluster(**changes).cluster_admin_grants[1:]) == grants


def test_kubeadm_shows_anonymous_callers_how_to_join(cluster: Any) -> None:
    join = "kube-public/kubeadm:bootstrap-signer-clusterinfo kubeadm:bootstrap-signer-clusterinfo system:anonymous"
    assert join in cluster("kubeadm").broad_grants
    assert join not in cluster("eks").broad_grants
    assert all(grant.split(" ")[2].startswith("system:") for grant in cluster("kubeadm").broad_grants)


def test_only_k3s_and_rke2_install_charts_by_jobs(cluster: Any) -> None:
    assert {d: cluster(d).chart_jobs for d in ("k3s", "rke2", "kubeadm")} == {
        "k3s": ("kube-system",),
        "rke2": ("kube-system",),
        "kubeadm": (),
    }


def test_roles_of_what_is_not_chosen_are_not_excepted(cluster: Any) -> None:
    assert cluster().component_roles == dict.fromkeys(KINDS, ())


@pytest.mark.parametrize(
    ("changes", "roles"),
    [
        ({"cni": "calico"}, {"escalation": ("tigera-operator",), "wildcards": ("tigera-operator",)}),
        ({"components": {"admission": "kyverno"}}, {"guardrails": ("kyverno:",), "wildcards": ("kyverno:",)}),
        ({"components": {"secrets": ["vault"]}}, {"guardrails": ("vault-agent-injector-clusterrole",)}),
        ({"delivery": ARGO}, {"wildcards": ("argocd-application-controller", "argocd-server")}),
    ],
)
def test_roles_of_what_is_chosen(cluster: Any, changes: Any, roles: dict[str, tuple[str, ...]]) -> None:
    excepted = {kind: names for kind, names in cluster(**changes).component_roles.items() if names}
    assert {kind: excepted.get(kind, ()) for kind in roles} == roles
    assert "credentials" not in excepted
