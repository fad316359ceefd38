"""`ringfence verify`: what a running cluster refuses and lets through, control by control."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ringfence.cache import cache_folder
from ringfence.cli.console import console
from ringfence.cli.environment import of_kubeconfig, of_sandbox
from ringfence.cli.inputs import cluster_file, shown, templates_option
from ringfence.errors import UsageError, nearest
from ringfence.verdict import State

if TYPE_CHECKING:
    from ringfence.build import Resolution
    from ringfence.probes import Access
    from ringfence.sinks.verdicts import Verification

FAILED, INCOMPLETE = 3, 6


@click.command("verify", short_help="What a running cluster refuses, control by control.")
@click.argument("cluster", required=False, metavar="[CLUSTER.YAML|FOLDER]")
@click.option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, else ~/.kube/config.")
@click.option("--context", metavar="NAME", help="A context of the kubeconfig. Default: the current one.")
@click.option("--sandbox", is_flag=False, flag_value="", metavar="[NAME]", help="A sandbox; this cluster's by default.")
@click.option("--control", "controls", multiple=True, metavar="ID", help="Only this control; may be repeated.")
@click.option("--every-namespace", is_flag=True, help="Ask what is emitted for each namespace in each, not in one.")
@click.option("--strict", is_flag=True, help="Exit 6 when something is not provable here.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "junit", "sarif"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)
@click.option(
    "--patience",
    type=click.FloatRange(0, 600),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="How long policies may take to come into force.",
)
@templates_option
def command(
    cluster: str | None, kubeconfig: str | None, context: str | None, sandbox: str | None, controls: tuple[str, ...],
    every_namespace: bool, strict: bool, output: str, patience: float, templates: tuple[str, ...],
) -> int:  # fmt: skip
    """Ask a cluster, by pairs of requests, whether every control of a cluster.yaml does what it promises.

    Of each pair one request must be refused, by that very control, and its minimally different twin must pass. Writes
    are dry runs wherever that shows the same; what a run makes is labelled ringfence/probe and gone when it ends.

    Exits 3 when a pair failed.
    """
    from ringfence.build import Builder

    file = cluster_file(cluster)
    if file is None:
        raise UsageError("there is no cluster.yaml here", hint="name one: `ringfence verify path/to/cluster.yaml`")
    if sandbox is not None and (kubeconfig or context):
        raise UsageError("--sandbox has a kubeconfig of its own; leave --kubeconfig and --context out")
    resolution = Builder([Path(t) for t in templates], cache_folder()).resolve(file, shown(file))
    for wanted in controls:
        known = [c.id for c in resolution.controls]
        if wanted not in known:
            raise UsageError(f'there is no control "{wanted}"', hint=nearest(wanted, known))
    access = of_kubeconfig(kubeconfig, context) if sandbox is None else of_sandbox(sandbox, resolution.cluster)
    run = _run(access, resolution, file, controls, patience, everywhere=every_namespace)
    console.data(_written(output)(run))
    if run.count(State.FAILED):
        return FAILED
    return INCOMPLETE if strict and run.count(State.NOT_PROVABLE_HERE) else 0


def _run(
    access: Access, resolution: Resolution, file: Path, controls: tuple[str, ...], patience: float, *, everywhere: bool
) -> Verification:
    from ringfence.probes import Session, leftovers, preflight, run_pairs
    from ringfence.sinks.verdicts import Verification

    version = preflight.check(access, resolution.cluster.kubernetes)
    with _interruptible(), Session(access) as session:
        try:
            preflight.permissions(session, resolution, controls)
            preflight.belongs(session, resolution, controls)
            for words in leftovers.remove(session, resolution):
                console.say(words)
            with console.progress(preflight.count(resolution, controls), "verifying") as step:
                verdicts = run_pairs(
                    session, resolution, controls, patience=patience, everywhere=everywhere, seen=lambda _: step()
                )
        except KeyboardInterrupt:
            console.say("interrupted: removing what this run made; a few seconds")
            raise
    return Verification(resolution.cluster.name, shown(file), access.name, version, tuple(verdicts))


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGHUP, which CI and closed terminals send, end a run as Ctrl-C does: nothing is left behind."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _written(output: str) -> Callable[[Verification], str]:
    from ringfence.sinks import verdicts

    forms: dict[str, Callable[[Verification], str]] = {
        "table": lambda run: verdicts.text(run, every=console.verbose),
        "json": verdicts.as_json,
        "junit": verdicts.as_junit,
        "sarif": verdicts.as_sarif,
    }
    return forms[output]
