"""`make up` as a newcomer runs it: a control plane, `pulumi up` on it, the proof; again; and the end of it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import up
from helpers import ROOT

from ringfence.sandbox import Tools

EXAMPLE = "examples/minimal"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository as the working folder, with states of its own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(up, "STACKS", tmp_path / "up")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def told(text: str) -> list[str]:
    """The commands that it ends with."""
    _, _, after = text.partition("Look at it:\n")
    return [line.strip() for line in after.splitlines() if line.startswith("  ")]


def leave_a_stack(folder: Path) -> None:
    """What a run on another sandbox left: its state tells of objects that went with their API server."""
    (folder / "project").mkdir(parents=True)
    (folder / "project" / "Pulumi.yaml").write_text("name: [", encoding="utf-8")
    (folder / "of").write_text("the digest of another sandbox's CA", encoding="utf-8")


def test_up_again_and_down(pulumi: None, tools: Tools, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    leave_a_stack(place / "up" / "minimal" / "stack")
    try:
        assert up.main([EXAMPLE]) == 0
        first = capfd.readouterr()
        made = re.search(r"\+ (\d+) created", first.err)
        assert made, first.err
        assert re.search(
            r"^minimal on the sandbox .*: \d+ proved, \d+ not applicable, \d+ not provable", first.out, re.M
        )

        export, look, refused = told(first.out)
        shown = subprocess.run(["/bin/sh", "-ec", f"{export}\n{look}"], capture_output=True, text=True, check=True)
        assert "rbac-no-wildcards" in shown.stdout
        done = subprocess.run(["/bin/sh", "-c", f"{export}\n{refused}"], capture_output=True, text=True, check=False)
        assert "violates PodSecurity" in done.stderr, refused

        assert up.main([EXAMPLE]) == 0
        again = capfd.readouterr().err
        assert f"{made[1]} unchanged" in again
        assert "created" not in again
    finally:
        assert up.main(["--down", EXAMPLE]) == 0
    assert not (place / "up" / "minimal").exists()
    assert list((place / "state" / "ringfence" / "sandbox").iterdir()) == []


def test_a_stack_of_another_sandbox_or_address_is_not_used_again(tmp_path: Path) -> None:
    ours = up.owner(b"a CA", "file:///state?metadata=skip")
    assert not up.usable(tmp_path, ours)
    (tmp_path / "of").write_text(ours, encoding="utf-8")
    assert up.usable(tmp_path, ours)
    assert not up.usable(tmp_path, up.owner(b"another", "file:///state?metadata=skip"))
    assert not up.usable(tmp_path, up.owner(b"a CA", "file:///state"))


STEP = """\
import os, pathlib, signal, sys, time
got, file = [], pathlib.Path(sys.argv[1])
def say():
    pathlib.Path(f"{file}.new").write_text(f"{os.getpid()} {os.getpgrp()} {len(got)}")
    os.replace(f"{file}.new", file)
signal.signal(signal.SIGINT, lambda *_: (got.append(1), say()))
say()
while not got:
    time.sleep(0.01)
time.sleep(3)  # what Pulumi needs to write down what it has made
say()
"""


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "captured"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_a_step_is_told_once_to_end_and_waited_for(tmp_path: Path, number: signal.Signals, shown: bool) -> None:
    """Ctrl-C goes to all that a terminal runs, the others to one process alone."""
    file = tmp_path / "said"
    program = (
        "import os, sys, up\nfrom pathlib import Path\n"
        "try:\n    with up.INTERRUPTION.heard():\n"
        f"        up.run([sys.executable, '-c', {STEP!r}, {str(file)!r}], Path(), os.environ, shown={shown})\n"
        "except up.StepError as bad:\n    sys.exit(bad.code)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tools"), str(ROOT / "generator")])}
    running = subprocess.Popen([sys.executable, "-c", program], env=env, process_group=0, stderr=subprocess.PIPE)
    while not file.exists():
        assert running.poll() is None
        time.sleep(0.01)
    step, group, _ = file.read_text(encoding="utf-8").split()
    if number == signal.SIGINT and int(group) == running.pid:  # two signals at once would look like one
        os.kill(int(step), number)
        while not file.read_text(encoding="utf-8").endswith(" 1"):
            time.sleep(0.01)
    os.kill(running.pid, number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert file.read_text(encoding="utf-8") == f"{step} {group} 1"
    assert said.decode().splitlines() == ["interrupted; `make up` goes on from here, `make down` ends it"]


def test_down_waits_for_nobody_and_takes_nothing_away_from_a_running_one(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    leave_a_stack(place / "up" / "minimal" / "stack")
    with up.alone(place / "up" / "minimal"):
        assert up.main(["--down", EXAMPLE]) == 1
    assert "of minimal is running; wait for it, or end it" in capfd.readouterr().err
    assert (place / "up" / "minimal" / "stack" / "of").is_file()


def test_what_is_not_proved_is_left_to_look_at(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    access = {"server": "https://127.0.0.1:1", "kubeconfig": "/somewhere", "ca_cert": ""}

    def ringfence(command: str, *_: str, shown: bool = False) -> str:
        if command == "verify":
            raise up.StepError(3)
        return json.dumps({"access": access})

    monkeypatch.setattr(up, "ringfence", ringfence)
    monkeypatch.setattr(up, "provide", lambda: dict.fromkeys(up.PROGRAMS, Path("/nowhere/x")))
    monkeypatch.setattr(up, "apply", lambda *_: None)
    assert up.main([EXAMPLE]) == 3
    said = capfd.readouterr().out
    assert "is up at https://127.0.0.1:1, and not every control is what it promises: see above. Look at it:" in said
    assert f"end it: make down CLUSTER={EXAMPLE}\n" in said


def test_two_at_once_are_refused(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "up" / "minimal").mkdir(parents=True)
    with (place / "up" / "minimal" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(up.StepError), up.alone(place / "up" / "minimal"):
            pass
    said = "error: another `make up` or `make down` of minimal is running; wait for it, or end it\n"
    assert capfd.readouterr().err == said


def test_a_folder_without_a_cluster_is_one_error(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert up.main([str(place)]) == 65
    assert "cluster.yaml: error: can't read the file" in capfd.readouterr().err


def test_the_makefile_starts_it() -> None:
    said = subprocess.run(
        ["make", "-n", "-o", "setup", "up", f"CLUSTER={EXAMPLE}"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},  # of the make that runs these tests
        capture_output=True,
        text=True,
        check=True,
    )
    assert shlex.split(said.stdout.splitlines()[-1]) == [".venv/bin/python", "tools/up.py", EXAMPLE]
