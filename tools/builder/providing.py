"""Where each program is, and building those that are nowhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import cache as caching
from . import fitting
from .cache import Cache, Entry
from .compiling import Go, NoGoError, Workshop
from .cost import Cost
from .families import FAMILIES, HERE, Binary, Copy, Family

Part = tuple[Family, Binary | Copy]


class UnknownToolError(LookupError):
    """Not the name of a program of the rig."""


@dataclass(frozen=True)
class Tool:
    """One program of the rig and where it was found: `path`, `cache`, or `missing`."""

    name: str
    version: str
    where: str
    path: Path | None = None


@dataclass
class Rig:
    """Families below `root`, built into `cache`; `say` gets one line of progress at a time."""

    say: Callable[[str], None]
    root: Path = HERE
    families: Sequence[Family] = FAMILIES
    cache: Cache = field(default_factory=lambda: Cache(caching.folder()))
    go: Go | None = field(default_factory=Go.find)
    search: Callable[[str], fitting.Found | None] = fitting.search
    _searched: dict[str, fitting.Found | None] = field(default_factory=dict)

    def select(self, names: Sequence[str] = (), tiers: Sequence[str] = ()) -> list[Part]:
        """The parts named or of a tier, all without either, in the order of building; raises UnknownToolError."""
        parts = [(family, part) for family in self.families for part in family.parts]
        known = sorted(part.name for _, part in parts)
        for name in names:
            if name not in known:
                raise UnknownToolError(f"no tool is called {name}; there are: {', '.join(known)}")
        every = not names and not tiers
        return [(family, part) for family, part in parts if every or part.name in names or family.tier in tiers]

    def locate(self, family: Family, part: Binary | Copy) -> Tool:
        """Where a part is now: what fits on PATH, else what this tree's files were built to."""
        if found := self._found(part):
            return Tool(part.name, found.version, "path", found.path)
        path = self._cached(family, part)
        return Tool(part.name, family.version_of(part, self.root), "cache" if path else "missing", path)

    def provide(self, wanted: Sequence[Part]) -> list[Tool]:
        """The tools wanted, after building those that are missing; raises NoGoError, DiskError or BuildError."""
        missing = self._missing(wanted)
        if missing and not self.go:
            names = ", ".join(part.name for _, part in missing)
            raise NoGoError(f"{names}: not on PATH with a version that fits, and building needs Go 1.26.3 or newer")
        if missing or not self.cache.holds(self._entries(wanted)):
            with self.cache.locked(lambda: self.say(f"waiting for another build, which holds {self.cache.root}")):
                missing = self._missing(wanted)  # the other may have built some of them
                if missing:
                    self._build(missing)
                self.cache.record(self._entries(wanted))
        return [self.locate(*part) for part in wanted]

    def _missing(self, wanted: Sequence[Part]) -> list[Part]:
        return [part for part in wanted if self.locate(*part).where == "missing"]

    def _found(self, part: Binary | Copy) -> fitting.Found | None:
        """What fits on PATH, asked once: a program takes its time to say its version."""
        if part.name not in self._searched:
            self._searched[part.name] = self.search(part.name)
        return self._searched[part.name]

    def _cached(self, family: Family, part: Binary | Copy) -> Path | None:
        if self.go:
            path = self._place(self.go, family, part)
            return path if path.exists() else None
        entry = self.cache.index().get(part.name)  # without Go, whichever Go built it
        if not entry or entry["source"] != caching.source_key(family, self.root):
            return None
        return Path(entry["path"]) if Path(entry["path"]).exists() else None

    def _place(self, go: Go, family: Family, part: Binary | Copy) -> Path:
        key = caching.full_key(caching.source_key(family, self.root), go.version)
        return self.cache.root / family.name / key / part.file

    def _build(self, missing: list[Part]) -> None:
        assert self.go  # noqa: S101 # provide has seen to it
        self.go.refuse_if_older([self.root / family.name for family, _ in missing])
        kept = os.environ.get("RINGFENCE_TOOLS_GOCACHE")
        modules = self.go.module_cache()
        cost = Cost.of(missing, modules, keeps_build_cache=bool(kept))
        self.say(cost.sentence(self.cache.root))
        cost.refuse_if_too_big(self.cache.root, modules)
        with self.cache.workshop() as work:
            shop = Workshop(self.go, work, Path(kept).absolute() if kept else work / "build-cache", self.root)
            for number, (family, part) in enumerate(missing, 1):
                title = f"[{number}/{len(missing)}] {part.name} {family.version_of(part, self.root)}"
                self._make(shop, family, part, title)

    def _make(self, shop: Workshop, family: Family, part: Binary | Copy, title: str) -> None:
        usual = f", about {part.seconds} s" if isinstance(part, Binary) else ""
        self.say(f"{title}: building{usual}")
        begun = time.monotonic()
        place = self._place(shop.go, family, part)
        shop.make(family, part, place)
        size = f", {place.stat().st_size / 1e6:.0f} MB" if place.is_file() else ""
        self.say(f"{title}: {time.monotonic() - begun:.0f} s{size}")
        self.cache.record(self._entries([(family, part)]))  # stays when a later one fails

    def _entries(self, wanted: Sequence[Part]) -> dict[str, Entry]:
        """What the index has to say about those of them that were found, or lie in the cache: readers know no more."""
        entries: dict[str, Entry] = {}
        for family, part in wanted:
            if found := self._found(part):
                entries[part.name] = {"path": str(found.path), "version": found.version, "key": "", "source": ""}
                continue
            place = self._place(self.go, family, part) if self.go else None
            if self.go and place and place.exists():
                source = caching.source_key(family, self.root)
                key = caching.full_key(source, self.go.version)
                version = family.version_of(part, self.root)
                entries[part.name] = {"path": str(place), "version": version, "key": key, "source": source}
        return entries
