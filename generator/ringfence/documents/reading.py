"""YAML in, with a position for every value.

It follows the YAML 1.2 core schema and refuses what readers disagree on: plain scalars such as `yes` or
`017`, duplicate keys, tags, merge keys, unbounded aliases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ringfence.errors import InputError, Place

_Parser: Any
try:
    from yaml.cyaml import CParser as _Parser  # type: ignore[attr-defined] # the stubs leave it out
except ImportError:  # a PyYAML built without libyaml: the same events, ten times slower
    from yaml import SafeLoader as _Parser

FAST = _Parser.__name__ == "CParser"  # does libyaml read?
Path = tuple[str | int, ...]

MAX_BYTES = 16 * 1024 * 1024
MAX_DEPTH = 64
_MAX_DIGITS = 20
_MAX_SCALAR = 100  # a longer plain scalar is text, and spares the patterns below
MAX_NODES = 2_000_000  # aliases count as what they expand to

_INT = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{0,30}[1-9]\Z")
_ZEROS = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]*0\Z")  # 1.30 turns into 1.3, and 1.0 is an integer to some readers
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "": None}
# Plain scalars that YAML 1.1 and 1.2 readers (PyYAML, go-yaml v2 and v3, js-yaml) read differently.
# Like other large patterns here it is compiled at its first use, which most runs never come to.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
_AMBIGUOUS = (
    r"(?i:y|n|yes|no|on|off|true|false|null|~)\Z"
    r"|[-+]?0[0-9_]+\Z|[-+]?0[obxOBX][0-9a-fA-F_]+\Z"
    r"|[-+]?[0-9][0-9_]*_[0-9_]*\Z|\+[0-9.]+\Z"
    r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?\Z"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z|[-+]?[0-9]+\.\Z|[-+]?\.[0-9]+\Z"
    r"|[-+]?\.(?i:inf|nan)\Z|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?\Z|=\Z"
)
_KUBECTL_BOOL = {w: b for b, ws in ((True, "y yes on true"), (False, "n no off false")) for w in ws.split()}


@dataclass(slots=True)
class Document:
    """One YAML document: plain data, and where each value stands in its file."""

    file: str
    value: Any
    text: str
    index: int = 0
    _marks: list[dict[Path, Place]] = field(default_factory=list, repr=False)  # shared by a file's documents

    def place(self, path: Path = ()) -> Place:
        """The position of the value at `path`, or of its nearest ancestor that exists."""
        if not self._marks:
            list(_read(self.text, self.file, "kubectl", self._marks))
        marks = self._marks[self.index]
        for end in range(len(path), -1, -1):
            if (place := marks.get(path[:end])) is not None:
                return place
        return Place(self.file)


def decode(data: bytes, file: str) -> str:
    """Text of a YAML file, within bounds; raises InputError for size, encoding and NUL bytes."""
    if len(data) > MAX_BYTES:
        raise InputError(
            f"the file has {len(data):,} bytes; the limit is {MAX_BYTES:,}",
            place=Place(file),
            hint="split it into several files",
        )
    if (nul := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, nul) + 1
        column = nul - data.rfind(b"\n", 0, nul)
        raise InputError("NUL byte", place=Place(file, line, column), hint="save the file as UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        line = data.count(b"\n", 0, bad.start) + 1
        column = bad.start - data.rfind(b"\n", 0, bad.start)
        raise InputError("not UTF-8", place=Place(file, line, column), hint="save the file as UTF-8 text") from bad


def load(data: bytes | str, file: str) -> Document:
    """The single document of a file of ours; raises InputError (all reading is strict)."""
    found = load_all(data, file)
    if len(found) != 1:
        raise InputError(
            f"{len(found)} documents in one file, expected one",
            place=Place(file, 1, 1),
            hint="keep one document a file" if found else "write the document",
        )
    return found[0]


def load_all(data: bytes | str, file: str, dialect: str = "strict") -> list[Document]:
    """Every document of a file. `dialect="kubectl"` reads plain scalars as kubectl does."""
    text = decode(data, file) if isinstance(data, bytes) else data
    marks: list[dict[Path, Place]] = []
    return [Document(file, value, text, i, marks) for i, value in enumerate(_read(text, file, dialect, None))]


def load_marked(text: str, file: str) -> list[tuple[Any, dict[Path, Place]]]:
    """Every document of `text` with its positions, in one strict pass."""
    marks: list[dict[Path, Place]] = []
    return list(zip(_read(text, file, "strict", marks), marks, strict=True))


def _read(text: str, file: str, dialect: str, marks: list[dict[Path, Place]] | None) -> Iterator[Any]:
    reader = _Reader(text, file, dialect, marks)
    try:
        yield from reader.documents()
    except yaml.MarkedYAMLError as bad:
        mark = bad.problem_mark or bad.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        hint = "check the indentation, quotes and brackets here and just before"
        raise InputError(f"not YAML: {bad.problem or bad.context}", place=place, hint=hint) from bad
    except yaml.reader.ReaderError as bad:
        line = text.count("\n", 0, bad.position) + 1
        column = bad.position - text.rfind("\n", 0, bad.position)
        raise InputError(
            f"not YAML: {bad.reason}", place=Place(file, line, column), hint="remove the character, or write its escape"
        ) from bad


class _Reader:
    """Builds values straight from parser events: one pass, bounded depth and size."""

    def __init__(self, text: str, file: str, dialect: str, marks: list[dict[Path, Place]] | None) -> None:
        self.next = _Parser(text).get_event
        self.file = file
        self.resolve = _plain_kubectl if dialect == "kubectl" else self._plain_strict
        self.all_marks = marks
        self.marks: dict[Path, Place] | None = None
        self.nodes = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.event: Any = None

    def documents(self) -> Iterator[Any]:
        self.next()  # stream start
        while (event := self.next()).__class__ is not yaml.StreamEndEvent:
            if event.__class__ is yaml.DocumentStartEvent:
                self.anchors = {}
                if self.all_marks is not None:
                    self.marks = {}
                    self.all_marks.append(self.marks)
                yield self.node(self.next(), (), 0)

    def refuse(self, event: Any, message: str, hint: str | None = None) -> InputError:
        mark = event.start_mark
        return InputError(message, place=Place(self.file, mark.line + 1, mark.column + 1), hint=hint)

    def node(self, event: Any, path: Path, depth: int) -> Any:
        kind = event.__class__
        start = self.nodes
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.refuse(event, f"more than {MAX_NODES:,} values, aliases expanded", "split the file")
        if self.marks is not None:
            self.marks.setdefault(path, Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1))
        if kind is yaml.AliasEvent:
            return self.alias(event)
        if event.tag is not None and event.tag != "!":
            raise self.refuse(event, f"tag {event.tag!r} is not allowed", "remove the tag")
        if kind is yaml.ScalarEvent:
            value = self.text(event) if event.style else self.resolve(event)
        elif depth >= MAX_DEPTH:
            raise self.refuse(event, f"nested deeper than {MAX_DEPTH} levels", "flatten the document")
        elif kind is yaml.MappingStartEvent:
            value = self.mapping(path, depth)
        else:
            value = self.sequence(path, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.nodes - start)
        return value

    def text(self, event: Any) -> str:
        value: str = event.value
        if "\0" in value:
            raise self.refuse(event, "NUL character", r"remove the \0 escape")
        return value

    def alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise self.refuse(event, f"alias *{event.anchor} has no anchor before it", "write the value out")
        value, size = self.anchors[event.anchor]
        self.nodes += size
        if self.nodes > MAX_NODES:
            raise self.refuse(event, f"aliases expand to more than {MAX_NODES:,} values", "write the values out")
        return value

    def mapping(self, path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        following = self.next
        while (event := following()).__class__ is not yaml.MappingEndEvent:
            if event.__class__ is not yaml.ScalarEvent:
                raise self.refuse(event, "a key must be a string", "quote it")
            if event.tag is not None and event.tag != "!":
                raise self.refuse(event, f"tag {event.tag!r} is not allowed", "remove the tag")
            key = self.text(event)
            if not event.style and not isinstance(self.resolve(event), str):
                raise self.refuse(event, f"a key must be a string, {key!r} is not", f'quote it: "{key}"')
            if key == "<<" and not event.style:
                raise self.refuse(event, "merge keys (<<) are not allowed", "write the fields out")
            if key in out:
                raise self.refuse(event, f'duplicate key "{key}"', "remove one of the two")
            mark = event.start_mark
            if self.marks is not None and mark is not None:
                self.marks[(*path, key)] = Place(self.file, mark.line + 1, mark.column + 1)
                out[key] = self.node(following(), (*path, key), depth + 1)
            else:
                out[key] = self.node(following(), path, depth + 1)
        return out

    def sequence(self, path: Path, depth: int) -> list[Any]:
        out: list[Any] = []
        while (event := self.next()).__class__ is not yaml.SequenceEndEvent:
            child = (*path, len(out)) if self.marks is not None else path
            out.append(self.node(event, child, depth + 1))
        return out

    def _plain_strict(self, event: Any) -> Any:
        text = event.value
        if text[:1].isalpha() and text.lower() not in _WORDS:
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _INT.match(text):
            if len(text) > _MAX_DIGITS:
                raise self.refuse(event, f"a number of {len(text):,} digits", "quote it, or write a smaller one")
            return int(text)
        if len(text) > _MAX_SCALAR:
            return text
        if _FLOAT.match(text):
            return float(text)
        if _ZEROS.match(text):
            short = text.rstrip("0").rstrip(".")
            hint = f'quote it: "{text}", or write {short}'
            raise self.refuse(event, f"{text} is a number, and loses its zeros", hint)
        if re.match(_AMBIGUOUS, text):
            meant = _KUBECTL_BOOL.get(text.lower())
            hint = f'quote it: "{text}"' + ("" if meant is None else f", or write {str(meant).lower()}")
            raise self.refuse(event, f"YAML readers disagree on the plain scalar {text}", hint)
        return text


def _plain_kubectl(event: Any) -> Any:
    """A plain scalar as kubectl reads it (YAML 1.1 booleans, octal and exponent numbers)."""
    text = event.value
    if len(text) > _MAX_SCALAR:
        return text
    lower = text.lower()
    if lower in _KUBECTL_BOOL and text in (lower, lower.title(), lower.upper()):
        return _KUBECTL_BOOL[lower]
    if text in ("", "~") or lower == "null":
        return None
    try:
        if re.match(r"[-+]?0[0-7]+\Z", text):
            return int(text, 8)
        if re.match(r"[-+]?(0[xob][0-9a-f_]+|[0-9][0-9_]*)\Z", lower):
            return int(text.replace("_", ""), 0)
        if re.match(r"[-+]?([0-9][0-9_]*)?\.?[0-9]*([eE][-+]?[0-9]+)?\Z", text) and re.search(r"[0-9]", text):
            return float(text.replace("_", ""))
    except ValueError:
        return text
    return text
