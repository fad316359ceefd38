"""Updates that leave a guard in its place and take what it does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ringfence.model import Severity
from ringfence.plans.reading import Step, items, mapping, word

_Body = Mapping[str, Any]
_ENFORCE = "pod-security.kubernetes.io/enforce"
_LEVELS = ("privileged", "baseline", "restricted")  # Pod Security Standards, from none to strict
_OPEN_ON_FAILURE = "what it fails to judge is admitted"


def weakenings(steps: Iterable[Step]) -> Iterator[tuple[Step, Severity, str]]:
    """Steps that weaken a guard, each with what is lost. A value that only the run will know counts as lost."""
    for step in steps:
        if step.changes and step.old and step.kind in _RULES:
            for why in _RULES[step.kind](step.old, step.new):
                yield step, Severity.HIGH, why


def _namespace(old: _Body, new: _Body) -> Iterator[str]:
    before, after = (mapping(mapping(b.get("metadata")).get("labels")).get(_ENFORCE) for b in (old, new))
    if before in _LEVELS[1:] and (after not in _LEVELS or _LEVELS.index(after) < _LEVELS.index(before)):
        yield f"its pods are held to {before} no longer"


def _policy(old: _Body, new: _Body) -> Iterator[str]:
    before, after = mapping(old.get("spec")), mapping(new.get("spec"))
    if _fails_closed(before) and not _fails_closed(after):
        yield _OPEN_ON_FAILURE
    for key in ("validations", "mutations"):
        count, left = len(items(before.get(key))), len(items(after.get(key)))
        if left < count:
            yield f"of its {count} {key} {left} stay"


def _binding(old: _Body, new: _Body) -> Iterator[str]:
    before, after = mapping(old.get("spec")), mapping(new.get("spec"))
    if word(before.get("policyName")) != word(after.get("policyName")):
        yield "its policy no longer applies"
    if "Deny" in items(before.get("validationActions")) and "Deny" not in items(after.get("validationActions")):
        yield "it no longer refuses: Deny is not among its actions"


def _webhooks(old: _Body, new: _Body) -> Iterator[str]:
    before, after = ({word(w.get("name")): w for w in map(mapping, items(b.get("webhooks")))} for b in (old, new))
    if gone := sorted(before.keys() - after.keys()):
        yield f"its webhooks {', '.join(gone)} go"
    if any(_fails_closed(before[n]) and not _fails_closed(after[n]) for n in before.keys() & after.keys()):
        yield _OPEN_ON_FAILURE


def _fails_closed(spec: _Body) -> bool:
    """The default of failurePolicy is Fail (ValidatingAdmissionPolicySpec, ValidatingWebhook)."""
    return spec.get("failurePolicy") in (None, "Fail")


def _quota(old: _Body, new: _Body) -> Iterator[str]:
    before, after = (mapping(mapping(b.get("spec")).get("hard")) for b in (old, new))
    if gone := sorted(before.keys() - after.keys()):
        yield f"it no longer limits {', '.join(gone)}"


def _limits(old: _Body, new: _Body) -> Iterator[str]:
    if gone := sorted(_limited(old) - _limited(new)):
        yield f"it no longer sets {', '.join(gone)}"


def _limited(body: _Body) -> set[str]:
    """What a LimitRange sets, such as `Container max memory`."""
    return {
        f"{word(limit.get('type'))} {field} {resource}"
        for limit in map(mapping, items(mapping(body.get("spec")).get("limits")))
        for field, resources in limit.items()
        for resource in mapping(resources)
    }


_RULES: Mapping[str, Callable[[_Body, _Body], Iterator[str]]] = {
    "LimitRange": _limits,
    "MutatingAdmissionPolicy": _policy,
    "MutatingAdmissionPolicyBinding": _binding,
    "MutatingWebhookConfiguration": _webhooks,
    "Namespace": _namespace,
    "ResourceQuota": _quota,
    "ValidatingAdmissionPolicy": _policy,
    "ValidatingAdmissionPolicyBinding": _binding,
    "ValidatingWebhookConfiguration": _webhooks,
}
