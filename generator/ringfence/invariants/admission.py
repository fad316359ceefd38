"""An admission policy is in force, sees all it is about, and stops nothing else (controls.md, traps 23, 24, 28, 29)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ringfence.invariants.rules import ObjectRule, SetRule, Violation
from ringfence.model import Severity
from ringfence.shape import Joined, Manifest, Path, Slot, fill_text

_VAP, _MAP = "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy"
_POLICIES = frozenset({_VAP, _MAP})
_BINDINGS = frozenset({f"{kind}Binding" for kind in _POLICIES})
_WEBHOOKS = frozenset({"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"})

# Groups whose objects keep a cluster alive or are asked for at every request: leases, token and access reviews.
_VITAL = frozenset({"*", "authentication.k8s.io", "authorization.k8s.io", "coordination.k8s.io"})
_PLAIN = frozenset({"", "apps", "autoscaling", "batch", "policy"})  # built-in groups without k8s.io in their name
_WORKLOADS = frozenset({"cronjobs", "daemonsets", "deployments", "jobs", "pods", "replicasets",
                        "replicationcontrollers", "statefulsets"})  # fmt: skip

# What containers of all three lists have, and what an ephemeral one can't have (k8s.io/api EphemeralContainerCommon).
_IN_ALL = re.compile(r"\b(?:image|imagePullPolicy|securityContext|env|envFrom|volumeMounts|volumeDevices)\b")
_NOT_EPHEMERAL = re.compile(r"\b(?:resources|ports)\b")


def _is_admission(tree: dict[str, Any]) -> bool:
    return str(tree["apiVersion"]).startswith("admissionregistration.k8s.io/")


def _spec(tree: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = (tree.get("spec") or {}) if _is_admission(tree) else {}
    return spec


def _resource_rules(tree: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every rule that says which requests a policy, a binding or a webhook is about."""
    for key in ("matchConstraints", "matchResources"):
        for i, rule in enumerate((_spec(tree).get(key) or {}).get("resourceRules") or []):
            yield ("spec", key, "resourceRules", i), rule
    for i, webhook in enumerate(tree.get("webhooks") or [] if _is_admission(tree) else []):
        for j, rule in enumerate(webhook.get("rules") or []):
            yield ("webhooks", i, "rules", j), rule


def _conditions(tree: dict[str, Any], path: Path) -> str:
    """The match conditions that narrow the rule at `path`, as one text."""
    holder = tree["webhooks"][path[1]] if path[0] == "webhooks" else _spec(tree)
    return " ".join(_literal(c.get("expression")) for c in holder.get("matchConditions") or [])


def _literal(text: Any) -> str:
    """A text without its open strings."""
    if isinstance(text, Joined):
        return " ".join(p for p in text.parts if isinstance(p, str))
    return text if isinstance(text, str) else ""


def _takes_all(rule: dict[str, Any]) -> bool:
    return bool({"*", "*/*"} & {r for r in rule.get("resources") or [] if isinstance(r, str)})


