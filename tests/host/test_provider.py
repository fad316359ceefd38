"""EKS, GKE and AKS: what they do instead stands in the tree, in `explain`, in `list provider`; nothing counts as passed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hostplane
import pytest
from catalogues import Command
from helpers import ROOT, write_cluster
from hostplane import bundle_of, catalogue, tree_of

from ringfence.build import Builder
from ringfence.documents import load
from ringfence.errors import RingfenceError
from ringfence.model import Stage
from ringfence.probes.runner import planned
from ringfence.verdict import State

PROVIDERS = ("eks", "gke", "aks")
VERDICTS = ("equivalent", "provider-owned", "provider-owned, not kept", "provider-owned, undocumented")
DOCUMENTS = {
    "eks": ("Amazon EKS ", "awslabs/amazon-eks-ami, "),
    "gke": "GKE documentation, ",
    "aks": "AKS documentation, ",
}
WANTED: dict[str, dict[str, str]] = {
    "eks": {"verdict": "equivalent", "by": "a setting of Amazon's"},
    "gke": {
        "verdict": "provider-owned",
        "statement": "The provider documents that it does this.",
        "source": "GKE documentation, A page",
    },
    "aks": {"verdict": "provider-owned, undocumented"},
}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_tree_says_what_the_provider_does_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, provider)
    tree = tree_of(bundle_of(tmp_path, provider))
    assert list(tree) == ["provider.yaml"]
    found = load(tree["provider.yaml"].text, "provider.yaml").value
    assert (found["apiVersion"], found["kind"], found["provider"]) == ("ringfence/v1alpha1", "ProviderOwned", provider)
    about = {"control": "demo-host", "title": "The control demo-host", "stage": "enforce"}
    assert found["controls"] == [{**about, **WANTED[provider]}]


def test_a_control_that_is_off_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "eks")
    overrides = {"demo-host": {"stage": "off", "reason": "not on this cluster"}}
    assert tree_of(bundle_of(tmp_path, "eks", controls=overrides)) == {}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_shipped_control_of_the_host_plane_is_accounted_for(tmp_path: Path, provider: str) -> None:
    bundle = bundle_of(tmp_path, provider, profile="zero-trust")
    found = load(tree_of(bundle)["provider.yaml"].text, "provider.yaml").value["controls"]
    selected = {c.id for c in bundle.controls if c.control.managed and c.stage is not Stage.OFF}
    assert {row["control"] for row in found} == selected
    for row in found:
        assert row["verdict"] in VERDICTS
        assert ("by" in row) is (row["verdict"] == "equivalent")
        assert ("statement" in row) is ("source" in row)
        if row["verdict"] in ("provider-owned", "provider-owned, not kept"):
            assert row["statement"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_verify_asks_about_objects_of_ours_and_reports_every_other_row_as_the_providers(
    tmp_path: Path, provider: str
) -> None:
    bundle = bundle_of(tmp_path, provider, profile="zero-trust")
    rows = load(tree_of(bundle)["provider.yaml"].text, "provider.yaml").value["controls"]
    resolution = Builder().resolve(tmp_path / "cluster.yaml")
    for row in rows:
        said = {(state, text) for _, state, text in planned(resolution, [row["control"]])}
        if row.get("by", "").startswith("this control's own"):
            assert (None, "") in said, row["control"]
            continue
        ((state, text),) = said
        assert state is State.PROVIDER_OWNED, row["control"]
        assert text.startswith(row["verdict"]), row["control"]
        assert row.get("statement", "") in text, row["control"]


def test_statements_name_a_page_and_no_address() -> None:
    for control in Builder().catalog:
        for provider, managed in control.managed.items():
            where = f"{control.id}, {provider}"
            assert "://" not in f"{managed.by}{managed.statement}{managed.source}", where
            if managed.statement:
                assert managed.source.startswith(DOCUMENTS[provider]), where


def test_an_equivalent_is_an_object_of_ours_or_a_setting_that_a_page_documents() -> None:
    for control in Builder().catalog:
        for provider in control.managed.keys() & set(PROVIDERS):
            managed = control.managed[provider]
            if managed.by and not managed.by.startswith(("this control's own", "labels alone: psa-")):
                assert managed.statement, f"{control.id}, {provider}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "managed.aks says nothing: give it by, statement and source, or `undocumented: true`"),
        ({"statement": "It does all of this."}, "managed.aks needs statement and source, or neither"),
        ({"by": "a setting", "undocumented": True}, "managed.aks is undocumented, and says something all the same"),
        ({"by": "a setting", "kept": False}, "managed.aks: by says what keeps the promise, and kept that nothing does"),
    ],
)
def test_a_control_that_leaves_a_provider_open_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], said: str
) -> None:
    monkeypatch.setitem(hostplane.MANAGED, "aks", given)
    catalogue(tmp_path / "catalogue", monkeypatch, "aks")
    with pytest.raises(RingfenceError) as found:
        bundle_of(tmp_path, "aks")
    assert said in str(found.value)


def test_a_promise_that_is_not_kept_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_ = {
        "statement": "The provider documents that it doesn't.",
        "source": "AKS documentation, A page",
        "kept": False,
    }
    monkeypatch.setitem(hostplane.MANAGED, "aks", open_)
    catalogue(tmp_path / "catalogue", monkeypatch, "aks")
    found = load(tree_of(bundle_of(tmp_path, "aks"))["provider.yaml"].text, "provider.yaml").value["controls"]
    assert [row["verdict"] for row in found] == ["provider-owned, not kept"]


@pytest.fixture
def ringfence(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    catalogue(tmp_path / "catalogue", monkeypatch, "gke")
    write_cluster(tmp_path, kubernetes={"version": "1.36", "distribution": "gke"})
    return Command(tmp_path, capsys, monkeypatch)


def test_list_provider(ringfence: Command) -> None:
    done = ringfence("list", "provider", "--cluster", "cluster.yaml", "-o", "json")
    assert done.code == 0
    about = {"control": "demo-host", "title": "The control demo-host", "stage": "enforce"}
    assert json.loads(done.out) == [{**about, **WANTED["gke"], "by": ""}]


def test_list_provider_of_a_cluster_that_owns_its_hosts(ringfence: Command, tmp_path: Path) -> None:
    write_cluster(tmp_path)
    done = ringfence("list", "provider", "--cluster", "cluster.yaml")
    assert (done.code, done.out) == (65, "")
    assert "has no provider" in done.err


def test_list_provider_needs_a_cluster(ringfence: Command) -> None:
    done = ringfence("list", "provider")
    assert done.code == 64
    assert "--cluster" in done.err


def test_explain_says_it(ringfence: Command) -> None:
    done = ringfence("explain", "demo-host")
    assert done.code == 0
    assert "provider-owned: The provider documents that it does this. (GKE documentation, A page)" in done.out


def test_explain_says_it_without_a_cluster_for_every_provider(ringfence: Command, tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").unlink()
    done = ringfence("explain", "demo-host")
    assert done.code == 0
    assert "  eks: equivalent: a setting of Amazon's\n" in done.out
    assert "  gke: provider-owned: The provider documents that it does this. (GKE documentation, A page)\n" in done.out
    assert "  aks: provider-owned, undocumented\n" in done.out


def test_the_shipped_example_has_it() -> None:
    bundle = Builder().build(ROOT / "examples/eks/cluster.yaml", "cluster.yaml")
    assert list(tree_of(bundle)) == ["provider.yaml"]
