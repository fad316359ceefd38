"""Catalogue × profile × cluster → decided controls, each value with where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import CONFIG_MAP, small, write_control
from helpers import build_tree, write_cluster

from ringfence.build import Builder, Resolution
from ringfence.errors import Errors, ExceptionError, InputError, RingfenceError
from ringfence.model import ResolvedControl, Stage

SIZE = {"type": "integer", "default": 9, "by_profile": {"restricted": 5}, "floor": "at-most", "description": "A size."}
PROFILE = "apiVersion: ringfence/v1alpha1\nkind: Profile\nname: {name}\ntitle: t\nposture: p\nextends: {base}\ncontrols:\n  demo-one:\n{body}"


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = small(tmp_path / "catalogue", monkeypatch)
    stages = {"baseline": "audit", "zero-trust": "enforce"}
    write_control(root, "demo-one", {"x.yaml.j2": CONFIG_MAP}, params={"size": SIZE}, stage=stages)
    write_control(root, "demo-two", {"x.yaml.j2": CONFIG_MAP}, requires=["demo-one"], exceptions="names")
    write_control(root, "demo-strict", {"x.yaml.j2": CONFIG_MAP}, profile="restricted", stage={"restricted": "enforce"})
    return root


def resolved(folder: Path, **changes: Any) -> Resolution:
    return Builder().resolve(write_cluster(folder, **changes), "cluster.yaml")


def control(folder: Path, id_: str = "demo-one", **changes: Any) -> ResolvedControl:
    return next(c for c in resolved(folder, **changes).controls if c.id == id_)


def refused(folder: Path, kind: type[RingfenceError] = InputError, **changes: Any) -> str:
    with pytest.raises(kind) as caught:
        resolved(folder, **changes)
    return caught.value.line()


@pytest.mark.parametrize(
    ("profile", "stage", "size", "source"),
    [
        ("baseline", "audit", 9, "default"),
        ("restricted", "audit", 5, "profile restricted"),
        ("zero-trust", "enforce", 5, "profile restricted"),
    ],
)
def test_profiles_inherit_from_looser_ones(tmp_path: Path, profile: str, stage: str, size: int, source: str) -> None:
    one = control(tmp_path, profile=profile)
    assert (one.stage.value, one.params["size"], one.param_sources["size"].kind) == (stage, size, source)
    assert str(one.stage_source) == "default (templates/demo/demo-one/control.yaml:1:1)"


def test_every_control_is_there_with_stage_off(tmp_path: Path) -> None:
    found = {c.id: c.stage for c in resolved(tmp_path).controls}
    assert found == {"demo-one": Stage.AUDIT, "demo-strict": Stage.OFF, "demo-two": Stage.ENFORCE}


def test_an_override_says_where_and_why(tmp_path: Path) -> None:
    one = control(
        tmp_path, controls={"demo-one": {"reason": "we are small", "stage": "enforce", "params": {"size": 2}}}
    )
    assert (one.stage, one.params["size"]) == (Stage.ENFORCE, 2)
    assert str(one.param_sources["size"]).endswith(": we are small")
    assert one.param_sources["size"].place.file == "cluster.yaml"
    assert one.stage_source.place.line == one.param_sources["size"].place.line - 2


def test_profiles_of_ones_own_stack_and_floors_hold_between_them(tmp_path: Path) -> None:
    build_tree(
        tmp_path,
        {
            "team.yaml": PROFILE.format(
                name="team", base="org/base.yaml", body="    reason: team\n    params: {size: 3}\n"
            ),
            "org/base.yaml": PROFILE.format(
                name="base", base="restricted", body="    reason: org\n    params: {size: 4}\n    stage: enforce\n"
            ),
        },
    )
    made = resolved(tmp_path, profile="team")
    one = next(c for c in made.controls if c.id == "demo-one")
    assert (made.profile.name, made.profile.base) == ("team", "restricted")
    assert [f.name for f in made.profile.files] == ["team.yaml", "base.yaml", "restricted.yaml", "baseline.yaml"]
    assert (one.params["size"], one.stage) == (3, Stage.ENFORCE)
    assert str(one.param_sources["size"]) == "profile team (team.yaml:10:14): team"
    assert str(one.stage_source) == "profile team (org/base.yaml:11:5): org"
    told = refused(tmp_path, profile="team", controls={"demo-one": {"reason": "r", "params": {"size": 4}}})
    assert told.endswith("demo-one.size: this would loosen the profile's 3; you can only lower it")


def test_profiles_that_extend_each_other(tmp_path: Path) -> None:
    build_tree(
        tmp_path,
        {
            "a.yaml": PROFILE.format(name="a", base="b", body="    reason: r\n"),
            "b.yaml": PROFILE.format(name="b", base="a", body="    reason: r\n"),
        },
    )
    assert refused(tmp_path, profile="a") == (
        "b.yaml:6:1: error: profiles extend each other without end; extend baseline, restricted or zero-trust"
    )


def test_a_requirement_that_is_off_names_both(tmp_path: Path) -> None:
    told = refused(tmp_path, controls={"demo-one": {"reason": "r", "stage": "off"}})
    assert (
        told.partition(": error: ")[2]
        == 'control "demo-two" needs "demo-one", which is off; remove that override, or set "demo-two" off too'
    )
    assert (
        control(tmp_path, controls={i: {"reason": "r", "stage": "off"} for i in ("demo-one", "demo-two")}).stage
        is Stage.OFF
    )


def exception(name: str = "e", control_: str = "demo-one", **scope: Any) -> dict[str, Any]:
    return {
        "name": name,
        "control": control_,
        "owner": "o",
        "reason": "r",
        "ticket": "t",
        "expires": "2030-01-01",
        "scope": scope,
    }


def test_exceptions_reach_their_control(tmp_path: Path) -> None:
    given = [
        exception("a", namespaces=["shop"]),
        exception("c", "demo-two", names=["y", "x"]),
    ]
    found = {c.id: c for c in resolved(tmp_path, exceptions=given).controls}
    assert found["demo-one"].excepted_namespaces == {"shop"}
    assert found["demo-two"].excepted_names == ("x", "y")
    assert found["demo-strict"].excepted_namespaces == frozenset()


def test_a_system_namespace_is_no_match_for_a_control_of_tenants(tmp_path: Path) -> None:
    with pytest.raises(ExceptionError, match="is for tenants' namespaces"):
        resolved(tmp_path, exceptions=[exception("b", namespaces=["kube-system"])])


def test_all_errors_at_once_and_input_before_exceptions(tmp_path: Path) -> None:
    with pytest.raises(Errors) as caught:
        resolved(
            tmp_path,
            controls={"demo-one": {"reason": "r", "params": {"size": 99}}, "demo-x": {"reason": "r"}},
            exceptions=[exception(namespaces=["gone"]), exception("f", "demo-two", namespaces=["shop"])],
        )
    assert caught.value.exit_code == 65
    assert len(caught.value.errors) == 4
    with pytest.raises(ExceptionError):
        resolved(tmp_path, exceptions=[exception(namespaces=["gone"])])
