"""What templates may know about a cluster: facts of cluster.yaml, and named values derived from them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ringfence.errors import Place
from ringfence.spec import grants
from ringfence.spec.hostpaths import HostPaths, host_paths
from ringfence.spec.oidc import Issuer, issuer
from ringfence.spec.platform import PlatformNamespace, platform_namespaces
from ringfence.spec.tenants import Namespace, Tenant

MANAGED = frozenset({"eks", "gke", "aks"})
RESERVED_NAMESPACES = frozenset({"default", "kube-system", "kube-public", "kube-node-lease"})

# Node-local DNS cache: upstream's own address (k8s.io/kubernetes cluster/addons/dns/nodelocaldns).
_NODELOCAL = "169.254.20.10"
# GKE Cloud DNS answers on the metadata server's address.
_GKE_CLOUDDNS = "169.254.169.254"
# Plugins under which a node's packets reach a pod with the node's address. Overlays put a tunnel's address there
# (tigera/operator#4739), and Cilium matches nodes by identity, never by range (cilium/cilium#27967).
_KEEP_NODE_ADDRESSES = frozenset({"aws-vpc-cni", "azure-cni", "kindnet"})
# Source of kubelet probes in an ambient mesh (istio.io, "Ambient and Kubernetes NetworkPolicy").
_AMBIENT_PROBES = {"IPv4": "169.254.7.127/32", "IPv6": "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128"}


@dataclass(frozen=True, slots=True)
class Override:
    """A control set differently from the profile, with the reason and where it is written."""

    control: str
    stage: str | None
    params: Mapping[str, Any]
    reason: str
    place: Place
    places: Mapping[str, Place]  # parameter -> place; "stage" too


@dataclass(frozen=True, slots=True)
class Exemption:
    """An accepted deviation from one control. `expires` is an ISO date, the last day it holds."""

    name: str
    control: str
    owner: str
    reason: str
    ticket: str
    expires: str
    namespaces: tuple[str, ...]
    names: tuple[str, ...]
    place: Place
    places: Mapping[str, Place]


@dataclass(frozen=True)
class Cluster:
    """One cluster: the context name `cluster` in templates."""

    name: str
    profile: str
    profile_place: Place  # the file alone for a shipped profile, which can't be wrong
    kubernetes: str  # "1.36"
    patch: int | None
    distribution: str
    cni: str
    network: Mapping[str, Any]
    ip_families: tuple[str, ...]
    oidc: tuple[Mapping[str, Any], ...]
    platform_admin_groups: tuple[str, ...]
    auditor_groups: tuple[str, ...]
    break_glass_groups: tuple[str, ...]
    registries: tuple[str, ...]
    components: Mapping[str, Any]
    delivery: Mapping[str, Any]
    tenants: tuple[Tenant, ...]
    overrides: tuple[Override, ...]
    exemptions: tuple[Exemption, ...]
    file: str

    @property
    def managed(self) -> bool:
        """Does a cloud provider own the control plane?"""
        return self.distribution in MANAGED

    @property
    def minor(self) -> int:
        """The minor version as a number: 36 of 1.36."""
        return int(self.kubernetes.partition(".")[2])

    @property
    def authentication_api(self) -> str:
        """The apiVersion of AuthenticationConfiguration: GA in 1.34 (KEP-3331)."""
        return "apiserver.config.k8s.io/v1" if self.minor >= 34 else "apiserver.config.k8s.io/v1beta1"

    @cached_property
    def issuers(self) -> tuple[Issuer, ...]:
        """The identity providers with everything decided."""
        return tuple(issuer(entry) for entry in self.oidc)

    @property
    def host(self) -> HostPaths:
        """Where this distribution keeps its files on a host."""
        return host_paths(self.distribution)

    @cached_property
    def namespaces(self) -> tuple[Namespace, ...]:
        """Every tenant's namespaces, in the order of the document."""
        return tuple(n for t in self.tenants for n in t.namespaces)

    @cached_property
    def tenant_namespaces(self) -> frozenset[str]:
        """Names of the tenants' namespaces."""
        return frozenset(n.name for n in self.namespaces)

    @cached_property
    def enabled_components(self) -> frozenset[str]:
        """Names of the chosen components, as used by controls (`istio-ambient`, `falco`, ...)."""
        chosen = {self.components["mesh"], self.components["admission"]}
        chosen.update(self.components["secrets"], self.components["runtime"])
        chosen.update(f for f in ("monitoring",) if self.components[f])
        if self.components["ingressControllers"]:
            chosen.add("ingress-controller")
        return frozenset(chosen - {"none", "native"})

    @cached_property
    def platform_namespaces(self) -> tuple[PlatformNamespace, ...]:
        """Namespaces of the distribution, the network plugin and the chosen components, by name."""
        return platform_namespaces(self.distribution, self.cni, self.enabled_components, self.components)

    @cached_property
    def trusted_groups(self) -> tuple[str, ...]:
        """Groups that act for the platform: administrators, break-glass, service accounts of what installers made."""
        installers = [f"system:serviceaccounts:{n.name}" for n in self.platform_namespaces if n.exists]
        own = ("system:masters", "kubeadm:cluster-admins", *self.platform_admin_groups, *self.break_glass_groups)
        return tuple(dict.fromkeys((*own, *installers)))

    @property
    def reconcilers(self) -> tuple[str, ...]:
        """Users that restore roles and bindings on their own: the API server, and a provider that installs add-ons."""
        return grants.reconcilers(self.distribution)

    @cached_property
    def broad_grants(self) -> tuple[str, ...]:
        """`[namespace/]binding role subject` of what is bound to Kubernetes' own broad groups from the start."""
        return tuple(g for g in self._default_grants if g.split(" ")[2].startswith("system:"))

    @cached_property
    def cluster_admin_grants(self) -> tuple[str, ...]:
        """`binding role subject` of what Kubernetes, installer and delivery engine bind to cluster-admin."""
        return tuple(g for g in self._default_grants if g.split(" ")[1] == "cluster-admin")

    @property
    def _default_grants(self) -> tuple[str, ...]:
        return grants.default_grants({self.distribution, self.delivery["layout"]})

    @cached_property
    def component_roles(self) -> Mapping[str, tuple[str, ...]]:
        """ClusterRoles of the chosen components, by the kind of grant that they can't do without."""
        return grants.component_roles({*self.enabled_components, self.cni, self.delivery["layout"]})

    @property
    def chart_jobs(self) -> tuple[str, ...]:
        """Namespaces in which the distribution installs charts by jobs that are bound to cluster-admin."""
        return grants.chart_jobs(self.distribution)

    @property
    def idle_namespaces(self) -> tuple[str, ...]:
        """Namespaces that Kubernetes makes and no workload belongs in."""
        return ("default", "kube-node-lease", "kube-public")

    @cached_property
    def system_namespaces(self) -> tuple[str, ...]:
        """Names no tenant may have: Kubernetes' own, then the platform's."""
        names = RESERVED_NAMESPACES | {n.name for n in self.platform_namespaces}
        return tuple(sorted(names))

    @cached_property
    def dns_cidrs(self) -> tuple[str, ...]:
        """Resolvers that are no pods, one address each as a range: no podSelector can match them."""
        dns = self.network["dns"]
        addresses = list(dns["addresses"])
        if dns["mode"] == "nodelocal" and not addresses:
            addresses = [_NODELOCAL]
        if dns["mode"] == "gke-clouddns" and not addresses:
            addresses = [_GKE_CLOUDDNS]
        return tuple(_single(a) for a in addresses)

    @property
    def dns_pods(self) -> tuple[str, ...]:
        """Label k8s-app of the resolver pods in kube-system that pods ask, every distribution's."""
        return {"coredns": ("kube-dns",), "nodelocal": ("kube-dns", "node-local-dns")}.get(
            self.network["dns"]["mode"], ()
        )

    @property
    def dns_ports(self) -> tuple[int, ...]:
        """Ports of the resolvers; always 53, since the service may be matched before translation."""
        port = self.network["dns"]["port"]
        return (53,) if port == 53 else (53, port)

    @cached_property
    def api_server_cidrs(self) -> tuple[str, ...]:
        """Endpoint addresses of the API server, one address each as a range."""
        return tuple(_single(a) for a in self.network["apiServer"]["addresses"])

    @property
    def api_server_port(self) -> int:
        """Port of the API server's endpoints; policies are matched after translation to it."""
        port: int | None = self.network["apiServer"]["port"]
        return port or (443 if self.managed else 6443)

    @cached_property
    def api_service_cidrs(self) -> tuple[str, ...]:
        """Address of the service `kubernetes`, the first of each service range, where those are known."""
        first = (ipaddress.ip_network(c, strict=False).network_address + 1 for c in self.network["serviceCIDRs"])
        return tuple(_single(str(address)) for address in first)

    @property
    def api_caller_cidrs(self) -> tuple[str, ...]:
        """Where the API server's own calls to pods come from, if that is known: see _KEEP_NODE_ADDRESSES."""
        return self.node_cidrs if self.cni in _KEEP_NODE_ADDRESSES else ()

    @cached_property
    def mesh_probe_cidrs(self) -> tuple[str, ...]:
        """Where kubelet probes of pods in an ambient mesh come from."""
        return tuple(_AMBIENT_PROBES[f] for f in self.ip_families)

    @cached_property
    def node_cidrs(self) -> tuple[str, ...]:
        """Where nodes and the control plane live."""
        return tuple(self.network["nodeCIDRs"])

    @cached_property
    def pod_cidrs(self) -> tuple[str, ...]:
        """Pod addresses."""
        return tuple(self.network["podCIDRs"])

    @cached_property
    def anywhere(self) -> tuple[str, ...]:
        """The whole address space, one range for each IP family in use."""
        return tuple({"IPv4": "0.0.0.0/0", "IPv6": "::/0"}[f] for f in self.ip_families)

    @cached_property
    def metadata_cidrs(self) -> tuple[str, ...]:
        """Instance metadata services, for each IP family in use."""
        return tuple({"IPv4": "169.254.169.254/32", "IPv6": "fd00:ec2::254/128"}[f] for f in self.ip_families)

    def given(self, key: str) -> bool:
        """Does cluster.yaml say anything under a dotted key such as network.nodeCIDRs?"""
        value: Any = {"network": self.network, "identity": {"oidc": self.oidc}}
        for part in key.split("."):
            value = value[part]
        return bool(value)

    def fact(self, name: str) -> str | frozenset[str]:
        """A fact that an `emits` row may select on."""
        facts: dict[str, str | frozenset[str]] = {
            "distribution": self.distribution,
            "cni": self.cni,
            "admission": self.components["admission"],
            "mesh": self.components["mesh"],
            "component": self.enabled_components,
        }
        return facts[name]


FACTS = ("distribution", "cni", "admission", "mesh", "component")


def _single(address: str) -> str:
    return f"{address}/128" if ":" in address else f"{address}/32"
