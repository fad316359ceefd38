"""Which mutants of an audit policy one API server can have at a time.

The first rule that a request meets says what is logged of it (k8s.io/apiserver/pkg/audit/policy/checker.go), so a mutant
changes what is logged of some requests and of no others. Mutants go together where each has pairs of which it alone
changes the log: when one of those turns red, it is by that mutant.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.build import Resolution
from ringfence.probes import Session, run_pairs
from ringfence.verdict import State, Verdict

Body = Mapping[str, Any]
Asked = Mapping[str, Sequence[Body]]  # pair -> the audit events of its requests
Found = Mapping[tuple[str, bool], Sequence[Body]]  # the same of a run, by pair and whether it was proved
_ITSELF = "system:apiserver"
EVERYTHING = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}


@dataclass(frozen=True)
class Alike:
    """Mutants of one policy that are in force together: the pairs that tell of each, by its name, and the policy of all."""

    pairs: Mapping[str, Sequence[str]]
    policy: Body


def requests(session: Session, resolution: Resolution, control: str, patience: float) -> Found:
    """What a control's pairs ask, as the API server's audit log has it; what it asks itself is none of them."""
    assert session.access.audit_log
    log, read = session.access.audit_log, 0
    found: dict[tuple[str, bool], list[Body]] = {}

    def look(verdict: Verdict) -> None:
        nonlocal read
        with log.open("rb") as lines:
            lines.seek(read)
            whole = [line for line in lines if line.endswith(b"\n")]
        read += sum(map(len, whole))
        events = map(json.loads, whole)
        found[verdict.pair, verdict.state is State.PROVED] = [e for e in events if e["user"]["username"] != _ITSELF]

    run_pairs(session, resolution, [control], patience=patience, settling=0.0, twin=0.0, seen=look)
    return found


def together(policy: Body, under_it: Found, under_everything: Found) -> Asked:
    """All that pairs ask: under a policy what must not be logged is missing, under `EVERYTHING` a pair may end early.

    The policy must have logged each request as we think that it does. What a pair asks that failed under it isn't known.
    """
    for event in itertools.chain.from_iterable(under_it.values()):
        assert logged(policy, event)[0] == event["level"], event
    further = {pair: events for (pair, _), events in under_everything.items()}
    return {pair: [*events, *further[pair]] for (pair, proved), events in under_it.items() if proved}


def told_apart(policy: Body, mutants: Mapping[str, Body], asked: Asked) -> list[Alike]:
    """As few groups as come of taking each mutant in turn; `mutants` are what each makes of `policy`, by its name.

    A mutant that changes the log of no request is in none.
    """
    heard = {m: changed for m, body in mutants.items() if (changed := _heard(policy, body, asked))}
    groups: list[Alike] = []
    for mutant in sorted(heard, key=lambda m: len(heard[m])):
        for i, group in enumerate(groups):
            if joint := _joint(policy, mutants, heard, [*group.pairs, mutant], asked):
                groups[i] = joint
                break
        else:
            groups.append(Alike({mutant: sorted(heard[mutant])}, mutants[mutant]))
    return groups


def _heard(policy: Body, mutant: Body, asked: Asked) -> set[str]:
    """The pairs of which something else is logged."""
    return {pair for pair, events in asked.items() if any(logged(policy, e) != logged(mutant, e) for e in events)}


def _joint(
    policy: Body, mutants: Mapping[str, Body], heard: Mapping[str, set[str]], group: Sequence[str], asked: Asked
) -> Alike | None:
    """The group, where its mutants are about different things and each can be told from the others."""
    changes: dict[int | str, Any] = {}
    for one in group:
        its = dict(_changes(policy, mutants[one]))
        if its.keys() & changes.keys():
            return None
        changes.update(its)
    whole = _changed(policy, changes)
    pairs: dict[str, list[str]] = {}
    for one in group:
        others = set().union(*(heard[m] for m in group if m != one))
        pairs[one] = [
            pair
            for pair in sorted(heard[one] - others)
            if all(logged(whole, e) == logged(mutants[one], e) for e in asked[pair])
        ]
    return Alike(pairs, whole) if all(pairs.values()) else None


def _changes(policy: Body, mutant: Body) -> Iterator[tuple[int | str, Any]]:
    """What a mutant has of it: a rule by its number, or a field by its name; None for what is gone."""
    old, new = policy["rules"], mutant["rules"]
    if len(new) < len(old):
        yield next((i for i, rule in enumerate(new) if rule != old[i]), len(new)), None
    else:
        yield from ((i, rule) for i, rule in enumerate(new) if rule != old[i])
    yield from ((k, mutant.get(k)) for k in policy if k != "rules" and mutant.get(k) != policy[k])


def _changed(policy: Body, changes: Mapping[int | str, Any]) -> Body:
    rules = [changes.get(i, rule) for i, rule in enumerate(policy["rules"])]
    fields = {k: changes.get(k, value) for k, value in policy.items()}
    return {k: v for k, v in {**fields, "rules": [r for r in rules if r]}.items() if v is not None}


# ------------------------------------------------------------------------------------------------ what a policy says


def logged(policy: Body, event: Body) -> tuple[Any, ...]:
    """What a policy has logged of the request of an event: the level, the stages that it leaves out, the managed fields."""
    rule = next((r for r in policy["rules"] if _meets(r, event)), {"level": "None"})
    if rule["level"] == "None":
        return ("None",)
    stages = {*policy.get("omitStages", ()), *rule.get("omitStages", ())}
    return rule["level"], frozenset(stages), rule.get("omitManagedFields", policy.get("omitManagedFields", False))


def _meets(rule: Body, event: Body) -> bool:
    user, about = event["user"], event.get("objectRef")
    if not _among(rule.get("users"), [user["username"]]) or not _among(rule.get("userGroups"), user.get("groups", ())):
        return False
    if not _among(rule.get("verbs"), [event["verb"]]):
        return False
    if rule.get("namespaces") or rule.get("resources"):
        return about is not None and _about(rule, about)
    path = event["requestURI"].partition("?")[0]
    urls = rule.get("nonResourceURLs")
    return not urls or (about is None and any(_matches(url, path) for url in urls))


def _among(wanted: Collection[str] | None, found: Iterable[str]) -> bool:
    return not wanted or any(one in wanted for one in found)


def _about(rule: Body, about: Body) -> bool:
    if not _among(rule.get("namespaces"), [about.get("namespace", "")]):
        return False
    of_group = [r for r in rule.get("resources", ()) if r.get("group", "") == about.get("apiGroup", "")]
    kind, sub = about["resource"], about.get("subresource", "")
    known = {"*", f"{kind}/{sub}" if sub else kind, f"{kind}/*", *([f"*/{sub}"] if sub else ())}
    return not rule.get("resources") or any(
        not r.get("resources")
        or (known & set(r["resources"]) and _among(r.get("resourceNames"), [about.get("name", "")]))
        for r in of_group
    )


def _matches(url: str, path: str) -> bool:
    return path.startswith(url[:-1]) if url.endswith("*") else path == url
