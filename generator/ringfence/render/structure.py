"""Laid-out text → shapes. Runs once per structure; everything here may take its time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ringfence.documents import load_marked
from ringfence.errors import InputError, Place
from ringfence.model import Emit
from ringfence.render.environment import MARK_CLOSE, MARK_OPEN, TOKEN_CLOSE, TOKEN_OPEN
from ringfence.shape import Joined, Origin, Path, Shape, Slot

_TOKEN = re.compile(f"{TOKEN_OPEN}([0-9]+){TOKEN_CLOSE}")
_MARK = re.compile(f"{MARK_OPEN}([0-9]+){MARK_CLOSE}")
_LIMIT = 2**53
_METADATA: dict[str, Any] = {"namespace": (str, Slot, Joined), "labels": dict, "annotations": dict}


class Word(str):
    """A string that is written into the shape even where strings stay open."""

    __slots__ = ()


class Structure:
    """The shapes that one layout of one template gives.

    `values` are those recorded by the layout. With `slots`, strings stay open and are filled per object;
    without, they are written into the shape (templates that render once gain nothing from slots).
    """

    def __init__(self, text: str, values: list[Any], slots: bool, shown: str) -> None:
        self._values = values
        self._slots = slots
        self._shown = shown
        self._lines, plain = _unmark(text)
        try:
            documents = load_marked(plain, shown)
        except InputError as bad:
            if bad.place and bad.place.line:
                bad.place = Place(shown, self._line(bad.place.line), bad.place.column)
            bad.message = _TOKEN.sub("{{ }}", bad.message)
            raise
        self.documents = [(d, marks) for d, marks in documents if d is not None]

    def shapes(self, control: str, area: str, emit: Emit) -> list[Shape]:
        """One shape a document; raises InputError for what is no Kubernetes object."""
        return [self._shape(d, marks, control, area, emit) for d, marks in self.documents]

    def _shape(self, data: Any, marks: Mapping[Path, Place], control: str, area: str, emit: Emit) -> Shape:
        here = self._place(marks, ())
        if not isinstance(data, dict):
            raise InputError("the template gives no mapping", place=here, hint="write apiVersion, kind and metadata")
        tree = self._resolve(data, (), marks)
        for key in ("apiVersion", "kind"):
            if not isinstance(tree.get(key), str) or not tree[key]:
                raise InputError(
                    f"{key} must be literal text", place=self._place(marks, (key,)), hint="write it out in the template"
                )
        metadata = tree.get("metadata")
        if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), (str, Slot, Joined)):
            raise InputError(
                "metadata.name must be a string",
                place=self._place(marks, ("metadata", "name")),
                hint="every object has one",
            )
        for key, kinds in _METADATA.items():
            if key in metadata and not isinstance(metadata[key], kinds):
                raise InputError(
                    f"metadata.{key} must be a {'mapping' if kinds is dict else 'string'}",
                    place=self._place(marks, ("metadata", key)),
                    hint="leave it out where there is none",
                )
        origins = {path: Origin(control, self._shown, self._line(place.line)) for path, place in marks.items() if path}
        return Shape(
            tree=tree,
            api_version=tree["apiVersion"],
            kind=tree["kind"],
            name=metadata["name"],
            namespace=metadata.get("namespace"),
            origins=origins,
            controls=(control,),
            area=area,
            wave=emit.wave,
            mode=emit.mode,
            fragment=emit.fragment,
            lists={tuple(p.split(".")): key for p, key in emit.keys.items()},
            slots=len(self._values) if self._slots else 0,
        )

    def _resolve(self, value: Any, path: Path, marks: Mapping[Path, Place]) -> Any:
        """The tree with tokens replaced: by slots where a string stays open, else by the value."""
        if isinstance(value, dict):
            for key in value:
                if TOKEN_OPEN in key:
                    raise InputError(
                        "a key can't be a value",
                        place=self._place(marks, (*path, key)),
                        hint="pass the whole mapping as one value",
                    )
            return {k: self._resolve(v, (*path, k), marks) for k, v in value.items()}
        if isinstance(value, list):
            return [self._resolve(v, (*path, i), marks) for i, v in enumerate(value)]
        if isinstance(value, str) and TOKEN_OPEN in value:
            return self._text(value, self._place(marks, path))
        if value is None:
            raise InputError("a field is null", place=self._place(marks, path), hint="leave it out, or write {} or []")
        return value

    def _text(self, text: str, place: Place) -> Any:
        if whole := _TOKEN.fullmatch(text):
            index = int(whole[1])
            value = self._values[index]
            return Slot(index) if self._slots and value.__class__ is str else plain_data(value, place)
        parts: list[str | Slot] = []
        for i, part in enumerate(_TOKEN.split(text)):
            if i % 2 == 0:
                parts.append(part)
                continue
            value = self._values[int(part)]
            if not isinstance(value, (str, int)) or isinstance(value, bool):
                raise InputError(
                    f"{type(value).__name__} inside text",
                    place=place,
                    hint="only strings and integers can stand inside text",
                )
            parts.append(Slot(int(part)) if self._slots and value.__class__ is str else str(value))
        merged = _merge(parts)
        return merged[0] if len(merged) == 1 and isinstance(merged[0], str) else Joined(tuple(merged))

    def _line(self, rendered: int) -> int:
        return self._lines[min(rendered, len(self._lines)) - 1]

    def _place(self, marks: Mapping[Path, Place], path: Path) -> Place:
        for end in range(len(path), -1, -1):
            if (place := marks.get(path[:end])) is not None:
                return Place(self._shown, self._line(place.line), place.column)
        return Place(self._shown, 1, 1)


def plain_data(value: Any, place: Place) -> Any:
    """A template value as plain data; refuses what has no safe YAML form."""
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise InputError("a mapping's keys must be strings", place=place, hint="quote them")
        return {k: plain_data(v, place) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(v, place) for v in value]
    if isinstance(value, bool) or value.__class__ is str:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and abs(value) <= _LIMIT:
        return value
    if isinstance(value, float) and not value.is_integer() and repr(value).strip("-").replace(".", "").isdecimal():
        return value
    shown = f" {value!r:.40}" if isinstance(value, (int, float)) else ""
    raise InputError(
        f"{type(value).__name__}{shown} can't be a field",
        place=place,
        hint="pass a text, a number within 2^53, true or false, a list or a mapping",
    )


def is_blank(text: str) -> bool:
    """Does a layout hold no document at all?"""
    return not _MARK.sub("", text).strip()


def _unmark(text: str) -> tuple[list[int], str]:
    """Template line of every rendered line, and the text without marks.

    A rendered line can carry several marks (a loop on one line); a line without takes its predecessor's.
    """
    lines: list[int] = []
    plain: list[str] = []
    for line in text.split("\n"):
        found = _MARK.findall(line)
        lines.append(int(found[-1]) if found else (lines[-1] + 1 if lines else 1))
        plain.append(_MARK.sub("", line) if found else line)
    return lines, "\n".join(plain)


def _merge(parts: list[str | Slot]) -> list[str | Slot]:
    """Neighbouring literals as one; empty ones gone."""
    out: list[str | Slot] = []
    for part in parts:
        if part == "":
            continue
        if out and isinstance(part, str) and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return out or [""]
