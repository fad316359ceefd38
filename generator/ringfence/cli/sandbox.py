"""`ringfence sandbox`: a disposable control plane on loopback that runs a cluster's host files."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ringfence.cli.console import console
from ringfence.cli.inputs import cluster_file, json_option, shown
from ringfence.errors import RingfenceError, UsageError

if TYPE_CHECKING:
    from ringfence.sandbox import Folder
    from ringfence.sandbox.state import Record

_NOT_RUNNING = 1
_APPLY = "--server-side --field-manager=ringfence --force-conflicts"  # docs/usage.md tells why
_TIMEOUT = 90.0  # seconds; a quiet machine takes ten

state_option = click.option(
    "--state", metavar="DIR", help="Where its state lies. Default: below $XDG_STATE_HOME/ringfence/sandbox."
)
file_argument = click.argument("file", required=False, metavar="[CLUSTER.YAML|FOLDER]")
known_argument = click.argument("file", required=False, metavar="[CLUSTER.YAML|FOLDER|NAME]")


@click.group("sandbox", short_help="A disposable control plane that runs a cluster's host files.")
def command() -> None:
    """Start, show and end a control plane on loopback that runs the host files of a cluster.yaml.

    It is made of real components (etcd, kube-apiserver, kube-controller-manager), with certificates of its own, and
    differs from the generated files by the substitutions of docs/sandbox.md alone.
    """


@command.command("up", short_help="Start it, or find it running.")
@file_argument
@state_option
@click.option("--scheduler", is_flag=True, help="Run kube-scheduler too.")
@click.option("--timeout", type=click.FloatRange(min=1), default=_TIMEOUT, show_default=True, help="Seconds to wait.")
@json_option
def up(file: str | None, state: str | None, scheduler: bool, timeout: float, output: str) -> None:
    """Start the control plane of a cluster.yaml and print how to reach it.

    A sandbox whose processes ended is started again with the objects it held. `-v` lists every substitution and
    stand-in.
    """
    from ringfence.sandbox import HostFiles, find_tools, starting, surroundings

    source = _source(file)
    host = HostFiles.of_cluster(source, shown(source))
    folder = _folder(host.name, state)
    tools = find_tools(os.environ, surroundings.needed(host, scheduler=scheduler))
    place = source.resolve().as_posix()
    record, how = starting.up(folder, host, tools, source=place, scheduler=scheduler, timeout=timeout)
    if output == "json":
        facts = {**_facts(folder, record), "access": record.access, **_differences(record)}
        console.data(json.dumps(facts, indent=2) + "\n")
    else:
        console.data(f"export KUBECONFIG={shlex.quote((record.access or {})['kubeconfig'])}\n")
    console.say(f"sandbox {record.cluster}: {how}, Kubernetes {_version(record)} at {record.server}")
    _say_substitutions(record)
    if how == starting.STARTED and output == "text":
        _say_next(shlex.quote(shown(source)), given=state)


@command.command("down", short_help="End it and remove what it left.")
@known_argument
@state_option
def down(file: str | None, state: str | None) -> None:
    """End the control plane and remove its state: objects, keys and logs.

    Without an argument and without a cluster.yaml here, the only sandbox there is.
    """
    from ringfence.sandbox import starting

    folder = _known(file, state)
    if folder is None:
        console.say("there is no sandbox to end")
        return
    there = starting.down(folder)
    console.say(f"sandbox {folder.path.name}: {'removed' if there else 'there is none'}")


@command.command("status", short_help="What of it runs.")
@known_argument
@state_option
@json_option
def status(file: str | None, state: str | None, output: str) -> int:
    """Show every component of a sandbox, or of all when no cluster.yaml is given or found here.

    Exits 0 when everything runs, else 1. `-v` lists every substitution and stand-in.
    """
    given = file or state or cluster_file(None)
    folders = [_known(file, state)] if given else all_folders()
    found, unread = _read(f for f in folders if f)
    if output == "json":
        facts = [{**_facts(f, r), "access": r.access, **_differences(r)} for f, r in found]
        console.data(json.dumps(facts, indent=2) + "\n")
    else:
        for folder, record in found:
            _show(folder, record)
        if not found and not unread:
            console.say("no sandbox; start one with `ringfence sandbox up`")
    for bad in unread:
        console.error(bad.line())
    return 0 if found and not unread and all(r.healthy for _, r in found) else _NOT_RUNNING


def _read(folders: Iterable[Folder]) -> tuple[list[tuple[Folder, Record]], list[RingfenceError]]:
    """The sandboxes in these folders, and what is wrong with those whose records can't be read."""
    found, unread = [], []
    for folder in folders:
        try:
            if record := folder.read():
                found.append((folder, record))
        except RingfenceError as bad:
            unread.append(bad)
    return found, unread


def _version(record: Record) -> str:
    """The version that runs, and that of cluster.yaml where it is another minor."""
    given = next((s["was"] for s in record.substitutions if s["what"] == "kubernetesVersion"), "")
    minor = given.removeprefix("stable-").removeprefix("v")
    same = not minor or f"{minor}.".startswith(record.kubernetes.removeprefix("v").rpartition(".")[0] + ".")
    return record.kubernetes if same else f"{record.kubernetes} in place of {minor}"


