"""Folding fragments: by identity, maps by key, lists by a declared key, every field with the control that set it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.arrange import arrange
from ringfence.errors import Errors, InputError
from ringfence.render import Fragment
from ringfence.shape import Joined, Manifest, Origin, Path, Shape, Slot, Wave, paths


def fragment(
    control: str, tree: Mapping[str, Any], values: tuple[str, ...] = (), *, whole: bool = False, wave: Wave = Wave.GUARDS,
    mode: str = "own", lists: Mapping[Path, str] | None = None, name: Any = "x", kind: str = "Thing", version: str = "tests/v1",
) -> Fragment:  # fmt: skip
    """Part of (or all of) an object; every field's origin is a line of the control's template."""
    full = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **tree}
    if "metadata" in tree:
        full["metadata"] = {"name": name, **tree["metadata"]}
    found = {p[:n] for p, _ in paths(full) for n in range(1, len(p) + 1)}
    origins = {p: Origin(control, f"{control}.j2", line) for line, p in enumerate(sorted(found, key=str), 1)}
    namespace = full["metadata"].get("namespace")
    return Fragment(
        Shape(
            full,
            version,
            kind,
            name,
            namespace,
            origins,
            (control,),
            "demo",
            wave,
            mode,
            not whole,
            lists or {},
            len(values),
        ),
        values,
    )


def one(*fragments: Fragment) -> Manifest:
    (manifest,) = arrange(fragments)
    return manifest


def refused(*fragments: Fragment) -> str:
    with pytest.raises(InputError) as caught:
        arrange(fragments)
    return caught.value.line()


def test_labels_and_annotations_of_our_own_are_added_in_order() -> None:
    made = one(
        fragment(
            "c-one",
            {"spec": 1, "metadata": {"labels": {"z": "1", "a": "2"}, "finalizers": ["f"], "namespace": "n"}},
            whole=True,
        )
    )
    assert list(made.body) == ["apiVersion", "kind", "metadata", "spec"]
    assert list(made.body["metadata"].items()) == [
        ("name", "x"), ("namespace", "n"), ("labels", {"a": "2", "app.kubernetes.io/managed-by": "ringfence", "z": "1"}),
        ("annotations", {"ringfence/controls": "c-one"}), ("finalizers", ["f"]),
    ]  # fmt: skip
    assert list(made.body["metadata"]["labels"]) == ["a", "app.kubernetes.io/managed-by", "z"]


def test_a_patched_object_stays_somebody_elses() -> None:
    made = one(fragment("c-one", {"spec": 1}, mode="patch"))
    assert made.body["metadata"] == {"name": "x", "annotations": {"ringfence/controls": "c-one"}}


def test_maps_fold_by_key_and_fields_keep_their_control() -> None:
    whole = fragment(
        "c-whole", {"metadata": {"labels": {"a": "1"}}, "spec": {"deep": {"one": 1}}}, whole=True, wave=Wave.GUARDS
    )
    part = fragment(
        "c-part", {"metadata": {"labels": {"b": "2"}}, "spec": {"deep": {"two": [2]}}}, wave=Wave.NAMESPACES
    )
    made = one(part, whole)
    assert made.body["spec"] == {"deep": {"one": 1, "two": [2]}}
    assert made.body["metadata"]["annotations"] == {"ringfence/controls": "c-part,c-whole"}
    assert made.wave == Wave.NAMESPACES
    assert made.shape.origins["spec", "deep", "one"].control == "c-whole"
    assert made.shape.origins["spec", "deep", "two"].control == "c-part"
    assert made.shape.origins["metadata", "labels", "b"].control == "c-part"


def test_slots_of_both_keep_their_values() -> None:
    first = fragment("c-a", {"spec": {"a": Slot(0), "b": Joined(("<", Slot(1), ">"))}}, ("one", "two"))
    second = fragment("c-b", {"spec": {"c": Slot(0), "d": [Joined((Slot(1), "!"))]}}, ("three", "four"))
    assert one(second, first).body["spec"] == {"a": "one", "b": "<two>", "c": "three", "d": ["four!"]}


def test_one_structure_folds_once_however_many_objects() -> None:
    shape_a, shape_b = (
        fragment("c-a", {"spec": {"a": Slot(0)}}, ("",), name=Slot(0)).shape,
        fragment("c-b", {"spec": {"b": Slot(0)}}, ("",), name=Slot(0)).shape,
    )
    made = arrange(Fragment(shape, (f"n{i}",)) for i in range(50) for shape in (shape_a, shape_b))
    assert len({id(m.shape) for m in made}) == 1
    assert [m.body["spec"] for m in made] == [{"a": m.name, "b": m.name} for m in made]


def test_equal_fields_agree() -> None:
    assert one(fragment("c-a", {"spec": {"x": 1}}), fragment("c-b", {"spec": {"x": 1}})).body["spec"] == {"x": 1}
    same = one(fragment("c-a", {"spec": {"x": Slot(0)}}, ("v",)), fragment("c-b", {"spec": {"x": "v"}}))
    assert same.body["spec"] == {"x": "v"}


@pytest.mark.parametrize(
    ("first", "second", "line"),
    [
        ({"x": 1}, {"x": 2}, "c-b.j2:5:1: error: c-a and c-b set spec.x of Thing x differently: 1 and 2"),
        ({"x": 1}, {"x": True}, "c-b.j2:5:1: error: c-a and c-b set spec.x of Thing x differently: 1 and true"),
        ({"x": "a"}, {"x": "b"}, 'c-b.j2:5:1: error: c-a and c-b set spec.x of Thing x differently: "a" and "b"'),
        ({"x": {}}, {"x": "b"}, 'c-b.j2:5:1: error: c-a and c-b set spec.x of Thing x differently: dict and "b"'),
        ({"x": [1]}, {"x": [2]}, "c-b.j2:5:1: error: c-a and c-b set spec.x of Thing x differently: list and list"),
    ],
)
def test_fields_set_differently(first: dict[str, Any], second: dict[str, Any], line: str) -> None:
    told = refused(fragment("c-a", {"spec": first}), fragment("c-b", {"spec": second}))
    where, _, rest = told.partition(": ")
    assert where.startswith("c-b.j2:")
    assert rest == line.partition(": ")[2] + "; only one control may set a field"


def test_open_fields_set_differently_by_some_objects_only() -> None:
    shape = fragment("c-a", {"spec": {"x": Slot(1)}}, ("", ""), name=Slot(0)).shape
    other = fragment("c-b", {"spec": {"x": "same"}}, ("",), name=Slot(0)).shape
    fine = [Fragment(shape, ("n1", "same")), Fragment(other, ("n1",))]
    assert len(arrange(fine)) == 1
    told = refused(*fine, Fragment(shape, ("n2", "other")), Fragment(other, ("n2",)))
    assert told.partition(": error: ")[2] == (
        'c-a and c-b set spec.x of Thing n2 differently: "other" and "same"; only one control may set a field'
    )


def test_lists_fold_by_their_declared_key() -> None:
    keys: dict[Path, str] = {("spec", "rules"): "name"}
    first = fragment("c-a", {"spec": {"rules": [{"name": "one", "a": Slot(0)}, {"name": "two"}]}}, ("v",), lists=keys)
    second = fragment("c-b", {"spec": {"rules": [{"name": "three", "c": Slot(0)}, {"name": "one", "b": 2}]}}, ("w",))
    made = one(second, first)
    assert made.body["spec"]["rules"] == [
        {"name": "one", "a": "v", "b": 2},
        {"name": "two"},
        {"name": "three", "c": "w"},
    ]
    assert made.shape.origins["spec", "rules", 0, "b"].control == "c-b"
    assert made.shape.origins["spec", "rules", 2, "name"].control == "c-b"
    assert made.shape.origins["spec", "rules", 1, "name"].control == "c-a"


@pytest.mark.parametrize("item", [{"a": 1}, "text", {"name": 5}, {"name": Slot(0)}], ids=str)
@pytest.mark.parametrize("bad_first", [True, False])
def test_an_item_without_a_literal_key_is_refused(item: Any, bad_first: bool) -> None:
    keys: dict[Path, str] = {("spec", "rules"): "name"}
    bad, good = (
        fragment("c-a", {"spec": {"rules": [item]}}, ("v",), lists=keys),
        fragment("c-b", {"spec": {"rules": [{"name": "b"}]}}, lists=keys),
    )
    if not bad_first:
        bad, good = (
            fragment("c-b", {"spec": {"rules": [item]}}, ("v",), lists=keys),
            fragment("c-a", {"spec": {"rules": [{"name": "b"}]}}, lists=keys),
        )
    told = refused(bad, good)
    assert told.startswith(f"{bad.shape.controls[0]}.j2:")
    assert told.endswith(
        "error: an item of spec.rules has no literal name, by which this list folds; write name out in the template"
    )


def test_two_whole_objects_of_one_name() -> None:
    told = refused(fragment("c-a", {}, whole=True), fragment("c-b", {}, whole=True))
    assert told.partition(": error: ")[2] == (
        "two controls emit Thing x: c-a and c-b; mark one of them `fragment: true` in its control.yaml, or rename it"
    )


@pytest.mark.parametrize(
    ("changes", "what"), [({"mode": "patch"}, "mode"), ({"version": "tests/v2"}, "apiVersion")]
)  # fmt: skip
def test_one_object_has_one_mode_and_version(changes: dict[str, str], what: str) -> None:
    told = refused(fragment("c-a", {"spec": {}}), fragment("c-b", {"spec": {}}, **changes))  # type: ignore[arg-type] # as it is
    if what == "apiVersion":
        assert "set apiVersion of Thing x differently" in told
    else:
        assert told.endswith(
            f"c-a and c-b write Thing x with another {what}; an object has one apiVersion and one mode"
        )


def test_one_control_that_emits_an_object_twice() -> None:
    told = refused(fragment("c-a", {}, whole=True), fragment("c-a", {}, whole=True))
    assert "error: c-a emits Thing x twice; " in told


def test_groups_keep_kinds_of_one_name_apart() -> None:
    made = arrange(
        [
            fragment("c-a", {}, version="a.example.com/v1", whole=True),
            fragment("c-b", {}, version="b.example.com/v1", whole=True),
        ]
    )
    assert [m.shape.group for m in made] == ["a.example.com", "b.example.com"]


def test_every_error_is_raised() -> None:
    both = [fragment(c, {"spec": {"x": c}}, name=n) for n in ("one", "two") for c in ("c-a", "c-b")]
    with pytest.raises(Errors) as caught:
        arrange(both)
    assert len(caught.value.errors) == 2


@given(
    st.permutations(
        [(w, k, n) for w in (Wave.NAMESPACES, Wave.GUARDS) for k in ("A", "B") for n in (f"x{w:d}", f"y{w:d}")]
    )
)
def test_order_is_total_whatever_comes_in(items: list[tuple[Wave, str, str]]) -> None:
    made = arrange(fragment("c-a", {}, wave=w, kind=k, name=n, whole=True) for w, k, n in items)
    assert [(m.wave, m.kind, m.name) for m in made] == sorted(items)


@given(st.permutations(range(4)))
def test_the_order_of_fragments_does_not_matter(order: list[int]) -> None:
    parts = [fragment(f"c-{i}", {"spec": {f"k{i}": Slot(0)}}, (f"v{i}",), whole=i == 2) for i in range(4)]
    made = one(*(parts[i] for i in order))
    assert made.body == one(*parts).body
    assert list(made.body["spec"]) == ["k2", "k0", "k1", "k3"]
