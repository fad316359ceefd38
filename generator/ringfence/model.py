"""The values that flow through the pipeline. All are immutable once made; none knows how it was made.

`Shape` and `Manifest` carry the speed of the generator: a shape is everything that objects of one
structure share (tree, origins, wave), a manifest is a shape plus the strings that fill it. Ten thousand
NetworkPolicies are one shape and ten thousand short tuples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from ringfence.errors import Place

Path = tuple[str | int, ...]


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


HOST_API = "host.ringfence/v1alpha1"  # of what the host plane is rendered to: Component, File, Permissions


class Wave(IntEnum):
    """Apply order. Nothing in a wave needs anything of a later one."""

    CRDS = 0
    NAMESPACES = 1
    GUARDS = 2
    COMPONENTS = 3
    CUSTOM_RESOURCES = 4
    ENFORCEMENT = 5


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


class Origin(NamedTuple):
    """Where a field comes from: control and template line."""

    control: str
    template: str
    line: int


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


class Slot(NamedTuple):
    """A place in a shape's tree for the manifest's value number `number`."""

    number: int


class Joined(NamedTuple):
    """A string put together from literal text and slots."""

    parts: tuple[str | Slot, ...]


Text = str | Slot | Joined


def fill_text(text: Text | None, values: tuple[str, ...]) -> str:
    """A text of a shape's tree with its values in it; the empty string for None."""
    if text is None:
        return ""
    if isinstance(text, str):
        return text
    if isinstance(text, Slot):
        return values[text.number]
    return "".join(p if isinstance(p, str) else values[p.number] for p in text.parts)


def fill(tree: Any, values: tuple[str, ...]) -> Any:
    """Plain data from a shape's tree; fresh containers every time."""
    if isinstance(tree, dict):
        return {k: fill(v, values) for k, v in tree.items()}
    if isinstance(tree, list):
        return [fill(v, values) for v in tree]
    if isinstance(tree, (Slot, Joined)):
        return fill_text(tree, values)
    return tree


@dataclass(frozen=True, eq=False)
class Shape:
    """What all objects of one structure share. Compared by identity: one instance a structure."""

    tree: dict[str, Any]
    api_version: str
    kind: str
    name: Text
    namespace: Text | None
    origins: Mapping[Path, Origin]
    controls: tuple[str, ...]
    area: str
    wave: Wave
    mode: str
    fragment: bool
    lists: Mapping[Path, str]  # lists that fold, and the key of their items
    slots: int  # how many values an object of this shape carries
    agreements: tuple[tuple[Path, Text, Text, str, str], ...] = ()  # path, two texts, their controls
    plans: dict[str, Any] = field(default_factory=dict, repr=False)  # compiled forms, made once by later stages

    @cached_property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.api_version.rpartition("/")[0]


class Manifest(NamedTuple):
    """One Kubernetes object: a shape and the strings that fill it."""

    wave: int
    kind: str
    namespace: str
    name: str
    shape: Shape
    values: tuple[str, ...]

    @property
    def id(self) -> str:
        """`Kind/namespace/name`, or `Kind/name` when cluster-scoped; unique within a bundle with its API group."""
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"

    @property
    def body(self) -> dict[str, Any]:
        """The object as plain data, camelCase, exactly what the tree shows and Pulumi applies."""
        filled: dict[str, Any] = fill(self.shape.tree, self.values)
        return filled


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


def paths(tree: Any, path: Path = ()) -> Iterable[tuple[Path, Any]]:
    """Every leaf of a tree with its path; empty containers are leaves."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from paths(value, (*path, key))
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from paths(value, (*path, index))
    else:
        yield path, tree
