"""Namespaces that a template can't tell apart are laid out once, and their own strings filled in.

A render call costs some microseconds whatever its size, and most templates only write a namespace's name:
for all namespaces that agree in what the template decides by, text and values are the same but for the fields
it writes. Which is which is read off its syntax tree, so it is the template's own doing and no setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jinja2 import nodes

from ringfence.shape import Shape
from ringfence.spec.tenants import Namespace

_SIMPLE = frozenset({bool, str})
_HELD = frozenset({"groups", "quota"})  # objects that a tenant's namespaces share
_WRITTEN = frozenset({"name", "tenant", "owner"})  # strings that differ from namespace to namespace
Reads = tuple[tuple[str, ...], tuple[str, ...]]  # fields that decide, fields that are only written


class Hole(NamedTuple):
    """Stands among recorded values for a field of the namespace."""

    field: str


@dataclass(slots=True)
class Layout:
    """What a template laid out: its text, the values it recorded, and the shapes they give, once somebody knows."""

    text: str
    values: list[Any]
    shapes: tuple[Shape, ...] | None = None


def freeze(value: Any) -> Any:
    """A hashable stand-in for plain data: equal data, equal stand-in; true is not 1; objects stand for themselves."""
    if isinstance(value, Mapping):
        return ("m", tuple((k, freeze(v)) for k, v in value.items()))
    if isinstance(value, (list, tuple)):
        return ("l", tuple(freeze(v) for v in value))
    return (value.__class__, value if isinstance(value, (str, int, float)) else id(value))


def reads(tree: nodes.Template) -> Reads | None:
    """What a template reads of `namespace`; None when it may tell any two apart."""
    fields = {id(n.node): n for n in tree.find_all(nodes.Getattr) if isinstance(n.node, nodes.Name)}
    output = {id(child) for out in tree.find_all(nodes.Output) for child in out.nodes}
    decides: set[str] = set()
    written: set[str] = set()
    for name in tree.find_all(nodes.Name):
        if name.name != "namespace":
            continue
        field = fields.get(id(name))
        if field is None or not hasattr(Namespace, field.attr):
            return None  # handed on whole, set anew, or misspelt
        (written if id(field) in output and field.attr in _WRITTEN else decides).add(field.attr)
    if decides & {"name"}:
        return None
    return tuple(sorted(decides)), tuple(sorted(written - decides))


class Alike:
    """What one template reads of its namespaces, as keys and holes."""

    def __init__(self, reads: Reads) -> None:
        self._decides, self._written = reads

    def key(self, subject: Namespace) -> tuple[Any, ...]:
        """Equal for namespaces that are laid out alike."""
        key = []
        for field in self._decides:
            value = getattr(subject, field)
            simple = value.__class__ in _SIMPLE
            key.append(value if simple else id(value) if field in _HELD else freeze(value))
        return tuple(key)

    def marked(self, subject: Namespace) -> Namespace:
        """The namespace with a hole in place of each field that is only written."""
        holes: dict[str, Any] = {field: Hole(field) for field in self._written}
        return replace(subject, **holes)


class Shared:
    """A layout for all namespaces of one key."""

    def __init__(self, layout: Layout, subject: Namespace) -> None:
        """`layout` is that of the marked `subject`."""
        self.holes = [(i, v.field) for i, v in enumerate(layout.values) if v.__class__ is Hole]
        self.layout = Layout(layout.text, layout.values)
        self.layout.values = list(self.values(subject))

    def values(self, subject: Namespace) -> tuple[Any, ...]:
        """The values with this namespace's own in the holes."""
        values = self.layout.values.copy()
        for index, field in self.holes:
            values[index] = getattr(subject, field)
        return tuple(values)