def _say_next(cluster: str, given: str | None) -> None:
    """A sandbox starts empty: what of the tree is to be in force must be applied, as to any cluster."""
    keys = "" if given else " --sandbox"  # verify looks for sandboxes in the usual place
    console.say("next: put the tree in force, and see that it is, with KUBECONFIG as above")
    console.say(f"  ringfence render {cluster} -o - | kubectl apply {_APPLY} -f -")
    console.say(f"  ringfence verify {cluster}{keys}")


def _source(file: str | None) -> Path:
    source = cluster_file(file)
    if source is None:
        raise UsageError("there is no cluster.yaml here", hint="name one: `ringfence sandbox up path/to/cluster.yaml`")
    return source


def _base() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "ringfence" / "sandbox"


def _folder(name: str, state: str | None) -> Folder:
    from ringfence.sandbox import Folder

    return Folder(Path(state) if state else _base() / name)


def _known(file: str | None, state: str | None) -> Folder | None:
    """The folder of a sandbox that may be there; the cluster.yaml need not be valid any more, nor there."""
    if state:
        return _folder("", state)
    source = cluster_file(file)
    if source is None:
        return _only()
    folders = all_folders()
    for folder in folders:
        if folder.path.name == file and not source.exists():
            return folder
    for folder, record in _read(folders)[0]:  # of one that can't be read nobody knows the source
        if record.source == source.resolve().as_posix():
            return folder
    from ringfence.spec import read_cluster

    return _folder(read_cluster(source, shown(source)).name, None)


def _only() -> Folder | None:
    """The folder of the one sandbox there is, None without any; UsageError when there are several."""
    found = all_folders()
    if len(found) > 1:
        names = ", ".join(f.path.name for f in found)
        hint = f"name one: `ringfence sandbox down {found[0].path.name}`"
        raise UsageError(f"there are {len(found)} sandboxes: {names}", hint=hint)
    return found[0] if found else None


def all_folders() -> list[Folder]:
    """The state folders of every sandbox in the usual place."""
    from ringfence.sandbox import Folder

    base = _base()
    return [Folder(f) for f in sorted(base.iterdir()) if (f / "sandbox.json").is_file()] if base.is_dir() else []


def _state(record: Record) -> str:
    if record.healthy:
        return "running"
    if not record.running:
        return "ended: `ringfence sandbox up` starts it again" if record.ready_once else "ended"
    return "broken: `ringfence sandbox up` starts it again" if record.phase == "ready" else record.phase


def _components(record: Record) -> list[dict[str, Any]]:
    running = {i.pid for i in record.running}
    rows = [
        {
            "name": c["name"],
            "state": "running" if c["pid"] in running else c["ended"] or "ended",
            "pid": c["pid"],
            "log": c["log"],
        }
        for c in record.components
    ]
    if record.supervisor:
        pid = record.supervisor["pid"]
        rows.insert(0, {"name": "supervisor", "state": "running" if pid in running else "ended", "pid": pid, "log": ""})
    return rows


def _facts(folder: Folder, record: Record) -> dict[str, Any]:
    return {
        "cluster": record.cluster,
        "state": "running" if record.healthy else "ended" if not record.running else record.phase,
        "kubernetes": record.kubernetes,
        "server": record.server,
        "folder": folder.path.as_posix(),
        "components": _components(record),
    }


def _differences(record: Record) -> dict[str, Any]:
    return {"substitutions": record.substitutions, "stand_ins": record.stand_ins}


def _show(folder: Folder, record: Record) -> None:
    console.say(f"sandbox {record.cluster} in {folder.path.as_posix()}: {_state(record)}")
    rows = [(c["name"], c["state"], str(c["pid"]), c["log"]) for c in _components(record)]
    console.table(["component", "state", "pid", "log"], rows, out=sys.stdout)
    if record.healthy:
        console.say(f"export KUBECONFIG={shlex.quote((record.access or {})['kubeconfig'])}")
    _say_substitutions(record)


def _say_substitutions(record: Record) -> None:
    found, others = record.substitutions, record.stand_ins
    if not console.verbose:
        also = f" and {len(others)} stand-in{'s' if len(others) > 1 else ''}" if others else ""
        console.say(f"{len(found)} substitutions{also} (-v lists them; docs/sandbox.md says why)")
        return
    root = (record.access or {}).get("root", "")
    moved = [s for s in found if root and s["now"] == root + s["was"]]  # -o json has each of them
    rest = [s for s in found if s not in moved]
    rows = [(s["where"], s["what"], s["was"] or "(nothing)", s["now"], s["reason"]) for s in rest]
    if moved:
        rows.append(("every component", f"{len(moved)} paths", "/...", f"{root}/...", moved[0]["reason"]))
    console.table(["where", "what", "generated", "here", "because"], rows)
    if others:
        console.table(["what", "stands in for", "because"], [(s["what"], s["for"], s["reason"]) for s in others])
