"""`up` and `down`: a sandbox that outlives the command that started it, and its end."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import suppress

from ringfence.errors import ToolError
from ringfence.sandbox import ending
from ringfence.sandbox.binaries import Tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.preparing import prepare
from ringfence.sandbox.processes import environment, module, started
from ringfence.sandbox.state import Folder, Record

_NEEDED = 300 * 2**20  # bytes: etcd alone sets aside 128 MiB for its log
_NEEDED_AGAIN = 100 * 2**20  # bytes: of which etcd sets aside the 64 MiB of its next log
_WAIT = 60.0  # seconds for a supervisor that was told to end
STARTED, RESUMED, RUNNING = "started", "resumed", "running"


def up(
    folder: Folder, host: HostFiles, tools: Tools, *, source: str, scheduler: bool, timeout: float
) -> tuple[Record, str]:
    """Have a sandbox of these host files run; its record, and whether it was started, resumed or running already.

    What an ended or killed sandbox of the same files left is started again with its objects; other files are not
    put under a running one.
    """
    try:
        folder.claim()
        with folder.lock():
            return _up(folder, host, tools, source, scheduler, timeout)
    except OSError as bad:
        raise ToolError(
            f"the state folder can't be used: {(bad.strerror or str(bad)).lower()}",
            place=folder.place,
            hint="name another one with --state",
        ) from bad


def _up(
    folder: Folder, host: HostFiles, tools: Tools, source: str, scheduler: bool, timeout: float
) -> tuple[Record, str]:
    record = folder.read()
    same = record is not None and record.digest == host.digest and record.scheduler == scheduler
    if record and same and record.healthy:
        return record, RUNNING
    if record and record.running and not same:
        raise ToolError(
            f"a sandbox of other host files runs here, started from {record.source or 'a test'}",
            place=folder.place,
            hint=f"end it with `ringfence sandbox down {record.cluster}`, or start this one beside it with --state",
        )
    if record:
        ending.stop(record)
    again = record is not None and same and record.ready_once
    _check_space(folder, _NEEDED_AGAIN if again else _NEEDED)
    if record and again:
        record.tools = {n: p.as_posix() for n, p in tools.paths.items()}
        folder.write(record)
        return _supervise(folder, timeout), RESUMED
    ending.remove(folder, record, keep=("lock",))
    try:
        prepare(folder, host, tools, source=source, scheduler=scheduler)
        return _supervise(folder, timeout), STARTED
    except KeyboardInterrupt:  # nobody has put anything there yet
        ending.remove(folder, folder.read())
        raise


def _check_space(folder: Folder, needed: int) -> None:
    free = shutil.disk_usage(folder.path).free
    if free < needed:
        raise ToolError(
            f"only {free // 2**20} MiB are free; a sandbox needs {needed // 2**20}",
            place=folder.place,
            hint="free some, or name a folder on another disk with --state",
        )


def _supervise(folder: Folder, timeout: float) -> Record:
    """Start the supervisor and wait for its word; ToolError with what it said.

    It begins once the record names it: whoever kills us before that leaves nothing that `down` doesn't know.
    """
    record = folder.read() or Record()
    command = module("ringfence.sandbox.supervisor", str(folder.path), str(timeout))
    with folder.log("supervisor").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 # a module of ours
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(folder.path),
            start_new_session=True,
        )
    try:
        record.supervisor = {"pid": process.pid, "started": started(process.pid)}
        folder.write(record)
        assert process.stdin is not None  # noqa: S101 # both are pipes
        assert process.stdout is not None  # noqa: S101
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(b"\n")
        with process.stdout as pipe:
            said = pipe.readline()
    except BaseException:  # interrupted: nobody would know of it
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_WAIT)
        raise
    if not said:
        process.wait(_WAIT)
        raise ToolError("the supervisor ended", hint=f"see {folder.log('supervisor').as_posix()}")
    outcome = json.loads(said)
    if outcome:
        raise ToolError(outcome["message"], hint=outcome["hint"] or None)
    return folder.read() or Record()


def down(folder: Folder) -> bool:
    """End the sandbox in a folder and remove its state; was there one?"""
    if not folder.path.is_dir():
        return False
    folder.refuse_foreign()
    if not folder.is_ours():
        return False
    with folder.lock():
        if not folder.is_ours():  # another `down` was first, and the lock has made the folder again
            (folder / "lock").unlink(missing_ok=True)
            with suppress(OSError):
                folder.path.rmdir()
            return False
        record = folder.read()
        if record:
            ending.stop(record)
        ending.remove(folder, record)
        return True
