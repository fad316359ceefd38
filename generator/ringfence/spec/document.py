"""Pydantic models of cluster.yaml: the one description of the user's document.

Its JSON Schema (docs/schema/cluster.json, made by `make docs`) is what judges a document at run time;
these models are imported only to word a refusal and to make that schema. tests/properties/ shows that
both give the same verdict. Cross-field rules are in `spec.facts`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
CIDR = r"^[0-9a-fA-F:.]+/[0-9]{1,3}$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
URL = r"^https://[A-Za-z0-9._~:\[\]-]+(/[A-Za-z0-9._~%:@!$&'()*+,;=/-]*)?$"
ADDRESS = r"^[0-9a-fA-F:.]+$"
LINE = r"^[^\r\n]+$"
# No controls and no white space, spelled out: what \s means differs from one regular-expression engine to the next.
WORD = r"^[^\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+$"
PREFIX = r"^[a-z0-9-]+:$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
REGISTRY = r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._/-]*)?/$"
FOLDER = r"^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$"

Name = Annotated[
    str, Field(pattern=NAME, description="DNS-1123 label: lower-case letters, digits and dashes, at most 63.")
]
Cidr = Annotated[str, Field(pattern=CIDR, description="An address range such as 10.0.0.0/16 or fd00::/48.")]
Quantity = Annotated[str, Field(pattern=QUANTITY, description='A Kubernetes quantity such as "500m" or 2Gi.')]
Labels = dict[Annotated[str, Field(pattern=LABEL_KEY)], Annotated[str, Field(pattern=LABEL_VALUE)]]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=LINE)]
Group = Annotated[
    str,
    Field(
        min_length=1,
        max_length=250,
        pattern=WORD,
        description="A group as the API server sees it, with its prefix.",
    ),
]


class Model(BaseModel):
    """Every level refuses keys it does not know and never converts a type."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class Kubernetes(Model):
    """Which Kubernetes, and who runs its control plane."""

    version: Literal["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"] = Field(description="Minor version, quoted.")
    distribution: Literal["kubeadm", "rke2", "k3s", "talos", "eks", "gke", "aks", "generic"] = Field(
        default="generic", description="The distribution decides paths, DNS labels and who owns the control plane."
    )


class Dns(Model):
    """How pods resolve names; a closed network needs to know it exactly."""

    mode: Literal["coredns", "nodelocal", "gke-clouddns", "custom"] = Field(
        default="coredns",
        description="coredns: pods in kube-system; nodelocal: plus the node-local cache; "
        "gke-clouddns: the metadata address; custom: addresses below.",
    )
    addresses: list[Annotated[str, Field(pattern=ADDRESS)]] = Field(
        default=[], description="Resolver addresses: the node-local cache's, or the custom resolvers'.", max_length=16
    )
    port: int = Field(default=53, ge=1, le=65535, description="Port of the resolver pods (OpenShift: 5353).")


class ApiServer(Model):
    """Where pods reach the API server after address translation."""

    addresses: list[Annotated[str, Field(pattern=ADDRESS)]] = Field(
        default=[], description="Endpoint addresses (kubectl get endpointslices kubernetes -n default).", max_length=64
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="Port of the endpoints. Default: 443 on EKS, GKE and AKS, else 6443."
    )


class Network(Model):
    """Facts about the cluster's network."""

    cni: Literal[
        "cilium",
        "calico",
        "antrea",
        "canal",
        "kube-router",
        "aws-vpc-cni",
        "azure-cni",
        "gke-dataplane-v2",
        "kindnet",
        "other",
        "flannel",
    ] = Field(
        default="other",
        description="The network plugin; other is any that enforces NetworkPolicy. flannel enforces none: refused.",
    )
    dns: Dns = Field(default_factory=Dns)
    apiServer: ApiServer = Field(default_factory=ApiServer)
    podCIDRs: list[Cidr] = Field(default=[], max_length=64)
    serviceCIDRs: list[Cidr] = Field(default=[], max_length=64)
    nodeCIDRs: list[Cidr] = Field(default=[], max_length=256, description="Where nodes and control plane live.")
    ipFamilies: list[Literal["IPv4", "IPv6"]] = Field(default=["IPv4"], min_length=1, max_length=2)


