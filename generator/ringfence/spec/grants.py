"""Grants that are no mistake: what Kubernetes, an installer and a chosen component need, so that guards let it pass.

What is not chosen has no entry, so no exception either. Sources: k8s.io/kubernetes bootstrappolicy and the
kubeadm phases kubeconfig and bootstraptoken/clusterinfo; k3s-io/helm-controller pkg/controllers/chart;
Amazon EKS user guide, "Understand Amazon EKS created RBAC roles and users"; each component's own chart or
manifests, installed under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable

_PROVIDER = {"eks": ("eks:addon-manager",)}

# `[namespace/]binding role subject`; a service account is spelled as the user that it is
_KUBERNETES = (
    "cluster-admin cluster-admin system:masters",
    "system:basic-user system:basic-user system:authenticated",
    "system:discovery system:discovery system:authenticated",
    "system:public-info-viewer system:public-info-viewer system:authenticated",
    "system:public-info-viewer system:public-info-viewer system:unauthenticated",
)
_KUBEADM = (
    "kubeadm:cluster-admins cluster-admin kubeadm:cluster-admins",
    "kube-public/kubeadm:bootstrap-signer-clusterinfo kubeadm:bootstrap-signer-clusterinfo system:anonymous",
)
_INSTALLER = {
    "kubeadm": _KUBEADM,
    "generic": _KUBEADM,  # kind, Cluster API and kubespray are kubeadm underneath
    "eks": ("eks:addon-cluster-admin cluster-admin eks:addon-manager",),
    "flux": (
        "cluster-reconciler-flux-system cluster-admin system:serviceaccount:flux-system:helm-controller",
        "cluster-reconciler-flux-system cluster-admin system:serviceaccount:flux-system:kustomize-controller",
    ),
}
_CHART_JOBS = {"k3s": ("kube-system",), "rke2": ("kube-system",)}

# What a role may be refused for, and the ClusterRoles that need it; a name that ends in - or : is a beginning.
KINDS = ("credentials", "escalation", "guardrails", "secrets", "wildcards")
_ISTIO = {
    "istiod-clusterrole-": ("credentials", "guardrails", "secrets", "wildcards"),
    "istio-reader-clusterrole-": ("secrets", "wildcards"),
}
_ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "argocd": {
        "argocd-application-controller": ("wildcards",),
        "argocd-applicationset-controller": ("secrets",),
        "argocd-server": ("wildcards",),
    },
    "calico": {"tigera-operator": ("escalation", "secrets", "wildcards")},
    "external-secrets": {
        "external-secrets-cert-controller": ("guardrails", "secrets"),
        "external-secrets-controller": ("credentials", "secrets"),
    },
    "flux": {"crd-controller-flux-system": ("credentials", "secrets", "wildcards")},
    "gatekeeper": {"gatekeeper-": ("guardrails", "wildcards")},
    "istio-ambient": _ISTIO,
    "istio-sidecar": _ISTIO,
    "kyverno": {"kyverno:": ("guardrails", "wildcards")},
    "openbao": {"openbao-agent-injector-clusterrole": ("guardrails",)},
    "sealed-secrets": {"secrets-unsealer": ("secrets",)},
    "vault": {"vault-agent-injector-clusterrole": ("guardrails",)},
    "vault-secrets-operator": {"vault-secrets-operator-manager-role": ("credentials", "secrets")},
}


def reconcilers(distribution: str) -> tuple[str, ...]:
    """Users that restore roles and bindings on their own: refusing them breaks an upgrade and stops nobody."""
    return ("system:apiserver", *_PROVIDER.get(distribution, ()))


def default_grants(chosen: Iterable[str]) -> tuple[str, ...]:
    """Grants to broad groups and of cluster-admin that Kubernetes, the distribution and the delivery engine make."""
    return _KUBERNETES + tuple(grant for name in sorted(chosen) for grant in _INSTALLER.get(name, ()))


def component_roles(chosen: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """ClusterRoles of what is chosen, by the kind of grant (one of KINDS) that they can't do without."""
    roles = [item for name in sorted(chosen) for item in _ROLES.get(name, {}).items()]
    return {kind: tuple(dict.fromkeys(name for name, kinds in roles if kind in kinds)) for kind in KINDS}


def chart_jobs(distribution: str) -> tuple[str, ...]:
    """Namespaces in which the distribution installs charts by jobs that are bound to cluster-admin."""
    return _CHART_JOBS.get(distribution, ())
