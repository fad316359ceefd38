"""`ringfence check`: findings on a rendered tree, the output of Helm, or any manifests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.cli.console import console
from ringfence.cli.inputs import cluster_of_tree, json_option, shown, tree_around
from ringfence.errors import InputError, Place, RingfenceError, UsageError, raise_all
from ringfence.schemas import SUPPORTED

if TYPE_CHECKING:
    from ringfence.documents import Document
    from ringfence.findings import Report
    from ringfence.model import Finding
    from ringfence.sinks.index import Index

_Given = tuple["Path | None", "Document"]
FINDINGS, INCOMPLETE = 3, 6
_SUFFIXES = (".yaml", ".yml")
_STDIN = "<stdin>"


@click.command("check", short_help="Findings on a tree or any manifests.")
@click.argument("paths", nargs=-1, metavar="[FILE|FOLDER|-]...")
@click.option(
    "--kubernetes",
    type=click.Choice(SUPPORTED),
    help=f"Version whose schemas judge. Default: that of a tree's cluster.yaml, else {SUPPORTED[-1]}.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "critical", "never"]),
    default="medium",
    show_default=True,
    help="The gate: exit 3 when a finding is as severe as this, or more.",
)
@click.option("--strict", is_flag=True, help="Exit 6 when an object could not be analysed.")
@click.option(
    "--plan", metavar="FILE", help="Judge what `pulumi preview --json --show-sames` would take away, not manifests."
)
@click.option(
    "--allow-delete",
    multiple=True,
    metavar="KIND/[NAMESPACE/]NAME",
    help="With --plan: an object that may go or do less.",
)
@json_option
def command(
    paths: tuple[str, ...], kubernetes: str | None, fail_on: str, strict: bool,
    plan: str | None, allow_delete: tuple[str, ...], output: str,
) -> int:  # fmt: skip
    """Check YAML files, folders of them, or stdin (-). Default: rendered/.

    Each object is held against the strict schema of its kind and against the rules that ringfence's own
    output obeys. Every finding names the file and line, the control, and what to do about it.
    """
    from ringfence.findings import at_or_over
    from ringfence.sinks import report as sink

    if plan is not None or allow_delete:
        return _plan(plan, allow_delete, paths, fail_on, output)
    gc.disable()  # everything read is kept to the end: collecting only costs time
    files = list(_files(paths or _default()))
    documents, errors = _read(files)
    report = sink.merged(list(_examine(documents, kubernetes)))
    console.data(sink.as_json(report, fail_on) if output == "json" else sink.text(report, fail_on))
    raise_all(errors)
    if at_or_over(report.findings, fail_on):
        return FINDINGS
    return INCOMPLETE if strict and report.unanalysed else 0


def _plan(plan: str | None, allowed: Sequence[str], paths: Sequence[str], fail_on: str, output: str) -> int:
    """Findings on a plan of Pulumi's, by the same gate and in the same forms."""
    from ringfence.findings import at_or_over
    from ringfence.plans import read_plan
    from ringfence.sinks import report as sink

    if plan is None:
        raise UsageError("--allow-delete is about a plan", hint="name the plan with --plan FILE")
    if paths:
        raise UsageError("--plan takes no manifests", hint="check them by themselves: ringfence check PATH")
    report = read_plan(Path(plan), shown(Path(plan)), allowed)
    console.data(sink.as_json(report, fail_on) if output == "json" else sink.text(report, fail_on))
    return FINDINGS if at_or_over(report.findings, fail_on) else 0


def _default() -> tuple[str, ...]:
    if not Path("rendered").is_dir():
        raise UsageError("nothing to check", hint="name files, folders, or - for stdin")
    return ("rendered",)


def _files(paths: Sequence[str]) -> Iterator[Path | None]:
    """Files as given and those below folders, hidden ones left out; None for stdin."""
    for name in dict.fromkeys(paths):
        if name == "-":
            yield None
        elif Path(name).is_dir():
            found = sorted(_below(Path(name)))
            if not found:
                raise InputError("no YAML file below this folder", place=Place(name))
            yield from found
        else:
            yield Path(name)


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        yield from (Path(root, n) for n in names if n.endswith(_SUFFIXES) and not n.startswith("."))


