"""Step path: whoever goes from audit to enforce gets the same rules over the same requests, and only then a refusal."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from helpers import ROOT
from hypothesis import given, settings
from strategies import UNSHRUNK, clusters

from ringfence import bundled
from ringfence.arrange import arrange
from ringfence.build import Builder
from ringfence.catalog import load_catalog
from ringfence.documents import dump, load
from ringfence.model import Control, ResolvedControl, Stage
from ringfence.render import Renderer
from ringfence.spec import Cluster
from ringfence.spec.read import cluster_of

BINDING = "ValidatingAdmissionPolicyBinding"
EXAMPLES = sorted(f.parent.name for f in ROOT.glob("examples/*/cluster.yaml"))
CONTROLS = [pytest.param(c, id=c.id) for c in load_catalog([bundled.templates()])]


@cache
def builder() -> Builder:
    return Builder()


@cache
def example(name: str) -> tuple[Cluster, tuple[ResolvedControl, ...]]:
    resolution = builder().resolve(ROOT / "examples" / name / "cluster.yaml", "cluster.yaml")
    return resolution.cluster, resolution.controls


def bodies(cluster: Cluster, control: ResolvedControl, stage: Stage) -> list[dict[str, Any]]:
    """What one control emits at a stage, its companions enforced as they would be."""
    companions = {id_: replace(c, stage=Stage.ENFORCE) for id_, c in control.companions.items()}
    staged = replace(control, stage=stage, companions=companions)
    return [m.body for m in arrange(Renderer().render(cluster, [staged]))]


def without_actions(body: dict[str, Any]) -> dict[str, Any]:
    stripped = copy.deepcopy(body)
    if body["kind"] == BINDING:
        del stripped["spec"]["validationActions"]
    return stripped


def compare(cluster: Cluster, control: ResolvedControl) -> None:
    enforce = bodies(cluster, control, Stage.ENFORCE)
    audit = bodies(cluster, control, Stage.AUDIT)
    assert bodies(cluster, control, Stage.OFF) == []
    if enforce and not audit:
        assert control.control.audit_form, "nothing to audit with, and no word on why"
    if control.control.audit_form or not any(b["kind"] == BINDING for b in enforce):
        return
    kept = [without_actions(b) for b in enforce]
    assert all(without_actions(b) in kept for b in audit), "audit brings nothing of its own"
    judged = [[b for b in bs if b["kind"].startswith("ValidatingAdmission")] for bs in (audit, enforce)]
    assert [without_actions(b) for b in judged[0]] == [without_actions(b) for b in judged[1]]
    for weak, strong in zip(*judged, strict=True):
        if weak["kind"] == BINDING:
            reports = weak["spec"]["validationActions"]
            assert set(reports) <= {"Warn", "Audit"}
            assert "Audit" in reports
            assert strong["spec"]["validationActions"] in (reports, ["Deny", "Audit"]), "one that only reports stays so"
    assert any("Deny" in b["spec"]["validationActions"] for b in judged[1] if b["kind"] == BINDING)


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("control", CONTROLS)
def test_audit_and_enforce_differ_only_in_what_a_finding_does(control: Control, name: str) -> None:
    cluster, controls = example(name)
    compare(cluster, next(c for c in controls if c.id == control.id))


@settings(max_examples=4, phases=UNSHRUNK)
@given(document=clusters())
def test_in_any_cluster(document: dict[str, Any]) -> None:
    cluster = cluster_of(load(dump(document), "cluster.yaml"))
    for control in builder().decide(cluster, ROOT).controls:
        compare(cluster, control)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_without_an_audit_form_says_why(control: Control) -> None:
    has_form = any("audit" in e.stages and e.template for e in control.emits)
    assert has_form or len(control.audit_form) > 20


def test_the_stage_decides_the_actions() -> None:
    control = example(EXAMPLES[0])[1][0]
    assert replace(control, stage=Stage.ENFORCE).validation_actions == ["Deny", "Audit"]
    assert replace(control, stage=Stage.AUDIT).validation_actions == ["Warn", "Audit"]
