"""Updates in a plan that leave a guard in its place and take what it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plansteps import found, step, write

ENFORCE = "pod-security.kubernetes.io/enforce"
RULE = {"expression": "object.spec.replicas < 5"}


def updated(kind: str, was: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return step("update", kind, "it", "shop" if kind in ("ResourceQuota", "LimitRange") else "", was=was, spec=spec)


def relabelled(kind: str, before: str | None, after: str | None) -> dict[str, Any]:
    row = step("update", kind, "shop")
    for side, level in (("oldState", before), ("newState", after)):
        metadata = {"name": "shop", "labels": {ENFORCE: level} if level else {}}
        row[side] = {"inputs": {"metadata": metadata}}
    return row


LIMIT = {"type": "Container", "max": {"memory": "1Gi"}, "default": {"memory": "1Gi"}}
WEAKER: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (
        "ValidatingAdmissionPolicyBinding",
        {"policyName": "p", "validationActions": ["Deny", "Audit"]},
        {"policyName": "p", "validationActions": ["Warn", "Audit"]},
        "it no longer refuses: Deny is not among its actions",
    ),
    (
        "ValidatingAdmissionPolicyBinding",
        {"policyName": "p", "validationActions": ["Deny"]},
        {"policyName": "p", "validationActions": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"},
        "it no longer refuses: Deny is not among its actions",
    ),
    (
        "MutatingAdmissionPolicyBinding",
        {"policyName": "p"},
        {"policyName": "other"},
        "its policy no longer applies",
    ),
    (
        "ValidatingAdmissionPolicy",
        {"validations": [RULE]},
        {"auditAnnotations": [{"key": "k"}]},
        "of its 1 validations 0 stay",
    ),
    (
        "ValidatingAdmissionPolicy",
        {"validations": [RULE, RULE]},
        {"validations": [RULE]},
        "of its 2 validations 1 stay",
    ),
    (
        "ValidatingAdmissionPolicy",
        {"validations": [RULE]},
        {"validations": [RULE], "failurePolicy": "Ignore"},
        "what it fails to judge is admitted",
    ),
    (
        "MutatingAdmissionPolicy",
        {"mutations": [RULE], "failurePolicy": "Fail"},
        {"failurePolicy": "Fail"},
        "of its 1 mutations 0 stay",
    ),
    (
        "ResourceQuota",
        {"hard": {"pods": "10", "requests.cpu": "4", "limits.memory": "8Gi"}},
        {"hard": {"pods": "10"}},
        "it no longer limits limits.memory, requests.cpu",
    ),
    ("ResourceQuota", {"hard": {"pods": "10"}}, {}, "it no longer limits pods"),
    (
        "LimitRange",
        {"limits": [LIMIT, {"type": "Pod", "max": {"cpu": "2"}}]},
        {"limits": [{**LIMIT, "max": {}}]},
        "it no longer sets Container max memory, Pod max cpu",
    ),
]


@pytest.mark.parametrize(("kind", "was", "spec", "why"), WEAKER)
def test_an_update_that_disarms_a_guard_is_a_finding(
    tmp_path: Path, kind: str, was: dict[str, Any], spec: dict[str, Any], why: str
) -> None:
    file = write(tmp_path, updated(kind, was, spec))
    ((object_, message),) = found(file)
    assert message == f"the plan updates it: {why}"
    assert found(file, object_) == []


@pytest.mark.parametrize(("kind", "was", "spec"), [w[:3] for w in WEAKER if "policy no longer" not in w[3]])
def test_an_update_that_arms_one_is_none(tmp_path: Path, kind: str, was: dict[str, Any], spec: dict[str, Any]) -> None:
    """The same updates the other way round, but for another policy, which is a loss both ways."""
    assert found(write(tmp_path, updated(kind, spec, was))) == []


@pytest.mark.parametrize("kind", ["Namespace", "NamespacePatch"])
@pytest.mark.parametrize(
    ("before", "after", "weaker"),
    [
        ("restricted", "baseline", True),
        ("baseline", "privileged", True),
        ("baseline", None, True),
        ("baseline", "restricted", False),
        (None, "baseline", False),
        ("restricted", "restricted", False),
    ],
)
def test_the_level_that_pods_are_held_to(
    tmp_path: Path, kind: str, before: str | None, after: str | None, weaker: bool
) -> None:
    expected = [("Namespace/shop", f"the plan updates it: its pods are held to {before} no longer")]
    assert found(write(tmp_path, relabelled(kind, before, after))) == (expected if weaker else [])


def test_webhooks_that_go_or_fail_open(tmp_path: Path) -> None:
    row = step("update", "ValidatingWebhookConfiguration", "hooks")
    row["oldState"]["inputs"]["webhooks"] = [{"name": "a"}, {"name": "b"}, {"name": "c\x1b[2J"}]
    row["newState"]["inputs"]["webhooks"] = [{"name": "a", "failurePolicy": "Ignore"}]
    assert found(write(tmp_path, row)) == [
        ("ValidatingWebhookConfiguration/hooks", "the plan updates it: its webhooks b, c\\x1b[2J go"),
        ("ValidatingWebhookConfiguration/hooks", "the plan updates it: what it fails to judge is admitted"),
    ]


def test_a_looser_value_is_not_judged(tmp_path: Path) -> None:
    """As docs/pulumi.md says."""
    raised = updated("ResourceQuota", {"hard": {"pods": "10"}}, {"hard": {"pods": "1000"}})
    assert found(write(tmp_path, raised)) == []
