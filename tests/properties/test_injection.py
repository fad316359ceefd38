"""Whatever a user writes as a value comes back as that value at its field, and changes nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalogues import small, write_control
from helpers import build_tree, cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from strategies import KEYS, LABELS, LINES, NASTY, TEXTS, UNSHRUNK, WORDS

from ringfence import documents
from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.emission import text
from ringfence.errors import RingfenceError
from ringfence.render.alike import freeze

EVERYWHERE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: told
  namespace: {{ namespace.name }}
  labels: {{ params.labels }}
  annotations:
    whole: {{ namespace.owner }}
    quoted: "{{ namespace.owner }}"
    single: '{{ namespace.owner }}'
    joined: "a {{ namespace.owner }}: b # {{ params.note }}"
    folded: >-
      {{ params.note }}
      and {{ namespace.owner }}
    literal: |
      {{ params.note }}
data:
  flow: { owner: {{ namespace.owner }}, list: [ {{ params.note }}, {{ namespace.owner }} ] }
{% if namespace.groups.developer %}
  groups: {{ namespace.groups.developer }}
{% endif %}
{% for group in namespace.groups.viewer %}
  viewer-{{ loop.index }}: {{ group }}
{% endfor %}
"""
TEMPLATE = (
    EVERYWHERE.replace("data:\n  flow:", "  managedFields: []\nspec:\n  flow:")
    .replace("kind: ConfigMap", "kind: Told")
    .replace("apiVersion: v1", "apiVersion: tests.example.com/v1")
    .replace("  managedFields: []\n", "")
    .replace("  viewer-{{ loop.index }}: {{ group }}", "  - {{ group }}")
    .replace("{% for group in namespace.groups.viewer %}", "  viewers:\n{% for group in namespace.groups.viewer %}")
)
PARAMS = {
    "note": {"type": "string", "default": "none", "description": "A note."},
    "labels": {"type": "mapping", "default": {}, "description": "Labels."},
}


class AnyKind:
    """A schema store and schema that take every object: what is asked here is whether values stay values."""

    kubernetes = "1.36"

    def kind(self, *_: Any) -> AnyKind:
        return self

    def is_free_string(self, _: Any) -> bool:
        return True

    def problems(self, _: Any) -> list[Any]:
        return []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("injection")


@pytest.fixture(scope="module")
def builder(folder: Path) -> Builder:
    with pytest.MonkeyPatch.context() as patch:
        root = small(folder / "catalogue", patch)
        write_control(root, "demo-told", {"told.yaml.j2": TEMPLATE}, params=PARAMS)
        made = Builder()
    made.store = lambda _: AnyKind()  # type: ignore[assignment, method-assign, return-value]
    return made