class OidcIssuer(Model):
    """An identity provider that the API server trusts for people."""

    url: Annotated[str, Field(pattern=URL, description="Issuer URL, https.")]
    audience: Line
    usernameClaim: Line = "sub"
    groupsClaim: Line = "groups"
    prefix: Annotated[str, Field(pattern=PREFIX, description="Prefix of its users and groups, ending in a colon.")] = (
        "oidc:"
    )


class PlatformGroups(Model):
    """Groups behind the personas that work on the whole cluster."""

    platformAdmin: list[Group] = Field(default=[], max_length=32)
    auditor: list[Group] = Field(default=[], max_length=32)
    breakGlass: list[Group] = Field(
        default=[], max_length=8, description="Emergency group; keep it empty in the provider until needed."
    )


class Identity(Model):
    """Who people are."""

    oidc: list[OidcIssuer] = Field(default=[], max_length=16)
    groups: PlatformGroups = Field(default_factory=PlatformGroups)


class Signer(Model):
    """Who may sign images: a public key, or an identity of a keyless issuer."""

    name: Name
    images: list[Line] = Field(min_length=1, description="Image prefixes it signs for.")
    issuer: Annotated[str, Field(pattern=URL)] | None = None
    subject: Line | None = None
    publicKeyFile: Line | None = None


class Images(Model):
    """Where images come from."""

    registries: list[Annotated[str, Field(pattern=REGISTRY)]] = Field(
        default=[],
        description="Allowed prefixes; each ends with a slash so that no look-alike host matches.",
        max_length=128,
    )
    signers: list[Signer] = Field(default=[], max_length=32)


class CustomQuota(Model):
    """Limits of a namespace, in its own numbers."""

    requestsCpu: Quantity = "4"
    requestsMemory: Quantity = "8Gi"
    limitsMemory: Quantity = "16Gi"
    pods: int = Field(default=50, ge=1, le=10_000)
    persistentVolumeClaims: int = Field(default=10, ge=0, le=10_000)
    requestsStorage: Quantity = "100Gi"
    services: int = Field(default=20, ge=0, le=10_000)
    loadBalancers: int = Field(default=0, ge=0, le=1_000)
    secrets: int = Field(default=50, ge=1, le=10_000)
    configMaps: int = Field(default=50, ge=1, le=10_000)


SHORT, FULL = "\0short", "\0full"  # no key of a document: reading refuses NUL


def _shape(value: Any) -> str:
    return SHORT if isinstance(value, str) else FULL


Size = Literal["small", "medium", "large"]
Quota = Annotated[Annotated[Size, Tag(SHORT)] | Annotated[CustomQuota, Tag(FULL)], Discriminator(_shape)]
Tier = Literal["production", "staging", "development", "untrusted"]
PodSecurity = Literal["privileged", "baseline", "restricted"]


class NamespaceEntry(Model):
    """A namespace that differs from its tenant's defaults."""

    name: Name
    tier: Tier | None = Field(default=None, description="Defaults to the tenant's.")
    quota: Quota | None = Field(default=None, description="Defaults to the tenant's.")
    apiAccess: bool = Field(
        default=False, description="Pods labelled ringfence/api-access=true may reach the API server."
    )
    ingress: bool = Field(default=True, description="The ingress controllers may reach its pods.")
    metricsPorts: list[Annotated[int, Field(ge=1, le=65535)]] = Field(
        default=[], max_length=32, description="Ports that monitoring may scrape; empty for the control's default."
    )


Namespaces = Annotated[Annotated[Name, Tag(SHORT)] | Annotated[NamespaceEntry, Tag(FULL)], Discriminator(_shape)]


class TenantGroups(Model):
    """Groups behind the personas that work in a tenant's namespaces."""

    nsAdmin: list[Group] = Field(default=[], max_length=32)
    developer: list[Group] = Field(default=[], max_length=32)
    viewer: list[Group] = Field(default=[], max_length=32)
    ciDeployer: list[Group] = Field(default=[], max_length=32)


class Tenant(Model):
    """A team and its namespaces."""

    name: Name
    owner: Line = Field(description="Who answers for it: a team's mailbox or chat channel.")
    tier: Tier = "production"
    quota: Quota = "medium"
    groups: TenantGroups = Field(default_factory=TenantGroups)
    namespaces: list[Namespaces] = Field(min_length=1, max_length=20_000)


class Monitoring(Model):
    """The Prometheus that scrapes workloads."""

    namespace: Name = "monitoring"
    podLabels: Labels = Field(default={"app.kubernetes.io/name": "prometheus"}, min_length=1)


