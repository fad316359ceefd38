"""The tree's index: which files are ours, their digests, and where every field of every object comes from.

Origins are kept per structure: ten thousand objects of one structure share one list. The file has no
suffix that kubectl would apply.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any

from ringfence.errors import InputError, Place, raise_all
from ringfence.shape import Manifest, Path, Shape

NAME = "ringfence.index"
API_VERSION = "ringfence/v1alpha1"
_LIMIT = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the tree: SHA-256 of its bytes, and its objects' ids with their shape's key."""

    sha256: str
    objects: Mapping[str, str]


@dataclass(slots=True)
class Index:
    """All files of one tree, and the shapes of their objects."""

    cluster: str
    files: dict[str, FileEntry] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def origin(self, file: str, object_: str, path: Path) -> str:
        """`template:line` of a field or of its nearest ancestor; empty when the index does not know."""
        entry = self.files.get(file)
        origins = self.shapes.get(entry.objects.get(object_, ""), {}).get("origins", {}) if entry else {}
        for end in range(len(path), 0, -1):
            if found := origins.get(".".join(str(p) for p in path[:end])):
                return str(found)
        return ""


class ShapeTable:
    """Collects the shapes of a tree by key: equal structure and origins, equal key, in whichever process."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}  # what the index says of each
        self.controls: set[str] = set()
        self.areas: Counter[str] = Counter()  # how many objects each area has

    def key(self, manifest: Manifest) -> str:
        """The key of the manifest's shape; call it once an object."""
        self.areas[manifest.shape.area] += 1
        plans = manifest.shape.plans
        found: str | None = plans.get("index")
        if found is None:
            described = json.dumps(_describe(manifest.shape))
            found = plans["index"] = sha256(described.encode()).hexdigest()[:12]
            plans["index-line"] = f"  {json.dumps(found)}: {described}"
        if found not in self.lines:
            self.lines[found] = plans["index-line"]
            self.controls.update(manifest.shape.controls)
        return found

    def update(self, other: ShapeTable) -> None:
        """Take the shapes of another process."""
        self.lines.update(other.lines)
        self.controls |= other.controls
        self.areas.update(other.areas)


def file_line(path: str, digest: str, objects: Mapping[str, str]) -> str:
    """What the index says of one file: the SHA-256 of its bytes, and its objects' ids with their shapes' keys."""
    return f'  {json.dumps(path)}: {{"sha256": "{digest}", "objects": {json.dumps(objects)}}}'


def index_text(cluster: str, files: Mapping[str, str], shapes: Mapping[str, str]) -> str:
    """The index as JSON, of the lines of files and shapes by path and key: a change is a small diff."""
    head = json.dumps({"apiVersion": API_VERSION, "kind": "Index", "cluster": cluster})[1:-1]
    lines = (",\n".join([lines[key] for key in sorted(lines)]) for lines in (files, shapes))
    return '{{{},\n"files": {{\n{}\n}},\n"shapes": {{\n{}\n}}}}\n'.format(head, *lines)


def _describe(shape: Shape) -> dict[str, Any]:
    """A shape for the index: controls and the origin of every field."""
    return {
        "controls": list(shape.controls),
        "mode": shape.mode,
        "origins": {
            ".".join(str(p) for p in path): f"{origin.template}:{origin.line}"
            for path, origin in sorted(shape.origins.items(), key=lambda item: [str(p) for p in item[0]])
        },
    }


def read_index(tree: FilePath) -> Index | None:
    """The index in `tree`, None when there is none; raises InputError for one that is not to be trusted."""
    file = tree / NAME
    place = Place(file.as_posix())
    try:
        if file.stat().st_size > _LIMIT:
            raise InputError("the index is too large", place=place, hint="remove the tree and render again")
        text = file.read_text(encoding="utf-8")
        data = json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError) as bad:
        if isinstance(bad, json.JSONDecodeError):
            place = Place(place.file, bad.lineno, bad.colno)
        raise InputError("the index is not JSON", place=place, hint="restore it from version control") from bad
    if not isinstance(data, dict) or data.get("apiVersion") != API_VERSION or not _sound(data.get("files")):
        raise InputError("this is no index of ringfence", place=place, hint="render into another directory")
    raise_all([_outside(path, text, place.file) for path in data["files"] if not _inside(path)])
    files = {path: FileEntry(str(entry["sha256"]), entry["objects"]) for path, entry in data["files"].items()}
    shapes = data.get("shapes")
    return Index(str(data.get("cluster", "")), files, shapes if isinstance(shapes, dict) else {})


def _sound(files: Any) -> bool:
    """Has every file a digest and objects?"""
    return isinstance(files, dict) and all(
        isinstance(entry, dict) and "sha256" in entry and isinstance(entry.get("objects"), dict)
        for entry in files.values()
    )


def _inside(path: str) -> bool:
    """Does a path of the index stay in the tree, and is it not the index itself?"""
    if path == NAME or "\\" in path or "\0" in path or ":" in path:
        return False
    return {"", ".", ".."}.isdisjoint(path.split("/"))


def _outside(path: str, text: str, file: str) -> InputError:
    start = max(text.find(json.dumps(path)), 0)
    return InputError(
        f"the index names {json.dumps(path)}, which is no file of its directory",
        place=Place(file, text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)),
        hint="restore the index from version control, or remove the tree and render again",
    )
