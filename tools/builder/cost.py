"""What a build will cost, said and checked before it begins."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .families import Binary, Copy, Family

SPARE_GB = 1.0  # left free on a disk that a build fills
GB = 1_000_000_000


class DiskError(RuntimeError):
    """A build would fill a disk."""


@dataclass(frozen=True)
class Cost:
    """Estimates, from builds on two cores with empty caches."""

    programs: int
    seconds: int
    temporary: float  # GB in the build's own cache
    modules: float  # GB in Go's module cache

    @classmethod
    def of(cls, missing: Sequence[tuple[Family, Binary | Copy]], modules: Path, keeps_build_cache: bool) -> Cost:
        """The cost of building those parts, with Go's module cache as it is."""
        built = [(family, part) for family, part in missing if isinstance(part, Binary)]
        families = {family.name: family for family, _ in built}.values()
        return cls(
            programs=len(missing),
            seconds=sum(part.seconds for _, part in built),
            temporary=0 if keeps_build_cache else sum(family.cache_gb for family in families),
            modules=sum(family.modules_gb for family in families if not _downloaded(family, modules)),
        )

    def sentence(self, folder: Path) -> str:
        """What it comes to, in words."""
        if not self.seconds:  # files alone
            return f"copying {self.programs} of the rig's files into {folder}"
        time = f"{round(self.seconds / 60)} minutes" if self.seconds >= 90 else f"{self.seconds} seconds"
        parts = [f"about {time} on two cores" + ("" if self.temporary else ", less with the build cache that you keep")]
        if self.temporary:
            parts.append(f"{self.temporary:.1f} GB of disk until it ends")
        if self.modules:
            parts.append(f"up to {self.modules:.1f} GB of modules that Go keeps")
        return f"building {self.programs} of the rig's programs into {folder}: {', '.join(parts)}"

    def refuse_if_too_big(self, folder: Path, modules: Path) -> None:
        """Raises DiskError when one of the two disks, which may be the same, has no room."""
        need: dict[int, tuple[Path, float]] = {}
        for path, size in ((folder, self.temporary), (modules, self.modules)):
            there = _existing(path)
            first, sum_of_others = need.get(there.stat().st_dev, (there, SPARE_GB))
            need[there.stat().st_dev] = first, sum_of_others + size
        for there, size in need.values():
            free = shutil.disk_usage(there).free / GB
            if free < size:
                raise DiskError(
                    f"building needs {size:.1f} GB free at {there}, and there are {free:.1f}; "
                    "make room, or name folders on another disk by RINGFENCE_TOOLS_CACHE and GOMODCACHE"
                )


def _existing(path: Path) -> Path:
    candidates: Iterable[Path] = (path, *path.parents)
    return next(candidate for candidate in candidates if candidate.exists())


def _downloaded(family: Family, modules: Path) -> bool:
    """Are the family's modules there? Its own stands for those that it requires."""
    return any(modules.glob(f"cache/download/{family.module}/@v/*.zip"))
