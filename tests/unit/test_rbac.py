"""The evaluator of tests/rbac.py; each expectation is what kube-apiserver answers to a SubjectAccessReview."""

from __future__ import annotations

from typing import Any

import pytest
from rbac import Access, Request, Who

ANN = Who("ann", ("team",))
API = "rbac.authorization.k8s.io/v1"


def role(kind: str, rules: list[dict[str, Any]], namespace: str = "") -> dict[str, Any]:
    metadata = {"name": "r", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "rules": rules}


def binding(kind: str, role_kind: str, subject: dict[str, str], namespace: str = "") -> dict[str, Any]:
    metadata = {"name": "b", **({"namespace": namespace} if namespace else {})}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": "r"}
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "roleRef": ref, "subjects": [subject]}


def rule(groups: str, resources: str, verbs: str, **more: list[str]) -> dict[str, Any]:
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs.split(","), **more}


TEAM = {"kind": "Group", "name": "team"}
PODS = rule("", "pods", "get")


@pytest.mark.parametrize(
    ("given", "request_", "allowed"),
    [
        (PODS, Request("get", "", "pods", "shop"), True),
        (PODS, Request("list", "", "pods", "shop"), False),
        (PODS, Request("get", "apps", "pods", "shop"), False),
        (PODS, Request("get", "", "pods/log", "shop"), False),
        (rule("", "pods/log", "get"), Request("get", "", "pods", "shop"), False),
        (rule("", "pods/log", "get"), Request("get", "", "pods/log", "shop"), True),
        (rule("", "*/log", "get"), Request("get", "", "pods/log", "shop"), True),
        (rule("", "*/log", "get"), Request("get", "", "pods", "shop"), False),
        (rule("", "pods/*", "get"), Request("get", "", "pods/log", "shop"), False),
        (rule("", "*", "get"), Request("get", "", "pods/log", "shop"), True),
        (rule("*", "pods", "*"), Request("delete", "any", "pods", "shop"), True),
        (rule("", "pods", "get", resourceNames=["a"]), Request("get", "", "pods", "shop", "a"), True),
        (rule("", "pods", "get", resourceNames=["a"]), Request("get", "", "pods", "shop", "b"), False),
        (rule("", "pods", "get", resourceNames=["a"]), Request("get", "", "pods", "shop"), False),
        ({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}, Request("get", "", "pods"), False),
    ],
)
def test_a_rule_covers(given: dict[str, Any], request_: Request, allowed: bool) -> None:
    access = Access([role("ClusterRole", [given]), binding("ClusterRoleBinding", "ClusterRole", TEAM)])
    assert access.allows(ANN, request_) is allowed


def test_a_role_binding_grants_a_cluster_role_in_its_namespace_alone() -> None:
    access = Access([role("ClusterRole", [PODS]), binding("RoleBinding", "ClusterRole", TEAM, "shop")])
    assert access.allows(ANN, Request("get", "", "pods", "shop"))
    assert not access.allows(ANN, Request("get", "", "pods", "other"))
    assert not access.allows(ANN, Request("get", "", "pods"))


def test_a_cluster_role_binding_grants_everywhere() -> None:
    access = Access([role("ClusterRole", [PODS]), binding("ClusterRoleBinding", "ClusterRole", TEAM)])
    assert access.allows(ANN, Request("get", "", "pods", "other"))
    assert access.allows(ANN, Request("get", "", "pods"))


def test_a_role_is_found_in_its_own_namespace() -> None:
    other = Access([role("Role", [PODS], "other"), binding("RoleBinding", "Role", TEAM, "shop")])
    same = Access([role("Role", [PODS], "shop"), binding("RoleBinding", "Role", TEAM, "shop")])
    assert not other.allows(ANN, Request("get", "", "pods", "shop"))
    assert same.allows(ANN, Request("get", "", "pods", "shop"))


@pytest.mark.parametrize(
    ("subject", "who", "granted"),
    [
        (TEAM, ANN, True),
        (TEAM, Who("team"), False),
        ({"kind": "User", "name": "ann"}, ANN, True),
        ({"kind": "User", "name": "team"}, ANN, False),
        ({"kind": "ServiceAccount", "name": "ci", "namespace": "a"}, Who("system:serviceaccount:a:ci"), True),
        ({"kind": "ServiceAccount", "name": "ci", "namespace": "a"}, Who("system:serviceaccount:b:ci"), False),
    ],
)
def test_a_subject_is_matched_by_kind_and_name(subject: dict[str, str], who: Who, granted: bool) -> None:
    access = Access([role("ClusterRole", [PODS]), binding("ClusterRoleBinding", "ClusterRole", subject)])
    assert access.allows(who, Request("get", "", "pods")) is granted


def test_a_binding_to_an_unknown_role_grants_nothing() -> None:
    assert not Access([binding("ClusterRoleBinding", "ClusterRole", TEAM)]).allows(ANN, Request("get", "", "pods"))
