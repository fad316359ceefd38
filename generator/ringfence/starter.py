"""A first cluster.yaml: answers → commented text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ringfence.documents import scalar

SCHEMA_FILE = "cluster.schema.json"


@dataclass(frozen=True, slots=True)
class Answers:
    """What `init` asks. Empty texts and tuples stand for what was left open."""

    name: str
    profile: str
    kubernetes: str
    distribution: str
    cni: str
    dns: str
    dns_addresses: tuple[str, ...]
    api_servers: tuple[str, ...]
    api_port: int | None
    pod_cidrs: tuple[str, ...]
    service_cidrs: tuple[str, ...]
    node_cidrs: tuple[str, ...]
    registries: tuple[str, ...]
    admin_groups: tuple[str, ...]
    mesh: str
    admission: str
    secrets: tuple[str, ...]
    runtime: tuple[str, ...]
    monitoring: str  # namespace
    ingress: tuple[str, ...]  # namespaces
    layout: str
    path: str
    source: str  # Flux: name of the GitRepository; Argo CD: address of the repository
    tenant: str
    owner: str
    namespaces: tuple[str, ...]


_PROFILES = {
    "baseline": "stops known takeovers without breaking ordinary charts",
    "restricted": "every workload least-privileged, every namespace closed",
    "zero-trust": "no request is trusted for where it comes from",
}


def cluster_text(a: Answers) -> str:
    """cluster.yaml with a schema line for editors and a comment for each choice."""
    return "".join(f"{line}\n" for line in _lines(a))


def _lines(a: Answers) -> Iterator[str]:
    yield f"# yaml-language-server: $schema={SCHEMA_FILE}"
    yield "apiVersion: ringfence/v1alpha1"
    yield "kind: Cluster"
    yield f"name: {scalar(a.name)}"
    profile = _PROFILES.get(a.profile)
    yield f"profile: {scalar(a.profile)}" + (f"  # {profile}" if profile else "")
    yield "kubernetes:"
    yield f'  version: "{a.kubernetes}"'
    yield f"  distribution: {scalar(a.distribution)}"
    yield from _network(a)
    if a.admin_groups:
        yield "identity:"
        yield f"  groups: {{platformAdmin: {_flow(a.admin_groups)}}}  # as the API server sees them, prefix included"
    if a.registries:
        yield "images:"
        yield f"  registries: {_flow(a.registries)}  # each ends with a slash, so that no look-alike host matches"
    yield "components:"
    yield f"  mesh: {scalar(a.mesh)}"
    yield f"  admission: {scalar(a.admission)}  # native: ValidatingAdmissionPolicy, which nobody can uninstall"
    yield f"  secrets: {_flow(a.secrets)}"
    yield f"  runtime: {_flow(a.runtime)}"
    if a.monitoring:
        yield f"  monitoring: {{namespace: {scalar(a.monitoring)}}}  # may scrape workloads' metrics"
    if a.ingress:
        yield "  ingressControllers:  # the only ones that may reach workloads from outside"
        yield from (f"  - {{namespace: {scalar(n)}}}" for n in a.ingress)
    yield from _delivery(a)
    yield "tenants:  # a team, who answers for it, and its namespaces; add one entry a team"
    yield f"- name: {scalar(a.tenant)}"
    yield f"  owner: {scalar(a.owner)}"
    yield f"  namespaces: {_flow(a.namespaces)}"


def _network(a: Answers) -> Iterator[str]:
    yield "network:"
    yield f"  cni: {scalar(a.cni)}" + ("  # any plugin that enforces NetworkPolicy" if a.cni == "other" else "")
    yield f"  dns: {_flow_map({'mode': a.dns, **({'addresses': a.dns_addresses} if a.dns_addresses else {})})}"
    if a.api_servers:
        addresses = _flow_map({"addresses": a.api_servers, **({"port": a.api_port} if a.api_port else {})})
        yield f"  apiServer: {addresses}  # endpoints, after address translation"
    else:
        yield "  # Pods with apiAccess need these: kubectl get endpointslices -n default kubernetes"
        yield "  # apiServer: {addresses: [192.0.2.10]}"
    for key, ranges in (("podCIDRs", a.pod_cidrs), ("serviceCIDRs", a.service_cidrs), ("nodeCIDRs", a.node_cidrs)):
        if ranges:
            yield f"  {key}: {_flow(ranges)}"
    families = [f for f, mark in (("IPv4", "."), ("IPv6", ":")) if any(mark in x for x in _addresses(a))]
    if "IPv6" in families:
        yield f"  ipFamilies: {_flow(tuple(families))}"


def _addresses(a: Answers) -> tuple[str, ...]:
    return (*a.dns_addresses, *a.api_servers, *a.pod_cidrs, *a.service_cidrs, *a.node_cidrs)


def _delivery(a: Answers) -> Iterator[str]:
    yield "delivery:"
    yield f"  layout: {scalar(a.layout)}"
    if a.path:
        yield f"  path: {scalar(a.path)}  # of the tree, from the root of its repository"
    if a.layout == "flux":
        yield f"  flux: {{name: {scalar(a.source)}}}  # the GitRepository that holds it"
    elif a.layout == "argocd":
        yield f"  argocd: {{repoURL: {scalar(a.source)}}}"


def _flow(values: tuple[str, ...]) -> str:
    return "[" + ", ".join(scalar(v) for v in values) + "]"


def _flow_map(values: dict[str, Any]) -> str:
    items = (f"{k}: {_flow(v) if isinstance(v, tuple) else scalar(v)}" for k, v in values.items())
    return "{" + ", ".join(items) + "}"
