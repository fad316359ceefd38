"""A closed namespace stays closed, and stays usable (controls.md, traps 1, 3 and 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ringfence.invariants.rules import ObjectRule, SetRule, Violation, by_shape
from ringfence.model import Manifest, Severity

_BY_NAME = "kubernetes.io/metadata.name"


def _peers(tree: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every rule of a NetworkPolicy with its path."""
    for direction in ("ingress", "egress"):
        for i, rule in enumerate(tree.get("spec", {}).get(direction) or []):
            yield ("spec", direction, i), rule


def empty_lists(tree: dict[str, Any]) -> Iterator[Violation]:
    """`from: []` and `ports: []` mean everything, which nobody means who writes them."""
    for path, rule in _peers(tree):
        for key in ("from", "to", "ports"):
            if key in rule and not rule[key]:
                yield Violation(
                    (*path, key), f"an empty {key} allows everything", f"leave {key} out, or list what is meant"
                )


def forgeable_selectors(tree: dict[str, Any]) -> Iterator[Violation]:
    """A namespace's labels can be set by whoever may edit it; its name can't."""
    for path, rule in _peers(tree):
        for key in ("from", "to"):
            for i, peer in enumerate(rule.get(key) or []):
                selector = peer.get("namespaceSelector") or {}
                labels = set(selector.get("matchLabels") or {})
                labels.update(e.get("key") for e in selector.get("matchExpressions") or [])
                for label in sorted(str(name) for name in labels - {_BY_NAME}):
                    yield Violation(
                        (*path, key, i, "namespaceSelector"),
                        f"selects namespaces by {label}, a label that tenants may forge",
                        f"select by {_BY_NAME}",
                    )


def _closes(tree: dict[str, Any], direction: str, policy_type: str) -> bool:
    """Does this policy close a direction for every pod of its namespace, allowing nothing?"""
    spec = tree.get("spec", {})
    return spec.get("podSelector") == {} and policy_type in spec.get("policyTypes", ()) and not spec.get(direction)


def _allows_dns(tree: dict[str, Any]) -> bool:
    for rule in tree.get("spec", {}).get("egress") or []:
        ports = rule.get("ports")
        if ports is None or {("UDP", 53), ("TCP", 53)} <= {(p.get("protocol", "TCP"), p.get("port")) for p in ports}:
            return True
    return False


def _reopens(tree: dict[str, Any]) -> bool:
    """Is there an allow of a whole address space but for some ranges?"""
    return any((peer.get("ipBlock") or {}).get("except") for _, rule in _peers(tree) for peer in rule.get("to") or [])


def _policies(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [m for m in manifests if m.kind == "NetworkPolicy"]


def _closed_egress(policies: Sequence[Manifest]) -> dict[str, Manifest]:
    return {m.namespace: m for m in policies if by_shape(m, "closes-egress", lambda t: _closes(t, "egress", "Egress"))}


def egress_without_dns(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 1: default-deny egress kills DNS, so everything works until the first lookup."""
    policies = _policies(manifests)
    served = {m.namespace for m in policies if by_shape(m, "allows-dns", _allows_dns)}
    for namespace, manifest in _closed_egress(policies).items():
        if namespace not in served:
            yield (
                manifest,
                Violation(
                    ("spec", "policyTypes"),
                    f"egress of {namespace} is closed and DNS is not allowed",
                    "add an allow of UDP and TCP 53 to the resolvers (control net-allow-dns)",
                ),
            )


def reopened_egress(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 3: allow-all-except beside a default-deny opens all the rest, since policies are a union."""
    policies = _policies(manifests)
    closed = _closed_egress(policies)
    for manifest in policies:
        if manifest.namespace in closed and by_shape(manifest, "reopens", _reopens):
            yield (
                manifest,
                Violation(
                    ("spec", "egress"),
                    f"an ipBlock with except re-opens the closed egress of {manifest.namespace}",
                    "allow the destinations that are needed; what is not allowed stays blocked",
                ),
            )


_KINDS = frozenset({"NetworkPolicy"})
RULES = (
    ObjectRule("net-default-deny-ingress", Severity.HIGH, _KINDS, empty_lists),
    ObjectRule("psa-label-guard", Severity.MEDIUM, _KINDS, forgeable_selectors),
    SetRule("net-allow-dns", Severity.HIGH, egress_without_dns),
    SetRule("net-block-metadata", Severity.HIGH, reopened_egress),
)
