"""Reading YAML: what every reader agrees on is read, with positions; everything else is refused at its place."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ringfence import documents
from ringfence.documents import load, load_all, load_marked
from ringfence.errors import InputError, Place

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)


def refusal(data: bytes | str) -> str:
    with pytest.raises(InputError) as caught:
        load(data, "f.yaml")
    assert caught.value.exit_code == 65
    return caught.value.line()


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("a: 1\na: 2\n", 'f.yaml:2:1: error: duplicate key "a"; remove one of the two'),
        ("a: {b: 1, b: 1}\n", 'f.yaml:1:11: error: duplicate key "b"; remove one of the two'),
        ('a: 1\n"a": 2\n', 'f.yaml:2:1: error: duplicate key "a"; remove one of the two'),
        ("a: !!str b\n", "f.yaml:1:4: error: tag 'tag:yaml.org,2002:str' is not allowed; remove the tag"),
        ("a:\n- !x [b]\n", "f.yaml:2:3: error: tag '!x' is not allowed; remove the tag"),
        ("!!str a: b\n", "f.yaml:1:1: error: tag 'tag:yaml.org,2002:str' is not allowed; remove the tag"),
        (
            "a: !!python/object/apply:os.system [id]\n",
            "f.yaml:1:4: error: tag 'tag:yaml.org,2002:python/object/apply:os.system' is not allowed; remove the tag",
        ),
        (LAUGHS, "f.yaml:7:8: error: aliases expand to more than 2,000,000 values; write the values out"),
        ("a: &a [*a]\n", "f.yaml:1:8: error: alias *a has no anchor before it; write the value out"),
        ("a: *b\n", "f.yaml:1:4: error: alias *b has no anchor before it; write the value out"),
        ("a: {<<: {b: 1}}\n", "f.yaml:1:5: error: merge keys (<<) are not allowed; write the fields out"),
        (b"a: b\nc: d\0e\n", "f.yaml:2:5: error: NUL byte; save the file as UTF-8 text"),
        ('a: "b\\0c"\n', "f.yaml:1:4: error: NUL character; remove the \\0 escape"),
        ('"b\\0c": a\n', "f.yaml:1:1: error: NUL character; remove the \\0 escape"),
        (b"a: b\nc: \xff\n", "f.yaml:2:4: error: not UTF-8; save the file as UTF-8 text"),
        (
            b"a: " + b"x" * 50_000_000,
            "f.yaml: error: the file has 50,000,003 bytes; the limit is 16,777,216; split it into several files",
        ),
        ("[" * 10_000, "f.yaml:1:65: error: nested deeper than 64 levels; flatten the document"),
        ("{a: " * 10_000, "f.yaml:1:257: error: nested deeper than 64 levels; flatten the document"),
        ("- " * 10_000, "f.yaml:1:129: error: nested deeper than 64 levels; flatten the document"),
        (
            "".join(" " * n + "a:\n" for n in range(1_000)),
            "f.yaml:65:65: error: nested deeper than 64 levels; flatten the document",
        ),
        ("a: 1\n---\nb: 1\n", "f.yaml:1:1: error: 2 documents in one file, expected one; keep one document a file"),
        ("", "f.yaml:1:1: error: 0 documents in one file, expected one; write the document"),
        ("? [a]\n: b\n", "f.yaml:1:3: error: a key must be a string; quote it"),
        ("1: a\n", 'f.yaml:1:1: error: a key must be a string, \'1\' is not; quote it: "1"'),
        ("a: [b\n", "f.yaml:2:1: error: not YAML: did not find expected ',' or ']'; check the indentation, quotes and"
         " brackets here and just before"),
        ("a:\n\t- b\n", "f.yaml:2:1: error: not YAML: found character that cannot start any token; check the"
         " indentation, quotes and brackets here and just before"),
        ("a: \x07\n", "f.yaml:1:4: error: not YAML: control characters are not allowed; remove the character, or write"
         " its escape"),
        ("a: yes\n", 'f.yaml:1:4: error: YAML readers disagree on the plain scalar yes; quote it: "yes", or write true'),
        ("a: Off\n", 'f.yaml:1:4: error: YAML readers disagree on the plain scalar Off; quote it: "Off", or write false'),
        ("a: 017\n", 'f.yaml:1:4: error: YAML readers disagree on the plain scalar 017; quote it: "017"'),
        ("a: 1.30\n", 'f.yaml:1:4: error: 1.30 is a number, and loses its zeros; quote it: "1.30", or write 1.3'),
        ("a: 1.0\n", 'f.yaml:1:4: error: 1.0 is a number, and loses its zeros; quote it: "1.0", or write 1'),
        ("a: " + "9" * 5_000, "f.yaml:1:4: error: a number of 5,000 digits; quote it, or write a smaller one"),
    ],
    ids=lambda value: ascii(value)[:40],
)  # fmt: skip
def test_refused_at_its_place(data: bytes | str, line: str) -> None:
    assert refusal(data) == line


@pytest.mark.parametrize(
    "text",
    ["y", "No", "on", "~", "0x1F", "0o17", "0b1", "1_000", "+1", "12:30:45", "1e3", "1.", ".5", ".inf", "-.NaN",
     "2026-11-24", "2026-11-24T10:00:00Z", "=", "TRUE"],
)  # fmt: skip
def test_plain_scalars_that_readers_disagree_on_are_refused(text: str) -> None:
    assert refusal(f"a: {text}\n").startswith(f"f.yaml:1:4: error: YAML readers disagree on the plain scalar {text}; ")
    assert load(f'a: "{text}"\n', "f.yaml").value == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("false", False), ("null", None), ("", None), ("0", 0), ("-12", -12), ("1.5", 1.5), ("1.36.2", "1.36.2"),
     ("yesterday", "yesterday"), ("a:b", "a:b"), ("2Gi", "2Gi"), ("10.0.0.0/8", "10.0.0.0/8"), ("/x", "/x")],
)  # fmt: skip
def test_plain_scalars_that_readers_agree_on(text: str, value: Any) -> None:
    got = load(f"a: {text}\n", "f.yaml").value["a"]
    assert (got, type(got)) == (value, type(value))
    assert got == yaml.safe_load(f"a: {text}\n")["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", True), ("Off", False), ("yEs", "yEs"), ("~", None), ("017", 15), ("0x1f", 31), ("1_000", 1000), ("1e3", 1000.0),
     ("1.0", 1.0), ("12:30", "12:30"), ("9" * 5_000, "9" * 5_000)],
)  # fmt: skip
def test_kubectl_dialect_reads_plain_scalars_as_kubectl_does(text: str, value: Any) -> None:
    assert load_all(f"a: {text}\n", "f.yaml", "kubectl")[0].value == {"a": value}


def test_anchors_within_bounds_are_values() -> None:
    assert load("a: &x {b: [1]}\nc: *x\n", "f.yaml").value == {"a": {"b": [1]}, "c": {"b": [1]}}


def test_quoted_double_less_than_is_an_ordinary_key() -> None:
    assert load('"<<": 1\n', "f.yaml").value == {"<<": 1}


def test_byte_order_mark_and_crlf() -> None:
    assert load(b"\xef\xbb\xbfa: b\r\nc: d\r\n", "f.yaml").value == {"a": "b", "c": "d"}


def test_places_are_of_keys_items_and_nearest_ancestors() -> None:
    document = load("a:\n  b: 1\n  c: [x, {d: 2}]\n", "f.yaml")
    assert document.place(("a", "b")) == Place("f.yaml", 2, 3)
    assert document.place(("a", "c", 1, "d")) == Place("f.yaml", 3, 11)
    assert document.place(("a", "c", 7, "z")) == Place("f.yaml", 3, 3)
    assert document.place() == Place("f.yaml", 1, 1)


def test_places_in_a_stream_are_of_their_own_document() -> None:
    first, second = load_all("a: yes\n---\n\na: 2\n", "f.yaml", "kubectl")
    assert (first.place(("a",)).line, second.place(("a",)).line) == (1, 4)
    assert [marks[("a",)].line for _, marks in load_marked("a: 1\n---\na: 2\n", "f.yaml")] == [1, 3]


def test_bound_on_nodes_counts_what_aliases_expand_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents.reading, "MAX_NODES", 10)
    assert load("a: &a [1, 2]\nb: *a\n", "f.yaml").value
    assert refusal("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n").endswith(
        "more than 10 values, aliases expanded; split the file"
    )
    assert "aliases expand" in refusal("a: &a [1, 2, 3]\nb: [*a, *a]\n")
