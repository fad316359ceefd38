"""tools/build.py: builds what is missing, once, whole, and leaves nothing else behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import build
import pytest
from builder import compiling
from builder.cache import Cache, full_key, source_key
from builder.compiling import Go, Workshop
from builder.cost import Cost, DiskError
from builder.families import CORE, Binary, Family
from builder.providing import Rig
from helpers import ROOT, build_tree
from workbench import Bench


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.02)


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rsplit(")", 1)[1].split()[0] != "Z"


# ------------------------------------------------------------------------------------------------- with real Go


HELLO = {
    "hello/go.mod": "module example.test/hello\n\ngo 1.24\n",
    "hello/main.go": 'package main\n\nvar version = "unset"\n\nfunc main() { println("hello", version) }\n',
}
FAMILY = Family("hello", CORE, "", (Binary("hello"),), release="v1.2.3", stamps=("main.version={version}",))


@pytest.mark.skipif(not shutil.which("go"), reason="Go is not on PATH; installing it would run this")
def test_go_builds_a_program_that_knows_its_version_and_nothing_else_stays(tmp_path: Path) -> None:
    root = build_tree(tmp_path / "tools", HELLO)
    said: list[str] = []
    rig = Rig(said.append, root, [FAMILY], Cache(tmp_path / "cache"), search=lambda name: None)
    (tool,) = rig.provide(rig.select())
    assert subprocess.run([tool.path], capture_output=True, text=True, check=True).stderr == "hello v1.2.3\n"
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["hello", "lock", "tools.json"]
    assert sorted(path.name for path in root.rglob("*") if path.is_file()) == ["go.mod", "main.go"]
    assert said[1] == "[1/1] hello v1.2.3: building, about 30 s"


# ------------------------------------------------------------------------------------------- with a stand-in


def test_a_program_is_built_once_and_found_by_the_index(bench: Bench) -> None:
    first = bench.run("kms-plugin")
    second = bench.run("kms-plugin")
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert bench.builds == ["kms-plugin"]
    assert second.stderr == ""
    entry = bench.index()["kms-plugin"]
    assert f"{entry['path']}\n" == first.stdout
    assert entry["version"].startswith("v0.")
    assert sorted(path.name for path in bench.cache.iterdir()) == ["kms-plugin", "lock", "tools.json"]


def test_the_cost_is_said_before_anything_is_built(bench: Bench) -> None:
    lines = bench.run("etcd", "kube-apiserver").stderr.splitlines()
    assert lines[0].startswith(f"building 2 of the rig's programs into {bench.cache}: about 5 minutes on two cores, ")
    assert lines[1].startswith("[1/2] etcd v3.6")


def test_the_build_cache_is_shared_by_a_run_and_gone_afterwards_or_the_users_own_and_kept(bench: Bench) -> None:
    bench.run("etcd", "etcdctl")
    assert not list(bench.cache.glob("tmp.*"))
    kept = bench.folder / "kept"
    bench.run("kube-scheduler", "kubeadm", RINGFENCE_TOOLS_GOCACHE=str(kept))
    assert sorted(path.name for path in kept.iterdir()) == ["kube-scheduler", "kubeadm"]


def test_what_won_t_build_says_why_and_keeps_what_was_built_before_it(bench: Bench) -> None:
    done = bench.run("etcd", "etcdctl", FAKE_GO_FAILS="etcdctl")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "error: go build go.etcd.io/etcd/etcdctl/v3 failed:",
        "    ./main.go:5:2: undefined: absent",
    ]
    assert list(bench.index()) == ["etcd"]
    assert not list(bench.cache.glob("tmp.*"))
    assert bench.run("etcd", "etcdctl").returncode == 0
    assert bench.builds == ["etcd", "etcdctl", "etcdctl"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_build_leaves_no_file_and_no_process(bench: Bench, number: int, code: int) -> None:
    running = bench.start("kms-plugin", FAKE_GO_SLEEP="600")
    until(lambda: bench.processes)
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == code
    until(lambda: not alive(bench.processes[0]))
    assert [path.name for path in bench.cache.iterdir()] == ["lock"]


def test_a_signal_that_comes_while_go_starts_ends_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(command: list[str], **settings: Any) -> subprocess.Popen[str]:
        started.append(popen(["/bin/sleep", "600"], **settings))
        signal.raise_signal(signal.SIGTERM)
        return started[0]

    monkeypatch.setattr(compiling.subprocess, "Popen", start)
    build_tree(tmp_path / "tools", HELLO)
    before = signal.signal(signal.SIGTERM, build.interrupted)
    try:
        with pytest.raises(SystemExit, match=r"^143$"):
            Workshop(Go("go", ""), tmp_path, tmp_path / "cache", tmp_path / "tools").make(
                FAMILY, FAMILY.parts[0], tmp_path
            )
        assert signal.getsignal(signal.SIGTERM) is build.interrupted
    finally:
        signal.signal(signal.SIGTERM, before)
    try:
        assert started[0].wait(10) == -signal.SIGKILL
    finally:
        started[0].kill()
        started[0].communicate()


def test_what_a_killed_build_left_is_removed_by_the_next(bench: Bench) -> None:
    running = bench.start("kms-plugin", FAKE_GO_SLEEP="600")
    until(lambda: bench.processes)
    running.kill()
    running.communicate()
    os.killpg(bench.processes[0], signal.SIGKILL)
    assert list(bench.cache.glob("tmp.*"))
    assert bench.run("kms-plugin").returncode == 0
    assert not list(bench.cache.glob("tmp.*"))


def test_two_builds_at_once_build_once(bench: Bench) -> None:
    gate = bench.folder / "gate"
    first = bench.start("kms-plugin", FAKE_GO_GATE=str(gate))
    until(lambda: bench.builds)
    second = bench.start("kms-plugin", FAKE_GO_GATE=str(gate))
    assert second.stderr
    assert second.stderr.readline() == f"waiting for another build, which holds {bench.cache}\n"
    gate.touch()
    path, _ = first.communicate(timeout=60)
    assert second.communicate(timeout=60) == (path, "")
    assert (first.returncode, second.returncode) == (0, 0)
    assert bench.builds == ["kms-plugin"]


def test_without_go_it_says_so_with_a_code_of_its_own(bench: Bench) -> None:
    done = bench.run("kms-plugin", "etcd", PATH="/nonexistent")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "error: etcd, kms-plugin: not on PATH with a version that fits, and building needs Go 1.26.3 or newer\n"
    )
    assert not bench.cache.exists()


def test_without_go_what_was_built_is_still_found(bench: Bench) -> None:
    built = bench.run("kms-plugin").stdout
    assert bench.run("kms-plugin", PATH="/nonexistent").stdout == built


@pytest.mark.parametrize("text", ['{"kms-plugin": 1}', '{"kms-plugin": {"path": "/x"}}', "[]", "{"])
def test_an_index_that_nobody_can_read_is_made_anew(bench: Bench, text: str) -> None:
    bench.cache.mkdir(parents=True)
    (bench.cache / "tools.json").write_text(text)
    assert bench.run("kms-plugin", PATH="/nonexistent").returncode == 3
    assert bench.run("kms-plugin").returncode == 0
    assert list(bench.index()) == ["kms-plugin"]


def test_a_cache_that_can_not_be_written_is_one_line(bench: Bench) -> None:
    (bench.folder / "cache").write_text("a file")
    done = bench.run("kms-plugin")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: [Errno 20] Not a directory: ")
    assert "Traceback" not in done.stderr


def test_a_go_that_fails_is_one_line(bench: Bench) -> None:
    done = bench.run("kms-plugin", FAKE_GO_ENV="go: can't read its own settings")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(": go: can't read its own settings")
    assert "Traceback" not in done.stderr


def test_what_the_shell_says_of_systems_and_processors_changes_no_build(bench: Bench) -> None:
    told = bench.folder / "told"
    bench.run("kms-plugin", GOOS="plan9", GOARCH="arm64", GOAMD64="v4", FAKE_GO_TELLS=str(told))
    assert told.read_text() == "GOOS= GOARCH= GOAMD64=\n"


def test_an_old_go_is_no_go(bench: Bench) -> None:
    done = bench.run("kms-plugin", FAKE_GO_VERSION="go1.21.0")
    assert done.returncode == 3
    assert "tools/kms-plugin needs Go 1.26.0 or newer to be built, found: go version go1.21.0" in done.stderr


def test_another_go_builds_anew_beside_the_old_one(bench: Bench) -> None:
    old = bench.run("kms-plugin").stdout.strip()
    new = bench.run("kms-plugin", FAKE_GO_VERSION="go1.27.0").stdout.strip()
    assert old != new
    assert Path(old).exists()
    assert bench.index()["kms-plugin"]["path"] == new
    bench.run("kms-plugin")
    assert bench.index()["kms-plugin"]["path"] == old, "the index names what this run found"


def test_an_unknown_name_gets_the_known_ones(bench: Bench) -> None:
    done = bench.run("etcdd")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no tool is called etcdd; there are: etcd, etcdctl, ")


def test_the_list_says_where_everything_is_and_builds_nothing(bench: Bench) -> None:
    bench.program("own/etcd", "echo etcd Version: 3.6.2")
    built = bench.run("kms-plugin").stdout.strip()
    done = bench.run("--list", PATH=f"{bench.env['PATH']}{os.pathsep}{bench.folder / 'own'}")
    lines = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert lines["etcd"] == ["3.6.2", "path", str(bench.folder / "own" / "etcd")]
    assert lines["kms-plugin"][1:] == ["cache", built]
    assert lines["kubeadm"][1:] == ["missing"]
    assert bench.builds == ["kms-plugin"]


def test_a_tier_is_all_of_its_programs(bench: Bench) -> None:
    core = bench.run("--list", "--tier", "core").stdout
    assert [line.split()[0] for line in core.splitlines()] == [
        "etcd",
        "etcdctl",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubeadm",
        "pod-security-fixtures",
        "pulumi",
        "pulumi-resource-kubernetes",
        "pulumi-language-python",
        "pulumi-language-python-exec",
    ]


def test_a_modules_folder_is_copied_beside_its_program_and_can_be_removed(bench: Bench) -> None:
    module = build_tree(bench.folder / "module", {"cfg/cis-1.12/master.yaml": "checks: []\n"})
    (module / "cfg" / "cis-1.12").chmod(0o555)  # as in Go's module cache
    program, folder = bench.run("kube-bench", "kube-bench-cfg", FAKE_GO_MODULE=str(module)).stdout.split()
    assert Path(folder) == Path(program).parent / "cfg"
    assert (Path(folder) / "cis-1.12" / "master.yaml").read_text() == "checks: []\n"
    assert (Path(folder) / "cis-1.12").stat().st_mode & 0o200


def test_the_language_hosts_script_lies_beside_it_and_runs(bench: Bench) -> None:
    module = build_tree(bench.folder / "module", {"python/cmd/pulumi-language-python-exec": "#!/bin/sh\necho ran\n"})
    names = ("pulumi-language-python", "pulumi-language-python-exec")
    host, script = map(Path, bench.run(*names, FAKE_GO_MODULE=str(module)).stdout.split())
    assert host.parent == script.parent
    assert subprocess.run([script], capture_output=True, text=True, check=True).stdout == "ran\n"


def test_the_provider_embeds_a_schema_with_its_version_and_the_work_tree_stays_as_it_was(bench: Bench) -> None:
    place = "cmd/pulumi-resource-kubernetes"
    module = build_tree(
        bench.folder / "module",
        {f"{place}/schema.json": '{"name": "kubernetes", "version": "4.0.0"}', f"{place}/terraform-mapping.json": "{}"},
    )
    before = sorted((ROOT / "tools").rglob("*"))
    built = Path(bench.run("pulumi-resource-kubernetes", FAKE_GO_MODULE=str(module)).stdout.strip())
    assert json.loads(built.read_text().removesuffix("{}")) == {"name": "kubernetes", "version": "4.25.0"}
    assert [path for path in sorted((ROOT / "tools").rglob("*")) if "__pycache__" not in path.parts] == [
        path for path in before if "__pycache__" not in path.parts
    ]


# ----------------------------------------------------------------------------------------------- keys and cost


@pytest.mark.parametrize(
    "change",
    [{"hello/go.mod": "module example.test/hello\n\ngo 1.25\n"}, {"hello/main.go": ""}, {"hello/go.sum": "new"}],
    ids=lambda change: next(iter(change)),
)
def test_the_key_changes_with_every_file(tmp_path: Path, change: dict[str, str]) -> None:
    root = build_tree(tmp_path, HELLO)
    before = source_key(FAMILY, root)
    assert source_key(FAMILY, build_tree(root, change)) != before


def test_the_key_changes_with_flags_and_go_but_not_with_estimates(tmp_path: Path) -> None:
    root = build_tree(tmp_path, HELLO)
    key = source_key(FAMILY, root)
    tagged = Family("hello", CORE, "", FAMILY.parts, release="v1.2.3", stamps=FAMILY.stamps, tags="extra")
    newer = Family("hello", CORE, "", FAMILY.parts, release="v1.2.4", stamps=FAMILY.stamps)
    slower = Family("hello", CORE, "", (Binary("hello", seconds=99),), "v1.2.3", stamps=FAMILY.stamps, cache_gb=99)
    assert key not in (source_key(tagged, root), source_key(newer, root))
    assert key == source_key(slower, root)
    assert full_key(key, "go1.26.8") != full_key(key, "go1.26.9")


def test_a_disk_too_small_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    root = build_tree(tmp_path / "tools", HELLO)
    huge = Family("hello", CORE, "", (Binary("hello"),), release="v1.2.3", cache_gb=1e9)
    go = FixedGo("/nonexistent", "go1.26.8")
    rig = Rig(lambda line: None, root, [huge], Cache(tmp_path / "cache"), go, lambda name: None)
    with pytest.raises(DiskError, match=r"needs 1000000001\.\d GB free at .*RINGFENCE_TOOLS_CACHE"):
        rig.provide(rig.select())
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["lock"]


class FixedGo(Go):
    """Knows its module cache without running."""

    def module_cache(self) -> Path:
        return Path("/nonexistent")


def test_two_folders_on_one_disk_need_room_for_both(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free / 1e9
    half = Cost(programs=1, seconds=1, temporary=free * 0.6, modules=free * 0.6)
    with pytest.raises(DiskError):
        half.refuse_if_too_big(tmp_path / "a", tmp_path / "b")
    Cost(programs=1, seconds=1, temporary=0, modules=0).refuse_if_too_big(tmp_path / "a", tmp_path / "b")
