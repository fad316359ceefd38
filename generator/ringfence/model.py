"""The values that flow through the pipeline. All are immutable once made; none knows how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from ringfence.errors import Place
from ringfence.shape import Manifest, Path, Wave


class Stage(StrEnum):
    """How far a control goes: not emitted, reported only, or refusing."""

    OFF = "off"
    AUDIT = "audit"
    ENFORCE = "enforce"

    @property
    def rank(self) -> int:
        """Position from loosest to strictest."""
        return ("off", "audit", "enforce").index(self.value)


class Severity(StrEnum):
    """Severity of a control and of its findings."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Position from low to critical."""
        return ("low", "medium", "high", "critical").index(self.value)


PROFILES = ("baseline", "restricted", "zero-trust")  # loosest first

# Floors, by how an override may move a parameter away from its profile's value.
FLOORS = ("free", "deny", "additive", "subtractive", "at-most", "at-least", "stricter")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a control; `by_profile` values hold for that profile and the stricter ones."""

    name: str
    type: str
    description: str
    default: Any
    by_profile: Mapping[str, Any]
    floor: str
    choices: tuple[str, ...]  # loosest first where the floor is `stricter`
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Emit:
    """One template of a control, or the invariant that stands in for one, and the clusters it is for."""

    template: str
    invariant: str
    each: str  # cluster | namespace
    fragment: bool
    mode: str  # own | patch
    wave: Wave
    plane: str
    kubernetes: str  # version range such as ">=1.36", "" for all
    stages: tuple[str, ...]
    when: Mapping[str, tuple[str, ...]]  # cluster fact -> accepted values
    beside: str  # another control: only where that is enforced, its exceptions left out
    unless: str  # another control: only where that is not enforced
    excepted: bool  # rendered for excepted namespaces too
    needs: tuple[str, ...]  # keys of cluster.yaml without which its objects can't be right
    given: tuple[str, ...]  # keys of cluster.yaml without which it has nothing to say
    keys: Mapping[str, str]  # list path -> key its items are folded by


class Managed(NamedTuple):
    """What a provider that owns the control plane does instead of a control."""

    by: str  # what keeps the promise there, a setting or an object of ours; empty where it is the provider's own affair
    statement: str  # what it documents; empty where nothing was found
    source: str
    kept: bool  # False: by that statement the promise is not kept
    undocumented: bool  # somebody looked, and found no statement

    @property
    def verdict(self) -> str:
        """In the words of `host/provider.yaml`; none of them means that ringfence proved anything."""
        if self.by:
            return "equivalent"
        if not self.statement:
            return "provider-owned, undocumented"
        return "provider-owned" if self.kept else "provider-owned, not kept"

    def __str__(self) -> str:
        """The mapping in one line."""
        documented = f"{self.statement} ({self.source})" if self.statement else ""
        return ": ".join(filter(None, (self.verdict, "; ".join(filter(None, (self.by, documented))))))


@dataclass(frozen=True, slots=True)
class Control:
    """A folder under templates/: what it promises, why, and which templates keep the promise."""

    id: str
    domain: str
    folder: str
    title: str
    profile: str
    stages: Mapping[str, Stage]
    floor: Stage
    severity: Severity
    rationale: str
    references: Mapping[str, tuple[str, ...]]
    params: Mapping[str, Param]
    emits: tuple[Emit, ...]
    requires: tuple[str, ...]
    proof: tuple[str, ...]
    managed: Mapping[str, Managed]  # provider -> what it does instead, for controls of the host plane
    audit_form: str  # "" when the audit stage has a form of its own, else why it can't
    exceptions: str  # namespaces | names | none: what an exception's scope may list
    place: Place

    def stage(self, profile: str) -> Stage:
        """The stage under `profile`: its own, else the nearest looser profile's."""
        found = Stage.OFF
        for name in PROFILES[: PROFILES.index(profile) + 1]:
            found = self.stages.get(name, found)
        return found


@dataclass(frozen=True, slots=True)
class Source:
    """Provenance of a resolved value: default, profile, override or exception, and where it is written."""

    kind: str
    place: Place
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.place})" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True, slots=True)
class ResolvedControl:
    """A control under one cluster: stage and parameters decided, each with its provenance."""

    control: Control
    stage: Stage
    stage_source: Source
    params: Mapping[str, Any]
    param_sources: Mapping[str, Source]
    excepted_namespaces: frozenset[str] = frozenset()
    excepted_names: tuple[str, ...] = ()
    companions: Mapping[str, ResolvedControl] = field(default_factory=dict)  # those its rows are `beside` or yield to

    @property
    def id(self) -> str:
        """The control's id."""
        return self.control.id

    @property
    def validation_actions(self) -> list[str]:
        """`validationActions` of an admission policy binding at this stage."""
        return ["Deny", "Audit"] if self.stage is Stage.ENFORCE else ["Warn", "Audit"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as a control wants it."""

    control: str
    severity: Severity
    message: str
    remedy: str
    object: str = ""
    path: Path = ()
    place: Place | None = None
    origin: str = ""  # template:line that set the field, when the tree's index knows it


@dataclass(frozen=True, slots=True)
class Bundle:
    """Validated objects of one cluster in apply order; only `validate` makes one.

    `manifests` are the cluster plane. `host` is the host plane, in the neutral form of `HOST_API`: `ringfence.host`
    turns it into the files of a distribution.
    """

    cluster: Any
    controls: tuple[ResolvedControl, ...]
    manifests: tuple[Manifest, ...]
    unemitted: Mapping[str, str] = field(default_factory=dict)  # control -> why it emits nothing here
    host: tuple[Manifest, ...] = ()

    def __iter__(self) -> Iterator[Manifest]:
        return iter(self.manifests)

    def find(self, wanted: str) -> Manifest | None:
        """The object called `Kind/name` or `Kind/namespace/name`, without regard to case."""
        lower = wanted.lower()
        return next((m for m in (*self.manifests, *self.host) if m.id.lower() == lower), None)
