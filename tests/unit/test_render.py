"""Templates → fragments: one structure however many objects, values untouched, origins by line, rows that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import ROOT, cluster, write_cluster
from hypothesis import given, settings
from strategies import UNSHRUNK, clusters

from ringfence import documents
from ringfence.arrange import arrange
from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.errors import InputError, Place
from ringfence.render import Renderer, environment
from ringfence.render.alike import freeze
from ringfence.render.filters import FILTERS, cel
from ringfence.render.renderer import in_range
from ringfence.render.structure import plain_data
from ringfence.shape import HOST_API, Slot, fill
from ringfence.spec.read import cluster_of

PLACE = Place("x", 1, 1)


HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: {{ namespace.name }}\n"  # five lines
FILE = "templates/demo/demo-one/x.yaml.j2"


def tenant(name: str, owner: str, *spaces: Any) -> dict[str, Any]:
    return {"name": name, "owner": owner, "namespaces": list(spaces)}


def render(folder: Path, template: str, *tenants: dict[str, Any]) -> list[dict[str, Any]]:
    """What a template that renders once a namespace gives, without what is in HEAD."""
    write_control(folder / "catalogue", "demo-one", {"x.yaml.j2": template})
    with pytest.MonkeyPatch.context() as patch:
        small(folder / "catalogue", patch)
        builder = Builder()
    changes = {"tenants": list(tenants)} if tenants else {}
    resolution = builder.decide(cluster_of(load(dump(cluster(**changes)), "cluster.yaml")), folder)
    found = [fill(f.shape.tree, f.values) for f in Renderer().render(resolution.cluster, resolution.controls)]
    return [{k: v for k, v in body.items() if k not in ("apiVersion", "kind", "metadata")} for body in found]


TWO = (tenant("one", "o1", "one"), tenant("two", "o2", "two"))


def test_constants_values_and_expressions_keep_their_own_values(tmp_path: Path) -> None:
    s = "namespace.owner"
    source = f"a: {{{{ 'const' }}}}\nb: {{{{ {s} }}}}\nc: {{{{ 1 + 2 }}}}\nd: {{{{ 'x' ~ {s} }}}}\ne: x{{{{ 'y' }}}}z\nf: {{{{ [1, {s}] }}}}\n"
    assert render(tmp_path, HEAD + source, *TWO) == [
        {"a": "const", "b": o, "c": 3, "d": f"x{o}", "e": "xyz", "f": [1, o]} for o in ("o1", "o2")
    ]


def test_what_is_set_for_one_namespace_is_gone_for_the_next(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        render(tmp_path, HEAD + "{% if namespace.owner == 'o1' %}{% set x = 'leak' %}{% endif %}\na: {{ x }}\n", *TWO)
    assert caught.value.line().startswith(f"{FILE}:7:1: error: template: 'x' is undefined")


@pytest.mark.parametrize("value", ["none", "namespace.quota.nothing if false else none"])
def test_a_null_is_refused_on_its_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(InputError) as caught:
        render(tmp_path, f"{HEAD}a: b\nc: {{{{ {value} }}}}\n")
    assert caught.value.line() == f"{FILE}:7:1: error: a value is null; leave the field out with {{% if %}}"


def test_raw_braces_are_text(tmp_path: Path) -> None:
    source = 'a: "{% raw %}{{ foreign }} %} #}{% endraw %} {{ namespace.owner }}"\n'
    assert render(tmp_path, HEAD + source) == [{"a": "{{ foreign }} %} #} shop@example.com"}]


@pytest.mark.parametrize("brace", ["}}", "%}", "#}"])
def test_a_leftover_brace_is_found_on_its_line(tmp_path: Path, brace: str) -> None:
    with pytest.raises(InputError) as caught:
        render(tmp_path, f"{HEAD}a: b\n{{% raw %}}\nb: '}}}}'\n{{% endraw %}}\nc: d\ne: {brace}\n")
    assert caught.value.line().startswith(f"{FILE}:11:1: error: template: leftover {brace}; ")


def test_structures_are_read_once_and_values_filled_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: {{ namespace.name }}\ndata:\n  tier: {{ namespace.tier }}\n"
        "{% if namespace.api_access %}\n  api: 'yes'\n{% endif %}\n"
    )
    write_control(small(tmp_path / "c", monkeypatch), "demo-one", {"x.yaml.j2": template})
    spaces: list[Any] = [f"n{i}" for i in range(20)]
    entries = [*spaces, *({"name": f"m{i}", "apiAccess": True} for i in range(20))]
    builder = Builder()
    resolution = builder.resolve(
        write_cluster(tmp_path / "w", tenants=[{"name": "t", "owner": "o", "namespaces": entries}])
    )
    read: list[str] = []

    def load_marked(text: str, file: str) -> Any:
        read.append(text)
        return documents.load_marked(text, file)

    monkeypatch.setattr("ringfence.render.structure.load_marked", load_marked)
    fragments = Renderer().render(resolution.cluster, resolution.controls)
    assert (len(fragments), len(read), len({id(f.shape) for f in fragments})) == (40, 2, 2)
    assert [fill(f.shape.tree, f.values)["metadata"]["namespace"] for f in fragments] == [
        n.name for n in resolution.cluster.namespaces
    ]


def test_a_structure_differs_when_a_value_that_is_no_string_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    template = "apiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: a\n  namespace: {{ namespace.name }}\nspec:\n  hard: {pods: {{ namespace.quota.pods }} }\n"
    write_control(small(tmp_path / "c", monkeypatch), "demo-one", {"x.yaml.j2": template})
    entries = [{"name": f"n{i}", "quota": {"pods": i % 3 + 1}} for i in range(9)]
    builder = Builder()
    resolution = builder.resolve(
        write_cluster(tmp_path / "w", tenants=[{"name": "t", "owner": "o", "namespaces": entries}])
    )
    fragments = Renderer().render(resolution.cluster, resolution.controls)
    assert [fill(f.shape.tree, f.values)["spec"]["hard"]["pods"] for f in fragments] == [i % 3 + 1 for i in range(9)]
    assert len({id(f.shape) for f in fragments}) == 3


def test_origins_are_template_lines_through_loops_and_branches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = (
        "{# a comment\n   of two lines #}\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: {{ namespace.name }}\n"
        "data:\n{% for n in [1, 2] %}\n  k{{ n }}: v\n{% endfor %}\n{% if false %}\n  no: v\n{% endif %}\n  last: |\n    text\n    {{ namespace.owner }}\n  end: v\n"
    ).replace("k{{ n }}", "k")
    template = template.replace(
        "{% for n in [1, 2] %}\n  k: v\n{% endfor %}", "{% for n in [1] %}\n  k: v\n{% endfor %}"
    )
    write_control(small(tmp_path / "c", monkeypatch), "demo-one", {"x.yaml.j2": template})
    builder = Builder()
    resolution = builder.resolve(write_cluster(tmp_path / "w"))
    ((shape, values),) = Renderer().render(resolution.cluster, resolution.controls)
    assert {p[-1]: o.line for p, o in shape.origins.items()} == {
        "apiVersion": 3, "kind": 4, "metadata": 5, "name": 6, "namespace": 7, "data": 8, "k": 10, "last": 15, "end": 18,
    }  # fmt: skip
    assert {(o.control, o.template) for o in shape.origins.values()} == {
        ("demo-one", "templates/demo/demo-one/x.yaml.j2")
    }
    assert fill(shape.tree, values)["data"] == {"k": "v", "last": "text\nshop@example.com\n", "end": "v"}
    assert shape.namespace == Slot(0)


@pytest.mark.parametrize(
    ("wanted", "versions"),
    [("", "1.32 1.36 1.37"), (">=1.36", "1.36 1.37"), ("<1.36", "1.32"), (">=1.33 <1.37", "1.36"), (">=1.38", "")],
)
def test_versions(wanted: str, versions: str) -> None:
    assert [v for v in ("1.32", "1.36", "1.37") if in_range(v, wanted)] == versions.split()


ROWS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({"when": {"cni": ["calico"]}}, {"network": {"cni": "calico"}}, True),
    ({"when": {"cni": ["cilium", "calico"]}}, {"network": {"cni": "kindnet"}}, False),
    ({"when": {"component": ["falco"]}}, {"components": {"runtime": ["falco"]}}, True),
    ({"when": {"component": ["falco"]}}, {}, False),
    ({"when": {"mesh": ["none"], "distribution": ["eks"]}}, {}, False),
    ({"kubernetes": ">=1.37"}, {}, False),
    ({"stages": ["audit"]}, {}, False),
]


@pytest.mark.parametrize(("row", "changes", "emitted"), ROWS, ids=str)
def test_rows_that_fit_the_cluster(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, row: Any, changes: Any, emitted: bool
) -> None:
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: kube-system\n"
    emits = [{"template": "x.yaml.j2", **row}, {"template": "y.yaml.j2", "stages": ["audit"]}]
    write_control(
        small(tmp_path / "c", monkeypatch),
        "demo-one",
        {"x.yaml.j2": template, "y.yaml.j2": "{# nothing #}\n"},
        emits=emits,
    )
    bundle = Builder().build(write_cluster(tmp_path / "w", **changes))
    assert [m.id for m in bundle] == (["ConfigMap/kube-system/a"] if emitted else [])
    assert bool(bundle.unemitted) is not emitted


def test_parts_share_out_namespaces_and_leave_the_clusters_own_to_the_first() -> None:
    resolution = Builder().resolve(ROOT / "examples/production/cluster.yaml", "cluster.yaml")
    whole = sorted(m.id for m in arrange(Renderer().render(resolution.cluster, resolution.controls)))
    for parts in (1, 2, 3, 7):
        split = [arrange(Renderer().render(resolution.cluster, resolution.controls, (k, parts))) for k in range(parts)]
        assert sorted(m.id for part in split for m in part) == whole
        tenants = resolution.cluster.tenant_namespaces
        assert all(m.namespace in tenants or m.name in tenants for part in split[1:] for m in part)


@settings(max_examples=3, phases=UNSHRUNK)
@given(document=clusters())
def test_a_renderer_remembers_structures_and_nothing_else(document: dict[str, Any]) -> None:
    """One that has rendered other clusters, one that is new, and one that lays every namespace out by itself agree."""
    resolution = _builder().decide(cluster_of(load(dump(document), "cluster.yaml")), ROOT)
    bundle = _builder().objects(resolution)
    made = [m.body for m in (*bundle.host, *bundle)]

    def arranged() -> list[Any]:
        """As a bundle has them: the host plane apart."""
        found = arrange(Renderer().render(resolution.cluster, resolution.controls))
        return [m.body for m in sorted(found, key=lambda m: m.shape.api_version != HOST_API)]

    assert made == arranged()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "reads", lambda _: None)
        assert made == arranged()


_KEPT: list[Builder] = []


def _builder() -> Builder:
    if not _KEPT:
        _KEPT.append(Builder())
    return _KEPT[0]


ALIKE = [
    "{{ namespace.owner }}",
    "{{ namespace.owner if namespace.production else namespace.tenant }}",
    "{{ 'x' ~ namespace.owner }}",
    "{% set n = namespace %}{{ n.owner }}",
    "{% set o = namespace.owner %}{{ o }}",
    "{{ namespace.groups.viewer }}",
    "x{% for namespace in cluster.namespaces %}{{ namespace.owner }}{% endfor %}-",
    "{{ namespace['owner'] }}",
    "{{ [namespace.owner, namespace.name] }}",
    "{% if namespace.owner == 'ann' %}a{% else %}{{ namespace.owner }}{% endif %}-",
    "{{ namespace.quota.pods }}",
    "{{ namespace.quota }}",
    "{{ namespace.metrics_ports }}",
    "{{ namespace.name }}{{ namespace.tenant }}",
]


@pytest.mark.parametrize("expression", ALIKE)
def test_namespaces_that_are_laid_out_alike_differ_where_they_differ(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, expression: str
) -> None:
    template = f"{HEAD}a: {expression}\nb: {{{{ namespace.name }}}}\n"
    entries = [
        {
            "name": f"n{i}",
            "tier": ("production", "staging")[i % 2],
            "quota": {"pods": i % 2 + 1},
            "metricsPorts": [i % 2 + 1],
        }
        for i in range(4)
    ]
    tenants = [
        {**tenant(f"t-{o}", o, *({**e, "name": f"{o}-{e['name']}"} for e in entries)), "groups": {"viewer": [f"v-{o}"]}}
        for o in ("ann", "bob")
    ]
    fast = render(tmp_path, template, *tenants)
    monkeypatch.setattr(environment, "reads", lambda _: None)
    assert fast == render(tmp_path, template, *tenants)
    assert [f["b"] for f in fast] == [f"{o}-n{i}" for o in ("ann", "bob") for i in range(4)]


@pytest.mark.parametrize(
    ("value", "literal"),
    [("a", "'a'"), ("a'b\"c\\", "'a\\'b\\\"c\\\\'"), ("\n\t\x01", "'\\n\\t\\u0001'"), ("é\U0001f600", "'é\U0001f600'"), (True, "true"), (5, "5"),
     (["a", 1, False], "['a', 1, false]"), ((), "[]")],
)  # fmt: skip
def test_cel_literals(value: Any, literal: str) -> None:
    assert cel(value) == literal


@pytest.mark.parametrize("value", [None, 1.5, {"a": 1}])
def test_what_has_no_cel_literal(value: Any) -> None:
    with pytest.raises(TypeError, match="has no CEL literal"):
        cel(value)


def test_filters_are_few_and_pure() -> None:
    assert len(FILTERS) <= 10
    assert FILTERS["unique"](["b", "a", "b"]) == ["b", "a"]
    assert FILTERS["join"](["a", "b"], "-") == "a-b"


@pytest.mark.parametrize("value", [{"a": [1, "x", True, {"b": 1.5}]}, [], "text", 2**53, -(2**53)])
def test_plain_data_is_itself(value: Any) -> None:
    assert plain_data(value, PLACE) == value
    assert type(plain_data(value, PLACE)) is type(value)


def test_plain_data_of_look_alikes() -> None:
    class Text(str):
        __slots__ = ()

    assert type(plain_data(Text("a"), PLACE)) is str
    assert plain_data(("a", ("b",)), PLACE) == ["a", ["b"]]


@pytest.mark.parametrize(
    "value", [2**53 + 1, 1e22, 2.0, float("nan"), float("inf"), b"x", {1: 2}, {"a": {2}}, PLACE, frozenset()], ids=str
)
def test_plain_data_refuses(value: Any) -> None:
    with pytest.raises(InputError):
        plain_data(value, PLACE)


def test_frozen_objects_stand_for_themselves() -> None:
    one = replace(PLACE)
    two: list[Any] = [{}]
    assert freeze(one) == freeze(one)
    assert hash(freeze({"a": two, "b": one}))
