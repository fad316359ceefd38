"""What several commands take: cluster files, folders of controls, the date."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

import click

from ringfence.errors import ExceptionError, InputError, Place, UsageError
from ringfence.spec.facts import Cluster

templates_option = click.option(
    "--templates", multiple=True, metavar="DIR", help="A further folder of controls (trusted: templates are code)."
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


def cluster_files(given: Sequence[str]) -> list[Path]:
    """Files as given; of a folder every cluster.yaml below it, or every *.yaml in it when there is none."""
    found: list[Path] = []
    for name in given:
        path = Path(name)
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(path.glob("**/cluster.yaml")) or sorted(path.glob("*.yaml"))
        if not inside:
            raise InputError(
                "no cluster.yaml below this folder",
                place=Place(path.as_posix()),
                hint="write one with `ringfence init`",
            )
        found.extend(inside)
    return list(dict.fromkeys(found))


def expired(cluster: Cluster, as_of: str) -> list[ExceptionError]:
    """One error for each exception whose last day is before `as_of` (ISO dates compare as text)."""
    return [
        ExceptionError(
            f'exception "{e.name}" of {e.owner} expired on {e.expires}',
            place=e.places["expires"],
            hint=f"fix the cause ({e.ticket}) and remove it, or renew it with a new date",
        )
        for e in cluster.exemptions
        if e.expires < as_of
    ]


def cache_folder() -> Path | None:
    """A folder for compiled templates that only this user can write; None when there can't be one."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "ringfence"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
    except OSError:
        return None
    private = not hasattr(os, "getuid") or (state.st_uid == os.getuid() and not state.st_mode & 0o022)
    return folder if private and not folder.is_symlink() else None
