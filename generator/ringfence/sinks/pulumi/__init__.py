"""The bundle's objects as Pulumi resources, for stacks and programs. Nothing else in ringfence imports pulumi."""

from ringfence.sinks.pulumi.components import (
    ClusterBaseline,
    ClusterBaselineArgs,
    ClusterBootstrap,
    ClusterBootstrapArgs,
    Distribution,
    HardenedNamespace,
    HardenedNamespaceArgs,
    Profile,
    Tier,
)
from ringfence.sinks.pulumi.provider import ClusterProvider
from ringfence.sinks.pulumi.registration import KubernetesObject, Terms, register
from ringfence.sinks.pulumi.settings import configured

__all__ = [
    "ClusterBaseline",
    "ClusterBaselineArgs",
    "ClusterBootstrap",
    "ClusterBootstrapArgs",
    "ClusterProvider",
    "Distribution",
    "HardenedNamespace",
    "HardenedNamespaceArgs",
    "KubernetesObject",
    "Profile",
    "Terms",
    "Tier",
    "configured",
    "register",
]
