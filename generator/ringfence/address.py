"""Objects and fields by the words people type: `Kind/ns/name`, `Kind/name:spec.policyTypes`, a line of a file."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ringfence.documents import Document
from ringfence.errors import UsageError, nearest
from ringfence.model import Bundle
from ringfence.shape import Manifest, Path, paths

_STEP = re.compile(r"""\["(?P<quoted>[^"]*)"\]|\[(?P<index>[0-9]+)\]""")


class Address(NamedTuple):
    """An object of a bundle, and a field of it; the empty path is the object itself."""

    manifest: Manifest
    path: Path


def locate(bundle: Bundle, what: str) -> Address:
    """The object or field called `what`; raises UsageError with the nearest name."""
    found = _objects(bundle, what)
    if not found:
        ids = {m.id for m in (*bundle.manifests, *bundle.host)}
        name = re.match(r"[^:]*", what)
        hint = nearest(name[0] if name else what, ids) or "see the objects with `ringfence render -o -`"
        raise UsageError(f'there is no object "{what}" in {bundle.cluster.name}', hint=hint)
    longest = max(len(name) for name, _ in found)
    same = [m for name, m in found if len(name) == longest]
    if len(same) > 1:
        shown = ", ".join(m.id for m in same[:5]) + (", ..." if len(same) > 5 else "")
        raise UsageError(f'"{what}" names {len(same)} objects', hint=f"choose one of: {shown}")
    rest = what[longest:].removeprefix(":").removeprefix(".")
    return Address(same[0], field_path(same[0].body, rest))


def _objects(bundle: Bundle, what: str) -> list[tuple[str, Manifest]]:
    """Objects that `what` starts with, by full id or, when namespaced, by `Kind/name`."""
    lower = what.lower()
    found: list[tuple[str, Manifest]] = []
    for manifest in (*bundle.manifests, *bundle.host):
        for name in dict.fromkeys((manifest.id, f"{manifest.kind}/{manifest.name}")):
            if lower.startswith(name.lower()) and (len(what) == len(name) or what[len(name)] in ":."):
                found.append((name, manifest))
    return found


def field_path(body: Any, text: str) -> Path:
    """The path that `text` spells in `body`. Keys may hold dots; the longest key that exists wins.

    Raises UsageError naming the nearest field.
    """
    path: Path = ()
    here, rest = body, text
    while rest:
        step = _next(here, rest)
        if step is None:
            choices = here if isinstance(here, dict) else ()
            where = ".".join(map(str, path))
            hint = nearest(re.split(r"[.\[]", rest)[0], map(str, choices))
            raise UsageError(f'there is no field "{rest}"' + (f" in {where}" if where else ""), hint=hint)
        key, length = step
        path = (*path, key)
        here = here[key]
        rest = rest[length:].removeprefix(".")
    return path


def _next(here: Any, rest: str) -> tuple[str | int, int] | None:
    """The first step of `rest` into `here`, and how many characters spell it."""
    if match := _STEP.match(rest):
        key: str | int = match["quoted"] if match["quoted"] is not None else int(match["index"])
        return (key, match.end()) if _has(here, key) else None
    if isinstance(here, list):
        number = re.match(r"[0-9]+", rest)
        return (int(number[0]), number.end()) if number and _has(here, int(number[0])) else None
    if isinstance(here, dict):
        fitting = [k for k in here if rest == k or (rest.startswith(k) and rest[len(k)] in ".[")]
        if fitting:
            longest = max(fitting, key=len)
            return longest, len(longest)
    return None


def _has(here: Any, key: str | int) -> bool:
    if isinstance(key, int):
        return isinstance(here, list) and key < len(here)
    return isinstance(here, dict) and key in here


def at_line(documents: list[Document], line: int) -> tuple[str, Path] | None:
    """The id of the object and the path of the field on a line of a file; None when no object stands there."""
    best: tuple[int, Document, Path] | None = None
    for document in documents:
        for path in _all(document.value):
            start = document.place(path).line
            if start <= line and (best is None or (start, len(path)) >= (best[0], len(best[2]))):
                best = (start, document, path)
    if best is None or not isinstance(best[1].value, dict):
        return None
    body = best[1].value
    metadata = body.get("metadata") or {}
    namespace = metadata.get("namespace")
    middle = f"{namespace}/" if namespace else ""
    return f"{body.get('kind')}/{middle}{metadata.get('name')}", best[2]


def _all(value: Any) -> dict[Path, None]:
    """Every path of a tree, containers before what they hold."""
    found: dict[Path, None] = {}
    for path, _ in paths(value):
        for end in range(len(path) + 1):
            found[path[:end]] = None
    return found