def _read(files: Sequence[Path | None]) -> tuple[list[_Given], list[RingfenceError]]:
    """Every document with its file, and an error for each file that can't be read."""
    from ringfence.documents import load_all

    documents: list[_Given] = []
    errors: list[RingfenceError] = []
    for file in files:
        name = shown(file) if file else _STDIN
        try:
            data = file.read_bytes() if file else sys.stdin.buffer.read()
        except OSError as bad:
            errors.append(InputError(f"can't read the file: {(bad.strerror or str(bad)).lower()}", place=Place(name)))
            continue
        try:
            documents.extend((file, d) for d in load_all(data, name, "kubectl"))
        except InputError as bad:
            if b"{{" in data:
                bad.hint = (
                    "this looks like a Helm template: check what it gives, `helm template CHART | ringfence check -`"
                )
            errors.append(bad)
    return documents, errors


class _Trees:
    """The rendered trees that files lie in; each is looked up once."""

    def __init__(self) -> None:
        self._versions: dict[Path, str | None] = {}
        self._indexes: dict[Path, tuple[Path, Index | None] | None] = {}

    def version(self, folder: Path) -> str | None:
        """The Kubernetes version of the tree around a folder; None when there is no tree, or no cluster beside it."""
        from ringfence.spec import read_cluster

        if folder not in self._versions:
            tree = tree_around(folder)
            cluster = cluster_of_tree(tree) if tree else None
            self._versions[folder] = read_cluster(cluster, shown(cluster)).kubernetes if cluster else None
        return self._versions[folder]

    def is_of_a_host(self, file: Path) -> bool:
        """Is this a file that a tree's index lists below host/? Distributions' configurations there are no objects."""
        from ringfence.host import FOLDER

        found = self._index(file.parent)
        if found is None or found[1] is None:
            return False
        inside = _inside(file, found[0])
        return inside.startswith(f"{FOLDER}/") and inside in found[1].files

    def with_origin(self, finding: Finding, file: Path) -> Finding:
        """The finding with the template that set its field, when the file lies in a tree."""
        found = self._index(file.parent)
        if found is None or found[1] is None:
            return finding
        inside = _inside(file, found[0])
        return replace(finding, origin=found[1].origin(inside, finding.object, finding.path))

    def _index(self, folder: Path) -> tuple[Path, Index | None] | None:
        """The tree around a folder, with its index."""
        from ringfence.sinks.index import read_index

        if folder not in self._indexes:
            tree = tree_around(folder)
            self._indexes[folder] = (tree, read_index(tree)) if tree else None
        return self._indexes[folder]


def _inside(file: Path, tree: Path) -> str:
    return Path(os.path.normpath(Path.cwd() / file)).relative_to(tree).as_posix()


def _keys(document: Document) -> Iterable[str]:
    return document.value if isinstance(document.value, dict) else ()


def _examine(documents: Sequence[_Given], kubernetes: str | None) -> Iterator[Report]:
    """A report for each Kubernetes version that judges; at least one."""
    from ringfence.findings import examine
    from ringfence.schemas import SchemaStore

    trees = _Trees()
    found: dict[str, list[Document]] = {}
    for file, document in documents:
        if file and "apiVersion" not in _keys(document) and trees.is_of_a_host(file):
            continue
        version = kubernetes or (trees.version(file.parent) if file else None) or SUPPORTED[-1]
        found.setdefault(version, []).append(document)
    files = {d.file: f for f, d in documents if f}
    for version, given in (found or {kubernetes or SUPPORTED[-1]: []}).items():
        report = examine(given, SchemaStore(version))
        findings = (
            trees.with_origin(f, files[f.place.file]) if f.place and f.place.file in files else f
            for f in report.findings
        )
        yield replace(report, findings=tuple(findings))
