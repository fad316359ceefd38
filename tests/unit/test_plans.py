"""Plans of `pulumi preview --json`: what would go is a finding, what isn't understood is an error."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, ClassVar

import pytest
from helpers import ROOT
from plansteps import FLOW, found, step, write

from ringfence.build import Builder
from ringfence.errors import Place, RingfenceError
from ringfence.plans import read_plan, reading
from ringfence.sinks.pulumi.treatment import protected, token


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
        ("FlowSchema", ""),
        ("PriorityLevelConfiguration", ""),
    ],
)
def test_a_guard_that_goes_is_a_finding(tmp_path: Path, op: str, kind: str, namespace: str) -> None:
    version = FLOW if kind in ("FlowSchema", "PriorityLevelConfiguration") else ""
    file = write(tmp_path, step(op, kind, "it", namespace, version))
    (object_, message), *more = found(file)
    assert object_ == (f"{kind}/shop/it" if namespace else f"{kind}/it")
    assert message.startswith("the plan replaces it: " if "replace" in op else "the plan deletes it: ")
    assert not more


@pytest.mark.parametrize("op", ["create", "update", "same", "import", "read", "refresh"])
def test_what_stays_is_none(tmp_path: Path, op: str) -> None:
    steps = [step(op, k, "it") for k in ("Namespace", "ValidatingAdmissionPolicy", "NetworkPolicy")]
    assert found(write(tmp_path, *steps)) == []


def test_whatever_the_stack_protects_is_a_guard(tmp_path: Path) -> None:
    """A NetworkPolicy alone is judged with its neighbours: tests/unit/test_plan_network.py."""
    bundles = [Builder().build(file) for file in sorted((ROOT / "examples").glob("*/cluster.yaml"))]
    tokens = {token(m) for b in bundles for m in b.manifests if protected(m)} - {
        "kubernetes:networking.k8s.io/v1:NetworkPolicy"
    }
    assert len(tokens) > 8
    for version, kind in (t.split(":")[1:] for t in sorted(tokens)):
        assert found(write(tmp_path, step("delete", kind, "it", "shop", version))), kind


def test_a_release_of_a_chart_is_called_by_its_own_name(tmp_path: Path) -> None:
    row = step("delete", "Release", "policies", version="helm.sh/v3")
    row["oldState"]["inputs"] = {"chart": "kyverno", "name": "kyverno", "namespace": "policies"}
    assert found(write(tmp_path, row)) == [
        ("Release/policies/kyverno", "the plan deletes it: everything that its chart installed goes with it")
    ]


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
        'error: --allow-delete: the plan neither deletes, replaces nor weakens Namespace/shops; did you mean "Namespace/shop"?'
    )
    with pytest.raises(RingfenceError):
        found(file, "Namespace/cards")


def test_an_allowance_that_two_objects_answer_to_is_refused(tmp_path: Path) -> None:
    rows = [step("delete", "Namespace", "shop", provider=p, logical=f"{p}/shop") for p in ("red", "blue")]
    file = write(tmp_path, *rows)
    urns = sorted(r["urn"] for r in rows)
    with pytest.raises(RingfenceError) as raised:
        found(file, "Namespace/shop")
    assert raised.value.exit_code == 64
    assert raised.value.line() == (
        f"error: --allow-delete: Namespace/shop is 2 objects of the plan: {', '.join(urns)}; allow each by its URN"
    )
    (left,) = read_plan(file, "plan.json", urns[:1]).findings
    assert left.place == reading.places(file.read_text(encoding="utf-8"), "plan.json", urns)[urns[1]]
    assert found(file, *urns) == []


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
        ('{"steps": null, "changeSummary": {}}', "plan.json: error: this is no plan of `pulumi preview --json`, or"),
        ('{"steps": [], "changeSummary": 5}', "plan.json: error: this is no plan of `pulumi preview --json`, or"),
        ('{"diagnostics": 5, "changeSummary": {}}', "plan.json: error: this is no plan of `pulumi preview --json`, or"),
        ('{"changeSummary": {"same": NaN}}', "plan.json: error: the plan is not JSON"),
        ('{"changeSummary": {"same": -Infinity}}', "plan.json: error: the plan is not JSON"),
        ('{"changeSummary": {"same": 1e999}}', "plan.json: error: changeSummary.same is no number of resources"),
        ('{"changeSummary": {"same": -1}}', "plan.json: error: changeSummary.same is no number of resources"),
        ('{"changeSummary": {"same": true}}', "plan.json: error: changeSummary.same is no number of resources"),
        ('{"changeSummary": {"same": "9"}}', "plan.json: error: changeSummary.same is no number of resources"),
        ('{"changeSummary": {"vanish": 1}}', 'plan.json: error: "vanish" is no operation that ringfence knows'),
        (
            '{"steps": [], "changeSummary": {"delete": 5}}',
            'plan.json: error: the summary counts 5 of "delete", the steps show 0; steps are missing; preview again',
        ),
        (
            '{"steps": [{"op": "replace", "urn": "urn:pulumi:a::b::c::d"}], "changeSummary": {"replace": 2}}',
            'plan.json: error: the summary counts 2 of "replace", the steps show 1; ',
        ),
        (
            '{"steps": [], "changeSummary": {}, "diagnostics": [{"severity": "error", "message": "\\u001b[2J \\ud800"}]}',
            "plan.json: error: the preview failed: \\x1b[2J \\ud800",
        ),
        (
            '{"steps": [{"op": "a\\nb", "urn": "urn:pulumi:a::b::c::d"}], "changeSummary": {}}',
            'plan.json:1:34: error: "a\\nb" is no operation that ringfence knows',
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
    monkeypatch.setattr("ringfence.plans.reading._LIMIT", 10)
    with pytest.raises(RingfenceError, match="too large"):
        read_plan(write(tmp_path, step("same", "Namespace", "shop")), "plan.json")


@pytest.mark.parametrize("bad", ["a\x1b[2J", "a\nb", "a\ud800", "a\u202eb", "a\x9b1m"])
@pytest.mark.parametrize("where", ["name", "namespace", "logical"])
def test_names_that_a_terminal_would_obey_are_an_error(tmp_path: Path, bad: str, where: str) -> None:
    names = {"name": "compute", "namespace": "shop", "logical": "compute", where: bad}
    file = write(tmp_path, step("same", "Namespace", "cards"), step("delete", "ResourceQuota", **names))
    with pytest.raises(RingfenceError) as raised:
        read_plan(file, "plan.json")
    assert raised.value.line() == "plan.json: error: steps.1 has control characters in its names; rename the object"


def test_names_of_resources_that_are_not_judged_may_be_odd(tmp_path: Path) -> None:
    assert found(write(tmp_path, {"op": "same", "urn": "urn:pulumi:dev::p::aws:s3/bucket:Bucket::a\nb"})) == []


def test_more_steps_than_the_summary_counts_are_fine(tmp_path: Path) -> None:
    """The engine counts one of a replacement's three steps, and none that failed."""
    steps = [step(op, "ResourceQuota", "it", "shop") for op in ("delete-replaced", "replace", "create-replacement")]
    assert found(write(tmp_path, *steps, summary={"delete-replaced": 0, "replace": 1, "create-replacement": 0}))


