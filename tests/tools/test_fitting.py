"""Programs on PATH are taken before anything is built, when their version fits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from builder import fitting
from helpers import build_tree
from workbench import Bench

from ringfence.sandbox.binaries import find_tools

ANSWERS = {
    "etcd": "etcd Version: {}",
    "etcdctl": "etcdctl version: {}\nAPI version: 3.6",
    "kube-apiserver": "Kubernetes v{}",
    "kubeadm": "v{}",
    "pulumi": "v{}",
}


@pytest.mark.parametrize(
    ("name", "version", "fits"),
    [
        ("etcd", "3.6.1", True),
        ("etcd", "3.5.21", False),
        ("etcdctl", "3.6.1", True),
        ("kube-apiserver", "1.36.0", True),
        ("kube-apiserver", "1.37.0", False),
        ("kubeadm", "1.36.9", True),
        ("kubeadm", "1.3.6", False),
        ("pulumi", "3.230.0", True),
        ("pulumi", "3.229.9", False),
        ("pulumi", "4.0.0", False),
    ],
)
def test_a_component_fits_by_its_release(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, version: str, fits: bool
) -> None:
    path = bench.program(f"own/{name}", f"echo '{ANSWERS[name].format(version)}'")
    monkeypatch.setenv("PATH", str(path.parent))
    found = fitting.search(name)
    assert found == (fitting.Found(path, version) if fits else None)


def test_a_later_folder_is_searched_when_the_first_holds_another_release(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = bench.program("old/etcd", "echo etcd Version: 3.4.1")
    broken = bench.program("broken/etcd", "exit 1")
    good = bench.program("good/etcd", "echo etcd Version: 3.6.9")
    monkeypatch.setenv("PATH", os.pathsep.join(str(path.parent) for path in (old, broken, good)))
    assert fitting.search("etcd") == fitting.Found(good, "3.6.9")


def test_the_language_host_comes_with_the_pulumi_beside_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    host = bench.program("own/pulumi-language-python", "exit 1")
    script = bench.program("own/pulumi-language-python-exec", "exit 1")
    monkeypatch.setenv("PATH", str(host.parent))
    assert fitting.search(host.name) is None
    bench.program("own/pulumi", "echo v3.240.0")
    assert fitting.search(host.name) == fitting.Found(host, "3.240.0")
    assert fitting.search(script.name) == fitting.Found(script, "3.240.0")
    script.unlink()
    assert fitting.search(host.name) is None


@pytest.mark.parametrize(("version", "fits"), [("4.34.2", True), ("4.24.0", False), ("5.0.0", False)])
def test_the_provider_fits_by_the_folder_that_pulumi_installed_it_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, version: str, fits: bool
) -> None:
    name = "pulumi-resource-kubernetes"
    path = bench.program(f"home/plugins/resource-kubernetes-v{version}/{name}", "exit 1")
    anonymous = bench.program(f"own/{name}", "exit 1")
    monkeypatch.setenv("PATH", str(anonymous.parent))
    monkeypatch.setenv("PULUMI_HOME", str(bench.folder / "home"))
    assert fitting.search(name) == (fitting.Found(path, version) if fits else None)


def test_a_user_with_everything_builds_nothing_and_needs_no_go(bench: Bench) -> None:
    for name in ("etcd", "etcdctl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubeadm"):
        version = "3.6.8" if name.startswith("etcd") else "v1.36.1"
        bench.program(f"own/{name}", f"echo {version}")
    names = [path.name for path in sorted((bench.folder / "own").iterdir())]
    done = bench.run(*names, PATH=str(bench.folder / "own"))
    assert sorted(done.stdout.splitlines()) == [str(bench.folder / "own" / name) for name in names]
    assert {n: (e["path"], e["source"]) for n, e in bench.index().items()} == {
        name: (str(bench.folder / "own" / name), "") for name in names
    }
    assert bench.run("--list", *names, PATH=str(bench.folder / "own")).stdout.count(" path ") == len(names)


def test_what_was_found_is_found_by_those_who_read_the_index(bench: Bench) -> None:
    """Pulumi's plugin folder and what lies beside a program are known to the builder alone."""
    name = "pulumi-resource-kubernetes"
    path = bench.program(f"home/.pulumi/plugins/resource-kubernetes-v4.34.2/{name}", "exit 1")
    bench.run(name)
    assert bench.builds == []
    assert find_tools(bench.env, [name])[name] == path
    path.unlink()
    module = build_tree(
        bench.folder / "module", {f"cmd/{name}/{f}.json": "{}" for f in ("schema", "terraform-mapping")}
    )
    built = bench.run(name, FAKE_GO_MODULE=str(module)).stdout.strip()
    assert find_tools(bench.env, [name])[name] == Path(built), "once it is gone, it is built"


def test_judges_are_never_taken_from_path(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kube-bench", "kubeconform", "kube-score", "talos-validate", "kms-plugin"):
        path = bench.program(f"own/{name}", "echo 0.15.6")
        monkeypatch.setenv("PATH", str(path.parent))
        assert fitting.search(name) is None


def test_a_program_that_hangs_is_not_waited_for_long(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bench.program("own/etcd", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{bench.folder / 'shell'}")
    monkeypatch.setattr(fitting, "PATIENCE", 0.2)
    assert fitting.search("etcd") is None


def test_folders_of_path_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{os.pathsep}{tmp_path / 'absent'}")
    assert fitting.search("etcd") is None
