"""A closed namespace stays closed, and stays usable (controls.md, traps 1, 8).

Each finding must be true of what is given, whoever wrote it: where another kind of policy (Cilium's, Calico's)
may decide otherwise, these rules read that too or stay silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ringfence.invariants.policies import (
    closed_egress,
    covers_port,
    foreign_policies,
    isolates,
    network_policies,
    rules_of,
    selects_all,
)
from ringfence.invariants.rules import ObjectRule, SetRule, Violation, by_shape
from ringfence.model import Severity
from ringfence.shape import Manifest

_BY_NAME = "kubernetes.io/metadata.name"
_TENANT = "ringfence/tenant"
_DNS = frozenset({53, 5353})
_TEMPLATES = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


def empty_lists(tree: dict[str, Any]) -> Iterator[Violation]:
    """`from: []` and `ports: []` mean everything, which nobody means who writes them."""
    for path, rule in rules_of(tree):
        for key in ("from", "to", "ports"):
            if key in rule and not rule[key]:
                yield Violation(
                    (*path, key), f"an empty {key} allows everything", f"leave {key} out, or list what is meant"
                )


def forgeable_selectors(tree: dict[str, Any]) -> Iterator[Violation]:
    """A namespace's labels can be set by whoever may edit it; its name can't."""
    for path, rule in rules_of(tree):
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


def port_ranges(tree: dict[str, Any]) -> Iterator[Violation]:
    """A range that ends before it begins matches nothing, and the API server refuses the policy."""
    for path, rule in rules_of(tree):
        for i, port in enumerate(rule.get("ports") or []):
            first, last = port.get("port"), port.get("endPort")
            here = (*path, "ports", i)
            if isinstance(first, int) and not 0 < first < 65536:
                yield Violation((*here, "port"), f"{first} is no port", "ports are 1 to 65535")
            if last is None:
                continue
            if not isinstance(first, int):
                yield Violation((*here, "endPort"), "endPort needs a numeric port", "give the first port as a number")
            elif not first <= last < 65536:
                yield Violation(
                    (*here, "endPort"),
                    f"the range {first} to {last} is empty or too long",
                    "endPort is at least port and at most 65535",
                )


def _bounds(tree: dict[str, Any]) -> bool:
    """Does this policy hold the ingress of every pod to less than everything?"""
    rules = tree.get("spec", {}).get("ingress") or []
    return selects_all(tree.get("spec", {})) and isolates(tree, "ingress") and all(r.get("from") for r in rules)


def _dns_protocols(tree: dict[str, Any]) -> frozenset[str]:
    """Over which protocols DNS is let out, to anywhere."""
    found: set[str] = set()
    for rule in tree.get("spec", {}).get("egress") or []:
        ports = (rule or {}).get("ports")
        if not ports:
            return frozenset({"UDP", "TCP"})
        found.update(p.get("protocol", "TCP") for p in ports if covers_port(p, _DNS))
    return frozenset(found)


def _foreign_dns(tree: dict[str, Any]) -> bool:
    """May this policy of Cilium or Calico let DNS out?"""
    for spec in (tree.get("spec") or {}, *(tree.get("specs") or ())):
        for rule in spec.get("egress") or []:
            if rule.get("action", "Allow") == "Deny":
                continue
            lists = [t.get("ports") or [] for t in rule.get("toPorts") or []]
            ports = [p.get("port") for ports in lists for p in ports]
            ports += (rule.get("destination") or {}).get("ports") or []
            if not ports or any(str(p) in ("0", "53", "5353") or ":" in str(p) for p in ports):
                return True
    return False


def egress_without_dns(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 1: default-deny egress kills DNS, so everything works until the first lookup."""
    policies = network_policies(manifests)
    served: dict[str, frozenset[str]] = {}
    for m in policies:
        served[m.namespace] = served.get(m.namespace, frozenset()) | by_shape(m, "dns-protocols", _dns_protocols)
    other = {m.namespace for m in foreign_policies(manifests) if by_shape(m, "foreign-dns", _foreign_dns)}
    for namespace, manifest in closed_egress(policies).items():
        protocols = served[namespace]
        if len(protocols) < 2 and namespace not in other and "" not in other:
            how = f"DNS is allowed over {min(protocols)} alone" if protocols else "DNS is not allowed"
            yield (
                manifest,
                Violation(
                    ("spec", "policyTypes"),
                    f"egress of {namespace} is closed and {how}",
                    "add an allow of UDP and TCP 53 to the resolvers (control net-allow-dns)",
                ),
            )


def matches(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Does a label selector match these labels? Source: k8s.io/apimachinery, LabelSelector."""
    selector = selector or {}
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for e in selector.get("matchExpressions") or []:
        has, value = e["key"] in labels, labels.get(e["key"])
        good = {
            "In": has and value in (e.get("values") or []),
            "NotIn": not has or value not in (e.get("values") or []),
            "Exists": has,
            "DoesNotExist": not has,
        }[e["operator"]]
        if not good:
            return False
    return True


def _unselected(manifests: Sequence[Manifest], half: dict[str, list[Manifest]]) -> Iterator[tuple[str, str]]:
    """Namespaces of `half` with the name of something in them that no ingress policy selects."""
    for m in manifests:
        if m.kind == "Namespace" and m.name in half:
            if _TENANT in (m.shape.tree["metadata"].get("labels") or {}):
                yield m.name, "what it runs"
        elif m.kind in _TEMPLATES and m.namespace in half:
            pod: Any = m.body
            for key in _TEMPLATES[m.kind]:
                pod = (pod or {}).get(key) or {}
            labels = (pod.get("metadata") or {}).get("labels") or {}
            if (pod.get("spec") or {}).get("hostNetwork"):
                continue  # policies don't apply to it
            if not any(matches(p.body["spec"].get("podSelector"), labels) for p in half[m.namespace]):
                yield m.namespace, f"{m.kind} {m.name}"


def half_closed(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Policies that select some pods leave the others of their namespace open to everyone."""
    half: dict[str, list[Manifest]] = {}
    bounded = {m.namespace for m in foreign_policies(manifests)}  # their rules may close it
    for m in network_policies(manifests):
        if by_shape(m, "isolates-ingress", lambda t: isolates(t, "ingress")):
            half.setdefault(m.namespace, []).append(m)
            if by_shape(m, "bounds", _bounds):
                bounded.add(m.namespace)
    if "" in bounded:
        return
    half = {name: policies for name, policies in half.items() if name not in bounded}
    seen: set[str] = set()
    for namespace, what in _unselected(manifests, half) if half else ():
        if namespace not in seen:
            seen.add(namespace)
            yield (
                half[namespace][0],
                Violation(
                    ("spec", "podSelector"),
                    f"{namespace} has ingress policies and none for every pod: {what} accepts everything",
                    "add a policy with an empty podSelector and no rules (control net-default-deny-ingress)",
                ),
            )


_KINDS = frozenset({"NetworkPolicy"})
RULES = (
    ObjectRule("net-default-deny-ingress", Severity.HIGH, _KINDS, empty_lists),
    ObjectRule("psa-label-guard", Severity.MEDIUM, _KINDS, forgeable_selectors),
    ObjectRule("net-default-deny-ingress", Severity.LOW, _KINDS, port_ranges),
    SetRule("net-allow-dns", Severity.HIGH, egress_without_dns),
    SetRule("net-default-deny-ingress", Severity.HIGH, half_closed),
)
