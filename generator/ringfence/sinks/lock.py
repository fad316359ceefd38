"""ringfence.lock: which generator, profiles, templates and schemas a tree was rendered with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ringfence import __version__
from ringfence.documents import dump, load
from ringfence.errors import InputError, Place, StaleError, ToolError
from ringfence.schemas import SchemaStore

NAME = "ringfence.lock"
_HEADER = "# What the tree beside this file was rendered with. `ringfence render --update-lock` rewrites it.\n"


@dataclass(frozen=True, slots=True)
class Lock:
    """Versions and digests, as SHA-256, of everything but cluster.yaml that decides a tree."""

    generator: str
    profiles: str
    templates: str
    schemas: str

    def text(self) -> str:
        """The lock as YAML."""
        return _HEADER + dump(
            {
                "apiVersion": "ringfence/v1alpha1",
                "kind": "Lock",
                "generator": self.generator,
                "profiles": self.profiles,
                "templates": self.templates,
                "schemas": self.schemas,
            }
        )


def beside(cluster: Path) -> Path:
    """Where a cluster file's lock lies."""
    return cluster.with_name(NAME if cluster.name == "cluster.yaml" else f"{cluster.stem}.lock")


def current(store: SchemaStore, templates: str, profiles: Iterable[Path]) -> Lock:
    """The lock of this installation for one cluster; `templates` is their digest."""
    return Lock(__version__, _digest((f.name, f.read_bytes()) for f in sorted(profiles)), templates, store.digest())


def templates_digest(folders: Sequence[str]) -> str:
    """The SHA-256 of every file in `folders` that can change what is rendered."""
    return _digest(_sources(folders))


def _sources(folders: Sequence[str]) -> Iterable[tuple[str, bytes]]:
    """Every file that can change what is rendered: metadata and templates, no cases and no probes."""
    for folder in folders:
        for control in sorted(Path(folder).glob("*/*/control.yaml")):
            for file in sorted((control, *control.parent.glob("*.j2"))):
                yield "/".join(file.parts[-3:]), file.read_bytes()


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    total = sha256()
    for name, data in files:
        total.update(f"{name}\0{len(data)}\0".encode())
        total.update(data)
    return total.hexdigest()


def write(file: Path, lock: Lock) -> None:
    """Write the lock, whole or not at all; raises ToolError when the disk refuses."""
    made = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        made.write_text(lock.text(), encoding="utf-8")
        made.replace(file)
    except OSError as bad:
        why = (bad.strerror or str(bad)).lower()
        raise ToolError(
            f"can't write the lock: {why}", place=Place(file.as_posix()), hint="mend it and render again"
        ) from bad
    finally:
        made.unlink(missing_ok=True)


def verify(file: Path, lock: Lock) -> bool:
    """Is there a lock, and does it fit? Raises StaleError naming what differs; False when there is none."""
    try:
        document = load(file.read_bytes(), file.as_posix())
    except FileNotFoundError:
        return False
    held = document.value
    if not isinstance(held, dict) or held.get("kind") != "Lock":
        raise InputError("this is no lock of ringfence", place=Place(file.as_posix()), hint="remove it")
    differing = [k for k in ("generator", "profiles", "templates", "schemas") if held.get(k) != getattr(lock, k)]
    if differing:
        what = ", ".join(
            f"generator {held.get('generator')} (this is {lock.generator})" if k == "generator" else k
            for k in differing
        )
        raise StaleError(
            f"the lock pins other {what}",
            place=document.place((differing[0],)),
            hint="render with --update-lock and review what changes",
        )
    return True
