"""Who may do what, by the rules of rbac.authorization.k8s.io/v1 and nothing else.

Only the objects given are known: a binding to a role that is not among them grants nothing, and neither built-in
roles nor the bindings that every cluster has are there. Aggregated roles are not put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

Body = Mapping[str, Any]


class Request(NamedTuple):
    """What somebody asks for; `resource` may have a subresource, `namespace` is empty for the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


class Who(NamedTuple):
    """A user, its groups listed."""

    user: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Grant:
    """A bound role: `namespace` is None for the whole cluster."""

    subjects: tuple[Body, ...]
    namespace: str | None
    rules: tuple[Body, ...]


class Access:
    """The grants among some objects."""

    def __init__(self, bodies: Iterable[Body]) -> None:
        objects = [b for b in bodies if str(b["apiVersion"]).startswith("rbac.authorization.k8s.io/")]
        roles = {_key(b): tuple(b.get("rules") or ()) for b in objects if b["kind"] in ("Role", "ClusterRole")}
        self._grants = tuple(_grants(objects, roles))

    def allows(self, who: Who, request: Request) -> bool:
        """May `who` make this request?"""
        return any(
            grant.namespace in (None, request.namespace or "\0")
            and any(_is(who, s) for s in grant.subjects)
            and any(_covers(rule, request) for rule in grant.rules)
            for grant in self._grants
        )


def _key(body: Body) -> tuple[str, str, str]:
    return body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]


def _grants(objects: list[Body], roles: Mapping[tuple[str, str, str], tuple[Body, ...]]) -> Iterator[_Grant]:
    for body in objects:
        if body["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        everywhere = body["kind"] == "ClusterRoleBinding"
        namespace, ref = body["metadata"].get("namespace", ""), body["roleRef"]
        rules = roles.get((ref["kind"], namespace if ref["kind"] == "Role" else "", ref["name"]), ())
        yield _Grant(tuple(body.get("subjects") or ()), None if everywhere else namespace, rules)


def _is(who: Who, subject: Body) -> bool:
    match subject["kind"]:
        case "User":
            return bool(subject["name"] == who.user)
        case "Group":
            return subject["name"] in who.groups
    return who.user == f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"


def _covers(rule: Body, request: Request) -> bool:
    _, slash, sub = request.resource.partition("/")
    resources = {"*", request.resource, *([f"*/{sub}"] if slash else ())}
    return (
        bool({"*", request.verb} & set(rule.get("verbs") or ()))
        and bool({"*", request.group} & set(rule.get("apiGroups") or ()))
        and bool(resources & set(rule.get("resources") or ()))
        and (not rule.get("resourceNames") or request.name in rule["resourceNames"])
    )
