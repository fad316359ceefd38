"""Pydantic models of what `check -o json` and `verify -o json` write: docs/schema/findings.json and verdicts.json."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ringfence.spec.fields import Line, Model

SeverityName = Literal["critical", "high", "medium", "low"]


class FindingEntry(Model):
    """Something that is not as a control wants it."""

    control: Line = Field(description='The control\'s id; "schema" for an object that the API server would not take.')
    severity: SeverityName
    object: Line = Field(description="Kind/namespace/name, or Kind/name.")
    field: str = Field(description="Path of the field within the object, empty for the whole object.")
    message: str
    remedy: str
    file: str
    line: int = Field(ge=0)
    column: int = Field(ge=0)
    origin: str | None = Field(description="template:line that set the field, for a tree of ringfence.")


class UnanalysedEntry(Model):
    """An object that could not be judged."""

    object: str
    reason: str
    file: str
    line: int = Field(ge=0)
    column: int = Field(ge=0)


class Summary(Model):
    """Counts, and the gate that decided the exit code."""

    files: int
    objects: int
    findings: dict[SeverityName, int]
    notAnalysed: int
    gate: Literal["low", "medium", "high", "critical", "never"]
    atOrOverGate: int


class FindingsDocument(Model):
    """Findings on manifests, in the order of files and lines."""

    apiVersion: Literal["ringfence/v1alpha1"]
    kind: Literal["Findings"]
    kubernetes: list[str] = Field(description="Minor versions whose schemas judged.")
    summary: Summary
    findings: list[FindingEntry]
    notAnalysed: list[UnanalysedEntry]


StateName = Literal["proved", "failed", "not-applicable", "provider-owned", "not-provable-here"]


class VerdictEntry(Model):
    """One pair of probes of one control; a control without pairs has one entry."""

    control: Line
    severity: SeverityName
    stage: Literal["off", "audit", "enforce"]
    pair: str = Field(description="Its name in probes.yaml; empty where the control has no pair.")
    ring: str = Field(description="Where it is proved: api, node, cni, ...; empty where the control has no pair.")
    state: StateName
    detail: str = Field(description="What refused, what went wrong, why it does not apply, or which ring shows it.")
    seconds: float


class VerdictsDocument(Model):
    """What a running cluster showed about every control, in the order of the catalogue."""

    apiVersion: Literal["ringfence/v1alpha1"]
    kind: Literal["Verdicts"]
    cluster: Line
    environment: Line = Field(description="The context or sandbox that was asked.")
    kubernetes: Line = Field(description="Version of its API server.")
    summary: dict[StateName, int]
    verdicts: list[VerdictEntry]
