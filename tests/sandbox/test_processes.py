"""Processes of a sandbox: they die with their owner, and nobody else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT

from ringfence.sandbox.ports import choose, lost_a_race
from ringfence.sandbox.processes import Child, Identity, end, environment, how_it_ended, last_lines, started, telling

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
_SLEEP = ["/bin/sleep", "600"]


def eventually(check: Callable[[], bool], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not check():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


def child(tmp_path: Path, *command: str) -> Child:
    one = Child("a-component", command or _SLEEP, tmp_path / "log")
    one.start(environment(tmp_path))
    return one


def test_a_child_says_how_it_ended_and_what_it_said_last(tmp_path: Path) -> None:
    one = child(tmp_path, "/bin/sh", "-c", "echo starting; echo 'no such flag' >&2; exit 3")
    assert eventually(lambda: not one.running)
    assert one.failure().line() == (
        f"error: a-component ended with exit code 3; its log {tmp_path}/log ends in\n  starting\n  no such flag"
    )


def test_output_is_that_of_the_last_start(tmp_path: Path) -> None:
    for word in ("first", "second"):
        one = child(tmp_path, "/bin/echo", word)
        assert eventually(lambda: not one.running)  # noqa: B023
    assert one.output() == "second\n"
    assert (tmp_path / "log").read_text() == "first\nsecond\n"


def test_what_it_writes_is_for_its_owner_and_the_callers_environment_stays_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    one = child(tmp_path, "/bin/sh", "-c", f"env; echo x > {tmp_path}/file")
    assert eventually(lambda: not one.running)
    assert "proxy" not in one.output()
    assert (tmp_path / "file").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("grace", [0.0, 5.0])
def test_a_stopped_child_is_gone(tmp_path: Path, grace: float) -> None:
    one = child(tmp_path)
    assert one.identity.alive
    one.stop(grace)
    assert not one.identity.alive
    assert one.ended == f"was killed by {'SIGTERM' if grace else 'SIGKILL'}"


def test_one_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path) -> None:
    one = child(tmp_path, "/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    assert eventually(lambda: one.output() == "ready\n")
    one.stop(0.2)
    assert one.ended == "was killed by SIGKILL"


def test_a_process_of_the_same_number_is_not_ended() -> None:
    bystander = subprocess.Popen(_SLEEP)
    try:
        end(Identity(bystander.pid, "an earlier boot/1"), 0.1)
        assert bystander.poll() is None
        end(Identity(bystander.pid, ""), 0.1)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_remains_of_a_process_do_not_count_as_running() -> None:
    one = subprocess.Popen(_SLEEP)
    identity = Identity(one.pid, started(one.pid))
    assert identity.alive
    one.kill()
    assert eventually(lambda: not identity.alive)  # nobody has waited for it yet
    one.wait()
    assert started(one.pid) == ""


_OWNER = """\
import sys, threading, time
from pathlib import Path
from ringfence.sandbox.processes import Child, environment

def start():
    global one
    one = Child("c", ["/bin/sleep", "600"], Path(sys.argv[1]) / "log")
    one.start(environment(Path(sys.argv[1])))

thread = threading.Thread(target=start)  # it ends at once; its children don't
thread.start()
thread.join()
time.sleep(0.3)
print(one.identity.pid, one.identity.started, one.running, flush=True)
time.sleep(600)
"""


@LINUX
def test_a_killed_owner_leaves_no_child(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _OWNER, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert owner.stdout is not None
    with owner.stdout:
        pid, since, running = owner.stdout.readline().split()
    one = Identity(int(pid), since)
    assert running == "True"
    assert one.alive
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    assert eventually(lambda: not one.alive)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit code 0"),
        (2, "ended with exit code 2"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_ends_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words


def test_what_a_component_ended_by_is_told_without_its_chatter() -> None:
    log = (
        "Flag --enable-logs-handler has been deprecated, it goes\n"
        "I1126 00:11:14.957202    6501 shared_informer.go:381] waiting\n"
        'E1126 00:11:15.028843    6501 run.go:72] "command failed" err="it is wrong"\n'
        "W1126 00:11:15.036406    6501 logging.go:55] [core] connecting\n"
        '{"level":"warn","msg":"slow"}\n'
    )
    assert telling(log) == 'E1126 00:11:15.028843    6501 run.go:72] "command failed" err="it is wrong"'
    assert telling("W1126 00:11:15.036406    6501 logging.go:55] only this\n").endswith("only this\n")


def test_last_lines_are_few_and_short() -> None:
    text = "\n".join([*(f"line {i}" for i in range(9)), "", "x" * 1000])
    lines = last_lines(text).splitlines()
    assert len(lines) == 6
    assert lines[0] == "  line 4"
    assert len(lines[-1]) == 602
    assert last_lines("\n") == "  (it said nothing)"


def test_ports_are_free_different_and_kept_while_they_can_be() -> None:
    first = choose({})
    assert len(set(first.values())) == len(first)
    assert choose(first) == first
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first["etcd"]))
        taken.listen()
        second = choose(first)
    assert second["etcd"] != first["etcd"]
    assert {n: p for n, p in second.items() if n != "etcd"} == {n: p for n, p in first.items() if n != "etcd"}


def test_a_lost_race_for_a_port_is_told_from_other_failures(tmp_path: Path) -> None:
    raced = child(tmp_path, "/bin/sh", "-c", "echo 'listen tcp 127.0.0.1:1: bind: Address already in use'; exit 1")
    assert eventually(lambda: not raced.running)
    assert lost_a_race(raced)
    failed = child(tmp_path, "/bin/sh", "-c", "echo 'unknown flag'; exit 1")
    assert eventually(lambda: not failed.running)
    assert not lost_a_race(failed)
