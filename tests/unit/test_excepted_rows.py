"""Rows of `emits` that are rendered for excepted namespaces too, and parameters that belong to the structure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.model import Bundle

TENANTS = [{"name": "shop", "owner": "shop@example.com", "namespaces": ["shop", "legacy"]}]
EXCEPTION = {
    "name": "old", "control": "demo-level", "owner": "a", "reason": "b", "ticket": "c",
    "expires": "2030-01-01", "scope": {"namespaces": ["legacy"]},
}  # fmt: skip
PARAMS = {
    "level": {"type": "choice", "choices": ["loose", "tight"], "default": "tight", "description": "A level."},
    "note": {"type": "string", "default": "tight", "description": "A note."},
}
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: {{ namespace.name }}
data:
  level: {{ "loose" if namespace.name in control.excepted_namespaces else params.level }}
  text: at {{ params.level }}, {{ params.note }}
  note: {{ params.note }}
"""
Build = Callable[..., Bundle]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    root = small(tmp_path / "templates", monkeypatch)

    def built(excepted: bool, **changes: Any) -> Bundle:
        row = {"template": "configmap.yaml.j2", "each": "namespace", "excepted": excepted}
        write_control(root, "demo-level", {"configmap.yaml.j2": TEMPLATE}, emits=[row], params=PARAMS)
        return Builder().build(write_cluster(tmp_path, tenants=TENANTS, **changes), "cluster.yaml")

    return built


def levels(bundle: Bundle) -> dict[str, str]:
    return {m.namespace: m.body["data"]["level"] for m in bundle}


def test_an_excepted_namespace_is_left_out(build: Build) -> None:
    assert levels(build(False, exceptions=[EXCEPTION])) == {"shop": "tight"}


def test_a_row_for_excepted_namespaces_too_treats_them_in_its_own_way(build: Build) -> None:
    assert levels(build(True, exceptions=[EXCEPTION])) == {"shop": "tight", "legacy": "loose"}
    assert levels(build(True)) == {"shop": "tight", "legacy": "tight"}


def test_a_choice_is_part_of_the_structure_and_a_string_is_not(build: Build) -> None:
    shape = build(True).manifests[0].shape
    assert shape.tree["data"]["level"] == "tight"
    assert type(shape.tree["data"]["level"]) is str
    assert not isinstance(shape.tree["data"]["note"], str)
    assert "at tight, " in shape.tree["data"]["text"].parts


def test_what_a_choice_says_is_the_same_in_the_structure_and_in_the_object(build: Build) -> None:
    override = {"demo-level": {"params": {"level": "loose"}, "reason": "a test"}}
    bodies = [m.body for m in build(True, controls=override)]
    assert [b["data"]["text"] for b in bodies] == ["at loose, tight"] * 2
