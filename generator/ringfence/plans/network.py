"""Namespaces that NetworkPolicies close before a plan and no longer after it, direction by direction.

A policy closes a direction when it selects every pod and does not let everything through. Policies add up: one that
lets everything through opens what others close.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ringfence.model import Severity
from ringfence.plans.reading import Step, items, mapping

_PEERS = {"ingress": "from", "egress": "to"}
_EVERYWHERE = ("0.0.0.0/0", "::/0")
# What stands for a value that only the run will know (pulumi/sdk, UnknownStringValue), and for one that is not shown.
_UNTOLD = ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", "[secret]")


class _Way(NamedTuple):
    """A direction, of every pod of a namespace."""

    cluster: str
    namespace: str
    direction: str


class _Effect(NamedTuple):
    """The ways that one policy closes, and those that it opens."""

    closes: frozenset[_Way]
    opens: frozenset[_Way]


_NONE = _Effect(frozenset(), frozenset())


def openings(steps: Iterable[Step], hidden: bool) -> Iterator[tuple[Step, Severity, str]]:
    """Steps that take the last policy that closes a namespace, narrow it, or let everything through beside it."""
    steps = list(steps)
    taken = {s.urn for s in steps if s.takes}  # further steps about these (a refresh, a discarded read) keep nothing
    gone = _gone(steps)
    before, after = [_effect(s, s.old) for s in steps], [_effect(s, _left(s, taken)) for s in steps]
    lost = _closed(before) - _closed(after)
    for step, was, is_ in zip(steps, before, after, strict=True):
        if not (step.takes or step.changes) or (step.cluster, step.namespace) in gone:
            continue  # that the namespace goes is said already
        where = step.namespace or "the provider's namespace"
        unsure = ", as far as the plan shows" if hidden else ""
        if ways := lost & (was.closes - is_.closes):
            yield step, Severity.HIGH, f"no other policy closes {_spelled(ways)} of every pod in {where}{unsure}"
        if ways := lost & (is_.opens - was.opens):
            yield step, Severity.HIGH, f"it opens {_spelled(ways)} of every pod in {where}"


def _left(step: Step, taken: set[str]) -> Mapping[str, Any]:
    return step.new if step.changes and step.urn not in taken else {}


def _gone(steps: Iterable[Step]) -> set[tuple[str, str]]:
    """Namespaces that go for good. A patch that goes, or a namespace that is made anew, leaves one behind."""
    deleted: set[tuple[str, str]] = set()
    kept: set[tuple[str, str]] = set()
    for step in steps:
        if (step.group, step.kind) == ("core", "Namespace") and step.op != "refresh":
            goes = step.op == "delete" and step.takes and not step.patch
            (deleted if goes else kept).add((step.cluster, step.name))
    return deleted - kept


def _closed(effects: Iterable[_Effect]) -> frozenset[_Way]:
    effects = list(effects)
    return frozenset().union(*(e.closes for e in effects)) - frozenset().union(*(e.opens for e in effects))


def _effect(step: Step, body: Mapping[str, Any]) -> _Effect:
    """What a NetworkPolicy that selects every pod of its namespace does (NetworkPolicySpec)."""
    spec = body.get("spec")
    if (step.group, step.kind) != ("networking.k8s.io", "NetworkPolicy") or step.patch or not isinstance(spec, dict):
        return _NONE  # a patch does not tell the whole policy
    selector = spec.get("podSelector") or {}
    if not isinstance(selector, dict) or selector.get("matchLabels") or selector.get("matchExpressions"):
        return _NONE
    if not _told(spec):
        return _NONE
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    ways = {d: _Way(step.cluster, step.namespace, d) for d in _PEERS if d.title() in items(types)}
    opens = {d for d in ways if any(_lets_all(mapping(rule), _PEERS[d]) for rule in items(spec.get(d)))}
    return _Effect(frozenset(ways[d] for d in ways.keys() - opens), frozenset(ways[d] for d in opens))


def _told(spec: Any) -> bool:
    """Does the plan tell every value in it?"""
    left = [spec]
    while left:
        value = left.pop()
        if isinstance(value, str) and value in _UNTOLD:
            return False
        left.extend(value.values() if isinstance(value, dict) else items(value))
    return True


def _lets_all(rule: Mapping[str, Any], peers: str) -> bool:
    """Does a rule name no ports, and no peers or every address?"""
    blocks = [mapping(mapping(peer).get("ipBlock")) for peer in items(rule.get(peers))]
    everywhere = any(b.get("cidr") in _EVERYWHERE and not b.get("except") for b in blocks)
    return not rule.get("ports") and (not rule.get(peers) or everywhere)


def _spelled(ways: Iterable[_Way]) -> str:
    return " and ".join(sorted((w.direction for w in ways), key=list(_PEERS).index))
