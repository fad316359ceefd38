"""Verdicts for people and for programs."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from ringfence.documents import load
from ringfence.sinks import verdicts as sink
from ringfence.sinks.verdicts import Verification
from ringfence.spec.judge import judge
from ringfence.verdict import State, Verdict, readable


def verdict(control: str, pair: str, state: State, detail: str, severity: str = "high") -> Verdict:
    return Verdict(control, f"Title of {control}", severity, pair, state, detail, "enforce", "api", 0.25)


RUN = Verification(
    "prod",
    "clusters/prod/cluster.yaml",
    'context "prod"',
    "v1.36.4",
    (
        verdict("aa-one", "first", State.PROVED, "refused: 403 one; its twin passed"),
        verdict("aa-one", "second", State.NOT_APPLICABLE, "for level: low; here it is high"),
        verdict("bb-two", "first", State.PROVED, "refused: 403 two; its twin passed"),
        verdict("bb-two", "second", State.FAILED, 'not refused: 201 <&"\x01', "medium"),
        verdict("cc-three", "first", State.NOT_PROVABLE_HERE, "only a sandbox has it"),
        verdict("cc-three", "second", State.NOT_PROVABLE_HERE, "only a sandbox has it"),
        verdict("dd-four", "first", State.PROVED, "refused: 403 four; its twin passed"),
        verdict("dd-four", "second", State.NOT_PROVABLE_HERE, "ring cni: x"),
        verdict("ee-five", "", State.PROVIDER_OWNED, "the provider does it"),
    ),
)


def test_text_says_a_line_a_control_and_what_is_not_proved() -> None:
    assert (
        sink.text(RUN)
        == """\
proved             aa-one    1 proved, 1 not applicable
failed             bb-two    1 proved, 1 failed
  failed: second: not refused: 201 <&"\x01
not provable here  cc-three  only a sandbox has it
not provable here  dd-four   1 proved, 1 not provable here
  not provable here: ring cni: x (1)
provider-owned     ee-five   the provider does it

prod on context "prod", Kubernetes v1.36.4: 3 proved, 1 failed, 1 not applicable, 1 provider-owned, 3 not provable here (2 s)
"""
    )


def test_every_pair_is_told_when_asked() -> None:
    text = sink.text(RUN, every=True)
    assert "  proved: first: refused: 403 one; its twin passed\n" in text
    assert "  not applicable: second: for level: low; here it is high\n" in text


def test_json_is_a_verdicts_document() -> None:
    text = sink.as_json(RUN)
    judge(load(text.encode(), "verdicts.json"), "verdicts")
    data = json.loads(text)
    assert data["summary"] == {
        "proved": 3, "failed": 1, "not-applicable": 1, "provider-owned": 1, "not-provable-here": 3,
    }  # fmt: skip
    assert [v["state"] for v in data["verdicts"]][3:5] == ["failed", "not-provable-here"]


def test_junit_fails_what_failed_and_skips_what_was_not_asked() -> None:
    root = ElementTree.fromstring(sink.as_junit(RUN))  # noqa: S314 # our own
    suites = {s.get("name"): s for s in root}
    assert list(suites) == ["aa-one", "bb-two", "cc-three", "dd-four", "ee-five"]
    numbers = {"tests": "2", "failures": "1", "errors": "0", "skipped": "0", "time": "0.500"}
    assert dict(suites["bb-two"].attrib) == {"name": "bb-two", **numbers}
    assert {k: root.get(k) for k in numbers} == {
        "tests": "9", "failures": "1", "errors": "0", "skipped": "5", "time": "2.250",
    }  # fmt: skip
    (failure,) = root.iter("failure")
    assert (failure.get("message"), failure.get("type")) == ('not refused: 201 <&"\ufffd', "medium")
    assert [s.get("message") for s in suites["cc-three"].iter("skipped")] == [
        "not provable here: only a sandbox has it"
    ] * 2
    assert suites["ee-five"][0].get("name") == "Title of ee-five"


def test_sarif_has_a_rule_a_control_and_a_result_a_pair() -> None:
    log = json.loads(sink.as_sarif(RUN))
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == ["aa-one", "bb-two", "cc-three", "dd-four", "ee-five"]
    kinds = [(r["kind"], r["level"]) for r in run["results"]]
    assert kinds[:5] == [
        ("pass", "none"),
        ("notApplicable", "none"),
        ("pass", "none"),
        ("fail", "warning"),
        ("open", "none"),
    ]
    assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])
    assert all(r["level"] == "none" for r in run["results"] if r["kind"] != "fail")  # SARIF 2.1.0, 3.27.10
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == RUN.file
    assert len({json.dumps(r["partialFingerprints"]) for r in run["results"]}) == len(run["results"])


@pytest.mark.parametrize("state", State)
def test_failing_is_the_worst_news(state: State) -> None:
    assert state is State.FAILED or state.rank < State.FAILED.rank


def test_a_file_with_odd_letters_is_a_uri_in_sarif() -> None:
    log = json.loads(sink.as_sarif(replace(RUN, file="my clusters/50%/Köln#1/cluster.yaml")))
    (place,) = log["runs"][0]["results"][0]["locations"]
    uri = place["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "my%20clusters/50%25/K%C3%B6ln%231/cluster.yaml"


ODD = "a\x1b[31mred\x07 b\nc \ud800 \ufffe\uffff \u202e\x9b d\u00e9\U0001f600"


def test_what_a_server_says_is_a_line_that_every_form_takes() -> None:
    assert readable(ODD) == "a\ufffd[31mred\ufffd b c \ufffd \ufffd\ufffd \ufffd\ufffd d\u00e9\U0001f600"
    run = replace(RUN, verdicts=(verdict("aa-one", "first", State.FAILED, ODD),))
    (failure,) = ElementTree.fromstring(sink.as_junit(run)).iter("failure")  # noqa: S314 # our own
    assert failure.get("message") == readable(ODD)
