"""A bundle as a tree of YAML files: complete or untouched, and never a file of somebody else's.

A new tree is written beside its place and renamed into it. An existing one is compared first; changed
files are all written beside it, the index too, before the first is renamed over its predecessor, and the index
goes last: whoever interrupts that leaves whole files and an index by which the next run (or `--check`) sees it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from ringfence.emission import text
from ringfence.errors import InputError, Place, RingfenceError, ToolError, raise_all
from ringfence.host import forms
from ringfence.model import Bundle
from ringfence.shape import Manifest
from ringfence.sinks import disk
from ringfence.sinks.index import NAME, ShapeTable, file_line, index_text, read_index
from ringfence.sinks.layout import companions, file_of

_STAGED = ".ringfence-"
HEADER = "# Rendered by ringfence from {file}; change that and render again.\n"


class Row(NamedTuple):
    """One file as it was put: path, digest, objects by id with shape keys, and what became of it."""

    path: str
    line: str  # of the index
    change: str  # same | new | changed


@dataclass(slots=True)
class Changes:
    """What a render did, or under `--check` would do, to a tree. Paths are sorted."""

    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    same: int = 0
    areas: Mapping[str, int] = field(default_factory=dict)  # objects of the tree

    @property
    def stale(self) -> bool:
        """Does the tree on disk differ from what its inputs give?"""
        return bool(self.new or self.changed or self.removed or self.unknown)


def documents(bundle: Bundle) -> Iterator[tuple[str, list[Manifest]]]:
    """Files of the tree with their objects, objects in apply order."""
    files = bundle.cluster.delivery["files"]
    found: dict[str, list[Manifest]] = {}
    for manifest in bundle.manifests:
        path = file_of(manifest, files)
        if path in found:
            found[path].append(manifest)
        else:
            found[path] = [manifest]
    yield from found.items()


class Tree:
    """A tree being written (or, with `check`, compared). `put` may run in several processes."""

    def __init__(self, directory: Path, check: bool = False) -> None:
        """Raises InputError for a directory that is not ours."""
        self.directory = directory
        self._check = check
        self._fresh = _is_free(directory)
        home = directory.resolve()  # `-o .` has no name of its own
        self._staging = disk.unused(home.with_name(f".{home.name}{_STAGED}{os.getpid()}"))
        self._place, self._beside = str(directory), str(self._staging)
        self._folders: set[str] = set()

    def put_bundle(self, bundle: Bundle, shapes: ShapeTable) -> list[Row]:
        """Stage every file of a bundle that is not on disk already."""
        header = HEADER.format(file=Path(bundle.cluster.file).name)
        rows = []
        for path, manifests in documents(bundle):
            content = header + "".join([f"---\n{text(m)}" for m in manifests])
            objects = {m.id: shapes.key(m) for m in manifests}
            rows.append(self.put(path, content, objects))
        return rows

    def put(self, path: str, content: str, objects: Mapping[str, str]) -> Row:
        """Stage one file unless it stands on disk with these bytes."""
        data = content.encode()
        change = "new"
        if not self._fresh:
            try:
                change = "same" if disk.holds(f"{self._place}/{path}", data) else "changed"
            except (FileNotFoundError, NotADirectoryError):
                change = "new"
        if change != "same" and not self._check:
            self._stage(path, data)
        return Row(path, file_line(path, sha256(data).hexdigest(), objects), change)

    def _stage(self, path: str, data: bytes) -> None:
        folder = path.rpartition("/")[0]
        if folder not in self._folders:
            disk.make(f"{self._beside}/{folder}")
            self._folders.add(folder)
        disk.write(f"{self._beside}/{path}", data)

    def finish(self, cluster: str, rows: list[Row], shapes: ShapeTable) -> Changes:
        """Swap the staged files in, drop what the old index lists and the new one doesn't; the index last."""
        lines = {r.path: r.line for r in rows}
        changes = Changes(
            new=sorted(r.path for r in rows if r.change == "new"),
            changed=sorted(r.path for r in rows if r.change == "changed"),
            same=sum(r.change == "same" for r in rows),
            areas=shapes.areas,
        )
        data = index_text(cluster, lines, shapes.lines).encode()
        if self._fresh:
            if not self._check:
                self._create(data)
            return changes
        stale = not disk.holds(f"{self._place}/{NAME}", data)
        old = self._old_files() if stale else lines.keys()
        changes.removed = sorted(p for p in old if p not in lines and os.path.lexists(self.directory / p))
        if self._check:
            changes.unknown = sorted(p for p in self._present() if p not in lines and p not in old and p != NAME)
            if not changes.stale and stale:
                changes.changed = [NAME]
            return changes
        self._refuse_links((*changes.changed, *changes.new, *changes.removed))
        self._refuse_foreign(p for p in changes.changed if p not in old)
        self._swap(changes, data if stale else None)
        return changes

    def _old_files(self) -> Collection[str]:
        """The files of the index on disk; raises InputError for one that is not to be trusted."""
        old = read_index(self.directory)
        return old.files if old else ()

    def _create(self, index: bytes) -> None:
        self._stage(NAME, index)
        if not self.directory.exists():
            self._staging.rename(self.directory)
            return
        (self._staging / NAME).rename(self.directory / NAME)  # first, so that a tree cut short is known as ours
        for entry in sorted(self._staging.iterdir()):
            entry.rename(self.directory / entry.name)

    def _swap(self, changes: Changes, index: bytes | None) -> None:
        """Everything that can fail for want of space or of a folder comes before the first rename."""
        if index is not None:
            self._stage(NAME, index)
        for folder in {path.rpartition("/")[0] for path in changes.new}:
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
        for path in (*changes.changed, *changes.new):
            os.replace(self._staging / path, self.directory / path)  # noqa: PTH105 # no Path objects in a long loop
        for path in changes.removed:
            (self.directory / path).unlink()
            self._prune((self.directory / path).parent)
        if index is not None:
            (self._staging / NAME).replace(self.directory / NAME)

    def _refuse_links(self, paths: Iterable[str]) -> None:
        """A linked folder or file would let the tree write or delete outside itself."""
        found: set[str] = set()
        for path in paths:
            parts = path.split("/")
            found.update("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        links = sorted(here for here in (f"{self.directory}/{path}" for path in found) if os.path.islink(here))  # noqa: PTH114
        raise_all(
            [InputError("a symbolic link stands in the tree", place=Place(x), hint="remove the link") for x in links]
        )

    def _refuse_foreign(self, paths: Iterable[str]) -> None:
        """A file that the old index does not list is somebody else's, wherever it lies."""
        raise_all(
            [
                InputError(
                    f"the tree needs this file, and {NAME} does not list it: it is not ours to write",
                    place=Place((self.directory / path).as_posix()),
                    hint="move it out of the tree, or remove it",
                )
                for path in paths
            ]
        )

    def _prune(self, folder: Path) -> None:
        while folder != self.directory and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent

    def _present(self) -> Iterator[str]:
        """Every file on disk, and every link, as paths below the tree."""
        pending = [""]
        while pending:
            folder = pending.pop()
            with os.scandir(f"{self._place}/{folder}") as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{folder}{entry.name}/")
                    else:
                        yield f"{folder}{entry.name}"

    def discard(self) -> None:
        """Remove what was staged."""
        shutil.rmtree(self._staging, ignore_errors=True)


def companion_rows(tree: Tree, bundle: Bundle, rows: list[Row], shapes: ShapeTable) -> list[Row]:
    """Stage the files that the layout needs beside the objects' own, and those of the host plane."""
    beside = companions(bundle.cluster, (r.path for r in rows))
    made = [tree.put(path, content, {}) for path, content in beside.items()]
    keys = {m.id: shapes.key(m) for m in bundle.host}
    made += [tree.put(f.path, f.text, {id_: keys[id_] for id_ in f.sources}) for f in forms(bundle)]
    return made


def write(bundle: Bundle, directory: Path, check: bool = False) -> Changes:
    """Write (or compare) the tree of a bundle in one process; raises ToolError when the disk refuses."""
    shapes = ShapeTable()
    with opened(directory, check) as tree:
        rows = tree.put_bundle(bundle, shapes)
        rows += companion_rows(tree, bundle, rows, shapes)
        return tree.finish(bundle.cluster.name, rows, shapes)


@contextmanager
def opened(directory: Path, check: bool) -> Iterator[Tree]:
    """A tree for one run; what is left of its staging is removed, whatever happens."""
    try:
        tree = Tree(directory, check)
        try:
            yield tree
        finally:
            tree.discard()
    except OSError as bad:
        raise disk_error(bad, directory) from bad


def disk_error(bad: OSError, directory: Path) -> RingfenceError:
    """A refusal of the disk as one line; names what the user knows, not what is staged."""
    file = bad.filename if isinstance(bad.filename, str) and _STAGED not in bad.filename else directory.as_posix()
    return ToolError(
        f"can't write the tree: {(bad.strerror or str(bad)).lower()}",
        place=Place(file),
        hint="nothing was left half-written; mend it and render again",
    )


def _is_free(directory: Path) -> bool:
    """Is the place free, rather than a tree of ours? Refuses anything else."""
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise InputError("not a directory", place=Place(directory.as_posix()), hint="choose another output directory")
    if os.path.lexists(directory / NAME):
        return False
    if directory.exists() and any(directory.iterdir()):
        raise InputError(
            f"the directory holds files and no {NAME}: it is not ours to write",
            place=Place(directory.as_posix()),
            hint="choose an empty or new directory",
        )
    return True
