"""Verdicts as text for people, JSON (docs/schema/verdicts.json), JUnit XML and SARIF 2.1.0 for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from ringfence import __version__
from ringfence.verdict import State, Verdict, readable


@dataclass(frozen=True, slots=True)
class Verification:
    """One run of `ringfence verify`."""

    cluster: str
    file: str  # the cluster.yaml, as the user may type it again
    environment: str  # as messages call it: context "prod"
    kubernetes: str  # version of the API server, such as v1.36.4
    verdicts: tuple[Verdict, ...]

    def count(self, state: State) -> int:
        """How many pairs are in a state."""
        return sum(v.state is state for v in self.verdicts)


def text(run: Verification, *, every: bool = False) -> str:
    """A line a control with what is not proved below it, or with `every` pair; the summary last."""
    lines: list[str] = []
    width = max((len(v.control) for v in run.verdicts), default=0)
    for control, found in groupby(run.verdicts, key=lambda v: v.control):
        pairs = list(found)
        state = max((v.state for v in pairs), key=lambda s: s.rank)
        lines.append(f"{state.value:<17}  {control:<{width}}  {_about(pairs)}")
        lines.extend(f"  {line}" for line in (_each(pairs) if every else _news(pairs)))
    counts = ", ".join(f"{run.count(s)} {s.value}" for s in State if run.count(s))
    seconds = sum(v.seconds for v in run.verdicts)
    where = f"{run.cluster} on {run.environment}, Kubernetes {run.kubernetes}"
    return "\n".join((*lines, "", f"{where}: {counts or 'no pairs'} ({seconds:.0f} s)")) + "\n"


def _about(pairs: Sequence[Verdict]) -> str:
    """The one thing to say of all pairs, or how many are in which state."""
    if len({(v.state, v.detail) for v in pairs}) == 1 and pairs[0].state not in (State.PROVED, State.FAILED):
        return pairs[0].detail
    return ", ".join(f"{n} {s.value}" for s in State if (n := sum(v.state is s for v in pairs)))


def _each(pairs: Sequence[Verdict]) -> Iterator[str]:
    return (f"{v.state.value}: {v.pair}: {v.detail}" for v in pairs if v.pair)


def _news(pairs: Sequence[Verdict]) -> Iterator[str]:
    """Failures one by one; what can't be proved here by reason."""
    yield from (f"failed: {v.pair}: {v.detail}" for v in pairs if v.state is State.FAILED)
    if len({(v.state, v.detail) for v in pairs}) > 1:
        open_ = [v.detail for v in pairs if v.state is State.NOT_PROVABLE_HERE]
        yield from (f"not provable here: {detail} ({open_.count(detail)})" for detail in dict.fromkeys(open_))


def _word(state: State) -> str:
    return state.value.replace(" ", "-")


def as_json(run: Verification) -> str:
    """The run as a VerdictsDocument."""
    data = {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Verdicts",
        "cluster": run.cluster,
        "environment": run.environment,
        "kubernetes": run.kubernetes,
        "summary": {_word(s): run.count(s) for s in State},
        "verdicts": [
            {
                "control": v.control,
                "severity": v.severity,
                "stage": v.stage,
                "pair": v.pair,
                "ring": v.ring,
                "state": _word(v.state),
                "detail": v.detail,
                "seconds": round(v.seconds, 3),
            }
            for v in run.verdicts
        ],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def as_junit(run: Verification) -> str:
    """The run as JUnit XML: a suite a control, a case a pair; whatever is neither proved nor failed is skipped."""
    root = ElementTree.Element("testsuites", {"name": f"ringfence verify {run.cluster}", **_totals(run.verdicts)})
    for control, found in groupby(run.verdicts, key=lambda v: v.control):
        pairs = list(found)
        suite = ElementTree.SubElement(root, "testsuite", {"name": control, **_totals(pairs)})
        for v in pairs:
            case = ElementTree.SubElement(
                suite, "testcase", classname=control, name=v.pair or v.title, time=f"{v.seconds:.3f}"
            )
            if v.state is State.FAILED:
                ElementTree.SubElement(case, "failure", message=readable(v.detail), type=v.severity)
            elif v.state is not State.PROVED:
                ElementTree.SubElement(case, "skipped", message=readable(f"{v.state.value}: {v.detail}"))
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _totals(pairs: Sequence[Verdict]) -> dict[str, str]:
    """Attributes that readers of JUnit sum up."""
    return {
        "tests": str(len(pairs)),
        "failures": str(sum(v.state is State.FAILED for v in pairs)),
        "errors": "0",
        "skipped": str(sum(v.state not in (State.FAILED, State.PROVED) for v in pairs)),
        "time": f"{sum(v.seconds for v in pairs):.3f}",
    }


_KINDS = {
    State.PROVED: "pass",
    State.FAILED: "fail",
    State.NOT_APPLICABLE: "notApplicable",
    State.PROVIDER_OWNED: "informational",
    State.NOT_PROVABLE_HERE: "open",
}
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}


def as_sarif(run: Verification) -> str:
    """The run as a SARIF log (OASIS SARIF 2.1.0): a rule a control, a result a pair, at the cluster.yaml."""
    controls = {v.control: v for v in run.verdicts}
    rules = [
        {
            "id": id_,
            "shortDescription": {"text": v.title},
            "defaultConfiguration": {"level": _LEVELS[v.severity]},
        }
        for id_, v in controls.items()
    ]
    number = {id_: i for i, id_ in enumerate(controls)}
    driver = {"name": "ringfence", "semanticVersion": __version__, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(run, v, number[v.control]) for v in run.verdicts]}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _result(run: Verification, v: Verdict, rule: int) -> dict[str, Any]:
    kind = _KINDS[v.state]
    return {
        "ruleId": v.control,
        "ruleIndex": rule,
        "kind": kind,
        "level": _LEVELS[v.severity] if kind == "fail" else "none",
        "message": {"text": f"{v.pair}: {v.state.value}: {v.detail}" if v.pair else f"{v.state.value}: {v.detail}"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(run.file)}}}],
        "partialFingerprints": {"controlPair/v1": f"{run.cluster}/{v.control}/{v.pair}"},
    }
