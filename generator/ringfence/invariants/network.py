"""A closed namespace stays closed, and stays usable (controls.md, traps 1, 3, 8 and 9).

Each finding must be true of what is given, whoever wrote it: where another kind of policy (Cilium's, Calico's)
may decide otherwise, these rules read that too or stay silent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ringfence.invariants.rules import ObjectRule, SetRule, Violation, by_shape, by_strings
from ringfence.model import Manifest, Path, Severity

_BY_NAME = "kubernetes.io/metadata.name"
_TENANT = "ringfence/tenant"
_DNS = frozenset({53, 5353})
_METADATA = ("169.254.169.254", "fd00:ec2::254")
_ADDRESSES = frozenset({"ipBlock", "toCIDR", "toCIDRSet", "nets"})  # fields whose strings are address ranges
_FOREIGN = frozenset({"cilium.io", "projectcalico.org", "policy.networking.k8s.io"})
_TEMPLATES = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}


class _Block(NamedTuple):
    """An ipBlock of a rule, with its path."""

    path: Path
    rule: Path
    cidr: str
    excepted: tuple[str, ...]
    ports: tuple[dict[str, Any], ...] | None  # None for every port


def _rules(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every rule of a NetworkPolicy with its path; nothing of other groups' policies of that name."""
    if str(tree.get("apiVersion")).startswith("networking.k8s.io/"):
        for direction in ("ingress", "egress"):
            for i, rule in enumerate(tree.get("spec", {}).get(direction) or []):
                yield ("spec", direction, i), rule or {}


def empty_lists(tree: dict[str, Any]) -> Iterator[Violation]:
    """`from: []` and `ports: []` mean everything, which nobody means who writes them."""
    for path, rule in _rules(tree):
        for key in ("from", "to", "ports"):
            if key in rule and not rule[key]:
                yield Violation(
                    (*path, key), f"an empty {key} allows everything", f"leave {key} out, or list what is meant"
                )


def forgeable_selectors(tree: dict[str, Any]) -> Iterator[Violation]:
    """A namespace's labels can be set by whoever may edit it; its name can't."""
    for path, rule in _rules(tree):
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
    for path, rule in _rules(tree):
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


def _selects_all(spec: dict[str, Any]) -> bool:
    return not any((spec.get("podSelector") or {}).values())


def _isolates(tree: dict[str, Any], direction: str) -> bool:
    """Is the policy about this direction at all, so that what it does not allow is refused?"""
    spec = tree.get("spec", {})
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    return direction.capitalize() in types


def _closes(tree: dict[str, Any], direction: str) -> bool:
    """Does this policy close a direction for every pod of its namespace, allowing nothing?"""
    spec = tree.get("spec", {})
    return _selects_all(spec) and _isolates(tree, direction) and not spec.get(direction)


def _bounds(tree: dict[str, Any]) -> bool:
    """Does this policy hold the ingress of every pod to less than everything?"""
    rules = tree.get("spec", {}).get("ingress") or []
    return _selects_all(tree.get("spec", {})) and _isolates(tree, "ingress") and all(r.get("from") for r in rules)


def _port(port: dict[str, Any], wanted: frozenset[int]) -> bool:
    first = port.get("port")
    if first is None:
        return True
    return isinstance(first, int) and any(first <= w <= port.get("endPort", first) for w in wanted)


def _dns_protocols(tree: dict[str, Any]) -> frozenset[str]:
    """Over which protocols DNS is let out, to anywhere."""
    found: set[str] = set()
    for rule in tree.get("spec", {}).get("egress") or []:
        ports = (rule or {}).get("ports")
        if not ports:
            return frozenset({"UDP", "TCP"})
        found.update(p.get("protocol", "TCP") for p in ports if _port(p, _DNS))
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


def _is_policy(manifest: Manifest) -> bool:
    return manifest.kind == "NetworkPolicy" and manifest.shape.group == "networking.k8s.io"


def _policies(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [m for m in manifests if _is_policy(m)]


def _foreign(manifests: Sequence[Manifest]) -> list[Manifest]:
    return [m for m in manifests if m.shape.group in _FOREIGN]


def _closed_egress(policies: Sequence[Manifest]) -> dict[str, Manifest]:
    return {m.namespace: m for m in policies if by_shape(m, "closes-egress", lambda t: _closes(t, "egress"))}


def egress_without_dns(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 1: default-deny egress kills DNS, so everything works until the first lookup."""
    policies = _policies(manifests)
    served: dict[str, frozenset[str]] = {}
    for m in policies:
        served[m.namespace] = served.get(m.namespace, frozenset()) | by_shape(m, "dns-protocols", _dns_protocols)
    other = {m.namespace for m in _foreign(manifests) if by_shape(m, "foreign-dns", _foreign_dns)}
    for namespace, manifest in _closed_egress(policies).items():
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
    for path, rule in _rules(tree):
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
    policies = _policies(manifests)
    closed = _closed_egress(policies)
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
    for path, rule in _rules(tree):
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
    return any(p.get("protocol", "TCP") == "TCP" and _port(p, frozenset({80})) for p in ports)


def open_metadata(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """An allow that reaches the metadata service hands the node's cloud credentials to whoever it selects."""
    denied = {m.namespace for m in _foreign(manifests) if by_strings(m, "denies", _foreign_denies_metadata, _ADDRESSES)}
    for manifest in _policies(manifests):
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
    policies = _policies(manifests)
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
    bounded = {m.namespace for m in _foreign(manifests)}  # their rules may close it
    for m in _policies(manifests):
        if by_shape(m, "isolates-ingress", lambda t: _isolates(t, "ingress")):
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
    SetRule("net-default-deny-egress", Severity.HIGH, reopened_egress),
    SetRule("net-block-metadata", Severity.HIGH, open_metadata),
    SetRule("net-default-deny-ingress", Severity.MEDIUM, one_family),
    SetRule("net-default-deny-ingress", Severity.HIGH, half_closed),
)
