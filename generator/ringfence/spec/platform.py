"""Namespaces of the platform itself and the Pod Security level each one's software needs.

Sources: each component's own chart values and namespace manifests, as read for docs/controls.md
(`psa-system-namespaces`). A component that is not chosen has no namespace here, so no exception either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlatformNamespace:
    """A namespace that runs platform software. `pod_security` is the PSS level it can be held to."""

    name: str
    component: str
    pod_security: str
    reason: str
    exists: bool  # made by the distribution or an installer before us: patched, not owned


def _of(name: str, component: str, level: str, reason: str, exists: bool = False) -> PlatformNamespace:
    return PlatformNamespace(name, component, level, reason, exists)


_ALWAYS = (
    _of("kube-system", "kubernetes", "privileged", "static pods, kube-proxy and network plugins use the host", True),
)
_DISTRIBUTION = {
    "rke2": (_of("cattle-system", "rke2", "privileged", "node agents use the host", True),),
}
_CNI = {
    "calico": (
        _of("calico-system", "calico", "privileged", "calico-node uses the host network and host paths", True),
        _of("tigera-operator", "calico", "privileged", "the operator uses the host network", True),
    ),
}
_COMPONENT = {
    "istio-ambient": (
        _of("istio-system", "istio", "restricted", "istiod and gateways run unprivileged"),
        _of("istio-cni", "istio", "privileged", "istio-cni and ztunnel need host paths and NET_ADMIN"),
    ),
    "istio-sidecar": (
        _of("istio-system", "istio", "restricted", "istiod and gateways run unprivileged"),
        _of("istio-cni", "istio", "privileged", "istio-cni needs host paths and NET_ADMIN"),
    ),
    "kyverno": (_of("kyverno", "kyverno", "restricted", "runs unprivileged by default"),),
    "gatekeeper": (_of("gatekeeper-system", "gatekeeper", "restricted", "runs unprivileged by default"),),
    "external-secrets": (_of("external-secrets", "external-secrets", "restricted", "runs unprivileged by default"),),
    "vault": (_of("vault", "vault", "restricted", "runs unprivileged once its security context is set"),),
    "openbao": (_of("openbao", "openbao", "restricted", "runs unprivileged once its security context is set"),),
    "vault-secrets-operator": (
        _of(
            "vault-secrets-operator",
            "vault-secrets-operator",
            "restricted",
            "runs unprivileged once its security context is set",
        ),
    ),
    "sealed-secrets": (_of("sealed-secrets", "sealed-secrets", "restricted", "runs unprivileged by default"),),
    "falco": (_of("falco", "falco", "privileged", "the probe reads the host's kernel and paths"),),
    "tetragon": (_of("tetragon", "tetragon", "privileged", "the agent loads BPF programs on the host"),),
}


def component_namespaces(component: str) -> tuple[PlatformNamespace, ...]:
    """The namespaces that one component brings; none for a component whose namespace the user names."""
    return _COMPONENT.get(component, ())


def platform_namespaces(
    distribution: str, cni: str, components: Iterable[str], settings: Mapping[str, Any]
) -> tuple[PlatformNamespace, ...]:
    """The platform's namespaces for these choices, ordered by name."""
    found = [*_ALWAYS, *_DISTRIBUTION.get(distribution, ()), *_CNI.get(cni, ())]
    for component in components:
        found.extend(component_namespaces(component))
    if settings["monitoring"]:
        found.append(
            _of(settings["monitoring"]["namespace"], "monitoring", "privileged", "node exporters read the host's paths")
        )
    found.extend(
        _of(c["namespace"], "ingress-controller", "restricted", "proxies run unprivileged")
        for c in settings["ingressControllers"]
    )
    unique = {
        n.name: n for n in sorted(found, key=lambda n: (n.pod_security != "privileged", n.component), reverse=True)
    }
    for n in settings["namespaces"]:  # what the user says of a namespace stands
        unique[n["name"]] = _of(n["name"], "platform", n["podSecurity"], n["reason"], n["exists"])
    return tuple(unique[name] for name in sorted(unique))
