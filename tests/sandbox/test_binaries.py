"""Where programs are found, and the one error when they are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox.binaries import cache, find_tools

SAYS = {
    "etcd": "etcd Version: {}",
    "kubeadm": "{}",
    "kube-apiserver": "Kubernetes {}",
    "kube-controller-manager": "Kubernetes {}",
    **dict.fromkeys(("kms-plugin", "kube-bench", "kubeconform", "pulumi", "talos-validate"), ""),
}
FITS = {"etcd": "3.6.14", "kubeadm": "v1.36.4", "kube-apiserver": "v1.36.4", "kube-controller-manager": "v1.36.4"}


def program(folder: Path, name: str, version: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{SAYS[name].format(version)}'\n")
    file.chmod(0o755)
    return file


def programs(folder: Path, versions: dict[str, str]) -> None:
    for name, version in versions.items():
        program(folder, name, version)


def test_on_path(tmp_path: Path) -> None:
    programs(tmp_path, FITS)
    found = find_tools({"PATH": f"/nowhere:{tmp_path}"})
    assert found["etcd"] == tmp_path / "etcd"
    assert found.kubernetes == "v1.36.4"


def test_the_named_folder_comes_before_path_and_path_before_the_cache(tmp_path: Path) -> None:
    for place in ("own", "path", "cache"):
        programs(tmp_path / place, FITS)
    (tmp_path / "path" / "etcd").unlink()
    (tmp_path / "own" / "kubeadm").unlink()
    for name in ("etcd", "kubeadm"):
        (tmp_path / "own" / name).unlink(missing_ok=True)
    environ = {
        "RINGFENCE_TOOLS_BIN": str(tmp_path / "own"),
        "PATH": str(tmp_path / "path"),
        "XDG_CACHE_HOME": str(tmp_path / "xdg"),
    }
    cache(environ).mkdir(parents=True)
    listed = {n: {"path": str(tmp_path / "cache" / n), "version": v} for n, v in FITS.items()}
    (cache(environ) / "tools.json").write_text(json.dumps(listed))
    found = {n: p.parent.name for n, p in find_tools(environ).paths.items()}
    assert found == {"etcd": "cache", "kubeadm": "path", "kube-apiserver": "own", "kube-controller-manager": "own"}


def test_a_version_that_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    programs(tmp_path / "old", {**FITS, "etcd": "3.5.9"})
    programs(tmp_path / "new", {"etcd": "3.6.1"})
    found = find_tools({"PATH": f"{tmp_path}/old:{tmp_path}/new"})
    assert found["etcd"] == tmp_path / "new" / "etcd"


def test_everything_that_is_missing_is_one_error(tmp_path: Path) -> None:
    programs(tmp_path, {"etcd": "3.6.14", "kubeadm": "v1.35.1"})
    with pytest.raises(ToolError) as bad:
        find_tools({"PATH": str(tmp_path)})
    assert bad.value.line() == (
        "error: the sandbox needs kubeadm 1.36, kube-apiserver 1.36, kube-controller-manager 1.36, which are not here "
        f"({tmp_path}/kubeadm is v1.35.1); `make tools` in a checkout of ringfence builds what is missing, once "
        "(30 minutes on two cores, with Go 1.26)"
    )


@pytest.mark.parametrize("name", ["kms-plugin", "kube-bench", "kubeconform", "pulumi", "talos-validate"])
def test_what_make_tools_has_not_judged_is_never_taken_from_path(tmp_path: Path, name: str) -> None:
    """A verdict belongs to the pinned release, and whether a Pulumi fits is for tools/builder/fitting.py to say."""
    there = program(tmp_path / "path", name, "")
    environ = {"PATH": str(there.parent), "RINGFENCE_TOOLS_CACHE": str(tmp_path)}
    with pytest.raises(ToolError, match=f"the sandbox needs {name}, which is not here"):
        find_tools(environ, [name])
    assert find_tools({**environ, "RINGFENCE_TOOLS_BIN": str(there.parent)}, [name])[name] == there
    cache(environ).mkdir()
    (cache(environ) / "tools.json").write_text(json.dumps({name: {"path": str(there), "version": "1"}}))
    assert find_tools(environ, [name])[name] == there


@pytest.mark.parametrize("listed", ["", "[]", '{"etcd": {}}', '{"etcd": {"path": "/gone/etcd"}}'])
def test_a_cache_that_is_of_no_use_is_no_failure_of_its_own(tmp_path: Path, listed: str) -> None:
    environ = {"RINGFENCE_TOOLS_CACHE": str(tmp_path)}
    cache(environ).mkdir()
    (cache(environ) / "tools.json").write_text(listed)
    with pytest.raises(ToolError, match=r"^the sandbox needs etcd 3.6, which is not here"):
        find_tools(environ, ["etcd"])
