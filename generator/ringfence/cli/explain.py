"""`ringfence explain`: why a control, an object, a field or a line is as it is, and how to change it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.cache import cache_folder
from ringfence.cli.console import console
from ringfence.cli.inputs import cluster_file, cluster_of_tree, shown, templates_option, tree_around
from ringfence.errors import InputError, Place, UsageError, nearest

if TYPE_CHECKING:
    from ringfence.build import Builder
    from ringfence.model import Bundle

_LINE = re.compile(r"(?P<file>.+?):(?P<line>[1-9][0-9]*)(:[0-9]+)?\Z")


@click.command("explain", short_help="Why a control, object or field is as it is, and how to change it.")
@click.argument("what")
@click.option("--cluster", metavar="FILE", help="The cluster. Default: the tree's, or ./cluster.yaml.")
@templates_option
def command(what: str, cluster: str | None, templates: tuple[str, ...]) -> None:
    """Explain WHAT: a control's id, Kind/namespace/name, Kind/name, an object with :field, or FILE:LINE of a tree."""
    from ringfence.build import Builder

    builder = Builder([Path(t) for t in templates], cache_folder())
    match = _LINE.match(what)
    if match and Path(match["file"]).is_file():
        text = _line(builder, Path(match["file"]), int(match["line"]), cluster)
    elif "/" in what:
        text = _object(_bundle(builder, cluster_file(cluster), what), what)
    else:
        text = _control(builder, cluster_file(cluster), what)
    console.data(text)


def _bundle(builder: Builder, file: Path | None, what: str) -> Bundle:
    if file is None:
        raise UsageError(
            f'"{what}" is an object, and there is no cluster.yaml here', hint="name it with --cluster FILE"
        )
    return builder.build(file, shown(file))


def _control(builder: Builder, file: Path | None, what: str) -> str:
    from ringfence.explanation import about_control

    control = builder.catalog.controls.get(what)
    if control is None:
        hint = nearest(what, builder.catalog.controls) or "see `ringfence list`; objects are spelt Kind/namespace/name"
        raise UsageError(f'there is no control "{what}"', hint=hint)
    if file is None:
        return about_control(control)
    bundle = builder.build(file, shown(file))
    return about_control(control, next(c for c in bundle.controls if c.id == what), bundle)


def _object(bundle: Bundle, what: str) -> str:
    from ringfence.address import locate
    from ringfence.explanation import about_field, about_object

    manifest, path = locate(bundle, what)
    return about_field(manifest, path, bundle) if path else about_object(manifest, bundle)


def _line(builder: Builder, file: Path, line: int, cluster: str | None) -> str:
    """The field on a line of a rendered file, by way of the cluster that the tree was rendered from."""
    from ringfence.address import at_line
    from ringfence.documents import load_all
    from ringfence.explanation import about_field, about_object

    place = Place(shown(file), line, 1)
    tree = tree_around(file.parent)
    if tree is None:
        raise UsageError(
            f"{place.file} is in no rendered tree", hint="name a file below a folder that holds ringfence.index"
        )
    found = at_line(load_all(file.read_bytes(), place.file, "kubectl"), line)
    if found is None:
        raise UsageError(f"{place.file}:{line} is before the first object")
    source = cluster_file(cluster) if cluster else cluster_of_tree(tree) or cluster_file(None)
    id_, path = found
    bundle = _bundle(builder, source, id_)
    manifest = bundle.find(id_)
    if manifest is None:
        raise InputError(
            f"{id_} stands here and {bundle.cluster.name} does not render it",
            place=place,
            hint="the tree is stale, or of another cluster: render it again, or name its cluster with --cluster",
        )
    return about_field(manifest, path, bundle) if path else about_object(manifest, bundle)
