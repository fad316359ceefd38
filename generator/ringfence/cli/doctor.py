"""`ringfence doctor`: what this machine and this directory have and lack."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ringfence import __version__, bundled
from ringfence.cache import cache_folder
from ringfence.cli.console import console
from ringfence.cli.inputs import (
    as_of_option,
    cluster_file,
    days_left,
    expired,
    json_option,
    lock_beside,
    shown,
    tree_beside,
)
from ringfence.errors import RingfenceError

if TYPE_CHECKING:
    from ringfence.build import Builder, Resolution

_SOON = 30  # days before the last day of an exception
_TOOLS = {
    "kubectl": "apply a tree by hand",
    "helm": "render charts for `ringfence check`",
    "pulumi": "bootstrap a cluster with `pulumi up`",
    "git": "commit trees and compare them",
}
_EXTRAS = {"pulumi": ("pulumi", "pulumi-kubernetes"), "scaffold": ("copier",)}
OK, NOTE, FAIL = "ok", "note", "fail"


class Row(NamedTuple):
    """One check: its state, what was found, and the exit code it asks for."""

    check: str
    state: str
    found: str
    code: int = 0


@click.command("doctor", short_help="What this machine and this directory have and lack.")
@click.argument("file", required=False, metavar="[CLUSTER.YAML|FOLDER]")
@json_option
@as_of_option
def command(file: str | None, output: str, as_of: str) -> int:
    """Check this installation, and the cluster.yaml given or found here with its tree, lock and exceptions.

    Exits 0 when nothing fails, else with the code of the worst failure. Notes never fail.
    """
    rows = list(_installation())
    if all(r.state != FAIL for r in rows):  # without its content nothing can be said about a cluster
        rows += _cluster(cluster_file(file), as_of)
    if output == "json":
        console.data(
            json.dumps([{"check": r.check, "state": r.state, "found": r.found} for r in rows], indent=2) + "\n"
        )
    else:
        console.table(["check", "state", "found"], [r[:3] for r in rows], out=sys.stdout)
    return max(r.code for r in rows)


def _failed(check: str, bad: RingfenceError) -> Row:
    return Row(check, FAIL, " | ".join(bad.line().splitlines()), bad.exit_code)


def _installation() -> Iterator[Row]:
    from ringfence import documents
    from ringfence.catalog import load_catalog

    yield Row("python", OK, platform.python_version())
    try:
        catalog = load_catalog((bundled.templates(),))
        yield Row("content", OK, f"ringfence {__version__}, {len(catalog.controls)} controls")
    except RingfenceError as bad:
        yield _failed("content", bad)
    if documents.FAST:
        yield Row("yaml", OK, "PyYAML with libyaml")
    else:
        yield Row("yaml", NOTE, "PyYAML without libyaml: ten times slower; install a wheel of PyYAML")
    folder = cache_folder()
    found = folder.as_posix() if folder else "no private cache folder: templates are compiled on every run"
    yield Row("cache", OK if folder else NOTE, found)
    for tool, purpose in _TOOLS.items():
        where = shutil.which(tool)
        yield Row(tool, OK if where else NOTE, where or f"not found; needed to {purpose}")
    for extra, packages in _EXTRAS.items():
        there = all(find_spec(p.replace("-", "_")) is not None for p in packages)
        yield Row(
            f"extra {extra}", OK if there else NOTE, "installed" if there else f"pip install {' '.join(packages)}"
        )


def _cluster(file: Path | None, as_of: str) -> Iterator[Row]:
    """The cluster's document, lock, tree and exceptions."""
    from ringfence.build import Builder

    if file is None:
        yield Row("cluster", NOTE, "no cluster.yaml here; write one with `ringfence init`")
        return
    try:
        builder = Builder(cache=cache_folder())
        resolution = builder.resolve(file, shown(file))
    except RingfenceError as bad:
        yield _failed("cluster", bad)
        return
    cluster = resolution.cluster
    yield Row(
        "cluster", OK, f"{shown(file)}: {cluster.name}, profile={cluster.profile}, Kubernetes {cluster.kubernetes}"
    )
    yield from _editor(file)
    yield _lock(builder, resolution, file)
    yield _tree(builder, resolution, file)
    yield from _exceptions(resolution, as_of)


def _editor(file: Path) -> Iterator[Row]:
    """The schema that `init` wrote for the editor, when it is of another version."""
    from ringfence.starter import SCHEMA_FILE

    schema = file.with_name(SCHEMA_FILE)
    if schema.is_file():
        fresh = schema.read_bytes() == bundled.document_schema("cluster").read_bytes()
        again = f"{shown(schema)} is of another version; `ringfence schema cluster > {shown(schema)}`"
        yield Row("schema", OK if fresh else NOTE, shown(schema) if fresh else again)


def _lock(builder: Builder, resolution: Resolution, file: Path) -> Row:
    from ringfence.sinks import lock

    place = lock_beside(file)
    templates = lock.templates_digest(builder.catalog.folders)
    held = lock.current(builder.store(resolution.cluster.kubernetes), templates, resolution.profile.files)
    try:
        there = lock.verify(place, held)
    except RingfenceError as bad:
        return _failed("lock", bad)
    return Row("lock", OK, shown(place)) if there else Row("lock", NOTE, "none yet; `ringfence render` writes it")


def _tree(builder: Builder, resolution: Resolution, file: Path) -> Row:
    from ringfence.sinks.tree import write

    directory = tree_beside(file)
    if not directory.is_dir():
        return Row("tree", NOTE, f"{shown(directory)} is not there; `ringfence render {shown(file)}`")
    try:
        bundle = builder.objects(resolution)
        changes = write(bundle, directory, check=True)
    except RingfenceError as bad:
        return _failed("tree", bad)
    if changes.stale:
        return Row("tree", FAIL, f"{shown(directory)} is stale; `ringfence render {shown(file)}`", 4)
    return Row("tree", OK, f"{shown(directory)}: up to date, {len(bundle.manifests)} objects")


def _exceptions(resolution: Resolution, as_of: str) -> Iterator[Row]:
    cluster = resolution.cluster
    late = expired(cluster, as_of)
    yield from (_failed("exception", bad) for bad in late)
    soon = [e for e in cluster.exemptions if 0 <= days_left(e.expires, as_of) <= _SOON]
    for one in soon:
        found = (
            f"{one.name} of {one.owner} ends on {one.expires}, in {days_left(one.expires, as_of)} days ({one.ticket})"
        )
        yield Row("exception", NOTE, found)
    rest = len(cluster.exemptions) - len(late) - len(soon)
    yield Row("exceptions", OK, f"{rest} with more than {_SOON} days left")
