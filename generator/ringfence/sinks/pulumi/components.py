"""The components: one namespace, the rest of a cluster, and all of it.

Python programs use these classes; programs in other languages get them through stacks/plugin, whose schema Pulumi's
analyzer reads off the annotations here. It takes neither `from __future__ import annotations` nor Literal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from ringfence.shape import Manifest
from ringfence.sinks.pulumi.provider import reached
from ringfence.sinks.pulumi.refusal import one_line
from ringfence.sinks.pulumi.registration import Terms, register
from ringfence.sinks.pulumi.source import Source, source_of


class Profile(str, Enum):  # noqa: UP042 # the analyzer knows str and Enum, not StrEnum
    """How strict a cluster is."""

    BASELINE = "baseline"
    RESTRICTED = "restricted"
    ZERO_TRUST = "zero-trust"


class Distribution(str, Enum):  # noqa: UP042 # as above
    """Who made the cluster, so what it lets be configured."""

    KUBEADM = "kubeadm"
    RKE2 = "rke2"
    K3S = "k3s"
    TALOS = "talos"
    EKS = "eks"
    GKE = "gke"
    AKS = "aks"
    GENERIC = "generic"


class Tier(str, Enum):  # noqa: UP042 # as above
    """What a namespace is for."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    UNTRUSTED = "untrusted"


class ClusterBootstrapArgs(TypedDict):
    """Which cluster, and on what terms."""

    cluster: NotRequired[str]
    """Path of cluster.yaml, from the folder of Pulumi.yaml. Give this or `document`."""
    document: NotRequired[dict[str, Any]]
    """The content of a cluster.yaml."""
    adopt: NotRequired[list[str]]
    """Objects that exist and become this stack's: Kind/name or Kind/namespace/name, * for any segment."""
    unprotect: NotRequired[bool]
    """Lets namespaces and guards be deleted; `pulumi up` once with it before `pulumi destroy`."""
    context: NotRequired[str]
    """The kubeconfig context that the objects go to, where it is held against the provider's own. Default: that one."""
    preflight: NotRequired[bool]
    """False leaves out that look-up, for unit tests with mocks. What exists is then the provider's to handle."""
    as_of: NotRequired[str]
    """The date that decides whether exceptions have expired, as YYYY-MM-DD. Default: today."""
    templates: NotRequired[list[str]]
    """Further folders of controls, from the folder of Pulumi.yaml, as for `ringfence render --templates`."""


class ClusterBaselineArgs(ClusterBootstrapArgs):
    """As for ClusterBootstrap."""


class HardenedNamespaceArgs(ClusterBootstrapArgs):
    """Which namespace: one of a cluster document, or one that stands for itself with an owner."""

    name: str
    """The namespace's name."""
    owner: NotRequired[str]
    """Who answers for it. Give this, `profile`, `kubernetes` and `distribution` in place of a cluster document."""
    profile: NotRequired[Profile]
    """How strict it is, without a cluster document."""
    kubernetes: NotRequired[str]
    """The cluster's Kubernetes version such as "1.36", without a cluster document."""
    distribution: NotRequired[Distribution]
    """The cluster's distribution, without a cluster document."""
    tier: NotRequired[Tier]
    """What it is for, without a cluster document. Default: production."""


@dataclass(frozen=True)
class _Share:
    """What a component is filled from. The one that contains it hands it down, so nothing is built or read twice."""

    source: Source
    terms: Terms


class _Component(pulumi.ComponentResource):
    """What the components have in common."""

    def _share(self, args: Mapping[str, Any], known: type, choose: Callable[[Source], list[Manifest]]) -> _Share:
        """The share that arguments stand for: the cluster built, and what exists of what `choose` takes looked up."""
        if "share" in args:
            return cast(_Share, args["share"])
        with one_line():
            source = source_of(args, known.__annotations__)
            objects = choose(source)
            there = reached(self, source.arguments.get("context")) if source.looks_up else None
            return _Share(source, source.terms(objects, there))

    def _fill(self, objects: list[Manifest], terms: Terms) -> None:
        with one_line():
            self.objects = register(self, objects, None, terms)

    def _describe(self, source: Source, **further: Any) -> None:
        """Set the component's outputs; they are known once its objects are there, so what uses them waits for those."""
        ready = pulumi.Output.all(*[o.id for o in self.objects.values()])
        outputs = {name: _after(ready, value) for name, value in {**source.outputs(), **further}.items()}
        for name, value in outputs.items():
            setattr(self, name, value)
        self.register_outputs({_camel(name): value for name, value in outputs.items()})


def _after(ready: pulumi.Output[Any], value: Any) -> pulumi.Output[Any]:
    return ready.apply(lambda _: value)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(o.capitalize() for o in others)


class HardenedNamespace(_Component):
    """One tenant's namespace with its guards: exactly what the tree holds for it."""

    namespace_name: pulumi.Output[str]
    """The namespace's name, known once its guards are there: what uses it waits for them."""
    profile: pulumi.Output[str]
    """The profile that hardened it."""
    generator_version: pulumi.Output[str]
    """The version of ringfence."""
    model_digest: pulumi.Output[str]
    """SHA-256 of what `ringfence render -o -` prints for the cluster."""

    def __init__(self, name: str, args: HardenedNamespaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ringfence:index:HardenedNamespace", name, None, opts)
        namespace = args["name"]
        share = self._share(args, HardenedNamespaceArgs, lambda s: s.namespace(namespace))
        self._fill(share.source.namespace(namespace), share.terms)
        self._describe(share.source, namespace_name=namespace)


class ClusterBaseline(_Component):
    """A cluster beside its tenants' namespaces: policies, roles, and the platform's own namespaces."""

    profile: pulumi.Output[str]
    """The profile that hardened it."""
    generator_version: pulumi.Output[str]
    """The version of ringfence."""
    model_digest: pulumi.Output[str]
    """SHA-256 of what `ringfence render -o -` prints for the cluster."""

    def __init__(self, name: str, args: ClusterBaselineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ringfence:index:ClusterBaseline", name, None, opts)
        share = self._share(args, ClusterBaselineArgs, Source.rest)
        self._fill(share.source.rest(), share.terms)
        self._describe(share.source)


class ClusterBootstrap(_Component):
    """A whole cluster: a ClusterBaseline, and a HardenedNamespace for each of the tenants' namespaces."""

    profile: pulumi.Output[str]
    """The profile that hardened it."""
    generator_version: pulumi.Output[str]
    """The version of ringfence."""
    model_digest: pulumi.Output[str]
    """SHA-256 of what `ringfence render -o -` prints for the cluster."""
    namespaces: pulumi.Output[list[str]]
    """The tenants' namespaces, known once everything is there."""
    host_files: pulumi.Output[dict[str, str]]
    """The host plane's files by path in the tree: what no API server can deliver."""

    def __init__(self, name: str, args: ClusterBootstrapArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("ringfence:index:ClusterBootstrap", name, None, opts)
        share = self._share(args, ClusterBootstrapArgs, lambda s: list(s.bundle))
        inside, handed = pulumi.ResourceOptions(parent=self), {"share": share}
        parts: list[_Component] = [ClusterBaseline(f"{name}/baseline", cast(ClusterBaselineArgs, handed), inside)]
        for namespace in share.source.tenants:
            of_it = cast(HardenedNamespaceArgs, {"name": namespace, **handed})
            parts.append(HardenedNamespace(f"{name}/{namespace}", of_it, inside))
        self.objects = {id_: o for part in parts for id_, o in part.objects.items()}
        self._describe(share.source, namespaces=list(share.source.tenants), host_files=share.source.host_files())
