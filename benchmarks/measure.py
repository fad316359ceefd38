"""Whole processes, timed one after the other in turns: wall seconds and peak memory from the operating system.

Nothing heavy is imported here or in run.py: a child's peak memory can't be seen below its parent's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall seconds, and the peak resident bytes of the largest process of its tree."""

    seconds: float
    rss: int


class RunError(RuntimeError):
    """A measured command failed or took longer than it may."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A command to measure. `command` gets a fresh folder, which is removed after the run."""

    name: str
    command: Callable[[Path], Sequence[str]]
    prepare: Callable[[Path], None] = lambda folder: None  # not timed
    most: int = 100  # timed runs at one size
    warm: bool = True  # one uncounted run first


@dataclass(slots=True)
class Series:
    """All runs of one contender at one size."""

    samples: list[Sample] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """The median of the wall times."""
        return median(s.seconds for s in self.samples)

    @property
    def rss(self) -> int:
        """The median of the peaks, in bytes."""
        return int(median(s.rss for s in self.samples))

    def data(self) -> dict[str, Any]:
        """For results.json."""
        return {"seconds": [round(s.seconds, 4) for s in self.samples], "rss_mb": round(self.rss / 1e6, 1)}


def run(command: Sequence[str], folder: Path, env: Mapping[str, str], limit: float, ok: Sequence[int] = (0,)) -> Sample:
    """Run a command, its stdout to a file of `folder`; raises RunError when it fails or takes over `limit` seconds."""
    errors = folder / "stderr"
    with open(folder / "stdout", "wb") as out, open(errors, "wb") as err:  # noqa: PTH123
        started = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=folder, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True
        )
        previous = signal.signal(signal.SIGALRM, lambda *_: os.killpg(child.pid, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        seconds = time.perf_counter() - started
    child.returncode = code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGKILL and seconds >= limit:
        raise RunError(f"over {limit:.0f} s")
    if code not in ok:
        last = errors.read_text(errors="replace").strip().splitlines()[-3:]
        raise RunError(f"exit {code}: {' | '.join(last)}")
    return Sample(seconds, usage.ru_maxrss * 1024)


def in_turns(
    contenders: Sequence[Contender],
    work: Path,
    env: Mapping[str, str],
    repeats: int,
    limit: float = 120,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[dict[str, Series], dict[str, str]]:
    """A B C A B C ...: every contender `repeats` times, those that want it after one uncounted run.

    Returns the series by name, and why a contender was given up.
    """
    series = {c.name: Series() for c in contenders}
    failed: dict[str, str] = {}
    for number in range(-1, repeats):
        say(f"round {number + 1} of {repeats}")
        for contender in contenders:
            if contender.name in failed or number >= contender.most or (number < 0 and not contender.warm):
                continue
            try:
                sample = once(contender, work, env, limit)
            except RunError as bad:
                failed[contender.name] = str(bad)
                say(f"{contender.name}: {bad}")
                continue
            if number >= 0:
                series[contender.name].samples.append(sample)
    return {name: s for name, s in series.items() if s.samples and name not in failed}, failed


def once(contender: Contender, work: Path, env: Mapping[str, str], limit: float) -> Sample:
    """One run in a folder of its own."""
    folder = fresh(work / "run")
    contender.prepare(folder)
    return run(contender.command(folder), folder, env, limit)


def fresh(folder: Path) -> Path:
    """An empty folder in place of whatever stood there."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def environment(work: Path, path: Sequence[Path] = ()) -> dict[str, str]:
    """What every child gets alike: byte code may be cached, homes are in the work folder, nothing asks the network."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HELM_", "KUBE", "XDG_"))}
    home = work / "home"
    home.mkdir(parents=True, exist_ok=True)
    env.update(HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), NO_COLOR="1", LC_ALL="C.UTF-8")
    env.update(JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION="1", JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION="1")
    env["PATH"] = os.pathsep.join([*map(str, path), env.get("PATH", "")])
    return env
