"""Floors: what an override may loosen is nothing, for every parameter of every shipped control under every profile."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import TEXTS

from ringfence import bundled
from ringfence.catalog import Catalog, load_catalog
from ringfence.documents import dump, load
from ringfence.errors import Errors, InputError, Place
from ringfence.model import PROFILES, Control, Param, Stage
from ringfence.parameters import duration, loosened, quantity
from ringfence.resolve import resolve
from ringfence.spec import read_profile
from ringfence.spec.read import cluster_of


@cache
def catalogue() -> Catalog:
    return load_catalog([bundled.templates()])


def floored() -> list[Any]:
    """Every parameter with a floor, under every profile."""
    return [
        pytest.param(control, param, profile, id=f"{control.id}.{param.name}/{profile}")
        for control in catalogue()
        for param in control.params.values()
        for profile in PROFILES
        if param.floor != "free"
    ]


def value_under(param: Param, profile: str) -> Any:
    """The parameter's value before any override."""
    value = param.default
    for name in PROFILES[: PROFILES.index(profile) + 1]:
        value = param.by_profile.get(name, value)
    return value


def refusals(control: Control, profile: str, params: Mapping[str, Any]) -> list[str]:
    """What resolving says about this control's parameters."""
    document = cluster(profile=profile, controls={control.id: {"reason": "a test", "params": dict(params)}})
    made = cluster_of(load(dump(document), "cluster.yaml"))
    try:
        resolved = resolve(catalogue(), _profile(profile), made)
    except Errors as bad:
        return [e.message for e in bad.errors]
    except InputError as bad:
        return [bad.message]
    found = next(c for c in resolved if c.id == control.id)
    assert {name: found.params[name] for name in params} == params
    assert all(found.param_sources[name].kind == "override" for name in params)
    return []


@cache
def _profile(name: str) -> Any:
    return read_profile(name, Path(), Place(name))


def items(param: Param) -> st.SearchStrategy[Any]:
    kinds: dict[str, st.SearchStrategy[Any]] = {
        "strings": TEXTS,
        "integers": st.integers(0, 10_000),
        "mappings": st.dictionaries(st.sampled_from("abc"), TEXTS, min_size=1, max_size=2),
        "cidrs": st.integers(1, 250).map(lambda n: f"10.{n}.0.0/16"),
    }
    return kinds[param.type]


def number(param: Param, value: Any) -> int:
    return {"quantity": quantity, "duration": duration}.get(param.type, int)(value)


def numbers(param: Param) -> st.SearchStrategy[Any]:
    if param.type == "quantity":
        return st.tuples(
            st.integers(0, 4096), st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti"])
        ).map(lambda p: f"{p[0]}{p[1]}")
    if param.type == "duration":
        return st.tuples(st.integers(0, 10_000), st.sampled_from("smhd")).map(lambda p: f"{p[0]}{p[1]}")
    return st.integers(param.minimum or 0, param.maximum if param.maximum is not None else 2**31)


@st.composite
def candidates(draw: st.DrawFn, param: Param, before: Any) -> tuple[Any, bool]:
    """A well-formed value, and whether it loosens what is held."""
    if param.floor == "stricter":
        choice = draw(st.sampled_from(param.choices))
        return choice, param.choices.index(choice) < param.choices.index(before)
    if param.floor in ("at-most", "at-least"):
        value = draw(st.one_of(numbers(param), st.just(before)))
        now, then = number(param, value), number(param, before)
        return value, now > then if param.floor == "at-most" else now < then
    kept = [item for item in before if draw(st.booleans())] if isinstance(before, list) else []
    if param.floor == "additive":
        value = [*draw(st.lists(items(param), max_size=2)), *kept]
        return value, any(item not in value for item in before)
    value = [*kept, *draw(st.lists(items(param), max_size=1))]
    return value, any(item not in before for item in value)


@pytest.mark.parametrize(("control", "param", "profile"), floored())
@settings(max_examples=8)
@given(data=st.data())
def test_loosening_is_refused_and_tightening_accepted(control: Control, param: Param, profile: str, data: Any) -> None:
    before = value_under(param, profile)
    assert refusals(control, profile, {param.name: before}) == [], "what is held already can be written out"
    if param.floor == "deny":
        other = not before if param.type == "boolean" else _other(param, before)
        assert len(refusals(control, profile, {param.name: other})) == 1
        return
    value, loosens = data.draw(candidates(param, before))
    found = refusals(control, profile, {param.name: value})
    assert [f"{control.id}.{param.name}: this would loosen" in f for f in found] == ([True] if loosens else []), (
        value,
        before,
    )


def _other(param: Param, before: Any) -> Any:
    """Some other well-formed value."""
    found: dict[str, Any] = {
        "integer": lambda: before + 1, "strings": lambda: [*before, "x"], "integers": lambda: [*before, 1], "mapping": lambda: {"x": "y"},
        "mappings": lambda: [*before, {"x": "y"}], "quantity": lambda: "7Ki", "duration": lambda: "7s", "cidrs": lambda: [*before, "10.9.0.0/16"],
        "choice": lambda: next(c for c in param.choices if c != before),
    }  # fmt: skip
    return found.get(param.type, lambda: f"{before}x")()


STAGED = [pytest.param(c, p, id=f"{c.id}/{p}") for c in catalogue() for p in PROFILES]


@pytest.mark.parametrize(("control", "profile"), STAGED)
def test_no_override_goes_under_a_stage_floor(control: Control, profile: str) -> None:
    for stage in Stage:
        document = cluster(profile=profile, controls={control.id: {"reason": "a test", "stage": stage.value}})
        made = cluster_of(load(dump(document), "cluster.yaml"))
        try:
            resolve(catalogue(), _profile(profile), made)
            messages: list[str] = []
        except Errors as bad:
            messages = [e.message for e in bad.errors]
        except InputError as bad:
            messages = [bad.message]
        under = [m for m in messages if m == f'{control.id}: stage "{stage}" is under its floor "{control.floor}"']
        assert bool(under) is (stage.rank < control.floor.rank)


@pytest.mark.parametrize(
    ("floor", "type_", "before", "value", "loosens"),
    [
        ("at-most", "quantity", "1Gi", "1025Mi", True), ("at-most", "quantity", "1Gi", "1G", False), ("at-most", "quantity", "1", "1000m", False),
        ("at-most", "duration", "1h", "61m", True), ("at-most", "duration", "1h", "3600s", False), ("at-least", "integer", 3, 2, True), ("at-most", "integer", 3, 4, True), ("at-most", "integer", 3, 3, False),
        ("at-least", "integer", 3, 3, False), ("additive", "strings", ["a"], ["b", "a"], False), ("additive", "strings", ["a"], ["b"], True),
        ("subtractive", "strings", ["a", "b"], ["a"], False), ("subtractive", "strings", ["a"], ["a", "b"], True),
        ("stricter", "choice", "b", "c", False), ("stricter", "choice", "b", "a", True), ("deny", "boolean", True, False, True),
        ("free", "string", "a", "b", False),
    ],
)  # fmt: skip
def test_direction_of_every_floor(floor: str, type_: str, before: Any, value: Any, loosens: bool) -> None:
    param = Param("p", type_, "", before, {}, floor, ("a", "b", "c") if type_ == "choice" else (), None, None)
    assert loosened(param, value, before) is loosens
