"""Processes of a sandbox: started on a leash, told apart from others of the same number, ended within bounds."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from ringfence.errors import ToolError

_LEASH = Path(__file__).with_name("leash.py")
_SOURCE = Path(__file__).resolve().parents[2]  # the folder that `ringfence` is imported from
_LINUX = sys.platform == "linux"
_STEP = 0.02  # seconds between two looks at a process
_GARBAGE = "400"  # per cent of what is in use, until it is collected: 350 MB more, and a sixth less of the CPU time


class Identity(NamedTuple):
    """A process for certain: its number, and when it started, since numbers come again."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Does it still run?"""
        return self.started != "" and started(self.pid) == self.started


def started(pid: int) -> str:
    """When process `pid` started, as text to be compared; empty when there is none (or only its remains)."""
    if _LINUX:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""
        fields = text.rpartition(")")[2].split()  # proc(5): the name before it may hold anything
        return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"
    found = subprocess.run(  # noqa: S603 # fixed arguments
        ["/bin/ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def end(one: Identity, grace: float) -> None:
    """End a process that may not be our child: SIGTERM, and SIGKILL after `grace` seconds."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if not one.alive:
            return
        try:
            os.kill(one.pid, number)
        except ProcessLookupError:
            return
        limit = time.monotonic() + seconds
        while one.alive and time.monotonic() < limit:
            time.sleep(_STEP)


@cache
def _spawner() -> ThreadPoolExecutor:
    """One thread that starts every child: Linux ends a leashed process with the *thread* that started it."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="ringfence-sandbox")


def module(name: str, *arguments: str) -> list[str]:
    """The command of a module of ours; run it with `environment`."""
    return [sys.executable, "-P", "-m", name, *arguments]


def environment(home: Path) -> dict[str, str]:
    """All that a child is told of the environment: proxies, tokens and kubeconfigs of the caller stay outside."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "PYTHONPATH": str(_SOURCE), "GOGC": _GARBAGE}


class Child:
    """One component: its command, its log, and how it ended."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self.command = tuple(str(c) for c in command)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._offset = 0
        self.identity = Identity(0, "")

    def start(self, env: Mapping[str, str]) -> None:
        """Start it; output goes to its log, after what is there."""
        leashed = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self.command]
        with self.log.open("ab") as out:
            self._offset = out.tell()
            self._process = (
                _spawner()
                .submit(
                    lambda: subprocess.Popen(  # noqa: S603 # commands are ours
                        leashed, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(env), start_new_session=True
                    )
                )
                .result()
            )
        self.identity = Identity(self._process.pid, started(self._process.pid))

    @property
    def running(self) -> bool:
        """Does it run?"""
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> str:
        """How it ended, in words; empty while it runs."""
        code = self._process.poll() if self._process else None
        return "" if code is None else how_it_ended(code)

    def to_record(self) -> dict[str, Any]:
        """For the sandbox's record."""
        number, since = self.identity
        return {"name": self.name, "pid": number, "started": since, "log": self.log.as_posix(), "ended": self.ended}

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL when it takes longer than `grace` seconds; 0 kills at once."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        if grace:
            process.terminate()
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
            else:
                return
        process.kill()
        process.wait()

    def output(self) -> str:
        """What it has said since its last start."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")

    def failure(self) -> ToolError:
        """The error of a component that ended, with the last it said of what went wrong."""
        lines = last_lines(telling(self.output()))
        return ToolError(f"{self.name} {self.ended}", hint=f"its log {self.log.as_posix()} ends in\n{lines}")


def how_it_ended(code: int) -> str:
    """An exit code of subprocess in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


# Lines of klog that inform or warn, those of etcd's JSON log that do, and flags that have grown old.
_CHATTER = re.compile(r"""[IW]\d{4} |\{"level":"(debug|info|warn)"|Flag --\S+ has been deprecated""")


def telling(text: str) -> str:
    """A component's log without what does not tell why it ended; all of it where nothing else is there."""
    lines = [line for line in text.splitlines() if line.strip() and not _CHATTER.match(line)]
    return "\n".join(lines) or text


def last_lines(text: str, count: int = 6) -> str:
    """The last lines that say something, each indented and cut to a readable length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line[:600]}" for line in lines[-count:]) or "  (it said nothing)"
