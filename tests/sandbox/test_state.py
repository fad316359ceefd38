"""The state folder: private, of one sandbox, and never somebody else's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox import HostFiles, ending, starting, surroundings
from ringfence.sandbox.processes import environment, module, started
from ringfence.sandbox.state import Folder, Record


def folder(path: Path) -> Folder:
    one = Folder(path / "state")
    one.claim()
    return one


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    one = folder(tmp_path)
    one.write(Record(cluster="x"))
    assert one.path.stat().st_mode & 0o777 == 0o700
    assert (one / "sandbox.json").stat().st_mode & 0o777 == 0o600


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "thesis.tex").write_text("x")
    with pytest.raises(ToolError) as bad:
        folder(tmp_path)
    assert bad.value.line() == (
        f"{tmp_path}/state: error: the state folder holds thesis.tex, and no sandbox made it; "
        "name an empty folder of yours with --state"
    )
    assert starting.down(Folder(tmp_path / "state")) is False
    assert [f.name for f in (tmp_path / "state").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["pki/ca.key", "root/notes", "kubeconfig", "sandbox.json", "lock"])
def test_names_that_a_sandbox_uses_too_make_a_folder_no_sandboxes(tmp_path: Path, name: str) -> None:
    file = tmp_path / "state" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    with pytest.raises(ToolError, match="and no sandbox made it"):
        folder(tmp_path)
    one = Folder(tmp_path / "state")
    assert starting.down(one) is False
    ending.remove(one, None)
    assert [f for f in one.path.rglob("*") if f.is_file()] == [file]
    assert file.read_text() == "mine"


def test_a_sandbox_killed_at_any_step_of_its_removal_is_still_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = Path.unlink, 0
    for kill_at in range(20):
        one = folder(tmp_path)
        one.write(Record())
        with one.lock():
            pass
        left = kill_at

        def unlink(path: Path, missing_ok: bool = False) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            real(path, missing_ok=missing_ok)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(Path, "unlink", unlink)
            one.clear()
        one.claim()  # does not refuse what was left
        assert starting.down(one) is True
        assert not one.path.exists()
    assert left > 0  # the last ones weren't killed


def test_a_link_and_somebody_elses_folder_are_refused_before_anything_is_read_or_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path).write(Record())
    (tmp_path / "link").symlink_to(tmp_path / "state")
    before = sorted((tmp_path / "state").rglob("*"))
    here = os.geteuid()
    for name, uid, said in (("link", here, "is a link"), ("state", here + 1, "belongs to another user")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        for use in (Folder.claim, starting.down):
            with pytest.raises(ToolError, match=said):
                use(Folder(tmp_path / name))
    assert sorted((tmp_path / "state").rglob("*")) == before


def test_removing_leaves_what_somebody_added(tmp_path: Path) -> None:
    one = folder(tmp_path)
    one.write(Record())
    (one / "root").mkdir()
    (one / "notes").write_text("mine")
    ending.remove(one, one.read())
    assert [f.name for f in one.path.iterdir()] == ["notes"]


def test_down_removes_all_of_a_sandbox(tmp_path: Path) -> None:
    one = folder(tmp_path)
    one.write(Record())
    for name in ("root", "pki", "variants"):
        (one / name / "deep").mkdir(parents=True)
    assert starting.down(one) is True
    assert not one.path.exists()
    assert starting.down(one) is False


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 7}', "is of version 7; this ringfence knows 1"),
        ('{"version": 1, "colour": "red"}', 'has "colour", which this ringfence doesn\'t know'),
        ("{", "can't be read"),
        ("[]", "can't be read"),
        ('{"version": 1, "components": {}}', "can't be read"),
        ('{"version": 1, "supervisor": {"pid": "1"}}', "can't be read"),
    ],
)
def test_a_record_of_another_version_is_not_guessed_at(tmp_path: Path, text: str, said: str) -> None:
    one = folder(tmp_path)
    (one / "sandbox.json").write_text(text)
    with pytest.raises(ToolError) as bad:
        one.read()
    assert bad.value.line() == (
        f"{one.path}/sandbox.json: error: this record of a sandbox {said}; "
        f"end it with the ringfence that started it, or remove it: `rm -r {one.path}`"
    )


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    one = folder(tmp_path)
    assert one.read() is None
    record = Record(cluster="x", ports={"etcd": 3}, substitutions=[{"where": "a"}])
    one.write(record)
    assert one.read() == record
    assert json.loads((one / "sandbox.json").read_text())["version"] == 1


def test_a_number_that_another_process_has_now_is_not_running() -> None:
    here = {"pid": os.getpid(), "started": started(os.getpid())}
    component = {"name": "etcd", "log": "", "ended": ""}
    record = Record(phase="ready", supervisor=here, components=[{**component, **here}])
    assert record.healthy
    record.components[0]["started"] = "an earlier boot/1"
    assert not record.healthy
    assert len(record.running) == 1


def test_one_command_at_a_time_even_when_the_folder_is_removed_meanwhile(tmp_path: Path) -> None:
    one = folder(tmp_path)
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with Folder(one.path).lock():
            order.append("second")

    thread = threading.Thread(target=second)
    with one.lock():
        thread.start()
        waiting.wait()
        order.append("first")
        one.clear()
    thread.join(10)
    assert order == ["first", "second"]


def test_an_ended_sandbox_leaves_no_sockets_and_somebody_elses_folder_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = os.geteuid()
    for name, uid, left in (("ringfence-x", here, False), ("mine", here, True), ("ringfence-y", here + 1, True)):
        (tmp_path / name).mkdir()
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)
        record = Record(sockets=str(tmp_path / name))
        ending.remove_sockets(record)
        assert (tmp_path / name).exists() is left
        assert record.sockets == ""


def test_sockets_lie_in_a_new_folder_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings.serving, "kms_endpoints", lambda host: ["unix:///run/kms.sock"])
    one, record = folder(tmp_path), Record()
    first = Path(surroundings.sockets(one, HostFiles("x", {}), record))
    (first / "stale.sock").touch()
    second = Path(surroundings.sockets(one, HostFiles("x", {}), record))
    assert list(second.iterdir()) == []
    assert second != first
    assert not first.exists()
    assert (one.read() or Record()).sockets == str(second)
    ending.remove_sockets(record)


# --------------------------------------------------------------------------------------------------------- supervisor

_STAND_IN = """
import json, os, pathlib, sys
told = sys.stdin.readline()
record = json.loads((pathlib.Path(sys.argv[1]) / "sandbox.json").read_text())
print(json.dumps({} if told and record["supervisor"]["pid"] == os.getpid() else {"message": "unknown", "hint": ""}), flush=True)
"""


def test_the_record_names_the_supervisor_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = folder(tmp_path)
    one.write(Record(phase="prepared"))
    monkeypatch.setattr(starting, "module", lambda name, *words: [sys.executable, "-c", _STAND_IN, *words])
    processes: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        processes.append(real(*words, **options))
        return processes[0]

    monkeypatch.setattr(subprocess, "Popen", popen)
    record = starting._supervise(one, 5)
    processes[0].wait()
    assert record.phase == "prepared"
    assert record.owner is not None


def test_a_supervisor_that_nobody_knows_of_ends_at_once(tmp_path: Path) -> None:
    one = folder(tmp_path)
    one.write(Record(phase="prepared"))
    command = module("ringfence.sandbox.supervisor", str(one.path), "5")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60, env=environment(tmp_path)
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")
    assert one.read() == Record(phase="prepared")
