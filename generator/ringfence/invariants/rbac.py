"""What a role grants is written out and is no more than was meant (controls.md 1.4, traps 46 and 47).

An API group `*` with everything in it is one finding of `wildcards`, not one of each rule here. Kubernetes'
own default roles and bindings, and rules that a controller aggregates, are nobody's choice and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ringfence.invariants.rules import ObjectRule, SetRule, Violation, by_strings
from ringfence.model import Severity
from ringfence.shape import Joined, Manifest, Path, Slot

_READ = frozenset({"get", "list", "watch"})
_BROAD = {
    "system:masters": "its members pass every authorization check, bound or not",
    "system:anonymous": "that is whoever reaches the API server, without credentials",
    "system:unauthenticated": "that is whoever reaches the API server, without credentials",
    "system:authenticated": "that is every user and every pod",
}
_EMERGENCY = "ringfence:break-glass"
_KUBEADM = "kubeadm:cluster-admins"  # its upgrades put this binding back
_BUILT_IN = frozenset({"admin", "cluster-admin", "edit", "view"})
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_POLICIES = frozenset({"mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
                       "validatingadmissionpolicies", "validatingadmissionpolicybindings"})  # fmt: skip
_SHELLS = {"pods/attach": {"create", "get"}, "pods/exec": {"create", "get"}, "pods/portforward": {"create", "get"},
           "pods/ephemeralcontainers": {"patch", "update"}}  # fmt: skip
_IDENTITIES = frozenset({"groups", "serviceaccounts", "uids", "users"})


class _Rule(NamedTuple):
    """A rule of a role, its lists without their open strings."""

    path: Path
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    names: bool  # limited to resourceNames
    verbs: tuple[str, ...]
    urls: tuple[str, ...]

    def does(self, verbs: Iterable[str]) -> str:
        """Those of `verbs` that it grants, as text; empty for none. `*` grants them all."""
        granted = sorted(set(verbs)) if "*" in self.verbs else sorted(set(verbs) & set(self.verbs))
        return ", ".join(granted)

    def on(self, group: str, resources: Iterable[str]) -> str:
        """Those of `resources` of a group that it names, as text; empty for none."""
        return ", ".join(sorted(set(resources) & set(self.resources))) if group in self.groups else ""


def _is_default(tree: dict[str, Any]) -> bool:
    """Is this one of Kubernetes' own roles or bindings, as the API server writes them?"""
    name, labels = tree["metadata"].get("name"), tree["metadata"].get("labels") or {}
    return labels.get("kubernetes.io/bootstrapping") == "rbac-defaults" and (
        name in _BUILT_IN or str(name).startswith("system:")
    )


def _is_rbac(tree: dict[str, Any]) -> bool:
    return str(tree["apiVersion"]).startswith("rbac.authorization.k8s.io/")


def _texts(rule: dict[str, Any], key: str) -> tuple[str, ...]:
    values = rule.get(key) or []
    if not isinstance(values, list):
        raise TypeError(key)
    return tuple(v for v in values if isinstance(v, str))


