"""Objects as what they share and what fills it.

A shape is everything that objects of one structure share (tree, origins, wave), a manifest is a shape plus the strings
that fill it. Ten thousand NetworkPolicies are one shape and ten thousand short tuples: that carries the speed of the
generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

Path = tuple[str | int, ...]


HOST_API = "host.ringfence/v1alpha1"  # of what the host plane is rendered to: Component, File, Permissions


class Wave(IntEnum):
    """Apply order. Nothing in a wave needs anything of a later one."""

    CRDS = 0
    NAMESPACES = 1
    GUARDS = 2
    COMPONENTS = 3
    CUSTOM_RESOURCES = 4
    ENFORCEMENT = 5


class Origin(NamedTuple):
    """Where a field comes from: control and template line."""

    control: str
    template: str
    line: int


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
