"""Pydantic models of cluster.yaml: the one description of the user's document.

Its JSON Schema (docs/schema/cluster.json, made by `make docs`) is what judges a document at run time;
these models are imported only to word a refusal and to make that schema. tests/properties/ shows that
both give the same verdict. Cross-field rules are in `spec.facts`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ringfence.spec.fields import DATE, FULL, SHORT, Group, Line, Model, Name, Quantity
from ringfence.spec.surroundings import Components, Delivery, Identity, Images, Kubernetes, Network


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


def _shape(value: Any) -> str:
    return SHORT if isinstance(value, str) else FULL


Size = Literal["small", "medium", "large"]
Quota = Annotated[Annotated[Size, Tag(SHORT)] | Annotated[CustomQuota, Tag(FULL)], Discriminator(_shape)]
Tier = Literal["production", "staging", "development", "untrusted"]


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