def _judged(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    if _is_rbac(tree) and not tree.get("aggregationRule") and not _is_default(tree):
        for i, rule in enumerate(tree.get("rules") or []):
            yield ("rules", i), rule


def _rules(tree: dict[str, Any]) -> Iterator[_Rule]:
    for path, rule in _judged(tree):
        lists = [_texts(rule, key) for key in ("apiGroups", "resources", "verbs", "nonResourceURLs")]
        yield _Rule(path, lists[0], lists[1], bool(rule.get("resourceNames")), lists[2], lists[3])


def open_rules(tree: dict[str, Any]) -> Iterator[Violation]:
    """Who reads the template must see what it grants."""
    for path, rule in _judged(tree):
        for key in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            if any(isinstance(v, (Slot, Joined)) for v in rule.get(key) or []):
                yield Violation((*path, key), f"{key} hang on a value", "write them out in the template")


def open_role(tree: dict[str, Any]) -> Iterator[Violation]:
    """Who reads the template must see which role is bound."""
    role = (tree.get("roleRef") or {}) if _is_rbac(tree) else {}
    for key in ("kind", "name"):
        if isinstance(role.get(key), (Slot, Joined)):
            yield Violation(("roleRef", key), f"the role's {key} hangs on a value", "write it out in the template")


def _spell(values: Sequence[str], every: str) -> str:
    return every if "*" in values else ", ".join(v or "the core group" for v in values)


def wildcards(tree: dict[str, Any]) -> Iterator[Violation]:
    """A star grants what exists today and what an upgrade adds."""
    for rule in _rules(tree):
        everything = {"*", "/*"} & set(rule.urls)
        parts = [r for r in rule.resources if r == "*" or r.startswith("*/")]
        if not (everything or parts or "*" in rule.verbs or "*" in rule.groups):
            continue
        verbs = _spell(rule.verbs, "every verb")
        if rule.urls:
            what = "every URL" if everything else ", ".join(rule.urls)
            key = "nonResourceURLs" if everything else "verbs"
        else:
            resources = _spell(rule.resources, "every resource")
            what = f"{resources} of {_spell(rule.groups, 'every API group')}"
            if "*" in rule.resources and {"*", ""} & set(rule.groups) and rule.does(_READ):
                what += ", Secrets included"
            key = "resources" if parts else "apiGroups" if "*" in rule.groups else "verbs"
        yield Violation((*rule.path, key), f"grants {verbs} on {what}", "list the verbs and resources that are needed")


def escalation(tree: dict[str, Any]) -> Iterator[Violation]:
    """Three verbs that are cluster-admin under another name; the star is `wildcards`' to find."""
    for rule in _rules(tree):
        granted = sorted({"bind", "escalate"} & set(rule.verbs))
        if granted and rule.on("rbac.authorization.k8s.io", ("*", "clusterroles", "roles")):
            yield Violation(
                (*rule.path, "verbs"),
                f"grants {', '.join(granted)} on roles: its holder can grant rights that they don't have",
                "leave it out: who holds a right may grant it",
            )
        named = [r for r in rule.resources if r in _IDENTITIES or r == "*" or r.startswith("userextras")]
        if "impersonate" in rule.verbs and named and {"", "authentication.k8s.io", "*"} & set(rule.groups):
            which = "those it names" if rule.names else "any of them"
            yield Violation(
                (*rule.path, "verbs"),
                f"grants impersonate on {', '.join(named)}: its holder acts with all rights of {which}",
                "grant constrained impersonation (Kubernetes 1.36): impersonate:user-info and impersonate-on:...",
            )


def secret_reads(tree: dict[str, Any]) -> Iterator[Violation]:
    """A ClusterRole can be bound to the whole cluster; a Role can't."""
    for rule in _rules(tree) if tree["kind"] == "ClusterRole" else ():
        verbs = rule.does(_READ)
        if verbs and not rule.names and rule.on("", ("secrets",)):
            yield Violation(
                (*rule.path, "resources"),
                f"grants {verbs} on all Secrets of every namespace that it is bound in",
                "use a Role in the namespace that needs it, name the Secrets under resourceNames, or mount them",
            )


def interactive(tree: dict[str, Any]) -> Iterator[Violation]:
    """A shell has the tokens and the mounts of its pod."""
    for rule in _rules(tree) if tree["kind"] == "ClusterRole" else ():
        opened = [r for r in rule.resources if r in _SHELLS and rule.does(_SHELLS[r]) and "" in rule.groups]
        if opened:
            yield Violation(
                (*rule.path, "resources"),
                f"grants {', '.join(sorted(opened))} in every namespace that it is bound in, production included",
                "use a Role in the namespace that needs it",
            )


def kubelet_proxy(tree: dict[str, Any]) -> Iterator[Violation]:
    """The kubelet knows one right for everything that has no finer one."""
    for rule in _rules(tree) if tree["kind"] == "ClusterRole" else ():
        if rule.on("", ("nodes/proxy",)):
            yield Violation(
                (*rule.path, "resources"),
                "grants nodes/proxy: the kubelet's whole API, which runs commands in every pod of a node",
                "grant nodes/metrics, nodes/stats and, since Kubernetes 1.33, nodes/pods, nodes/healthz, nodes/configz",
            )


def credentials(tree: dict[str, Any]) -> Iterator[Violation]:
    """Identities that outlive the role they came from."""
    for rule in _rules(tree):
        if (
            rule.on("", ("serviceaccounts/token",))
            and rule.does({"create"})
            and not (rule.names and tree["kind"] == "Role")
        ):
            yield Violation(
                (*rule.path, "resources"),
                "grants create on serviceaccounts/token: its holder becomes any ServiceAccount of where it is bound",
                "use a Role that names the ServiceAccounts under resourceNames",
            )
        if rule.on("certificates.k8s.io", ("certificatesigningrequests/approval",)) and rule.does({"patch", "update"}):
            yield Violation(
                (*rule.path, "resources"),
                "grants approval of certificate requests: with the signer's approve, its holder becomes any user",
                "leave approval to kube-controller-manager or to one approver of the platform",
            )


def guardrails(tree: dict[str, Any]) -> Iterator[Violation]:
    """No policy is asked about policies and webhooks, so the grant is the lock."""
    for rule in _rules(tree):
        verbs = sorted(set(rule.verbs) - _READ)
        named = rule.names and not _POLICIES & set(rule.resources)
        if verbs and "admissionregistration.k8s.io" in rule.groups and not named:
            yield Violation(
                (*rule.path, "resources"),
                f"grants {_spell(verbs, 'every verb')} on {_spell(rule.resources, 'everything')}: "
                "its holder can switch off or take over admission",
                "grant get, list and watch; an operator lists its own webhooks under resourceNames",
            )


def aggregation(tree: dict[str, Any]) -> Iterator[Violation]:
    """A label that changes what everybody may do who is bound to a built-in role."""
    if not _is_rbac(tree) or _is_default(tree):
        return
    for label, value in (tree["metadata"].get("labels") or {}).items():
        role = label.removeprefix(_AGGREGATE)
        if label.startswith(_AGGREGATE) and role in _BUILT_IN and (not isinstance(value, str) or value == "true"):
            yield Violation(
                ("metadata", "labels", label),
                f"adds its rules to {role}, for everybody who is bound to that in any namespace",
                "remove the label, and bind the role by name where it is needed",
            )


def cluster_admin(tree: dict[str, Any]) -> Iterator[Violation]:
    """The role that reads every Secret and removes every guard."""
    role, metadata = tree.get("roleRef") or {}, tree["metadata"]
    if not _is_rbac(tree) or _is_default(tree) or not tree.get("subjects"):
        return
    if role.get("kind") != "ClusterRole" or role.get("name") != "cluster-admin" or metadata.get("name") == _EMERGENCY:
        return
    if metadata.get("name") == _KUBEADM and all(s.get("name") == _KUBEADM for s in tree["subjects"]):
        return
    where = "the cluster" if tree["kind"] == "ClusterRoleBinding" else "the namespace, its Secrets, roles and quota"
    yield Violation(
        ("roleRef", "name"),
        f"binds cluster-admin: full control of {where}",
        f"bind a role that lists what is needed; for emergencies there is one binding, {_EMERGENCY}",
    )


def _broad(tree: dict[str, Any]) -> list[tuple[int, str, Any]]:
    """Subjects that stand for everybody, with their place and the role."""
    if not _is_rbac(tree) or _is_default(tree):
        return []
    role = (tree.get("roleRef") or {}).get("name")
    return [
        (i, s["name"], role)
        for i, s in enumerate(tree.get("subjects") or [])
        if isinstance(s, dict) and s.get("kind") in ("Group", "User") and s.get("name") in _BROAD
    ]


def broad_subjects(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """A grant to everybody; the name may come from cluster.yaml, so each object is looked at."""
    for manifest in manifests:
        if manifest.kind not in _BINDINGS:
            continue
        for i, name, role in by_strings(manifest, "broad-subjects", _broad, frozenset({"subjects"})):
            yield (
                manifest,
                Violation(
                    ("subjects", i, "name"),
                    f"binds {role} to {name}: {_BROAD[name]}",
                    "bind the groups or ServiceAccounts that need it",
                ),
            )


_ROLES = frozenset({"ClusterRole", "Role"})
_BINDINGS = frozenset({"ClusterRoleBinding", "RoleBinding"})
RULES = (
    ObjectRule("rbac-no-wildcards", Severity.HIGH, _ROLES, open_rules),
    ObjectRule("rbac-no-wildcards", Severity.HIGH, _ROLES, wildcards),
    ObjectRule("rbac-no-escalation-verbs", Severity.HIGH, _ROLES, escalation),
    ObjectRule("rbac-secrets-least", Severity.HIGH, _ROLES, secret_reads),
    ObjectRule("rbac-interactive-access", Severity.MEDIUM, _ROLES, interactive),
    ObjectRule("kubelet-fine-grained-rbac", Severity.HIGH, _ROLES, kubelet_proxy),
    ObjectRule("rbac-credential-minting", Severity.HIGH, _ROLES, credentials),
    ObjectRule("rbac-guardrail-config", Severity.HIGH, _ROLES, guardrails),
    ObjectRule("rbac-no-aggregation", Severity.MEDIUM, _ROLES, aggregation),
    ObjectRule("rbac-cluster-admin-guard", Severity.HIGH, _BINDINGS, open_role),
    ObjectRule("rbac-cluster-admin-guard", Severity.CRITICAL, _BINDINGS, cluster_admin),
    SetRule("rbac-no-system-groups", Severity.CRITICAL, broad_subjects),
)
