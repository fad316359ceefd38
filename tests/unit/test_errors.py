"""Errors as data: one line each, in order, with the exit code of the most basic one, through a pickle unharmed."""

from __future__ import annotations

import pickle

import pytest

from ringfence.errors import (
    Errors,
    ExceptionError,
    InputError,
    Place,
    RingfenceError,
    StaleError,
    ToolError,
    UsageError,
    nearest,
    raise_all,
)

ONE = InputError("one", place=Place("b.yaml", 2, 3), hint="do it")
TWO = ExceptionError("two", place=Place("a.yaml", 9, 1))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ONE, "b.yaml:2:3: error: one; do it"),
        (TWO, "a.yaml:9:1: error: two"),
        (ToolError("three"), "error: three"),
        (StaleError("four", place=Place("c.yaml")), "c.yaml: error: four"),
    ],
)
def test_an_error_is_one_line(error: RingfenceError, line: str) -> None:
    assert error.line() == line


def test_many_errors_are_sorted_by_place_and_keep_the_most_basic_exit_code() -> None:
    both = Errors([ONE, TWO])
    assert both.line() == "a.yaml:9:1: error: two\nb.yaml:2:3: error: one; do it"
    assert both.exit_code == 65
    assert Errors([StaleError("x"), TWO]).exit_code == 5


@pytest.mark.parametrize(
    ("kind", "code"),
    [(ToolError, 1), (StaleError, 4), (ExceptionError, 5), (UsageError, 64), (InputError, 65)],
)
def test_exit_codes(kind: type[RingfenceError], code: int) -> None:
    assert kind("x").exit_code == code


def test_errors_travel_between_processes() -> None:
    for error in (ONE, Errors([ONE, TWO])):
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own bytes
        assert (type(again), again.line(), again.exit_code) == (type(error), error.line(), error.exit_code)


def test_errors_of_errors_are_one_list() -> None:
    again = Errors([Errors([ONE, TWO]), StaleError("three")])
    assert [e.message for e in again.errors] == ["three", "two", "one"]
    assert again.exit_code == 65


def test_raise_all_raises_nothing_one_or_all() -> None:
    raise_all([])
    with pytest.raises(InputError) as single:
        raise_all([ONE])
    assert single.value is ONE
    with pytest.raises(Errors):
        raise_all([ONE, TWO])


@pytest.mark.parametrize(
    ("word", "choices", "hint"),
    [
        ("calicoo", ["calico", "cilium"], 'did you mean "calico"?'),
        ("zzz", ["b", "a"], "choose one of: a, b"),
        ("1.31", ["1.36", "1.37"], "choose one of: 1.36, 1.37"),
        ("zzz", [f"name-{n}" for n in range(13)], None),
        ("zzz", [], None),
    ],
)
def test_nearest(word: str, choices: list[str], hint: str | None) -> None:
    assert nearest(word, choices) == hint