def objects(builder: Builder, folder: Path, document: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The rendered objects as each reader sees their text, and as the bundle holds them."""
    bundle = builder.build(build_tree(folder, {"cluster.yaml": dump(document)}) / "cluster.yaml", "cluster.yaml")
    stream = "".join(f"---\n{text(m)}" for m in bundle)
    return [
        [m.body for m in bundle],
        list(yaml.safe_load_all(stream)),
        list(YAML(typ="safe", pure=True).load_all(io.StringIO(stream))),
        [d.value for d in documents.load_all(stream, "x.yaml", dialect="kubectl")],
        [d.value for d in documents.load_all(stream, "x.yaml")],
    ]


def check(builder: Builder, folder: Path, owner: str, note: str, labels: dict[str, str], groups: list[str]) -> None:
    people = {"developer": groups, "viewer": groups}
    document = cluster(
        tenants=[{"name": "t", "owner": owner, "groups": people, "namespaces": ["one", "two"]}],
        controls={"demo-told": {"reason": owner, "params": {"note": note, "labels": labels}}},
    )
    expected = [
        {
            "apiVersion": "tests.example.com/v1",
            "kind": "Told",
            "metadata": {
                "name": "told",
                "namespace": name,
                "labels": dict(sorted({**labels, "app.kubernetes.io/managed-by": "ringfence"}.items())),
                "annotations": {
                    "folded": f"{note} and {owner}",
                    "joined": f"a {owner}: b # {note}",
                    "literal": f"{note}\n",
                    "quoted": owner,
                    "ringfence/controls": "demo-told",
                    "single": owner,
                    "whole": owner,
                },
            },
            "spec": {
                "flow": {"owner": owner, "list": [note, owner]},
                **({"groups": groups} if groups else {}),
                "viewers": groups,
            },
        }
        for name in ("one", "two")
    ]
    for got in objects(builder, folder, document):
        assert got == expected


@pytest.mark.parametrize("nasty", NASTY, ids=lambda t: ascii(t)[:30])
def test_nasty_text_stays_text(builder: Builder, folder: Path, nasty: str) -> None:
    line = "".join(nasty.splitlines())[:400] or "x"
    word = "".join(c for c in line if c.isprintable() and not c.isspace())[:200] or "x"
    key = nasty[:900]
    check(builder, folder, line, nasty, {key: nasty, "b": line}, [word, f"oidc:{word}"])


@settings(max_examples=40)
@given(
    owner=LINES,
    note=TEXTS,
    labels=st.dictionaries(KEYS, TEXTS, max_size=3),
    groups=st.lists(WORDS, min_size=1, max_size=3),
)
def test_any_text_stays_text(
    builder: Builder, folder: Path, owner: str, note: str, labels: dict[str, str], groups: list[str]
) -> None:
    labels.pop("app.kubernetes.io/managed-by", None)
    check(builder, folder, owner, note, labels, groups)


@pytest.fixture(scope="module")
def shipped() -> Builder:
    return Builder()


FULL: dict[str, Any] = {
    "profile": "zero-trust",
    "network": {
        "apiServer": {"addresses": ["10.0.0.1"]}, "podCIDRs": ["10.1.0.0/16"],
        "nodeCIDRs": ["10.0.0.0/16"], "serviceCIDRs": ["10.2.0.0/16"],
    },
}  # fmt: skip


@settings(max_examples=10, phases=UNSHRUNK)
@given(owner=LINES, groups=st.lists(WORDS, min_size=5, max_size=5, unique=True), label=LABELS)
def test_shipped_controls_keep_values_in_their_fields(
    shipped: Builder, folder: Path, owner: str, groups: list[str], label: str
) -> None:
    """Structure is that of harmless values, and each value stands where its harmless twin stood."""

    def document(owner: str, groups: list[str], label: str) -> dict[str, Any]:
        people = dict(zip(["nsAdmin", "developer", "viewer", "ciDeployer"], ([g] for g in groups), strict=False))
        return cluster(
            **FULL,
            tenants=[{"name": "t", "owner": owner, "groups": people, "namespaces": ["one"]}],
            identity={"groups": {"platformAdmin": [groups[4]]}},
            components={"monitoring": {"podLabels": {"app": label}}},
        )

    plain = ["first-group", "second-group", "third-group", "fourth-group", "fifth-group"]
    twins = dict(zip(["harmless-owner", "harmless-label", *plain], [owner, label, *groups], strict=True))
    harmless = objects(shipped, folder, document("harmless-owner", plain, "harmless-label"))
    nasty = objects(shipped, folder, document(owner, groups, label))
    for calm, wild in zip(harmless, nasty, strict=True):
        assert len(calm) == len(wild)
        assert wild == [swapped(body, twins) for body in calm] or _only_in_expressions(calm, wild, twins)


def swapped(value: Any, twins: dict[str, str]) -> Any:
    """The same structure with every harmless value replaced by its twin, wherever it is a whole string."""
    if isinstance(value, dict):
        return {k: swapped(v, twins) for k, v in value.items()}
    if isinstance(value, list):
        return [swapped(v, twins) for v in value]
    return twins.get(value, value) if isinstance(value, str) else value


def _only_in_expressions(calm: Any, wild: Any, twins: dict[str, str]) -> bool:
    """Where a value stands inside a longer text (a CEL literal), only that text differs."""
    if isinstance(calm, dict):
        return calm.keys() == wild.keys() and all(_only_in_expressions(calm[k], wild[k], twins) for k in calm)
    if isinstance(calm, list):
        return len(calm) == len(wild) and all(
            _only_in_expressions(c, w, twins) for c, w in zip(calm, wild, strict=True)
        )
    if swapped(calm, twins) == wild:
        return True
    return isinstance(calm, str) and isinstance(wild, str) and any(t in calm for t in twins)


MARKS = ["\ue000", "\ue001", "\ue002", "\ue003", "\ue0000\ue001", "\ue00018446744073709551616\ue001", "\ue0025\ue003"]
MARKED = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  namespace: {{ %s }}
data:
  a: {{ params.note }}
  b: x{{ params.note }}y{{ 7 }}
{%% if params.note %%}
  c: {{ params.note }}
{%% endif %%}
"""


@pytest.mark.parametrize("mark", MARKS, ids=ascii)
@pytest.mark.parametrize("each", ["namespace", "cluster"])
def test_marks_in_values_are_values_and_move_no_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: str, each: str
) -> None:
    """Open strings and those written into the shape."""
    space = "namespace.name" if each == "namespace" else "'kube-system'"
    emits = [{"template": "x.yaml.j2", "each": each}]
    write_control(
        small(tmp_path / "c", monkeypatch), "demo-one", {"x.yaml.j2": MARKED % space}, params=PARAMS, emits=emits
    )
    note = {"demo-one": {"reason": mark, "params": {"note": mark * 2}}}
    (made,) = Builder().build(build_tree(tmp_path, {"cluster.yaml": dump(cluster(controls=note))}) / "cluster.yaml")
    assert made.body["data"] == {"a": mark * 2, "b": f"x{mark * 2}y7", "c": mark * 2}
    assert {p[-1]: o.line for p, o in made.shape.origins.items() if p[0] == "data"} == {
        "data": 6,
        "a": 7,
        "b": 8,
        "c": 10,
    }


def test_frozen_values_differ_when_the_values_do() -> None:
    values: list[Any] = [
        1, True, 1.5, "1", "\ue0000\ue001", [1], ["1"], [[1]], [], {}, {"a": 1}, {"a": "1"}, {"a": [1]}, [["a", 1]], {"b": 1}, "", [""],
        {"a": 1, "b": 2}, {"b": 2, "a": 1},
    ]  # fmt: skip
    frozen = [freeze(v) for v in values]
    assert len(set(frozen)) == len(values)
    assert freeze((1, [2])) == freeze([1, (2,)])


@pytest.mark.parametrize("owner", ["a\nb", "a\rb", "", "x" * 501])
def test_an_owner_is_one_line(shipped: Builder, folder: Path, owner: str) -> None:
    document = cluster(tenants=[{"name": "t", "owner": owner, "namespaces": ["one"]}])
    with pytest.raises(RingfenceError):
        shipped.resolve(build_tree(folder, {"cluster.yaml": dump(document)}) / "cluster.yaml")
