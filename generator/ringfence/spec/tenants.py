"""Tenants as templates see them: teams, their namespaces, and the groups behind their personas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of the identity provider behind a tenant's personas."""

    ns_admin: tuple[str, ...]
    developer: tuple[str, ...]
    viewer: tuple[str, ...]
    ci_deployer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A tenant's namespace with everything decided."""

    name: str
    tenant: str
    owner: str
    tier: str  # production | staging | development | untrusted
    quota: Mapping[str, Any]  # keys of CustomQuota
    groups: Groups
    api_access: bool
    ingress: bool
    metrics_ports: tuple[int, ...]

    @property
    def production(self) -> bool:
        """Is interactive access (exec, port-forward) out of place here?"""
        return self.tier in ("production", "untrusted")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A team: its namespaces share owner, groups and defaults."""

    name: str
    owner: str
    groups: Groups
    namespaces: tuple[Namespace, ...]
