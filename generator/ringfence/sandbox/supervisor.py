"""The process that owns the components of a sandbox started by `ringfence sandbox up`.

    python -m ringfence.sandbox.supervisor FOLDER SECONDS

It waits on stdin for the line by which `up` says that the folder's record names it, and ends without one. Then it
starts what the record says, writes one line of JSON to stdout ({} when ready, else {message, hint}), and goes on until
SIGTERM, or until its record is gone. When it is killed its components die with it (`leash`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ringfence.errors import RingfenceError
from ringfence.sandbox.binaries import Tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.plane import ControlPlane
from ringfence.sandbox.state import Folder, Record

_LOOK = 0.5  # seconds between two looks at the components


def main(state: str, seconds: float) -> int:
    """Own the sandbox in `state`."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _end)
    if not sys.stdin.readline():  # `up` was killed: no record may know of us
        return 1
    folder = Folder(Path(state))
    record = folder.read() or Record()
    host = HostFiles.from_json((folder / "host.json").read_text())
    tools = Tools({n: Path(p) for n, p in record.tools.items()}, record.kubernetes)
    plane = ControlPlane(host, folder.path, tools, timeout=seconds)
    plane.record = record
    try:
        plane.start()
    except RingfenceError as bad:
        _report({"message": bad.message, "hint": bad.hint or ""})
        return 1
    except OSError as bad:
        _report({"message": f"{bad.filename or folder.path}: {(bad.strerror or str(bad)).lower()}", "hint": ""})
        return 1
    if not _report({}):
        plane.stop()  # `up` was killed while it waited: nobody knows of this sandbox
        return 1
    try:
        while (folder / "sandbox.json").is_file():
            time.sleep(_LOOK)
            with suppress(OSError):  # a full disk: it is written down once there is space
                plane.note_ended()
    finally:
        plane.stop()
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """The first signal ends everything in order; further ones change nothing."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(0)


def _report(outcome: dict[str, str]) -> bool:
    """Tell whoever started us, and let go of the pipe; are they still there?"""
    try:
        os.write(1, f"{json.dumps(outcome)}\n".encode())
    except BrokenPipeError:
        return False
    finally:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], float(sys.argv[2])))
