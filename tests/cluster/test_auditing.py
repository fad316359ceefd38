"""Which mutants of an audit policy go together. That requests are logged as `logged` says, the mutants' own run sees."""

from __future__ import annotations

from typing import Any

import pytest
from cluster.auditing import EVERYTHING, logged, together, told_apart

SECRETS = {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]}
NOISE = {"level": "None", "users": ["proxy"], "verbs": ["list"]}
CHANGES = {"level": "RequestResponse", "verbs": ["create"], "resources": [{"group": "rbac.authorization.k8s.io"}]}
POLICY = {"omitStages": ["RequestReceived"], "rules": [SECRETS, NOISE, CHANGES]}


def event(verb: str = "get", kind: str = "", group: str = "", user: str = "somebody", **further: Any) -> dict[str, Any]:
    about = {"objectRef": {"resource": kind, "apiGroup": group, **further}} if kind else {}
    return {"verb": verb, "user": {"username": user, "groups": ["all"]}, "requestURI": "/healthz?verbose", **about}


ASKED = {
    "a Secret": [event(kind="secrets")],
    "a list": [event("list", "pods", user="proxy")],
    "a role": [event("create", "roles", "rbac.authorization.k8s.io")],
}


def changed(number: int, **fields: Any) -> dict[str, Any]:
    rules: list[Any] = list(POLICY["rules"])
    rules[number] = {**rules[number], **fields}
    return {**POLICY, "rules": rules}


def without(number: int) -> dict[str, Any]:
    return {**POLICY, "rules": [r for i, r in enumerate(POLICY["rules"]) if i != number]}


def test_mutants_that_different_pairs_hear_are_in_force_together() -> None:
    (found,) = told_apart(POLICY, {"no secrets": without(0), "no noise": changed(1, level="Metadata")}, ASKED)
    assert found.pairs == {"no secrets": ["a Secret"], "no noise": ["a list"]}
    assert found.policy == {**POLICY, "rules": [{**NOISE, "level": "Metadata"}, CHANGES]}


def test_mutants_of_one_rule_or_field_are_not() -> None:
    one_rule = {"none": changed(0, level="None"), "whole": changed(0, level="RequestResponse")}
    assert [len(group.pairs) for group in told_apart(POLICY, one_rule, ASKED)] == [1, 1]
    one_field = {"none": {**POLICY, "omitStages": []}, "others": {**POLICY, "omitStages": ["Panic"]}}
    assert [len(group.pairs) for group in told_apart(POLICY, one_field, ASKED)] == [1, 1]


def test_a_mutant_of_which_no_pair_tells_alone_is_not_with_the_others() -> None:
    everywhere = {**POLICY, "omitStages": ["RequestReceived", "Panic"]}  # of all three, so of the Secret as well
    found = told_apart(POLICY, {"no secrets": without(0), "no panic": everywhere}, {"a Secret": ASKED["a Secret"]})
    assert [list(group.pairs) for group in found] == [["no secrets"], ["no panic"]]


def test_a_pair_that_two_change_tells_of_neither() -> None:
    """The proxy's role: without its verbs the noise is met first, and without the changes it is logged at Metadata."""
    rest, silent = {"level": "Metadata"}, {k: v for k, v in NOISE.items() if k != "verbs"}
    asked = {
        "a role": ASKED["a role"],
        "the proxy's role": [event("create", "roles", "rbac.authorization.k8s.io", user="proxy")],
        "the proxy's Pod": [event("get", "pods", user="proxy")],
    }
    (found,) = told_apart(
        {"rules": [SECRETS, NOISE, CHANGES, rest]},
        {"no verbs": {"rules": [SECRETS, silent, CHANGES, rest]}, "no changes": {"rules": [SECRETS, NOISE, rest]}},
        asked,
    )
    assert found.pairs == {"no verbs": ["the proxy's Pod"], "no changes": ["a role"]}


def test_what_no_pair_hears_is_in_no_group() -> None:
    assert told_apart(POLICY, {"other users": changed(1, users=["proxy", "nobody"])}, ASKED) == []


@pytest.mark.parametrize(
    ("rule", "meets"),
    [
        ({}, True),
        ({"users": ["somebody"]}, True),
        ({"users": ["proxy"]}, False),
        ({"userGroups": ["some", "all"]}, True),
        ({"userGroups": ["some"]}, False),
        ({"verbs": ["list"]}, False),
        ({"namespaces": ["shop"]}, True),
        ({"namespaces": ["stall"]}, False),
        ({"resources": [{"group": ""}]}, True),
        ({"resources": [{"group": "apps"}]}, False),
        ({"resources": [{"resources": ["pods"]}]}, False),
        ({"resources": [{"resources": ["pods/exec"]}]}, True),
        ({"resources": [{"resources": ["pods/*"]}]}, True),
        ({"resources": [{"resources": ["*/exec"]}]}, True),
        ({"resources": [{"resources": ["*"], "resourceNames": ["one"]}]}, True),
        ({"resources": [{"resources": ["*"], "resourceNames": ["two"]}]}, False),
        ({"nonResourceURLs": ["*"]}, False),
    ],
)
def test_a_rule_is_met_by_all_that_it_names(rule: dict[str, Any], meets: bool) -> None:
    asked = event(kind="pods", subresource="exec", namespace="shop", name="one")
    assert logged({"rules": [{"level": "Metadata", **rule}]}, asked)[0] == ("Metadata" if meets else "None")


@pytest.mark.parametrize(("url", "meets"), [("/healthz", True), ("/health*", True), ("*", True), ("/livez", False)])
def test_a_path_is_met_without_its_query(url: str, meets: bool) -> None:
    rule = {"level": "Metadata", "nonResourceURLs": [url]}
    assert logged({"rules": [rule]}, event())[0] == ("Metadata" if meets else "None")


def test_what_is_logged_otherwise_than_we_think_is_an_error() -> None:
    request = {**event(kind="secrets"), "level": "Request"}
    with pytest.raises(AssertionError):
        together(POLICY, {("a Secret", True): [request]}, {("a Secret", True): []})


def test_what_a_pair_asks_is_what_was_logged_of_it_in_both_runs_unless_it_failed() -> None:
    under_it = {("a Secret", True): [{**event(kind="secrets"), "level": "Metadata"}], ("a list", False): []}
    everything = {("a Secret", False): [event("list", "pods", user="proxy")], ("a list", True): []}
    assert together(POLICY, under_it, everything) == {
        "a Secret": [*under_it["a Secret", True], *everything["a Secret", False]]
    }
    assert logged(EVERYTHING, event()) == ("Metadata", frozenset(), False)