def vital_wildcards(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 29: a guard that is asked about leases and reviews can stop a cluster that it was to protect."""
    for path, rule in _resource_rules(tree):
        if _takes_all(rule) and _VITAL & set(rule.get("apiGroups") or []) and "leases" not in _conditions(tree, path):
            yield Violation(
                (*path, "resources"),
                "is asked about every resource, leases and token or access reviews among them",
                "list the resources that it judges",
            )


def group_wildcards(tree: dict[str, Any]) -> Iterator[Violation]:
    """All of a group is more than anybody tests, and grows with every upgrade."""
    for path, rule in _resource_rules(tree):
        groups = [g for g in rule.get("apiGroups") or [] if isinstance(g, str)]
        built_in = [g or "the core group" for g in groups if g in _PLAIN or g.endswith(".k8s.io")]
        if _takes_all(rule) and built_in and not _VITAL & set(groups):
            yield Violation(
                (*path, "resources"),
                f"is asked about every resource of {', '.join(built_in)}, those of later versions too",
                "list the resources that it judges",
            )


def deny_and_warn(tree: dict[str, Any]) -> Iterator[Violation]:
    """Whoever is refused is told anyway."""
    if {"Deny", "Warn"} <= {a for a in _spec(tree).get("validationActions") or [] if isinstance(a, str)}:
        yield Violation(
            ("spec", "validationActions"),
            "Deny and Warn together, which the API server refuses",
            "use [Deny, Audit], or [Warn, Audit] to report only",
        )


def fails_open(tree: dict[str, Any]) -> Iterator[Violation]:
    """An error in an expression, or a parameter that is missing, admits the request."""
    if _spec(tree).get("failurePolicy") == "Ignore":
        yield Violation(
            ("spec", "failurePolicy"),
            "failurePolicy Ignore: what the policy can't evaluate is admitted",
            "set failurePolicy: Fail and guard optional fields with has()",
        )


def webhook_fails_open(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 24: while its server does not answer, everything passes."""
    for i, webhook in enumerate(tree.get("webhooks") or [] if _is_admission(tree) else []):
        if webhook.get("failurePolicy") == "Ignore":
            yield Violation(
                ("webhooks", i, "failurePolicy"),
                "failurePolicy Ignore: while its server does not answer, everything is admitted",
                "set failurePolicy: Fail, and leave system namespaces out by namespaceSelector",
            )


def unsaid_failure(tree: dict[str, Any]) -> Iterator[Violation]:
    """What happens when a guard breaks is a decision, so it is written down."""
    holders: list[tuple[Path, Any]] = [(("webhooks", i), w) for i, w in enumerate(tree.get("webhooks") or [])]
    if tree["kind"] in _POLICIES:
        holders = [(("spec",), _spec(tree))]
    for path, holder in holders if _is_admission(tree) else ():
        if "failurePolicy" not in holder:
            yield Violation(path, "leaves failurePolicy to the API's default", "write failurePolicy: Fail")


def missing_parameters(tree: dict[str, Any]) -> Iterator[Violation]:
    """Whoever can remove the parameter can then remove the policy."""
    reference = _spec(tree).get("paramRef")
    if reference is not None and reference.get("parameterNotFoundAction") != "Deny":
        yield Violation(
            ("spec", "paramRef"),
            "without its parameter the policy admits everything",
            "set parameterNotFoundAction: Deny",
        )


def half_of_pods(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 28: what only looks at containers is passed by in an init or an ephemeral container."""
    resources = {r for _, rule in _resource_rules(tree) for r in rule.get("resources") or [] if isinstance(r, str)}
    text = _expressions(tree)
    if not resources & _WORKLOADS or not re.search(r"\bcontainers\b", text):
        return
    common = bool(_IN_ALL.search(text))
    if (common or _NOT_EPHEMERAL.search(text)) and "initContainers" not in text:
        yield Violation(
            ("spec", "validations"),
            "looks at containers and not at initContainers",
            "judge object.spec.containers and, where they are, initContainers and ephemeralContainers",
        )
    if not common or "pods" not in resources:
        return
    if "ephemeralContainers" not in text:
        yield Violation(
            ("spec", "validations"),
            "looks at containers and not at ephemeralContainers, which kubectl debug adds to running pods",
            "judge ephemeralContainers too, and match pods/ephemeralcontainers",
        )
    if not resources & {"pods/ephemeralcontainers", "pods/*", "*/*", "*/ephemeralcontainers"}:
        yield Violation(
            ("spec", "matchConstraints", "resourceRules"),
            "matches pods and not pods/ephemeralcontainers, by which containers are added to running pods",
            "add the resource pods/ephemeralcontainers with operation UPDATE",
        )


def _expressions(tree: dict[str, Any]) -> str:
    """The expressions that decide, as one text."""
    spec = _spec(tree)
    return "\n".join(_literal(e.get("expression")) for key in ("variables", "validations") for e in spec.get(key) or [])


def _policy(binding: Manifest) -> tuple[str, str]:
    """Kind and name of the policy that a binding is for."""
    name = _spec(binding.shape.tree).get("policyName")
    text = fill_text(name, binding.values) if isinstance(name, (str, Slot, Joined)) else ""
    return binding.kind.removesuffix("Binding"), text


def unpaired(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 28: a policy without a binding has no effect, and a binding without its policy has none either."""
    policies: dict[tuple[str, str], Manifest] = {}
    bindings: list[tuple[tuple[str, str], Manifest]] = []
    for m in manifests:
        if m.kind in _POLICIES and _is_admission(m.shape.tree):
            policies[m.kind, m.name] = m
        elif m.kind in _BINDINGS and _is_admission(m.shape.tree):
            bindings.append((_policy(m), m))
    bound = {key for key, _ in bindings}
    for key, manifest in policies.items():
        if key not in bound:
            yield (
                manifest,
                Violation(
                    ("metadata", "name"),
                    "no binding beside it: a policy without one has no effect",
                    f"add a {key[0]}Binding with policyName {key[1]}",
                ),
            )
    for key, manifest in bindings:
        if key[1] and key not in policies:
            yield (
                manifest,
                Violation(
                    ("spec", "policyName"),
                    f"binds {key[0]} {key[1]}, which is not beside it",
                    "add the policy, or correct policyName",
                ),
            )


def unbound_parameters(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """A policy that takes a parameter is bound with one."""
    takes = {
        (m.kind, m.name) for m in manifests if m.kind in _POLICIES and _spec(m.shape.tree).get("paramKind") is not None
    }
    for m in manifests if takes else ():
        if m.kind in _BINDINGS and _policy(m) in takes and "paramRef" not in _spec(m.shape.tree):
            yield (
                m,
                Violation(
                    ("spec",),
                    f"{_policy(m)[1]} takes a parameter and is bound without one",
                    "add paramRef with parameterNotFoundAction: Deny",
                ),
            )


RULES = (
    SetRule("adm-engine", Severity.MEDIUM, unpaired),
    SetRule("adm-engine", Severity.HIGH, unbound_parameters),
    ObjectRule("adm-engine", Severity.HIGH, _BINDINGS, missing_parameters),
    ObjectRule("adm-engine", Severity.HIGH, _BINDINGS, deny_and_warn),
    ObjectRule("adm-engine", Severity.HIGH, frozenset({_VAP}), fails_open),
    ObjectRule("adm-engine", Severity.HIGH, frozenset({_VAP}), half_of_pods),
    ObjectRule("adm-engine", Severity.HIGH, _POLICIES | _BINDINGS | _WEBHOOKS, vital_wildcards),
    ObjectRule("adm-engine", Severity.MEDIUM, _POLICIES | _BINDINGS | _WEBHOOKS, group_wildcards),
    ObjectRule(
        "adm-engine-hardened", Severity.MEDIUM, frozenset({"ValidatingWebhookConfiguration"}), webhook_fails_open
    ),
    ObjectRule("adm-engine", Severity.LOW, _POLICIES | _WEBHOOKS, unsaid_failure),
)