class IngressController(Model):
    """An ingress or gateway controller that forwards to workloads."""

    namespace: Name
    podLabels: Labels = Field(default={}, description="Empty for every pod of its namespace.")


class OwnNamespace(Model):
    """A namespace of the platform that no component above brings: a storage driver's, a backup's."""

    name: Name
    podSecurity: PodSecurity = Field(default="restricted", description="The level its software can be held to.")
    reason: Line = Field(description="Why it needs that level; it is written on the namespace.")
    exists: bool = Field(default=False, description="An installer makes it, so it is patched and not owned.")


class Components(Model):
    """What runs on the cluster beside workloads. Each is a choice, typed."""

    mesh: Literal["none", "istio-ambient", "istio-sidecar"] = "none"
    secrets: list[Literal["external-secrets", "vault", "openbao", "vault-secrets-operator", "sealed-secrets"]] = []
    admission: Literal["native", "kyverno", "gatekeeper"] = "native"
    runtime: list[Literal["falco", "tetragon"]] = []
    monitoring: Monitoring | None = None
    ingressControllers: list[IngressController] = Field(default=[], max_length=16)
    namespaces: list[OwnNamespace] = Field(default=[], max_length=256)


class FluxSource(Model):
    """The Flux source that holds the tree."""

    kind: Literal["GitRepository", "OCIRepository", "Bucket"] = "GitRepository"
    name: Name
    namespace: Name = "flux-system"


class ArgoSource(Model):
    """The repository that Argo CD reads the tree from."""

    repoURL: Line
    revision: Line = "main"
    project: Name = "default"


RelativePath = Annotated[
    str,
    Field(
        pattern=FOLDER,
        max_length=300,
        description="The tree's folder, from the root of its repository.",
    ),
]


class Delivery(Model):
    """How the tree is laid out, and for whom."""

    layout: Literal["plain", "kustomize", "flux", "argocd"] = "plain"
    files: Literal["area", "object"] = Field(
        default="area", description="One file a namespace and area, or one an object."
    )
    path: RelativePath | None = Field(default=None, description="Needed by flux and argocd.")
    flux: FluxSource | None = None
    argocd: ArgoSource | None = None


class ControlOverride(Model):
    """How one control differs from the profile, and why."""

    stage: Literal["off", "audit", "enforce"] | None = None
    params: dict[str, Any] = {}
    reason: Line = Field(description="Why; reviewers read it.")


class Scope(Model):
    """The narrowest set of objects that an exception covers."""

    namespaces: list[Name] = []
    names: list[Line] = Field(
        default=[], description="Names of the objects themselves; namespace/name of one in a namespace."
    )


class ExceptionEntry(Model):
    """An accepted deviation: who, why, until when, and for what exactly."""

    name: Name
    control: Line
    owner: Line
    reason: Line
    ticket: Line
    expires: Annotated[str, Field(pattern=DATE, description="Last day it holds, YYYY-MM-DD.")]
    scope: Scope


class ClusterDocument(Model):
    """A cluster to harden: the profile, its facts, its tenants, and what differs."""

    apiVersion: Literal["ringfence/v1alpha1"]
    kind: Literal["Cluster"]
    name: Name
    profile: Line = Field(description="baseline, restricted, zero-trust, or a profile of your own.")
    kubernetes: Kubernetes
    network: Network = Field(default_factory=Network)
    identity: Identity = Field(default_factory=Identity)
    images: Images = Field(default_factory=Images)
    components: Components = Field(default_factory=Components)
    delivery: Delivery = Field(default_factory=Delivery)
    tenants: list[Tenant] = Field(min_length=1, max_length=20_000)
    controls: dict[str, ControlOverride] = {}
    exceptions: list[ExceptionEntry] = Field(default=[], max_length=1_000)


class ProfileParams(Model):
    """A profile's choice for one control."""

    stage: Literal["off", "audit", "enforce"] | None = None
    params: dict[str, Any] = {}
    reason: Line | None = Field(default=None, description="Needed by a profile of your own.")


class ProfileDocument(Model):
    """A profile: a posture, and the parameters in which it differs from what it extends."""

    apiVersion: Literal["ringfence/v1alpha1"]
    kind: Literal["Profile"]
    name: Name
    title: Line
    posture: Line
    extends: Line | None = Field(
        default=None, description="baseline, restricted, zero-trust, or a file beside this one."
    )
    controls: dict[str, ProfileParams] = {}
