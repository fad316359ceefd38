"""The emitter compiled per shape: the text of all objects of one structure, filled with their strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ringfence.documents import emit, quote
from ringfence.shape import Joined, Manifest, Slot, fill_text


class _Quoted(dict[str, str]):
    """Memo of quoted strings: names repeat from object to object."""

    def __missing__(self, text: str) -> str:
        quoted = quote(text)
        if len(self) < 200_000:
            self[text] = quoted
        return quoted


_quoted = _Quoted()


def text(manifest: Manifest) -> str:
    """The object as one YAML document, without a document marker."""
    shape = manifest.shape
    plan = shape.plans.get("text")
    if plan is None:
        plan = shape.plans["text"] = compile_text(shape.tree)
    filled: str = plan(manifest.values)
    return filled


def compile_text(tree: dict[str, Any]) -> Callable[[tuple[str, ...]], str]:
    """A function from a manifest's values to its YAML; work per call is per slot, not per field."""
    pieces: list[Any] = []
    emit(tree, pieces.append)
    pattern = "".join(p.replace("%", "%%") if isinstance(p, str) else "%s" for p in pieces)
    holes = [p for p in pieces if not isinstance(p, str)]
    if not holes:
        constant = pattern.replace("%%", "%")
        return lambda _: constant
    if all(isinstance(h, Slot) for h in holes):
        order = tuple(h.number for h in holes)
        if len(order) == 1:
            only = order[0]
            return lambda values: pattern % _quoted[values[only]]
        return lambda values: pattern % tuple([_quoted[values[i]] for i in order])
    texts: tuple[Slot | Joined, ...] = tuple(holes)
    return lambda values: pattern % tuple([_quoted[fill_text(t, values)] for t in texts])
