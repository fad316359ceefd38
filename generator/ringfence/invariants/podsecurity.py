"""A namespace's Pod Security level is written out, pinned, warned about and, where it admits all, explained.

Traps 13, 14 and 16 of controls.md. A namespace without a level is not judged: it has the cluster's default,
which no manifest shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ringfence.invariants.rules import ObjectRule, Violation
from ringfence.model import Severity
from ringfence.shape import Joined, Slot

_PREFIX = "pod-security.kubernetes.io/"
_ENFORCE, _VERSION = _PREFIX + "enforce", _PREFIX + "enforce-version"
_LEVELS = ("privileged", "baseline", "restricted")  # loosest first
_REASON = "ringfence/reason"


def _labels(tree: dict[str, Any]) -> dict[str, Any]:
    labels: dict[str, Any] = tree["metadata"].get("labels") or {}
    return labels


def _path(label: str) -> tuple[str, ...]:
    return ("metadata", "labels", label)


def _refuses(tree: dict[str, Any]) -> str | None:
    """The enforced level, if it refuses anything."""
    level = _labels(tree).get(_ENFORCE)
    return level if level in _LEVELS[1:] else None


def unexplained_privilege(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 13: some namespaces need the host; each says why, so that a reviewer can tell it from the others."""
    level = _labels(tree).get(_ENFORCE)
    if isinstance(level, (Slot, Joined)):
        yield Violation(
            _path(_ENFORCE),
            "the enforced level hangs on a value",
            "write the level out, or take it from a parameter of type choice",
        )
    elif level == "privileged" and not (tree["metadata"].get("annotations") or {}).get(_REASON):
        yield Violation(
            _path(_ENFORCE),
            "admits pods with full access to the host, and nothing says why",
            f"enforce baseline or restricted, or give the reason in the annotation {_REASON}",
        )


def floating_version(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 16: at `latest`, an upgrade of the cluster changes which pods are refused."""
    level, version = _refuses(tree), _labels(tree).get(_VERSION)
    if level and version in (None, "latest"):
        yield Violation(
            _path(_VERSION if version else _ENFORCE),
            f"enforces {level} in whichever version the cluster has, so an upgrade can refuse pods that ran before",
            f"pin {_VERSION} to the cluster's minor, such as v1.36, and leave warn-version at latest",
        )


def loose_warning(tree: dict[str, Any]) -> Iterator[Violation]:
    """Trap 14: a Deployment is never refused, so the warning is all that its author sees."""
    labels, level = _labels(tree), _refuses(tree)
    for mode in ("warn", "audit") if level else ():
        other = labels.get(_PREFIX + mode)
        if level and other in _LEVELS and _LEVELS.index(other) < _LEVELS.index(level):
            yield Violation(
                _path(_PREFIX + mode),
                f"{mode} at {other} is looser than enforce at {level}: what is refused goes unreported",
                f"set {_PREFIX}{mode} to {level} or stricter",
            )


def missing_warning(tree: dict[str, Any]) -> Iterator[Violation]:
    """As `loose_warning`, where the cluster's default may still warn."""
    level = _refuses(tree)
    if level and _PREFIX + "warn" not in _labels(tree):
        yield Violation(
            _path(_ENFORCE),
            f"unless the cluster's default warns, a Deployment whose pods {level} refuses is applied without a word",
            f"set {_PREFIX}warn to {level} or stricter",
        )


_KINDS = frozenset({"Namespace"})
RULES = (
    ObjectRule("psa-system-namespaces", Severity.HIGH, _KINDS, unexplained_privilege),
    ObjectRule("psa-version-pin", Severity.LOW, _KINDS, floating_version),
    ObjectRule("psa-labels", Severity.MEDIUM, _KINDS, loose_warning),
    ObjectRule("psa-labels", Severity.LOW, _KINDS, missing_warning),
)