class Counted(str):
    """A text that counts how many of its characters a search may look at."""

    looked: ClassVar[int] = 0

    def _look(self, start: Any, end: Any) -> None:
        Counted.looked += (len(self) if end is None else end) - (start or 0)

    def count(self, sub: str, start: Any = None, end: Any = None) -> int:
        self._look(start, end)
        return super().count(sub, start, end)

    def find(self, sub: str, start: Any = None, end: Any = None) -> int:
        self._look(start, end)
        return super().find(sub, start, end)

    def rfind(self, sub: str, start: Any = None, end: Any = None) -> int:
        self._look(start, end)
        return super().rfind(sub, start, end)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("number", [10, 40])
def test_places_cost_one_walk_over_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, indent: int | None, number: int
) -> None:
    """So reading grows with the plan's length, and not with its square, even where every step is a finding."""
    file = write(tmp_path, *(step("delete", "ResourceQuota", f"it-{n}", "shop") for n in range(number)))
    text = json.dumps(json.loads(file.read_text(encoding="utf-8")), indent=indent)
    file.write_text(text, encoding="utf-8")
    walks: list[int] = []

    def counting(text: str, shown: str, urns: Collection[str]) -> dict[str, Place]:
        walks.append(len(urns))
        return places(Counted(text), shown, urns)

    places = reading.places
    monkeypatch.setattr(reading, "places", counting)
    monkeypatch.setattr(Counted, "looked", 0)
    report = read_plan(file, "plan.json")
    assert walks == [number]
    assert 0 < Counted.looked <= 2 * len(text)
    for finding in report.findings:
        assert finding.place
        line = text.splitlines()[finding.place.line - 1][finding.place.column - 1 :]
        assert line.partition('"')[2].partition('"')[0].endswith(finding.object.rpartition("/")[2])


def test_a_place_is_of_the_resource_itself_and_not_of_who_depends_on_it(tmp_path: Path) -> None:
    first, second = (step("delete", "ResourceQuota", name, "shop") for name in ("a", "b"))
    first["oldState"]["dependencies"] = [second["urn"]]
    file = write(tmp_path, first, second)
    lines = file.read_text(encoding="utf-8").splitlines()
    found_at = [f.place.line for f in read_plan(file, "plan.json").findings if f.place]
    assert found_at == [n for n, line in enumerate(lines, 1) if '"urn"' in line]
