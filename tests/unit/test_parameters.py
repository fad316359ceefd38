"""What a parameter's value may be: quantities, durations, types, choices and bounds."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.model import Param
from ringfence.parameters import duration, malformed, quantity


@pytest.mark.parametrize(
    ("text", "thousandths"),
    [("0", 0), ("1", 1_000), ("500m", 500), ("1m", 1), ("0.5", 500), ("0.0001", 1), ("1k", 10**6), ("1M", 10**9), ("1G", 10**12), ("1T", 10**15),
     ("1P", 10**18), ("1Ki", 1_024_000), ("1Mi", 2**20 * 1000), ("1Gi", 2**30 * 1000), ("1Ti", 2**40 * 1000), ("1Pi", 2**50 * 1000),
     ("1.5Gi", 1_610_612_736_000), ("007", 7_000)],
)  # fmt: skip
def test_quantity(text: str, thousandths: int) -> None:
    assert quantity(text) == thousandths


@pytest.mark.parametrize(
    "text", ["", "m", "-1", "+1", "1 Gi", "1gi", "1K", "1e3", ".5", "1.", "1,5", "٣", "1Gi\n", "Gi", "1.5.1"]
)
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{re.escape(text)}\Z"):
        quantity(text)


@given(st.decimals(0, 10**9, places=3, allow_nan=False), st.sampled_from(["m", "", "k", "M", "Ki", "Mi"]))
def test_quantities_compare_as_their_numbers(number: Decimal, suffix: str) -> None:
    scale = Decimal({"m": "0.001", "": "1", "k": "1e3", "M": "1e6", "Ki": "1024", "Mi": "1048576"}[suffix])
    exact = number * scale * 1000
    got = quantity(f"{number:f}{suffix}")
    assert 0 <= got - exact < 1, "rounded up to a thousandth"


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("30m", 1_800), ("4h", 14_400), ("7d", 604_800)])
def test_duration(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1h30m", "-1s", "1.5h", "1H", "1 h", "1w", "1s\n"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=rf"\A{re.escape(text)}\Z"):
        duration(text)


def param(type_: str, **fields: Any) -> Param:
    values: dict[str, Any] = {"choices": (), "minimum": None, "maximum": None, **fields}
    return Param("p", type_, "", None, {}, "free", **values)


GOOD: dict[str, list[Any]] = {
    "string": ["", "a"], "choice": ["a"], "integer": [0, -1], "boolean": [True, False], "strings": [[], ["a"]], "integers": [[], [1]],
    "mapping": [{}, {"a": [1]}], "mappings": [[], [{}]], "quantity": ["1", "500m"], "duration": ["5m"],
    "cidrs": [[], ["10.0.0.0/8", "fd00::/8", "10.0.0.1"]],
}  # fmt: skip
SAMPLES: list[Any] = [
    None,
    True,
    0,
    1.5,
    "",
    "a",
    "1",
    "500m",
    "5m",
    [],
    [1],
    ["a"],
    [True],
    [None],
    [{}],
    {},
    {"a": 1},
    ["10.0.0.0/8"],
    ["10.0.0.1/8"],
]


@pytest.mark.parametrize("type_", GOOD)
def test_every_type_takes_its_own_and_refuses_the_rest(type_: str) -> None:
    for value in GOOD[type_]:
        assert malformed(param(type_), value) is None
    taken = [v for v in SAMPLES if malformed(param(type_), v) is None]
    assert taken == {
        "string": ["", "a", "1", "500m", "5m"], "choice": ["", "a", "1", "500m", "5m"], "integer": [0], "boolean": [True],
        "strings": [[], ["a"], ["10.0.0.0/8"], ["10.0.0.1/8"]], "integers": [[], [1]], "mapping": [{}, {"a": 1}], "mappings": [[], [{}]],
        "quantity": ["1", "500m", "5m"], "duration": ["500m", "5m"], "cidrs": [[], ["10.0.0.0/8"]],
    }[type_]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "value", "said"),
    [
        (param("choice", choices=("a", "b")), "c", ('"c" is not a valid choice', "choose one of: a, b")),
        (param("integer", minimum=1), 0, ("0 is out of range", "write at least 1")),
        (param("integer", maximum=1), 2, ("2 is out of range", "write at most 1")),
        (param("string"), 5, ("expected a string, got integer 5", 'quote it: "5"')),
        (param("string"), 1.5, ("expected a string, got number 1.5", 'quote it: "1.5"')),
        (param("string"), True, ("expected a string, got true", 'quote it: "true"')),
        (param("string"), None, ("expected a string, got null", None)),
        (
            param("duration"),
            "1 hour",
            ('expected a duration, got string "1 hour"', "write a duration such as 30m or 4h"),
        ),
        (param("quantity"), 2, ("expected a quantity, got integer 2", 'quote it: "2"')),
        (param("cidrs"), ["x"], ("expected a list of address ranges, got a list", "write ranges such as 10.0.0.0/16")),
    ],
)
def test_words(made: Param, value: Any, said: tuple[str, str | None]) -> None:
    assert malformed(made, value) == said
