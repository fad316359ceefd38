"""The state folder: private, of one sandbox, and never somebody else's."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox import ending, starting
from ringfence.sandbox.processes import started
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
        f"{tmp_path}/state: error: the state folder holds thesis.tex, which is no part of a sandbox; "
        "name an empty folder with --state"
    )
    assert starting.down(Folder(tmp_path / "state")) is False
    assert [f.name for f in (tmp_path / "state").iterdir()] == ["thesis.tex"]


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
        ("{", "can't be read"),
        ("[]", "can't be read"),
    ],
)
def test_a_record_of_another_version_is_not_guessed_at(tmp_path: Path, text: str, said: str) -> None:
    one = folder(tmp_path)
    (one / "sandbox.json").write_text(text)
    with pytest.raises(ToolError) as bad:
        one.read()
    assert f"this record of a sandbox {said}" in bad.value.line()


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


def test_an_ended_sandbox_leaves_no_sockets_and_somebody_elses_folder_alone(tmp_path: Path) -> None:
    for name, left in (("ringfence-x", False), ("mine", True)):
        (tmp_path / name).mkdir()
        record = Record(sockets=str(tmp_path / name))
        ending.remove_sockets(record)
        assert (tmp_path / name).exists() is left
        assert record.sockets == ""
