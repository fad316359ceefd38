"""Plans of `pulumi preview --json`: what would go is a finding, what isn't understood is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import RingfenceError
from ringfence.plans import read_plan

DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
INGRESS = {"podSelector": {}, "policyTypes": ["Ingress"]}
WEB = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
CORE = {"Namespace", "ResourceQuota", "LimitRange", "ConfigMap", "NamespacePatch", "ServiceAccountPatch"}
NETWORK = "networking.k8s.io/v1"


def step(op: str, kind: str, name: str, namespace: str = "", version: str = "", **further: Any) -> dict[str, Any]:
    """One step as Pulumi prints it, about an object that lies in a component."""
    version = version or (
        "core/v1" if kind in CORE else NETWORK if kind == "NetworkPolicy" else "admissionregistration.k8s.io/v1"
    )
    type_ = f"ringfence:index:ClusterBootstrap$kubernetes:{version}:{kind}"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    inputs = {"metadata": metadata, **({"spec": further["spec"]} if "spec" in further else {})}
    state = {"inputs": inputs, "retainOnDelete": further.get("retain", False)}
    local = f"{namespace}/{kind.lower()}-{name}"
    sides = (
        {"oldState": state}
        if op.startswith("delete")
        else {"newState": state}
        if op == "create"
        else {"oldState": state, "newState": state}
    )
    return {"op": op, "urn": f"urn:pulumi:dev::bootstrap::{type_}::bootstrap/{local}", **sides}


def write(folder: Path, *steps: dict[str, Any], **further: Any) -> Path:
    summary = {"same": sum(s["op"] == "same" for s in steps), **further.pop("summary", {})}
    file = folder / "plan.json"
    file.write_text(json.dumps({"steps": list(steps), "changeSummary": summary, **further}, indent=1), encoding="utf-8")
    return file


def found(file: Path, *allowed: str) -> list[tuple[str, str]]:
    return [(f.object, f.message) for f in read_plan(file, "plan.json", allowed).findings]


@pytest.mark.parametrize("op", ["delete", "replace", "delete-replaced", "create-replacement"])
@pytest.mark.parametrize(
    ("kind", "namespace"),
    [
        ("Namespace", ""),
        ("ValidatingAdmissionPolicy", ""),
        ("ValidatingAdmissionPolicyBinding", ""),
        ("MutatingAdmissionPolicy", ""),
        ("MutatingAdmissionPolicyBinding", ""),
        ("ResourceQuota", "shop"),
        ("LimitRange", "shop"),
    ],
)
def test_a_guard_that_goes_is_a_finding(tmp_path: Path, op: str, kind: str, namespace: str) -> None:
    file = write(tmp_path, step(op, kind, "it", namespace))
    (object_, message), *more = found(file)
    assert object_ == (f"{kind}/shop/it" if namespace else f"{kind}/it")
    assert message.startswith("the plan replaces it: " if "replace" in op else "the plan deletes it: ")
    assert not more


@pytest.mark.parametrize("op", ["create", "update", "same", "import", "read", "refresh"])
def test_what_stays_is_none(tmp_path: Path, op: str) -> None:
    steps = [step(op, k, "it") for k in ("Namespace", "ValidatingAdmissionPolicy", "NetworkPolicy")]
    assert found(write(tmp_path, *steps)) == []


def test_what_guards_nothing_may_go(tmp_path: Path) -> None:
    grant = step("delete", "RoleBinding", "developers", "shop", "rbac.authorization.k8s.io/v1")
    assert found(write(tmp_path, grant, step("delete", "ConfigMap", "notes", "shop"))) == []


def test_a_replacement_is_one_finding_for_its_three_steps(tmp_path: Path) -> None:
    steps = [
        step(op, "ResourceQuota", "compute", "shop") for op in ("delete-replaced", "replace", "create-replacement")
    ]
    assert len(found(write(tmp_path, *steps))) == 1


def test_the_severity_of_a_namespace_is_critical(tmp_path: Path) -> None:
    (finding,) = read_plan(write(tmp_path, step("delete", "Namespace", "shop")), "plan.json").findings
    assert (finding.severity, finding.object) == ("critical", "Namespace/shop")
    assert finding.remedy == "keep it, or say that it may go: --allow-delete Namespace/shop"
    assert finding.place is not None
    assert finding.place.line == 5, "the line of its URN"


def test_what_is_allowed_may_go_and_nothing_else(tmp_path: Path) -> None:
    file = write(tmp_path, step("delete", "Namespace", "shop"), step("delete", "ResourceQuota", "compute", "cards"))
    assert [o for o, _ in found(file, "Namespace/shop")] == ["ResourceQuota/cards/compute"]
    assert found(file, "Namespace/shop", "ResourceQuota/cards/compute") == []


def test_an_allowance_that_nothing_needs_is_an_error(tmp_path: Path) -> None:
    file = write(tmp_path, step("delete", "Namespace", "shop"), step("same", "Namespace", "cards"))
    with pytest.raises(RingfenceError) as raised:
        found(file, "Namespace/shops")
    assert raised.value.line() == (
        'error: --allow-delete: the plan neither deletes nor replaces Namespace/shops; did you mean "Namespace/shop"?'
    )
    with pytest.raises(RingfenceError):
        found(file, "Namespace/cards")


def test_the_only_policy_that_selects_a_namespace(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "web", "shop", spec=WEB),
    )
    assert found(file) == [
        (
            "NetworkPolicy/shop/deny",
            "the plan deletes it: no other policy closes ingress and egress of every pod in shop",
        )
    ]


def test_another_policy_that_selects_it_closes_it_too(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "all", "shop", spec=DENY),
    )
    assert found(write(tmp_path, gone, stays)) == []


def test_a_policy_in_another_namespace_closes_nothing_here(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "all", "cards", spec=DENY),
    )
    assert len(found(write(tmp_path, gone, stays))) == 1


def test_directions_are_counted_apart(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("update", "NetworkPolicy", "in", "shop", spec=INGRESS),
    )
    ((_, message),) = found(write(tmp_path, gone, stays))
    assert message.endswith("no other policy closes egress of every pod in shop")


def test_a_policy_that_is_made_in_the_same_plan_counts(tmp_path: Path) -> None:
    gone, made = (
        step("delete", "NetworkPolicy", "old", "shop", spec=DENY),
        step("create", "NetworkPolicy", "new", "shop", spec=DENY),
    )
    assert found(write(tmp_path, gone, made)) == []


def test_types_are_those_that_the_api_defaults_to(tmp_path: Path) -> None:
    """Without policyTypes a policy is for ingress, and for egress when it has such rules (NetworkPolicySpec)."""
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec={"podSelector": {}})
    ((_, message),) = found(write(tmp_path, gone))
    assert message.endswith("closes ingress of every pod in shop")


def test_policies_go_unsaid_with_their_namespace(tmp_path: Path) -> None:
    file = write(
        tmp_path, step("delete", "Namespace", "shop"), step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    )
    assert [o for o, _ in found(file)] == ["Namespace/shop"]


def test_a_plan_that_hides_what_stays_says_so(tmp_path: Path) -> None:
    file = write(tmp_path, step("delete", "NetworkPolicy", "deny", "shop", spec=DENY), summary={"same": 40})
    ((_, message),) = found(file)
    assert "as far as the plan shows" in message


def test_another_engines_policies_count(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        step("delete", "ClusterPolicy", "signed", version="kyverno.io/v1"),
        step("delete", "K8sAllowedRepos", "repos", version="constraints.gatekeeper.sh/v1beta1"),
        step("delete", "CiliumNetworkPolicy", "mesh", "shop", version="cilium.io/v2"),
    )
    assert len(found(file)) == 3


def test_a_patch_that_is_retained_takes_nothing_back(tmp_path: Path) -> None:
    assert found(write(tmp_path, step("delete", "NamespacePatch", "kube-system", retain=True))) == []
    assert found(write(tmp_path, step("delete", "NamespacePatch", "kube-system"))) == [
        ("Namespace/kube-system", "the plan deletes it: the fields that harden it are taken back")
    ]


def test_resources_of_other_providers_are_no_business_of_ours(tmp_path: Path) -> None:
    other = {"op": "delete", "urn": "urn:pulumi:dev::p::aws:s3/bucket:Bucket::Namespace", "oldState": {}}
    provider = {"op": "delete", "urn": "urn:pulumi:dev::p::pulumi:providers:kubernetes::cluster", "oldState": {}}
    assert found(write(tmp_path, other, provider)) == []


def test_an_empty_plan_is_fine(tmp_path: Path) -> None:
    assert found(write(tmp_path)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "plan.json:1:1: error: the plan is not JSON"),
        ("[" * 100_000, "plan.json: error: the plan is not JSON"),
        ("[]", "plan.json: error: this is no plan of `pulumi preview --json`, or it ended early"),
        ('{"steps": []}', "plan.json: error: this is no plan of `pulumi preview --json`, or it ended early"),
        ('{"steps": {}, "changeSummary": {}}', "plan.json: error: this is no plan of `pulumi preview --json`, or"),
        ('{"resourcePlans": {}}', "plan.json: error: this is an update plan of `pulumi preview --save-plan`"),
        ('{"steps": [1], "changeSummary": {}}', "plan.json: error: steps.0 has no op and urn"),
        ('{"steps": [{"op": "delete"}], "changeSummary": {}}', "plan.json: error: steps.0 has no op and urn"),
        (
            '{"steps": [{"op": "vanish", "urn": "urn:pulumi:a::b::c::d"}], "changeSummary": {}}',
            'plan.json:1:36: error: "vanish" is no operation that ringfence knows',
        ),
        (
            '{"steps": [], "changeSummary": {}, "diagnostics": [{"severity": "error", "message": "no\\n cluster"}]}',
            "plan.json: error: the preview failed: no cluster",
        ),
    ],
)
def test_what_is_no_complete_plan_is_an_error(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(RingfenceError) as raised:
        read_plan(file, "plan.json")
    assert raised.value.line().startswith(problem)
    assert raised.value.exit_code == 65


def test_a_missing_plan_and_one_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RingfenceError, match="can't read the plan: no such file"):
        read_plan(tmp_path / "none.json", "none.json")
    monkeypatch.setattr("ringfence.plans._LIMIT", 10)
    with pytest.raises(RingfenceError, match="too large"):
        read_plan(write(tmp_path, step("same", "Namespace", "shop")), "plan.json")
