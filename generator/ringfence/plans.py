"""What `pulumi preview --json` would take away → findings. Pure but for reading the file.

A plan that deletes or replaces what guards a cluster is refused until somebody names what may go. What the plan does
not tell is never taken for harmless: an operation nobody knows, or a preview that failed, is an error.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.errors import InputError, Place, UsageError, nearest, raise_all
from ringfence.findings import Report
from ringfence.model import Finding, Severity

CONTROL = "plan"  # stands for the control in findings about a plan
_LIMIT = 256 * 1024 * 1024

# Operations of Pulumi's engine (pulumi/pkg, resource/deploy, StepOp), by what they do to an object on the cluster.
_TAKES = frozenset({"delete", "delete-replaced", "replace", "create-replacement", "import-replacement"})
_LEAVES = frozenset({"create", "update", "same", "import", "read", "refresh", "diff"})
_STATE_ONLY = frozenset(
    {"discard", "discard-replaced", "read-replacement", "remove-pending-replace", "extend-parameterize"}
)

_POLICY = (Severity.HIGH, "what it refused is admitted")
_LOSSES: Mapping[str, tuple[Severity, str]] = {
    "Namespace": (Severity.CRITICAL, "everything in the namespace goes with it"),
    "CustomResourceDefinition": (Severity.CRITICAL, "every object of the kind goes with its definition"),
    "MutatingAdmissionPolicy": _POLICY,
    "MutatingAdmissionPolicyBinding": (Severity.HIGH, "its policy no longer applies"),
    "MutatingWebhookConfiguration": _POLICY,
    "ValidatingAdmissionPolicy": _POLICY,
    "ValidatingAdmissionPolicyBinding": (Severity.HIGH, "its policy no longer applies"),
    "ValidatingWebhookConfiguration": _POLICY,
    "ResourceQuota": (Severity.HIGH, "the namespace may use up the cluster"),
    "LimitRange": (Severity.HIGH, "containers run without limits where they set none"),
}
# Groups whose every kind says what is refused: policy engines, and network policies that aren't Kubernetes' own.
_POLICY_GROUPS = frozenset(
    {
        "cilium.io",
        "constraints.gatekeeper.sh",
        "crd.projectcalico.org",
        "kyverno.io",
        "policies.kyverno.io",
        "policy.networking.k8s.io",
        "projectcalico.org",
        "security.istio.io",
        "templates.gatekeeper.sh",
    }
)


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a plan, about one Kubernetes object."""

    op: str
    urn: str
    group: str  # of the API, "core" for the core group
    kind: str
    name: str
    namespace: str
    body: Mapping[str, Any]  # as the cluster has it now, else as it will be
    patch: bool
    retained: bool
    place: Place

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @property
    def takes(self) -> bool:
        """Does the step take the object, or a patch's fields, off the cluster, if only to make it anew?"""
        return self.op in _TAKES and not (self.retained and self.op == "delete")


def read_plan(file: Path, shown: str, allowed: Sequence[str] = ()) -> Report:
    """Findings on the plan in `file`; objects that `allowed` names as Kind/name or Kind/namespace/name may go.

    Raises InputError for what is no complete plan, and UsageError for an allowance that the plan does not need.
    """
    plan, text = _load(file, shown)
    steps = list(_steps(plan, text, shown))
    taken = [s for s in steps if s.takes]
    raise_all([_unneeded(name, taken) for name in dict.fromkeys(allowed) if not any(s.id == name for s in taken)])
    findings: dict[tuple[str, str], Finding] = {}
    for step, severity, why in (*_losses(taken), *_openings(steps, _hidden(plan, steps))):
        if step.id not in allowed:
            findings.setdefault((step.id, why), _finding(step, severity, why))
    return Report((), 1, len({s.urn for s in steps}), tuple(findings.values()), ())


def _load(file: Path, shown: str) -> tuple[dict[str, Any], str]:
    """The plan, and its text; raises InputError for anything else."""
    place = Place(shown)
    remake = "write one with `pulumi preview --json --show-sames > plan.json`"
    try:
        if file.stat().st_size > _LIMIT:
            raise InputError("the plan is too large", place=place, hint="preview fewer resources, with --target")
        text = file.read_text(encoding="utf-8")
        plan = json.loads(text)
    except OSError as bad:
        raise InputError(
            f"can't read the plan: {(bad.strerror or str(bad)).lower()}", place=place, hint=remake
        ) from bad
    except (ValueError, RecursionError) as bad:
        if isinstance(bad, json.JSONDecodeError):
            place = Place(shown, bad.lineno, bad.colno)
        raise InputError("the plan is not JSON", place=place, hint=remake) from bad
    if isinstance(plan, dict) and "resourcePlans" in plan:
        raise InputError("this is an update plan of `pulumi preview --save-plan`", place=place, hint=remake)
    if not isinstance(plan, dict) or not isinstance(plan.get("steps", []), list) or "changeSummary" not in plan:
        raise InputError("this is no plan of `pulumi preview --json`, or it ended early", place=place, hint=remake)
    for diagnostic in plan.get("diagnostics") or ():
        if isinstance(diagnostic, dict) and diagnostic.get("severity") == "error":
            message = " ".join(str(diagnostic.get("message", "")).split())
            raise InputError(f"the preview failed: {message}", place=place, hint="mend that and preview again")
    return plan, text


