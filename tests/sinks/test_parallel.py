"""Several processes write the tree that one writes, and fail as one does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogues import Command, bodies, demo, small, snapshot_of, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import Errors, InputError, RingfenceError, ToolError
from ringfence.model import Bundle
from ringfence.sinks.parallel import write_parts
from ringfence.sinks.tree import write

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # xdist's threads
]
TENANTS = [{"name": f"t{t}", "owner": f"o{t}", "namespaces": [f"t{t}-{n}" for n in range(3)]} for t in range(4)]
DELIVERIES: list[dict[str, Any]] = [
    {}, {"files": "object"}, {"layout": "kustomize"}, {"layout": "flux", "path": "a", "flux": {"name": "b"}},
]  # fmt: skip


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return demo(tmp_path / "catalogue", monkeypatch)


def parts(file: Path) -> Any:
    builder = Builder()
    resolution = builder.resolve(file, "cluster.yaml")
    return lambda part: builder.objects(resolution, part)


@pytest.mark.parametrize("delivery", DELIVERIES, ids=str)
@pytest.mark.parametrize("jobs", [2, 3, 12])
def test_the_tree_is_that_of_one_process(tmp_path: Path, delivery: dict[str, Any], jobs: int) -> None:
    file = write_cluster(tmp_path / "c", tenants=TENANTS, delivery=delivery)
    whole = write(Builder().build(file, "cluster.yaml"), tmp_path / "one")
    split, bundle = write_parts(parts(file), tmp_path / "many", False, jobs)
    assert snapshot_of(tmp_path / "many") == snapshot_of(tmp_path / "one")
    assert (split, bundle.cluster.name) == (whole, "test")
    again, _ = write_parts(parts(file), tmp_path / "many", False, jobs)
    assert (again.stale, again.same) == (False, len(whole.new))


def test_update_and_check(tmp_path: Path) -> None:
    file = write_cluster(tmp_path / "c", tenants=TENANTS)
    write_parts(parts(file), tmp_path / "many", False, 2)
    write_cluster(tmp_path / "c", tenants=[*TENANTS[:2], {**TENANTS[2], "owner": "new"}])
    before = snapshot_of(tmp_path / "many")
    checked, _ = write_parts(parts(file), tmp_path / "many", True, 2)
    assert snapshot_of(tmp_path / "many") == before
    changes, _ = write_parts(parts(file), tmp_path / "many", False, 2)
    assert changes == checked
    assert (len(changes.new), len(changes.changed), len(changes.removed), changes.same) == (0, 3, 3, 7)


def children() -> set[str]:
    """Processes that this one started, ended and not waited for too; a control plane of other tests may be among them."""
    asked = subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True)
    lines = asked.communicate()[0].splitlines()
    return {pid for pid, parent in map(str.split, lines) if int(parent) == os.getpid()} - {str(asked.pid)}


def refused(part: Any, tree: Path) -> RingfenceError:
    before = children()
    with pytest.raises(RingfenceError) as caught:
        write_parts(part, tree, False, 3)
    assert sorted(f.name for f in tree.parent.iterdir() if "ringfence-" in f.name) == []
    assert not tree.exists()
    assert children() == before
    return caught.value


def test_an_error_of_every_worker_is_reported_once(tmp_path: Path) -> None:
    write_control(tmp_path / "catalogue", "demo-bad", {"x.yaml.j2": "{{ nothing }}\n", "y.yaml.j2": "a: }}\n"})
    file = write_cluster(tmp_path / "c", tenants=TENANTS)
    with pytest.raises(Errors) as alone:
        Builder().build(file)
    assert refused(parts(file), tmp_path / "many").line() == alone.value.line()


def test_errors_of_different_workers_are_all_reported(tmp_path: Path) -> None:
    def part(number: tuple[int, int]) -> Bundle:
        raise InputError(f"part {number[0]}")

    assert refused(part, tmp_path / "many").line() == "error: part 0\nerror: part 1\nerror: part 2"


@pytest.mark.parametrize("death", ["exit", "signal", "bug"])
def test_a_dead_worker_is_a_tool_error(tmp_path: Path, death: str) -> None:
    good = parts(write_cluster(tmp_path / "c", tenants=TENANTS))

    def part(number: tuple[int, int]) -> Any:
        if number[0] != 1:
            return good(number)
        if death == "exit":
            os._exit(3)
        if death == "signal":
            os.kill(os.getpid(), 9)
        raise ZeroDivisionError

    bad = refused(part, tmp_path / "many")
    assert (type(bad), bad.line()) == (
        ToolError,
        "error: a worker process died; render with --jobs 1 --debug to see why",
    )


@pytest.mark.parametrize("where", ["parent", "child"])
def test_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    part = parts(write_cluster(tmp_path / "c", tenants=TENANTS))
    parent, real = os.getpid(), os.write

    def full(target: int, data: bytes) -> int:
        if (os.getpid() == parent) is (where == "parent"):
            raise OSError(28, "No space left on device")
        return real(target, data)

    monkeypatch.setattr("ringfence.sinks.tree.os.write", full)
    bad = refused(part, tmp_path / "many")
    assert (type(bad), bad.message) == (ToolError, "can't write the tree: no space left on device")


def test_an_interrupted_parent_ends_its_children(tmp_path: Path) -> None:
    good = parts(write_cluster(tmp_path / "c", tenants=TENANTS))
    parent = os.getpid()

    def part(number: tuple[int, int]) -> Any:
        if os.getpid() == parent:
            raise KeyboardInterrupt
        time.sleep(60)
        return good(number)

    before = children()
    with pytest.raises(KeyboardInterrupt):
        write_parts(part, tmp_path / "many", False, 2)
    assert children() == before
    assert [f.name for f in tmp_path.iterdir() if "ringfence-" in f.name] == []


def test_a_fork_that_fails_is_a_tool_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("ringfence.sinks.parallel.os.fork", no_fork)
    assert refused(parts(write_cluster(tmp_path / "c", tenants=TENANTS)), tmp_path / "many").message == (
        "can't write the tree: resource temporarily unavailable"
    )


@pytest.fixture
def ringfence(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    write_cluster(tmp_path / "work", tenants=TENANTS)
    return Command(tmp_path / "work", capsys, monkeypatch)  # type: ignore[return-value] # pytest takes both


def test_jobs_on_the_command_line(ringfence: Command) -> None:
    assert ringfence("render", "--jobs", "2", "-o", "two") == (
        0,
        "",
        ringfence("render", "-o", "one").err.replace("one:", "two:"),
    )
    assert snapshot_of(Path("two")) == snapshot_of(Path("one"))
    assert ringfence("-q", "render", "--jobs", "3", "-o", "one", "--check").code == 0


def test_an_object_of_a_tenants_namespace_comes_from_a_template_that_renders_once_a_namespace(tmp_path: Path) -> None:
    """Else two processes would write one file."""
    template = (
        "{% for n in cluster.namespaces %}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: loop\n"
        "  namespace: {{ n.name }}\n{% endfor %}\n"
    )
    write_control(tmp_path / "catalogue", "demo-loop", {"x.yaml.j2": template}, emits=[{"template": "x.yaml.j2"}])
    with pytest.raises(InputError) as caught:
        bodies(write_cluster(tmp_path / "c", tenants=TENANTS))
    assert caught.value.line() == (
        "templates/demo/demo-loop/x.yaml.j2:7:1: error: ConfigMap lies in a tenant's namespace, but the template renders once a"
        " cluster; set `each: namespace` in control.yaml"
    )


def test_parts_that_write_one_file_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ namespace.name }}\n  namespace: shared\n"
    write_control(small(tmp_path / "c", monkeypatch), "demo-shared", {"configmap.yaml.j2": shared})
    tenants = [{"name": "t", "owner": "o", "namespaces": ["a", "b"]}]
    resolution = Builder().resolve(write_cluster(tmp_path, tenants=tenants))
    with pytest.raises(RingfenceError, match=r"several namespaces write into 2-guards/shared/demo\.yaml"):
        write_parts(lambda part: Builder().objects(resolution, part), tmp_path / "out", check=False, jobs=2)
    assert not (tmp_path / "out").exists()
