"""Findings as text for people and as JSON for programs (docs/schema/findings.json)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from ringfence.errors import Place
from ringfence.findings import Report, Unanalysed, at_or_over, counts
from ringfence.model import Finding
from ringfence.shape import Path


def spell(path: Path) -> str:
    """A field's path as people write it: `spec.rules[0].verbs`, keys with dots or slashes in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or "/" in part:
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def merged(reports: Sequence[Report]) -> Report:
    """Reports on several paths as one."""
    return Report(
        tuple(sorted({k for r in reports for k in r.kubernetes})),
        sum(r.files for r in reports),
        sum(r.objects for r in reports),
        tuple(f for r in reports for f in r.findings),
        tuple(u for r in reports for u in r.unanalysed),
    )


def text(report: Report, gate: str) -> str:
    """The report for a terminal or a log: worst first, what one remedy mends together, the summary last."""
    lines: list[str] = []
    ordered = sorted(report.findings, key=lambda f: (-f.severity.rank, f.control, f.remedy, f.place))
    for (severity, control, remedy), found in groupby(ordered, key=lambda f: (f.severity, f.control, f.remedy)):
        lines.append(f"{severity.value} {control}: {remedy}")
        lines.extend(_line(f) for f in found)
        lines.append("")
    lines.extend(_unanalysed(report.unanalysed))
    lines.append(_summary(report, gate))
    return "\n".join(lines) + "\n"


def _line(finding: Finding) -> str:
    field = f" {spell(finding.path)}" if finding.path else ""
    origin = f" (from {finding.origin})" if finding.origin else ""
    return f"  {finding.place}: {finding.object}{field}: {finding.message}{origin}"


def _unanalysed(unanalysed: Iterable[Unanalysed]) -> list[str]:
    ordered = sorted(unanalysed, key=lambda u: (u.reason, u.place))
    lines: list[str] = []
    for reason, found in groupby(ordered, key=lambda u: u.reason):
        lines.append(f"not analysed: {reason}")
        lines.extend(f"  {u.place}: {u.object}" for u in found)
        lines.append("")
    return lines


def _summary(report: Report, gate: str) -> str:
    number = counts(report.findings)
    found = ", ".join(f"{n} {severity}" for severity, n in number.items() if n) or "no findings"
    over = at_or_over(report.findings, gate)
    objects = f"{report.objects} object{'' if report.objects == 1 else 's'}"
    files = f"{report.files} file{'' if report.files == 1 else 's'}"
    missed = f"; {len(report.unanalysed)} not analysed" if report.unanalysed else ""
    judge = f", Kubernetes {', '.join(report.kubernetes)}" if report.kubernetes else ""  # a plan is held to no schema
    return f"{objects} in {files}{judge}: {found}{missed}; {over} at or over the gate (--fail-on {gate})"


def as_json(report: Report, gate: str) -> str:
    """The report as a FindingsDocument."""
    data = {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Findings",
        "kubernetes": list(report.kubernetes),
        "summary": {
            "files": report.files,
            "objects": report.objects,
            "findings": counts(report.findings),
            "notAnalysed": len(report.unanalysed),
            "gate": gate,
            "atOrOverGate": at_or_over(report.findings, gate),
        },
        "findings": [_finding(f) for f in report.findings],
        "notAnalysed": [{"object": u.object, "reason": u.reason, **_place(u)} for u in report.unanalysed],
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "control": finding.control,
        "severity": finding.severity.value,
        "object": finding.object,
        "field": spell(finding.path),
        "message": finding.message,
        "remedy": finding.remedy,
        **_place(finding),
        "origin": finding.origin or None,
    }


def _place(at: Finding | Unanalysed) -> dict[str, Any]:
    place = at.place or Place("")
    return {"file": place.file, "line": place.line, "column": place.column}
