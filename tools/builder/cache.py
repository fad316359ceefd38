"""Where built programs lie, and how two runs share that place.

Below the cache folder: `<family>/<key>/<name>` for what was built, `tools.json` (the index that readers use),
`lock` (held while building) and `tmp.*` (what a build needs meanwhile; whoever holds the lock may remove another's).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .compiling import SETTINGS
from .families import HERE, Copy, Family


class Entry(TypedDict):
    """One program in the index."""

    path: str
    version: str
    key: str  # of everything that went into it
    source: str  # of the same without Go's version


def folder() -> Path:
    """The folder of built programs, by RINGFENCE_TOOLS_CACHE, else XDG_CACHE_HOME, else ~/.cache."""
    named = os.environ.get("XDG_CACHE_HOME", "")  # a relative one is ignored, as XDG says
    base = os.environ.get("RINGFENCE_TOOLS_CACHE") or (named if Path(named).is_absolute() else "")
    return (Path(base) if base else Path.home() / ".cache") / "ringfence-tools"


def source_key(family: Family, root: Path = HERE) -> str:
    """A hash of what a family is made from, but for Go: its files, its flags, and the modules it takes files from."""
    folders = {family.name, *(part.pinned_in for part in family.parts if isinstance(part, Copy) and part.pinned_in)}
    digest = hashlib.sha256(repr((SETTINGS, family, family.ldflags(root))).encode())
    for path in sorted(path for name in folders for path in (root / name).rglob("*") if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def full_key(source: str, go_version: str) -> str:
    """The key of a source built by one Go, for one system: `go version` names both."""
    return hashlib.sha256(f"{source} {go_version}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Cache:
    """One cache folder, which may not exist yet."""

    root: Path

    def index(self) -> dict[str, Entry]:
        """The index as it stands; empty without one, or when it can't be read: it is made anew by the next build."""
        try:
            found = json.loads((self.root / "tools.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        entries = found.items() if isinstance(found, dict) else ()
        return {n: e for n, e in entries if isinstance(e, dict) and e.keys() == Entry.__required_keys__}

    def holds(self, entries: dict[str, Entry]) -> bool:
        """Does the index say all that already?"""
        index = self.index()
        return all(index.get(name) == entry for name, entry in entries.items())

    def record(self, entries: dict[str, Entry]) -> None:
        """Add to the index, under the lock; a reader sees the old one or the new one."""
        if self.holds(entries):
            return
        text = json.dumps({**self.index(), **entries}, indent=2, sort_keys=True) + "\n"
        beside = self.root / f"tmp.index.{os.getpid()}"
        beside.write_text(text, encoding="utf-8")
        beside.replace(self.root / "tools.json")

    @contextlib.contextmanager
    def locked(self, when_busy: Callable[[], None]) -> Iterator[None]:
        """Hold the cache against other runs, after waiting for one. The lock ends with its process."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                when_busy()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def workshop(self) -> Iterator[Path]:
        """A folder for the time of a build, on the cache's own file system. Under the lock."""
        for left in self.root.glob("tmp.*"):  # of a run that was killed
            remove(left)
        work = Path(tempfile.mkdtemp(prefix="tmp.", dir=self.root))
        try:
            yield work
        finally:
            remove(work)


def remove(path: Path) -> None:
    """Remove a file or a folder, whose own folders may be read-only as those of Go's module cache are."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)
