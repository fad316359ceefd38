"""What a rule is, and the list of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from ringfence.model import Severity
from ringfence.shape import Joined, Manifest, Path, Slot, fill_text, paths

MODULES = (
    "addresses",
    "admission",
    "authentication",
    "hostplane",
    "network",
    "podsecurity",
    "quota",
    "rbac",
    "secrets",
)


class Violation(NamedTuple):
    """A broken promise: where in the object, what, and what to do about it."""

    path: Path
    message: str
    remedy: str


@dataclass(frozen=True)
class ObjectRule:
    """A promise about single objects of some kinds; `check` gets the tree."""

    control: str
    severity: Severity
    kinds: frozenset[str]
    check: Callable[[dict[str, Any]], Iterator[Violation]]


@dataclass(frozen=True)
class SetRule:
    """A promise about objects together; `check` gets all of them and yields the one that breaks it."""

    control: str
    severity: Severity
    check: Callable[[Sequence[Manifest]], Iterator[tuple[Manifest, Violation]]]


@cache
def object_rules() -> tuple[ObjectRule, ...]:
    """Every rule about single objects."""
    return tuple(rule for module in _modules() for rule in module.RULES if isinstance(rule, ObjectRule))


@cache
def set_rules() -> tuple[SetRule, ...]:
    """Every rule about objects together."""
    return tuple(rule for module in _modules() for rule in module.RULES if isinstance(rule, SetRule))


def _modules() -> list[Any]:
    return [import_module(f"ringfence.invariants.{name}") for name in MODULES]


def by_shape(manifest: Manifest, name: str, read: Callable[[dict[str, Any]], Any]) -> Any:
    """`read(tree)`, once per structure."""
    plans = manifest.shape.plans
    if name not in plans:
        plans[name] = read(manifest.shape.tree)
    return plans[name]


def by_strings(manifest: Manifest, name: str, read: Callable[[dict[str, Any]], Any], below: frozenset[str]) -> Any:
    """`read(tree)` where its strings below these fields are known: once per structure and values of those."""
    plans = manifest.shape.plans
    if name not in plans:
        holes = _holes(manifest.shape.tree, below)
        plans[name] = (holes, {} if holes else read(manifest.shape.tree))
    holes, known = plans[name]
    if not holes:
        return known
    key = tuple([fill_text(hole, manifest.values) for hole in holes])
    if key not in known:
        known[key] = read(manifest.body)
    return known[key]


def _holes(tree: dict[str, Any], below: frozenset[str]) -> tuple[Slot | Joined, ...]:
    return tuple(leaf for path, leaf in paths(tree) if isinstance(leaf, (Slot, Joined)) and not below.isdisjoint(path))
