"""What a plan takes that guards by its kind alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ringfence.model import Severity
from ringfence.plans.reading import Step

_POLICY = (Severity.HIGH, "what it refused is admitted")
_BINDING = (Severity.HIGH, "its policy no longer applies")
_KINDS: Mapping[str, tuple[Severity, str]] = {
    "Namespace": (Severity.CRITICAL, "everything in the namespace goes with it"),
    "CustomResourceDefinition": (Severity.CRITICAL, "every object of the kind goes with its definition"),
    "MutatingAdmissionPolicy": _POLICY,
    "MutatingAdmissionPolicyBinding": _BINDING,
    "MutatingWebhookConfiguration": _POLICY,
    "ValidatingAdmissionPolicy": _POLICY,
    "ValidatingAdmissionPolicyBinding": _BINDING,
    "ValidatingWebhookConfiguration": _POLICY,
    "ResourceQuota": (Severity.HIGH, "the namespace may use up the cluster"),
    "LimitRange": (Severity.HIGH, "containers run without limits where they set none"),
    "FlowSchema": (Severity.MEDIUM, "its requests wait in the queue of others"),
    "PriorityLevelConfiguration": (Severity.MEDIUM, "its requests wait in the queue of others"),
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


def losses(steps: Iterable[Step]) -> Iterator[tuple[Step, Severity, str]]:
    """Steps that take such an object, each with what that means."""
    for step in steps:
        if not step.takes:
            continue
        if step.patch:
            yield step, Severity.HIGH, "the fields that harden it are taken back"
        elif step.group in _POLICY_GROUPS:
            yield step, *_POLICY
        elif (step.group, step.kind) == ("helm.sh", "Release"):
            yield step, Severity.HIGH, "everything that its chart installed goes with it"
        elif step.kind in _KINDS:
            yield step, *_KINDS[step.kind]
