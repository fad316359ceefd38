"""What a template can't tell apart is laid out once: the same text and values as when each is laid out alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, build_tree

from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.render import environment
from ringfence.render.environment import Environment
from ringfence.spec.quotas import QUOTA_SIZES
from ringfence.spec.tenants import Groups, Namespace

ONE, TWO = Groups(("a",), (), (), ()), Groups(("b", "c"), (), (), ())
CUSTOM = {**QUOTA_SIZES["small"], "pods": 7}
NAMESPACES = [
    Namespace("one", "t", "o", "production", QUOTA_SIZES["small"], ONE, False, True, ()),
    Namespace("two", "t", "o", "production", QUOTA_SIZES["small"], ONE, False, True, ()),
    Namespace("three", "three", "three", "staging", QUOTA_SIZES["small"], Groups(("a",), (), (), ()), False, True, ()),
    Namespace("four", "u", "p", "production", CUSTOM, TWO, True, True, (80,)),
    Namespace("five", "u", "p", "production", dict(CUSTOM), TWO, True, False, (80, 81)),
    Namespace("six", "u", "p", "untrusted", QUOTA_SIZES["large"], TWO, False, False, (True,)),  # type: ignore[arg-type] # 1 is not true
    Namespace("seven", "u", "p", "untrusted", QUOTA_SIZES["large"], TWO, False, False, (1,)),
]
CASES = {
    "x: {{ namespace.name }}/{{ namespace.tenant }} {{ namespace.name }}": ((), ("name", "tenant")),
    "x: {{ namespace.tier }}": (("tier",), ()),
    "{% if namespace.ingress %}x: {{ namespace.name }}{% endif %}": (("ingress",), ("name",)),
    "{% for g in namespace.groups.ns_admin %}- {{ g }} {{ namespace.owner }}\n{% endfor %}": (("groups",), ("owner",)),
    "x: {{ namespace.quota.pods }} {{ namespace.name }}": (("quota",), ("name",)),
    "x: {{ namespace.metrics_ports }} {{ namespace.name }}": (("metrics_ports",), ("name",)),
    "x: {{ 1 if namespace.production else 2 }} {{ namespace.name }}": (("production",), ("name",)),
    "{% if namespace.tenant == 'u' %}x: {{ namespace.tenant }}{% endif %}": (("tenant",), ()),
    "x: y": ((), ()),
    "{% if namespace.name == 'two' %}x: 1{% endif %}": None,
    "x: {{ namespace.name ~ '-x' }}": None,
    "x: {{ namespace.name | cel }}": None,
    "{% set n = namespace %}x: {{ n.name }}": None,
    "{% set n = namespace.name %}x: {{ n }}": None,
    "{% for namespace in [1, 2] %}x: {{ namespace }}{% endfor %}": None,
    "x: {{ namespace['name'] }}": None,
}


@pytest.mark.parametrize(("source", "expected"), CASES.items())
def test_reads(source: str, expected: Any) -> None:
    assert environment.reads(Environment()._jinja.parse(source)) == expected


def laid_out(folder: Path, source: str) -> list[tuple[str, tuple[Any, ...]]]:
    file = build_tree(folder, {"t.yaml.j2": source}) / "t.yaml.j2"
    template = Environment().compile(file, "t.yaml.j2")
    return [(layout.text, values) for layout, values in template.layouts({}, "namespace", NAMESPACES)]


@pytest.mark.parametrize("source", CASES)
def test_the_same_as_alone(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = laid_out(tmp_path, source)
    monkeypatch.setattr(environment, "reads", lambda tree: None)
    alone = laid_out(tmp_path, source)
    assert repr(shared) == repr(alone)  # repr, since 1 equals True


def test_the_same_for_every_shipped_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clusters = sorted(ROOT.glob("examples/*/cluster.yaml"))
    builder = Builder()
    shared = [[(m.id, dump(m.body)) for m in builder.build(c)] for c in clusters]
    monkeypatch.setattr(environment, "reads", lambda tree: None)
    builder = Builder()
    assert [[(m.id, dump(m.body)) for m in builder.build(c)] for c in clusters] == shared


def test_a_layout_is_shared(tmp_path: Path) -> None:
    file = build_tree(tmp_path, {"t.yaml.j2": "x: {{ namespace.name }} {{ namespace.tier }}"}) / "t.yaml.j2"
    layouts = list(Environment().compile(file, "t").layouts({}, "namespace", NAMESPACES))
    assert len({id(layout) for layout, _ in layouts}) == len({n.tier for n in NAMESPACES})
    assert [values for _, values in layouts] == [(n.name, n.tier) for n in NAMESPACES]
