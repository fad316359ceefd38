"""templates/ → Catalog: metadata read whole, ids unique, places the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import CONFIG_MAP, NOTE, write_control
from helpers import build_tree

from ringfence.catalog import load_catalog
from ringfence.errors import Errors, InputError, Place
from ringfence.model import PROFILES, Severity, Stage

TEMPLATES = {"configmap.yaml.j2": CONFIG_MAP}


def test_metadata(tmp_path: Path) -> None:
    write_control(
        tmp_path, "demo-one", TEMPLATES, profile="baseline", stage={"baseline": "audit", "zero-trust": "enforce"}, floor="audit", severity="high",
        params=NOTE, rationale="Line one\n  and line two, which is long enough\nto be a reason.",
        emits=[{"template": "configmap.yaml.j2", "wave": 4, "kubernetes": ">=1.33 <1.36", "when": {"cni": ["calico"]}, "keys": {"data": "k"}}],
    )  # fmt: skip
    catalog = load_catalog([tmp_path])
    one = catalog.get("demo-one")
    assert (one.id, one.domain, one.profile, one.floor, one.severity) == (
        "demo-one",
        "demo",
        "baseline",
        Stage.AUDIT,
        Severity.HIGH,
    )
    assert one.rationale == "Line one and line two, which is long enough to be a reason."
    assert one.place == Place("templates/demo/demo-one/control.yaml", 1, 1)
    assert {p: one.stage(p).value for p in PROFILES} == {
        "baseline": "audit",
        "restricted": "audit",
        "zero-trust": "enforce",
    }
    emit = one.emits[0]
    assert (emit.each, emit.mode, emit.wave, emit.kubernetes, emit.stages) == (
        "cluster",
        "own",
        4,
        ">=1.33 <1.36",
        ("audit", "enforce"),
    )
    assert (dict(emit.when), dict(emit.keys)) == ({"cni": ("calico",)}, {"data": "k"})
    assert (one.params["note"].default, one.params["note"].floor) == ("none", "free")


def test_controls_come_in_order_of_ids_from_every_folder(tmp_path: Path) -> None:
    for id_, folder in (("demo-b", "x"), ("demo-a", "y"), ("demo-c", "x")):
        write_control(tmp_path / folder, id_, TEMPLATES)
    catalog = load_catalog([tmp_path / "x", tmp_path / "y"])
    assert [c.id for c in catalog] == ["demo-a", "demo-b", "demo-c"]
    assert catalog.folders == (str(tmp_path / "x"), str(tmp_path / "y"))


def test_application_templates_are_no_controls(tmp_path: Path) -> None:
    build_tree(tmp_path, {"app/python/control.yaml": "not: a control\n"})
    assert list(load_catalog([tmp_path])) == []


def test_a_folder_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_catalog([tmp_path, tmp_path / "none"])
    assert caught.value.line() == f"{tmp_path}/none: error: there is no such folder of controls; name one that is"


def test_an_unknown_control_has_a_nearest_one(tmp_path: Path) -> None:
    write_control(tmp_path, "demo-one", TEMPLATES)
    with pytest.raises(InputError) as caught:
        load_catalog([tmp_path]).get("demo-onne", Place("x.yaml", 3, 4))
    assert caught.value.line() == 'x.yaml:3:4: error: unknown control "demo-onne"; did you mean "demo-one"?'


def test_an_id_is_given_once(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        write_control(tmp_path / folder, "demo-one", TEMPLATES)
    with pytest.raises(InputError) as caught:
        load_catalog([tmp_path / "x", tmp_path / "y"])
    assert caught.value.line() == (
        f'templates/demo/demo-one/control.yaml:1:1: error: control "demo-one" exists already; the other is {tmp_path}/x/demo/demo-one'
    )


def test_all_errors_of_all_controls_at_once(tmp_path: Path) -> None:
    write_control(tmp_path, "demo-one", TEMPLATES, severity="huge", titel="x")
    write_control(tmp_path, "demo-two", TEMPLATES, requires=["demo-none"])
    build_tree(tmp_path, {"demo/demo-three/control.yaml": "a: [\n"})
    with pytest.raises(Errors) as caught:
        load_catalog([tmp_path])
    assert [e.line() for e in caught.value.errors] == [
        'templates/demo/demo-one/control.yaml:5:1: error: severity: "huge" is not a valid choice; choose one of: critical, high, low, medium',
        'templates/demo/demo-one/control.yaml:15:1: error: unknown key "titel"; did you mean "title"?',
        "templates/demo/demo-three/control.yaml:2:1: error: not YAML: did not find expected node content; check the indentation, quotes"
        " and brackets here and just before",
        'templates/demo/demo-two/control.yaml:1:1: error: requires "demo-none", which is no control',
    ]


def test_a_parameter_is_named_in_camel_case(tmp_path: Path) -> None:
    write_control(tmp_path, "demo-one", TEMPLATES, params={"No_te": NOTE["note"]})
    with pytest.raises(InputError) as caught:
        load_catalog([tmp_path])
    assert '"No_te" is not a valid key' in caught.value.message
