"""Monotonic: what a profile refuses, every stricter one refuses; read from the controls and from the objects."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from helpers import ROOT
from hypothesis import given, settings
from strategies import UNSHRUNK, clusters

from ringfence.build import Builder, Resolution
from ringfence.documents import dump, load
from ringfence.model import PROFILES
from ringfence.parameters import loosened, quantity
from ringfence.spec.read import cluster_of

EXAMPLES = sorted(ROOT.glob("examples/*/cluster.yaml"))
LEVELS = ("privileged", "baseline", "restricted")
Body = dict[str, Any]


@cache
def builder() -> Builder:
    return Builder()


def under_each(document: dict[str, Any]) -> list[tuple[Resolution, list[Body]]]:
    """One cluster under each profile, loosest first, without overrides and exceptions of its own."""
    found = []
    for profile in PROFILES:
        same = {k: v for k, v in document.items() if k not in ("controls", "exceptions")} | {"profile": profile}
        resolution = builder().decide(cluster_of(load(dump(same), "cluster.yaml")), ROOT)
        found.append((resolution, [m.body for m in builder().objects(resolution)]))
    return found


@cache
def example(name: str) -> list[tuple[Resolution, list[Body]]]:
    file = ROOT / "examples" / name / "cluster.yaml"
    return under_each(load(file.read_bytes(), "cluster.yaml").value)


def steps(found: list[Any]) -> list[tuple[Any, Any]]:
    return list(pairwise(found))


def check_decisions(found: list[tuple[Resolution, list[Body]]]) -> None:
    """No stage falls, no parameter with a floor is loosened, no control loses an object kind that refuses."""
    for (loose, _), (strict, _) in steps(found):
        for before, after in zip(loose.controls, strict.controls, strict=True):
            assert after.stage.rank >= before.stage.rank, before.id
            for name, param in before.control.params.items():
                if param.floor not in ("free", "deny"):
                    assert not loosened(param, after.params[name], before.params[name]), f"{before.id}.{name}"


def levels(bodies: list[Body], mode: str) -> dict[str, int]:
    """Pod Security level of every namespace in the tree; privileged where nothing is said."""
    label = f"pod-security.kubernetes.io/{mode}"
    return {
        b["metadata"]["name"]: LEVELS.index(b["metadata"].get("labels", {}).get(label, "privileged"))
        for b in bodies
        if b["kind"] == "Namespace"
    }


def check_pod_security(found: list[tuple[Resolution, list[Body]]]) -> None:
    for (_, loose), (_, strict) in steps(found):
        for mode in ("enforce", "warn", "audit"):
            before, after = levels(loose, mode), levels(strict, mode)
            assert before.keys() <= after.keys()
            assert [n for n in before if after[n] < before[n]] == [], mode


class Grant(NamedTuple):
    """One right of one subject; `*` stands for all, an empty name for any object, an empty namespace for the cluster."""

    subject: str
    namespace: str
    group: str
    resource: str
    name: str
    verb: str


def grants(bodies: list[Body]) -> set[Grant]:
    """Every right that the bindings of a tree give; roles that are not in the tree count as themselves."""
    roles = {
        (b["kind"], b["metadata"].get("namespace", ""), b["metadata"]["name"]): b.get("rules") or []
        for b in bodies
        if b["kind"] in ("Role", "ClusterRole")
    }
    found: set[Grant] = set()
    for body in bodies:
        if body["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        space, ref = body["metadata"].get("namespace", ""), body["roleRef"]
        key = (ref["kind"], space if ref["kind"] == "Role" else "", ref["name"])
        foreign = [{"apiGroups": ["role"], "resources": [ref["name"]], "verbs": ["*"]}]
        for subject in body.get("subjects") or []:
            who = f"{subject['kind']}/{subject.get('namespace', '')}/{subject['name']}"
            found.update(Grant(who, space, *right) for rule in roles.get(key, foreign) for right in rights(rule))
    return found


def rights(rule: Body) -> Iterable[tuple[str, str, str, str]]:
    for verb in rule.get("verbs", ()):
        for name in rule.get("resourceNames") or [""]:
            for group in rule.get("apiGroups") or [""]:
                yield from ((group, resource, name, verb) for resource in rule.get("resources", ()))
        yield from (("url", url, "", verb) for url in rule.get("nonResourceURLs", ()))


def held(grant: Grant, among: set[Grant]) -> bool:
    """Is a right among others, or wider ones?"""
    return any(
        Grant(grant.subject, space, group, resource, name, verb) in among
        for space in {grant.namespace, ""}
        for group in {grant.group, "*"}
        for resource in {grant.resource, "*", f"*/{grant.resource.partition('/')[2]}"}
        for name in {grant.name, ""}
        for verb in {grant.verb, "*"}
    )


LENT = "impersonate-on:user-info:"  # KEP-5284: a verb that may be used as somebody else


def effective(bodies: list[Body]) -> set[Grant]:
    """Rights of those who can sign in: impersonation lends what both the right to lend and the lender's own allow."""
    found = grants(bodies)
    lenders = {
        f"User//{g.name}": g.subject for g in found if g.resource == "users" and g.verb.startswith("impersonate")
    }
    lent = {
        right
        for lender, borrower in lenders.items()
        for g in found
        if g.subject == borrower and g.verb.startswith(LENT)
        for right in [g._replace(verb=g.verb.removeprefix(LENT))]
        if held(right._replace(subject=lender), found)
    }
    return {g for g in found if g.subject not in lenders and not g.verb.startswith("impersonate")} | lent


