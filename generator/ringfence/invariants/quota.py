"""A namespace that is bounded can still be used, and its defaults don't throttle (controls.md, trap 45)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ringfence.invariants.rules import ObjectRule, SetRule, Violation, by_shape
from ringfence.model import Severity
from ringfence.shape import Manifest

# Resources of a quota that every container it counts must state, by what states them.
# Source: k8s.io/kubernetes pkg/quota/v1/evaluator/core/pods.go, validationSet.
_STATED = {
    "cpu": ("requests", "cpu"),
    "memory": ("requests", "memory"),
    "requests.cpu": ("requests", "cpu"),
    "requests.memory": ("requests", "memory"),
    "limits.cpu": ("limits", "cpu"),
    "limits.memory": ("limits", "memory"),
}
_REASON = "ringfence/reason"


def _demands(tree: dict[str, Any]) -> tuple[str, ...]:
    """What the quota makes every container state. One with scopes counts some pods only, often those that do."""
    spec = tree.get("spec") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return ()
    return tuple(key for key in spec.get("hard") or {} if key in _STATED)


def _container_items(tree: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, item in enumerate((tree.get("spec") or {}).get("limits") or []):
        if item.get("type") == "Container":
            yield i, item


def _gives(tree: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """What a LimitRange fills in: a max is a default limit, a default limit a default request, a min one too.

    Source: k8s.io/kubernetes pkg/apis/core/v1/defaults.go, SetDefaults_LimitRangeItem.
    """
    found: set[tuple[str, str]] = set()
    for _, item in _container_items(tree):
        limits = {*(item.get("default") or {}), *(item.get("max") or {})}
        requests = {*limits, *(item.get("defaultRequest") or {}), *(item.get("min") or {})}
        found.update(("limits", name) for name in limits)
        found.update(("requests", name) for name in requests)
    return frozenset(found)


def quota_without_defaults(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Violation]]:
    """Trap 45: a quota on requests refuses every pod that states none."""
    given: dict[str, frozenset[tuple[str, str]]] = {}
    for m in manifests:
        if m.kind == "LimitRange":
            given[m.namespace] = given.get(m.namespace, frozenset()) | by_shape(m, "limitrange-gives", _gives)
    for m in manifests:
        if m.kind != "ResourceQuota" or not (demands := by_shape(m, "quota-demands", _demands)):
            continue
        missing = [key for key in demands if _STATED[key] not in given.get(m.namespace, frozenset())]
        if missing:
            pods = f"every pod in {m.namespace}" if m.namespace else "every pod"
            yield (
                m,
                Violation(
                    ("spec", "hard", missing[0]),
                    f"refuses {pods} that doesn't state {', '.join(missing)}: no LimitRange here gives a default",
                    "add a LimitRange with default and defaultRequest for containers (control quota-limitrange)",
                ),
            )


def default_cpu_limit(tree: dict[str, Any]) -> Iterator[Violation]:
    """A cpu limit nobody asked for throttles its container even on an idle node."""
    if (tree["metadata"].get("annotations") or {}).get(_REASON):
        return
    for i, item in _container_items(tree):
        for key in ("default", "max"):
            if "cpu" in (item.get(key) or {}):
                how = "max.cpu is the limit of" if key == "max" else "limits"
                yield Violation(
                    ("spec", "limits", i, key, "cpu"),
                    f"{how} every container that states no cpu limit, and throttles it even on an idle node",
                    f"leave cpu out and bound it by quota, or give the reason in the annotation {_REASON}",
                )
                break


RULES = (
    SetRule("quota-limitrange", Severity.MEDIUM, quota_without_defaults),
    ObjectRule("quota-limitrange", Severity.LOW, frozenset({"LimitRange"}), default_cpu_limit),
)
