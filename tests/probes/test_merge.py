"""Minimal differences merged in, and the first way in which an answer differs from what was wanted."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.probes.merge import difference, merged


@pytest.mark.parametrize(
    ("base", "over", "result"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({"rules": [1, 2]}, {"rules": [3]}, {"rules": [3]}),
        (
            {"containers": [{"name": "x", "image": "i", "resources": {"limits": 1}}]},
            {"containers": [{"name": "x", "resources": None}, {"name": "y"}]},
            {"containers": [{"name": "x", "image": "i"}, {"name": "y"}]},
        ),
        ({}, {"spec": {"a": {"b": 1}}}, {"spec": {"a": {"b": 1}}}),
    ],
)
def test_merged(base: Any, over: Any, result: Any) -> None:
    assert merged(base, over) == result


def test_merging_changes_no_base() -> None:
    base = {"a": {"b": 1}, "containers": [{"name": "x"}]}
    merged(base, {"a": {"b": 2}, "containers": [{"name": "x", "y": 1}]})
    assert base == {"a": {"b": 1}, "containers": [{"name": "x"}]}


@pytest.mark.parametrize(
    ("wanted", "got", "said"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b: 2"),
        ({"a": {"b": 1}}, {"a": {}}, "no a.b"),
        ({"a": ["x"]}, {"a": ["y", "x"]}, None),
        ({"a": ["x"]}, {"a": ["y", "z"]}, 'a: ["y", "z"]'),
        ({"a": [{"n": 1, "v": 2}]}, {"a": [{"n": 1, "v": 3}, {"n": 1, "v": 2}]}, None),
        ({"a": [{"n": 1}]}, {"a": [{"n": 2}]}, "a[0].n: 2"),
        ({"a": [{"n": 1}]}, {"a": []}, "no a"),
        ({"a": False}, {"a": False}, None),
    ],
)
def test_difference(wanted: Any, got: Any, said: str | None) -> None:
    assert difference(wanted, got) == said
