"""What NetworkPolicies allow, by the rules of networking.k8s.io/v1 and nothing else.

A flow passes when its source may send it and its target may take it. A pod is closed in a direction once any policy
selects it for that direction; then the union of those policies' rules decides. Whoever is no pod, or is a pod
in the host's network, is not selected. Two things are left out: a node's own traffic to its pods, which most plugins
let through, and other kinds of policy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NAME_LABEL = "kubernetes.io/metadata.name"
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Pod:
    """A pod; `ports` are its named container ports."""

    namespace: str
    labels: Mapping[str, str]
    ip: str = "10.244.0.1"
    ports: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    host_network: bool = False


@dataclass(frozen=True)
class Address:
    """Something with an address that is no pod: a node, a service of a cloud, the internet."""

    ip: str


End = Pod | Address


@dataclass(frozen=True)
class Network:
    """Policies, and the labels of namespaces beside the name that each carries."""

    policies: tuple[Body, ...]
    namespaces: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def allows(self, source: End, target: End, port: int, protocol: str = "TCP") -> bool:
        """Does this flow pass both ends?"""
        return self._passes(source, "Egress", target, target, port, protocol) and self._passes(
            target, "Ingress", source, target, port, protocol
        )

    def selecting(self, pod: Pod, direction: str) -> list[Body]:
        """The policies that close a pod in a direction."""
        return [
            p
            for p in self.policies
            if p["metadata"].get("namespace", "default") == pod.namespace
            and direction in policy_types(p["spec"])
            and selects(p["spec"].get("podSelector"), pod.labels)
        ]

    def _passes(self, pod: End, direction: str, peer: End, target: End, port: int, protocol: str) -> bool:
        if isinstance(pod, Address) or pod.host_network:
            return True
        closing = self.selecting(pod, direction)
        key, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
        return not closing or any(
            self._rule(rule, peers, policy, peer) and carries(rule.get("ports"), target, port, protocol)
            for policy in closing
            for rule in policy["spec"].get(key) or []
        )

    def _rule(self, rule: Body, peers: str, policy: Body, end: End) -> bool:
        listed = rule.get(peers)
        return not listed or any(self._peer(peer, policy, end) for peer in listed)

    def _peer(self, peer: Body, policy: Body, end: End) -> bool:
        if block := peer.get("ipBlock"):
            inside = _contains(block["cidr"], end.ip)
            return inside and not any(_contains(e, end.ip) for e in block.get("except") or [])
        if isinstance(end, Address) or end.host_network:
            return False
        if "namespaceSelector" in peer:
            labels = {**self.namespaces.get(end.namespace, {}), NAME_LABEL: end.namespace}
            if not selects(peer["namespaceSelector"], labels):
                return False
        elif end.namespace != policy["metadata"].get("namespace", "default"):
            return False
        return selects(peer.get("podSelector"), end.labels)


def policy_types(spec: Body) -> list[str]:
    """Directions that a policy closes; what it lists, else ingress, and egress if it has rules for it."""
    return spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def selects(selector: Body | None, labels: Mapping[str, str]) -> bool:
    """Does a label selector match? An empty one, or none, matches everything."""
    if selector is None:
        return True
    wanted = (selector.get("matchLabels") or {}).items()
    return all(labels.get(k) == v for k, v in wanted) and all(
        _expression(e, labels) for e in selector.get("matchExpressions") or []
    )


def _expression(e: Body, labels: Mapping[str, str]) -> bool:
    key, operator, values = e["key"], e["operator"], e.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(operator)


def carries(ports: Iterable[Body] | None, target: End, port: int, protocol: str) -> bool:
    """Is this port among a rule's? None or an empty list is every port; a name is the target's own number for it."""
    listed = list(ports or [])
    return not listed or any(_port(p, target, port, protocol) for p in listed)


def _port(entry: Body, target: End, port: int, protocol: str) -> bool:
    if entry.get("protocol", "TCP") != protocol:
        return False
    first = entry.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        return isinstance(target, Pod) and target.ports.get(first) == (port, protocol)
    return first <= port <= entry.get("endPort", first)


def _contains(cidr: str, ip: str) -> bool:
    return ipaddress.ip_address(ip) in ipaddress.ip_network(cidr)
