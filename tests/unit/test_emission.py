"""The emitter: whatever goes in comes out as itself, whoever reads it; and the text of a shape filled per object."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import given
from ruamel.yaml import YAML
from strategies import DOCUMENTS, NASTY, TEXTS

from ringfence import documents
from ringfence.emission import compile_text
from ringfence.shape import Joined, Slot, fill


def read_everywhere(text: str) -> dict[str, Any]:
    """One document as each reader sees it."""
    return {
        "pyyaml": yaml.safe_load(text),
        "ruamel 1.2": YAML(typ="safe", pure=True).load(io.StringIO(text)),
        "strict": documents.load(text, "x.yaml").value,
        "kubectl": documents.load_all(text, "x.yaml", dialect="kubectl")[0].value,
    }


@given(DOCUMENTS)
def test_what_is_dumped_reads_back_everywhere(value: Any) -> None:
    text = documents.dump(value)
    for reader, got in read_everywhere(text).items():
        assert got == value, reader
        assert _types(got) == _types(value), reader


def _types(value: Any) -> Any:
    """Types all the way down: 1 is not true, and 1.0 is not 1."""
    if isinstance(value, dict):
        return {k: _types(v) for k, v in value.items()}
    return [_types(v) for v in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("text", NASTY, ids=lambda t: ascii(t)[:30])
def test_nasty_text_is_itself_as_value_item_key_and_in_a_shape(text: str) -> None:
    key = text[:900]
    value = {"value": text, "list": [text, {"deep": text}], "map": {key: text}}
    emitted = documents.dump(value)
    for reader, got in read_everywhere(emitted).items():
        assert got == value, reader
    shape = {"value": Slot(0), "list": [Slot(0), {"deep": Joined(("", Slot(0)))}], "map": {"k": Slot(0)}}
    filled = compile_text(shape)((text,))
    for reader, got in read_everywhere(filled).items():
        assert got == fill(shape, (text,)), reader


@given(TEXTS, TEXTS, TEXTS)
def test_joined_text_is_one_string(before: str, value: str, after: str) -> None:
    shape = {"a": Joined((before, Slot(1), after)), "b": Slot(0), "100%": "50% %s"}
    text = compile_text(shape)((value, after))
    for reader, got in read_everywhere(text).items():
        assert got == {"a": before + after + after, "b": value, "100%": "50% %s"}, reader


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": True, "c": None, "d": 1.5}, "a: 1\nb: true\nc: null\nd: 1.5\n"),
        ({"a": {}, "b": [], "c": [{}], "d": [[]]}, "a: {}\nb: []\nc:\n  - {}\nd:\n  - []\n"),
        ({"a": [{"b": 1, "c": [2]}, [3, [4]]]}, "a:\n  - b: 1\n    c:\n      - 2\n  -\n    - 3\n    -\n      - 4\n"),
        ({"a": "x\ny\n", "b": "x\ny"}, "a: |\n  x\n  y\nb: |-\n  x\n  y\n"),
        ({"a": "x\n\ny\n\n"}, 'a: "x\\n\\ny\\n\\n"\n'),
        ({"a": "yes", "b": "a/b.c-d_e", "c": "1a", "d": "a b"}, 'a: "yes"\nb: a/b.c-d_e\nc: "1a"\nd: "a b"\n'),
        ({"a": "\x7f\u2028\ue000\U0001f600"}, 'a: "\\u007f\\u2028\\ue000\U0001f600"\n'),
        ("text", "text\n"),
        ({}, "{}\n"),
        ([], "[]\n"),
    ],
)
def test_form(value: Any, text: str) -> None:
    assert documents.dump(value) == text


@pytest.mark.parametrize("value", [1e22, 2.0, float("nan"), float("inf")], ids=repr)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="has no YAML form"):
        documents.dump({"a": value})


def test_a_constant_shape_is_its_own_text() -> None:
    assert compile_text({"a": "100% sure", "b": [1]})(()) == 'a: "100% sure"\nb:\n  - 1\n'
