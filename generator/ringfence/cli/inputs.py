"""What several commands take: cluster files, trees, folders of controls, the date."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.errors import ExceptionError, InputError, Place, UsageError

if TYPE_CHECKING:
    from ringfence.spec.facts import Cluster

templates_option = click.option(
    "--templates", multiple=True, metavar="DIR", help="A further folder of controls (trusted: templates are code)."
)
json_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the output."
)


def _date(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    if value is None:
        return datetime.datetime.now(datetime.UTC).date().isoformat()
    try:
        return datetime.date.fromisoformat(value).isoformat()
    except ValueError:
        raise UsageError(f'--as-of: "{value}" is no date', hint="write it as YYYY-MM-DD") from None


as_of_option = click.option(
    "--as-of",
    callback=_date,
    metavar="DATE",
    help="The date that decides whether exceptions have expired. Default: today.",
)


def _is_cluster(file: Path) -> bool:
    """Profiles may lie beside clusters; a file named on the command line is read whatever it is."""
    return b"kind: Cluster" in file.read_bytes()


def cluster_files(given: Sequence[str]) -> list[Path]:
    """Files as given; of a folder every cluster.yaml below it, or every *.yaml in it when there is none."""
    found: list[Path] = []
    for name in given:
        path = Path(name)
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(path.glob("**/cluster.yaml")) or [f for f in sorted(path.glob("*.yaml")) if _is_cluster(f)]
        if not inside:
            raise InputError(
                "no cluster.yaml below this folder",
                place=Place(path.as_posix()),
                hint="write one with `ringfence init`",
            )
        found.extend(inside)
    return list(dict.fromkeys(found))


def cluster_file(given: str | None) -> Path | None:
    """The cluster.yaml of a command that takes one: as given (its folder will do), else the one here; None without."""
    if given is None:
        here = Path("cluster.yaml")
        return here if here.is_file() else None
    path = Path(given)
    return path / "cluster.yaml" if path.is_dir() else path


def shown(file: Path) -> str:
    """The file as the user may type it again."""
    try:
        return file.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file.as_posix()


def tree_beside(file: Path) -> Path:
    """Where a cluster file's tree goes unless told otherwise."""
    return file.parent / "rendered" if file.name == "cluster.yaml" else file.parent / "rendered" / file.stem


def lock_beside(file: Path) -> Path:
    """As `sinks.lock.beside`, which is loaded only when it is asked for."""
    from ringfence.sinks import lock

    return lock.beside(file)


def tree_around(path: Path) -> Path | None:
    """The nearest folder at or above `path` that is a rendered tree."""
    absolute = Path(os.path.normpath(Path.cwd() / path))
    return next((f for f in (absolute, *absolute.parents) if (f / "ringfence.index").is_file()), None)


def cluster_of_tree(tree: Path) -> Path | None:
    """The cluster file that `tree_beside` puts there; None when the tree was rendered elsewhere."""
    candidates = (tree.parent / "cluster.yaml", tree.parent.parent / f"{tree.name}.yaml")
    return next((c for c in candidates if c.is_file() and tree_beside(c) == tree), None)


def expired(cluster: Cluster, as_of: str) -> list[ExceptionError]:
    """As `spec.expiry.expired`, which is loaded only when it is asked for."""
    from ringfence.spec import expiry

    return expiry.expired(cluster, as_of)


def days_left(expires: str, as_of: str) -> int:
    """Days from `as_of` to the last day of an exception; negative when it has expired."""
    return (datetime.date.fromisoformat(expires) - datetime.date.fromisoformat(as_of)).days
