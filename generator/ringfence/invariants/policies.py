"""Reading NetworkPolicies: what the rules of `network` and `addresses` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ringfence.invariants.rules import by_shape
from ringfence.shape import Manifest, Path

_FOREIGN = frozenset({"cilium.io", "projectcalico.org", "policy.networking.k8s.io"})


def rules_of(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every rule of a NetworkPolicy with its path; nothing of other groups' policies of that name."""
    if str(tree.get("apiVersion")).startswith("networking.k8s.io/"):
        for direction in ("ingress", "egress"):
            for i, rule in enumerate(tree.get("spec", {}).get(direction) or []):
                yield ("spec", direction, i), rule or {}


def selects_all(spec: dict[str, Any]) -> bool:
    """Does a policy select every pod of its namespace?"""
    return not any((spec.get("podSelector") or {}).values())


def isolates(tree: dict[str, Any], direction: str) -> bool:
    """Is the policy about this direction at all, so that what it does not allow is refused?"""
    spec = tree.get("spec", {})
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return direction.capitalize() in types


def closes(tree: dict[str, Any], direction: str) -> bool:
    """Does this policy close a direction for every pod of its namespace, allowing nothing?"""
    spec = tree.get("spec", {})
    return selects_all(spec) and isolates(tree, direction) and not spec.get(direction)


def covers_port(port: dict[str, Any], wanted: frozenset[int]) -> bool:
    """Does a port entry cover one of the wanted ports?"""
    first = port.get("port")
    if first is None:
        return True
    return isinstance(first, int) and any(first <= w <= port.get("endPort", first) for w in wanted)


def is_policy(manifest: Manifest) -> bool:
    """Is this a NetworkPolicy of Kubernetes' own?"""
    return manifest.kind == "NetworkPolicy" and manifest.shape.group == "networking.k8s.io"


def network_policies(manifests: Sequence[Manifest]) -> list[Manifest]:
    """The NetworkPolicies among the objects."""
    return [m for m in manifests if is_policy(m)]


def foreign_policies(manifests: Sequence[Manifest]) -> list[Manifest]:
    """Policies of other groups, which may decide otherwise."""
    return [m for m in manifests if m.shape.group in _FOREIGN]


def closed_egress(policies: Sequence[Manifest]) -> dict[str, Manifest]:
    """For each namespace whose egress is closed, the policy that closes it."""
    return {m.namespace: m for m in policies if by_shape(m, "closes-egress", lambda t: closes(t, "egress"))}
