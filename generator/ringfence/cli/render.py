"""`ringfence render`: cluster.yaml to a tree, or to a stream on stdout."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.cache import cache_folder
from ringfence.cli.console import console
from ringfence.cli.inputs import (
    as_of_option,
    cluster_files,
    expired,
    lock_beside,
    shown,
    templates_option,
    tree_beside,
)
from ringfence.errors import InputError, Place, RingfenceError, StaleError, UsageError, raise_all
from ringfence.model import PROFILES, Bundle, Stage

if TYPE_CHECKING:
    from ringfence.build import Builder, Resolution
    from ringfence.sinks.tree import Changes


@click.command("render", short_help="cluster.yaml to a tree of hardened objects.")
@click.argument("clusters", nargs=-1, metavar="[CLUSTER.YAML|FOLDER]...")
@click.option(
    "-o",
    "--output",
    metavar="DIR|-",
    help="Where the tree goes; - streams all objects to stdout. Default: rendered/ beside cluster.yaml.",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 4 when the tree on disk is stale.")
@click.option(
    "--update-lock", is_flag=True, help="Take this installation's templates, profiles and schemas into ringfence.lock."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes; worth it from about 5,000 objects.",
)
@templates_option
@as_of_option
def command(
    clusters: tuple[str, ...], output: str | None, check: bool, update_lock: bool, jobs: int,
    templates: tuple[str, ...], as_of: str,
) -> int:  # fmt: skip
    """Render one cluster.yaml, several, or every one below a folder (default: this one)."""
    from ringfence.build import Builder

    gc.disable()  # everything built is kept to the end: collecting only costs time
    files = cluster_files(clusters or (".",))
    if output == "-" and check:
        raise UsageError("--check compares a tree; -o - has none")
    builder = Builder([Path(t) for t in templates], cache_folder())
    render = _Render(builder, output, len(files) > 1, check, update_lock, jobs if hasattr(os, "fork") else 1, as_of)
    errors: list[RingfenceError] = []
    with console.progress(len(files), "rendering") as step:
        for file in files:
            try:
                render.one(file)
            except RingfenceError as bad:
                errors.append(bad)
            step()
    raise_all(errors)
    return 0


class _Render:
    """One call's options, applied to each cluster."""

    def __init__(
        self, builder: Builder, output: str | None, several: bool, check: bool, update_lock: bool, jobs: int, as_of: str
    ) -> None:
        self.builder, self.output, self.several = builder, output, several
        self.check, self.update_lock, self.jobs, self.as_of = check, update_lock, jobs, as_of
        self._written: dict[Path, Path] = {}  # tree -> its cluster file
        self._templates: str | None = None  # digest of all templates, once a run

    def one(self, file: Path) -> None:
        """Render one cluster and say what happened; raises what is wrong with it."""
        resolution = self.builder.resolve(file, shown(file))
        late = expired(resolution.cluster, self.as_of)
        if self.output == "-":
            self._stream(self.builder.objects(resolution))
        else:
            pinned = self._lock(file, resolution.profile.files, resolution.cluster.kubernetes)
            try:
                self._tree(file, resolution)
            except StaleError as bad:
                raise_all([bad, *late])
            pinned()
        raise_all(late)

    def _stream(self, bundle: Bundle) -> None:
        from ringfence.emission import text

        console.data("".join([f"---\n{text(m)}" for m in bundle.manifests]))

    def _tree(self, file: Path, resolution: Resolution) -> None:
        from ringfence.sinks.parallel import write_parts
        from ringfence.sinks.tree import write

        directory = self._directory(file, resolution.cluster.name)
        if self.jobs > 1 and len(resolution.cluster.namespaces) >= self.jobs:
            changes, bundle = write_parts(
                lambda part: self.builder.objects(resolution, part), directory, self.check, self.jobs
            )
        else:
            bundle = self.builder.objects(resolution)
            changes = write(bundle, directory, self.check)
        if self.check and changes.stale:
            raise StaleError(_stale(directory, changes), hint=f"run `ringfence render {shown(file)}`")
        _summary(bundle, changes, directory, self.check, brief=self.several)

    def _directory(self, file: Path, name: str) -> Path:
        given = Path(self.output or "")
        directory = (given / name if self.several else given) if self.output else tree_beside(file)
        if (other := self._written.setdefault(directory, file)) != file:
            raise InputError(
                f'cluster "{name}" and that of {shown(other)} would write one tree, {directory.as_posix()}',
                place=Place(shown(file)),
                hint="give each cluster a name of its own, or render them one by one",
            )
        return directory

    def _lock(self, file: Path, profiles: Sequence[Path], kubernetes: str) -> Callable[[], None]:
        """Hold this installation against the lock; what it returns writes the lock once the tree is written."""
        from ringfence.sinks import lock

        if self._templates is None:
            self._templates = lock.templates_digest(self.builder.catalog.folders)
        held = lock.current(self.builder.store(kubernetes), self._templates, profiles)
        place = lock_beside(file)
        if (not self.update_lock or self.check) and lock.verify(place, held):
            return lambda: None
        if self.check:
            raise StaleError(f"there is no {place.name}", hint=f"run `ringfence render {shown(file)}`")
        return lambda: lock.write(place, held)


def _stale(directory: Path, changes: Changes) -> str:
    parts = [
        f"{len(paths)} {what}" + (f" ({', '.join(paths[:3])}{', ...' if len(paths) > 3 else ''})" if paths else "")
        for what, paths in (
            ("missing", changes.new),
            ("changed", changes.changed),
            ("left over", changes.removed),
            ("unknown", changes.unknown),
        )
        if paths
    ]
    return f"{directory.as_posix()} is stale: " + ", ".join(parts)


def _summary(bundle: Bundle, changes: Changes, directory: Path, check: bool, brief: bool) -> None:
    """What was rendered, by area and by the profile that asks for it."""
    cluster = bundle.cluster
    done = (
        "up to date"
        if not changes.stale
        else f"{len(changes.new)} new, {len(changes.changed)} changed, {len(changes.removed)} removed"
    )
    head = f"{cluster.name}: profile={cluster.profile}, Kubernetes {cluster.kubernetes}, {directory.as_posix()}"
    console.say(f"{head}: {done}, {changes.same} unchanged")
    if brief or check:
        return
    rows = _by_area(bundle, changes.areas)
    console.say("controls by area: by the profile that brings them, by stage; and the objects they give")
    console.table(["area", *PROFILES, "audit", "enforce", "objects"], rows)
    if bundle.unemitted and console.verbose:
        for id_, why in sorted(bundle.unemitted.items()):
            console.say(f"not emitted: {id_}: {why}")
    elif bundle.unemitted:
        console.say(f"{len(bundle.unemitted)} controls emit nothing here: `ringfence -v render` says why")
    console.say("next: review and commit the tree, then apply it: see docs/usage.md, or `ringfence explain KIND/NAME`")


def _by_area(bundle: Bundle, objects: Mapping[str, int]) -> list[list[str]]:
    areas: dict[str, list[int]] = {}
    for control in bundle.controls:
        row = areas.setdefault(control.control.domain, [0] * (len(PROFILES) + 3))
        if control.id in bundle.unemitted:
            continue
        row[PROFILES.index(control.control.profile)] += 1
        row[len(PROFILES) + (control.stage is Stage.ENFORCE)] += 1
    for area, row in areas.items():
        row[-1] = objects.get(area, 0)
    return [[area, *(str(n) for n in row)] for area, row in sorted(areas.items())]
