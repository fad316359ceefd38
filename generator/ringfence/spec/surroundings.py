"""Pydantic models of what tenants live in: Kubernetes, its network, identities, images, components, delivery."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ringfence.spec.fields import (
    ADDRESS,
    CERTIFICATES,
    CLAIM,
    DOMAIN,
    FOLDER,
    GUID,
    PREFIX,
    REGISTRY,
    URL,
    Cidr,
    Group,
    Labels,
    Line,
    Model,
    Name,
)

PodSecurity = Literal["privileged", "baseline", "restricted"]


class Kubernetes(Model):
    """Which Kubernetes, and who runs its control plane."""

    version: Literal["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"] = Field(description="Minor version, quoted.")
    patch: Annotated[int, Field(ge=0, le=99)] | None = Field(
        default=None, description="Patch release of the control plane, where its files should name one."
    )
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


class SecondFactor(Model):
    """The claim by which a token says that its holder showed more than a password."""

    claim: Annotated[str, Field(pattern=CLAIM)] = Field(
        description="amr (RFC 8176), acr, acrs, ...; a dot leads into a claim of claims."
    )
    values: list[Line] = Field(min_length=1, max_length=32, description="Values that say so; one is enough.")


class OidcIssuer(Model):
    """An identity provider that the API server trusts for people."""

    provider: Literal["none", "okta", "google", "entra", "dex"] = Field(
        default="none", description="Whose tokens they are: claims, and what they say of a second factor, follow."
    )
    url: Annotated[str, Field(pattern=URL, description="Issuer URL, https; google and entra know theirs.")] | None = (
        None
    )
    tenant: Annotated[str, Field(pattern=GUID)] | None = Field(default=None, description="entra: the directory's id.")
    domain: Annotated[str, Field(pattern=DOMAIN)] | None = Field(
        default=None, description="google: the Workspace domain that people must be of."
    )
    audience: Line = Field(description="The client id that tokens are issued to.")
    usernameClaim: Line | None = Field(default=None, description="Default: email for google, oid for entra, else sub.")
    groupsClaim: Line | None = Field(
        default=None, description="Default: groups. Google's tokens hold none; entra's are ids of groups."
    )
    prefix: Annotated[str, Field(pattern=PREFIX, description="Prefix of its users and groups, ending in a colon.")] = (
        "oidc:"
    )
    secondFactor: SecondFactor | None = Field(
        default=None, description="Default: amr mfa for none and okta, acrs c1 for entra; google and dex have none."
    )
    certificateAuthority: Annotated[str, Field(pattern=CERTIFICATES, max_length=65_536)] | None = Field(
        default=None, description="CA certificates of its server, PEM; the system's by default."
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

    oidc: list[OidcIssuer] = Field(
        default=[],
        max_length=16,
        description="Who may sign people in; on EKS, GKE and AKS the provider is told in its own way.",
    )
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
        description="Allowed prefixes, each ending with a slash so that no look-alike host matches. "
        "For the image controls; none of this release reads it.",
        max_length=128,
    )
    signers: list[Signer] = Field(
        default=[], max_length=32, description="For the image controls; none of this release reads it."
    )


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
    exists: bool = Field(
        default=False,
        description="An installer makes it: it is patched, not owned, and its service accounts may set guarded labels.",
    )


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