def check_rights(found: list[tuple[Resolution, list[Body]]]) -> None:
    """Whoever works under a stricter profile may do no more."""
    for (_, loose), (strict_resolution, strict) in steps(found):
        before = effective(loose)
        assert [g for g in effective(strict) if not held(g, before)] == [], strict_resolution.profile.name


def check_quotas(found: list[tuple[Resolution, list[Body]]]) -> None:
    """No quota grows, and none goes away."""
    for (_, loose), (_, strict) in steps(found):
        before, after = quotas(loose), quotas(strict)
        assert before.keys() <= after.keys()
        assert [k for k in before if after[k] > before[k]] == []


def quotas(bodies: list[Body]) -> dict[tuple[str, str, str], int]:
    return {
        (b["metadata"]["namespace"], b["metadata"]["name"], key): quantity(str(value))
        for b in bodies
        if b["kind"] == "ResourceQuota"
        for key, value in b["spec"]["hard"].items()
    }


CHECKS = [check_decisions, check_pod_security, check_rights, check_quotas]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("name", [f.parent.name for f in EXAMPLES])
def test_examples(name: str, check: Any) -> None:
    check(example(name))


@settings(max_examples=4, phases=UNSHRUNK)
@given(document=clusters())
def test_any_cluster(document: dict[str, Any]) -> None:
    found = under_each(document)
    for check in CHECKS:
        check(found)


def role(verbs: list[str], **rule: Any) -> list[Body]:
    subject = {"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"}
    return [
        {"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": verbs, **rule}]},
        {
            "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"}, "roleRef": {"kind": "ClusterRole", "name": "r"},
            "subjects": [subject],
        },
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("loose", "strict", "more"),
    [
        (role(["get", "list"]), role(["get"]), 0),
        (role(["get"]), role(["get", "list"]), 1),
        (role(["*"]), role(["get"]), 0),
        (role(["get"], resources=["*"]), role(["get"], resources=["pods/log"]), 0),
        (role(["get"]), role(["get"], resourceNames=["a"]), 0),
        (role(["get"], resourceNames=["a"]), role(["get"]), 1),
        (role(["get"]), role(["get"], apiGroups=["apps"]), 1),
        ([], role(["get"]), 1),
    ],
)
def test_the_measure_of_rights_itself(loose: list[Body], strict: list[Body], more: int) -> None:
    before = grants(loose)
    assert len([g for g in grants(strict) if not held(g, before)]) == more
