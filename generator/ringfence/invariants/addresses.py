"""Address ranges in policies: none reaches the metadata service, re-opens closed egress or forgets a family."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ringfence.invariants.policies import closed_egress, covers_port, foreign_policies, network_policies, rules_of
from ringfence.invariants.rules import SetRule, Violation, by_strings
from ringfence.model import Severity
from ringfence.shape import Manifest, Path

_METADATA = ("169.254.169.254", "fd00:ec2::254")
_ADDRESSES = frozenset({"ipBlock", "toCIDR", "toCIDRSet", "nets"})  # fields whose strings are address ranges


class _Block(NamedTuple):
    """An ipBlock of a rule, with its path."""

    path: Path
    rule: Path
    cidr: str
    excepted: tuple[str, ...]
    ports: tuple[dict[str, Any], ...] | None  # None for every port


def _foreign_denies_metadata(tree: dict[str, Any]) -> bool:
    """Does this policy of Cilium or Calico deny the metadata service, above every allow?"""
    for spec in (tree.get("spec") or {}, *(tree.get("specs") or ())):
        rules = [*(spec.get("egressDeny") or [])]
        rules += [r for r in spec.get("egress") or [] if r.get("action") == "Deny"]
        for rule in rules:
            ranges = [*(rule.get("toCIDR") or []), *((rule.get("destination") or {}).get("nets") or [])]
            ranges += [s.get("cidr") for s in rule.get("toCIDRSet") or []]
            if any(_within(_METADATA[0], r) for r in ranges):
                return True
    return False


def _network(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(cidr, strict=False)
    except ValueError:
        return None  # the schema says so already


def _within(address: str, cidr: Any) -> bool:
    network = _network(cidr) if isinstance(cidr, str) else None
    return network is not None and ipaddress.ip_address(address) in network


def _blocks(tree: dict[str, Any]) -> tuple[_Block, ...]:
    """Every ipBlock of a NetworkPolicy."""
    found: list[_Block] = []
    for path, rule in rules_of(tree):
        key = "from" if path[1] == "ingress" else "to"
        ports = tuple(rule["ports"]) if rule.get("ports") else None
        for i, peer in enumerate(rule.get(key) or []):
            block = peer.get("ipBlock") or {}
            if isinstance(block.get("cidr"), str):
                excepted = tuple(block.get("except") or ())
                found.append(_Block((*path, key, i, "ipBlock"), path, block["cidr"], excepted, ports))
    return tuple(found)


def _reopens(tree: dict[str, Any]) -> Path | None:
    """Where a whole address space but for some ranges is allowed."""
    for block in _blocks(tree):
        network = _network(block.cidr)
        if block.path[1] == "egress" and block.excepted and network is not None and network.prefixlen == 0:
            return block.path
    return None


def reopened_egress(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 3: allow-all-except beside a default-deny opens all the rest, since policies are a union."""
    policies = network_policies(manifests)
    closed = closed_egress(policies)
    for manifest in policies:
        if manifest.namespace in closed and (path := by_strings(manifest, "reopens", _reopens, _ADDRESSES)):
            yield (
                manifest,
                Violation(
                    path,
                    f"everything but some ranges: that re-opens the closed egress of {manifest.namespace}",
                    "allow the destinations that are needed; what is not allowed stays blocked",
                ),
            )


def _metadata(tree: dict[str, Any]) -> tuple[Path, str] | None:
    """Where a rule lets pods reach a metadata service, and its address.

    The services answer on TCP 80. A rule that names the address itself may open nothing but DNS,
    which GKE Cloud DNS serves there.
    """
    for path, rule in rules_of(tree):
        if path[1] == "egress" and not rule.get("to") and _opens_metadata(rule.get("ports"), False):
            return path, _METADATA[0]
    for block in _blocks(tree):
        network = _network(block.cidr)
        for address in _METADATA if block.path[1] == "egress" else ():
            named = network is not None and network.num_addresses == 1
            if (
                _within(address, block.cidr)
                and not any(_within(address, e) for e in block.excepted)
                and _opens_metadata(block.ports, named)
            ):
                return block.path, address
    return None


def _opens_metadata(ports: Sequence[dict[str, Any]] | None, named: bool) -> bool:
    if not ports:
        return True
    if named:
        return any(p.get("port") != 53 or p.get("endPort", 53) != 53 for p in ports)
    return any(p.get("protocol", "TCP") == "TCP" and covers_port(p, frozenset({80})) for p in ports)


def open_metadata(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """An allow that reaches the metadata service hands the node's cloud credentials to whoever it selects."""
    denied = {
        m.namespace
        for m in foreign_policies(manifests)
        if by_strings(m, "denies", _foreign_denies_metadata, _ADDRESSES)
    }
    for manifest in network_policies(manifests):
        found = by_strings(manifest, "metadata", _metadata, _ADDRESSES)
        if found and manifest.namespace not in denied and "" not in denied:
            yield (
                manifest,
                Violation(
                    found[0],
                    f"lets its pods reach the instance metadata service at {found[1]}",
                    "allow the destinations that are needed, by port; DNS at that address needs 53 alone",
                ),
            )


def _versions(tree: dict[str, Any]) -> frozenset[int]:
    """IP versions of the ranges in a policy."""
    networks = (_network(b.cidr) for b in _blocks(tree))
    return frozenset(n.version for n in networks if n is not None)


def _lopsided(tree: dict[str, Any]) -> tuple[Path, str] | None:
    """Where a whole address space is treated in one IP version otherwise than in the other."""
    whole: dict[tuple[str | int, ...], dict[int, _Block]] = {}
    for block in _blocks(tree):
        network = _network(block.cidr)
        if network is not None and network.prefixlen == 0:
            whole.setdefault((block.path[1], str(block.ports)), {})[network.version] = block
    for versions in whole.values():
        four, six = versions.get(4), versions.get(6)
        if four and not six:
            return four.path, "all of IPv4 and nothing of IPv6"
        if four and six and four.excepted and not six.excepted:
            return six.path, "excepts ranges of IPv4 and none of IPv6"
    return None


def one_family(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 9: where IPv6 is in use, what is written for IPv4 alone is half a rule."""
    policies = network_policies(manifests)
    if not any(6 in by_strings(m, "versions", _versions, _ADDRESSES) for m in policies):
        return
    for manifest in policies:
        if found := by_strings(manifest, "lopsided", _lopsided, _ADDRESSES):
            yield (
                manifest,
                Violation(
                    found[0],
                    f"{found[1]}, beside policies that list IPv6 ranges",
                    "give both IP versions the same ranges: 0.0.0.0/0 and ::/0, each with its own except",
                ),
            )


RULES = (
    SetRule("net-default-deny-egress", Severity.HIGH, reopened_egress),
    SetRule("net-block-metadata", Severity.HIGH, open_metadata),
    SetRule("net-default-deny-ingress", Severity.MEDIUM, one_family),
)
