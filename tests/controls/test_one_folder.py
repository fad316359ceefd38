"""Adding a control is adding one folder: it is listed, rendered, explained and documented, and nothing else changed."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from helpers import ROOT, build_tree, write_cluster

from ringfence import bundled, reference
from ringfence.build import Builder
from ringfence.catalog import load_catalog
from ringfence.cli.app import run

ID = "net-house-rule"
CONTROL = {
    f"network/{ID}/control.yaml": """\
title: The house's resolvers are named in every namespace
profile: baseline
stage: {baseline: enforce}
severity: low
rationale: Workloads read the resolvers from one place, so that moving them is one change and not a search.
references:
  cis-kubernetes-1.12: ["5.3.2"]
params:
  resolver: {type: string, default: resolver.example.com, description: Name of the resolver.}
emits:
- {template: configmap.yaml.j2, each: namespace}
no_audit_form: A ConfigMap is there or it is not.
proof: [render]
""",
    f"network/{ID}/configmap.yaml.j2": """\
{# One entry, so that it can grow. #}
apiVersion: v1
kind: ConfigMap
metadata:
  name: house-resolvers
  namespace: {{ namespace.name }}
data:
  resolver: {{ params.resolver }}
""",
    f"network/{ID}/probes.yaml": """\
pairs:
- name: nothing to refuse yet
  ring: render
  refuse: {who: admin, verb: get, resource: configmaps, namespace: shop}
  reason: none
  admit: {who: admin, verb: get, resource: configmaps, namespace: shop}
""",
}


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder with one control in it, outside the repository."""
    return build_tree(tmp_path / "house", CONTROL)


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = run(list(arguments))
    gc.enable()  # render turns it off for its short life
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return captured.out


def test_the_control_is_listed(house: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ID not in call(capsys, "list")
    assert ID in call(capsys, "list", "--templates", str(house))
    assert ID in call(capsys, "list", "framework", "cis-kubernetes-1.12", "--templates", str(house))


def test_the_control_is_rendered(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_cluster(tmp_path / "cluster", controls={ID: {"params": {"resolver": "dns.shop"}, "reason": "Ours."}})
    call(capsys, "render", str(file), "--templates", str(house))
    tree = file.parent / "rendered"
    assert "resolver: dns.shop" in (tree / "2-guards/shop/network.yaml").read_text()
    assert f"{ID}/configmap.yaml.j2" in (tree / "ringfence.index").read_text()


def test_the_control_is_explained(house: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_cluster(tmp_path / "cluster")
    told = call(capsys, "explain", ID, "--templates", str(house), "--cluster", str(file))
    assert "named in every namespace" in told
    field = call(
        capsys,
        "explain",
        "ConfigMap/shop/house-resolvers:data.resolver",
        "--templates",
        str(house),
        "--cluster",
        str(file),
    )
    assert f"templates/network/{ID}/configmap.yaml.j2:8" in field


def test_the_control_is_documented(house: Path) -> None:
    page = reference.page(load_catalog((bundled.templates(), house)))
    assert "The house's resolvers are named in every namespace" in page
    assert "resolver.example.com" in page


def test_the_shipped_catalogue_names_no_control_outside_its_folder() -> None:
    """The one folder is all: no list of controls stands elsewhere. Invariants name the control they report under."""
    ids = [c.id for c in Builder().catalog]
    modules = [f for f in (ROOT / "generator").rglob("*.py") if f.parent.name != "invariants"]
    product = [*modules, *(ROOT / "profiles").glob("*.yaml")]
    listed = {file.name for file in product if sum(f'"{id_}"' in file.read_text(encoding="utf-8") for id_ in ids) > 6}
    assert listed == set(), "a list of controls"
