"""`make up` as a newcomer runs it: a control plane, `pulumi up` on it, the proof; again; and the end of it."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import subprocess
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


def test_a_stack_of_another_sandbox_or_cut_off_by_a_kill_is_not_used_again(tmp_path: Path) -> None:
    assert not up.usable(tmp_path, "digest")
    (tmp_path / "of").write_text("digest", encoding="utf-8")
    state = tmp_path / "state" / ".pulumi" / "stacks" / "ringfence-bootstrap" / "sandbox.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}", encoding="utf-8")
    assert up.usable(tmp_path, "digest")
    assert not up.usable(tmp_path, "another")
    state.write_bytes(b"")
    assert not up.usable(tmp_path, "digest")


def test_two_at_once_are_refused(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "up" / "minimal").mkdir(parents=True)
    with (place / "up" / "minimal" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(up.StepError), up.alone(place / "up" / "minimal"):
            pass
    assert capfd.readouterr().err == "error: another `make up` of minimal is running; wait for it\n"


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