def _steps(plan: Mapping[str, Any], text: str, shown: str) -> Iterator[_Step]:
    """The steps about Kubernetes objects; raises InputError for one that is not understood."""
    for number, step in enumerate(plan.get("steps") or ()):
        op = step.get("op") if isinstance(step, dict) else None
        urn = step.get("urn") if isinstance(step, dict) else None
        if not isinstance(op, str) or not isinstance(urn, str) or urn.count("::") < 3:
            raise InputError(f"steps.{number} has no op and urn", place=Place(shown), hint="preview again")
        place = _place(text, urn, shown)
        if op not in _TAKES | _LEAVES | _STATE_ONLY:
            raise InputError(
                f'"{op}" is no operation that ringfence knows', place=place, hint="use a later ringfence for this plan"
            )
        provider, _, typed = urn.split("::")[2].rpartition("$")[2].partition(":")
        if provider != "kubernetes" or ":" not in typed:
            continue
        yield _step(op, urn, step, place)


def _step(op: str, urn: str, step: Mapping[str, Any], place: Place) -> _Step:
    _, version, kind = urn.split("::")[2].rpartition("$")[2].split(":", 2)
    old, new = (s if isinstance(s, dict) else {} for s in (step.get("oldState"), step.get("newState")))
    bodies = (_mapping(s.get(part)) for s in (old, new) for part in ("inputs", "outputs"))
    body = next((b for b in bodies if "metadata" in b), {})
    metadata = _mapping(body.get("metadata"))
    patch = kind.endswith("Patch")
    return _Step(
        op,
        urn,
        version.partition("/")[0],
        kind.removesuffix("Patch"),
        str(metadata.get("name") or urn.split("::", 3)[3].rpartition("/")[2]),
        str(metadata.get("namespace") or ""),
        body,
        patch,
        bool(old.get("retainOnDelete")),
        place,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _place(text: str, urn: str, shown: str) -> Place:
    start = max(text.find(json.dumps(urn)), 0)
    return Place(shown, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start))


def _losses(taken: Iterable[_Step]) -> Iterator[tuple[_Step, Severity, str]]:
    """Steps that take what guards by its kind alone."""
    for step in taken:
        if step.patch:
            yield step, Severity.HIGH, "the fields that harden it are taken back"
        elif step.group in _POLICY_GROUPS:
            yield step, *_POLICY
        elif step.kind in _LOSSES:
            yield step, *_LOSSES[step.kind]


def _openings(steps: Sequence[_Step], hidden: int) -> Iterator[tuple[_Step, Severity, str]]:
    """NetworkPolicies without which no other selects every pod of their namespace, direction by direction."""
    gone = {s.name for s in steps if s.takes and s.kind == "Namespace"}
    stay: set[tuple[str, str]] = set()
    for step in steps:
        if not step.takes:
            stay.update((step.namespace, d) for d in _closes(step))
    for step in steps:
        if not step.takes or step.namespace in gone:
            continue  # that the namespace goes is said already
        opened = [d for d in _closes(step) if (step.namespace, d) not in stay]
        if opened:
            unsure = ", as far as the plan shows" if hidden else ""
            why = f"no other policy closes {' and '.join(opened)} of every pod in {step.namespace}{unsure}"
            yield step, Severity.HIGH, why


def _closes(step: _Step) -> list[str]:
    """The directions in which a NetworkPolicy selects every pod of its namespace (NetworkPolicySpec, policyTypes)."""
    spec = _mapping(step.body.get("spec"))
    selector = _mapping(spec.get("podSelector"))
    if (
        (step.group, step.kind) != ("networking.k8s.io", "NetworkPolicy")
        or selector.get("matchLabels")
        or selector.get("matchExpressions")
    ):
        return []
    types = spec.get("policyTypes")
    if not isinstance(types, list):
        types = ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return [str(t).lower() for t in types]


def _hidden(plan: Mapping[str, Any], steps: Sequence[_Step]) -> int:
    """How many unchanged resources the plan counts and does not show."""
    counted = _mapping(plan.get("changeSummary")).get("same", 0)
    return max(0, int(counted) - Counter(s.op for s in steps)["same"]) if isinstance(counted, (int, float)) else 1


def _finding(step: _Step, severity: Severity, why: str) -> Finding:
    verb = "replaces" if "replace" in step.op else "deletes"
    remedy = f"keep it, or say that it may go: --allow-delete {step.id}"
    return Finding(CONTROL, severity, f"the plan {verb} it: {why}", remedy, step.id, place=step.place)


def _unneeded(name: str, taken: Sequence[_Step]) -> UsageError:
    hint = nearest(name, [s.id for s in taken]) or "leave it out, or write Kind/name or Kind/namespace/name"
    return UsageError(f"--allow-delete: the plan neither deletes nor replaces {name}", hint=hint)
