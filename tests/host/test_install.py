"""install.sh, run by dash below a folder: every file with its mode, twice the same, by role, and no other role."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hostplane import bundle_of, catalogue, tree_of

from ringfence.documents import load

DISTRIBUTIONS = ("kubeadm", "rke2", "k3s")
SHELL = shutil.which("dash") or "/bin/sh"


def written(folder: Path, distribution: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder host/ of a tree, on disk."""
    catalogue(folder / "catalogue", monkeypatch, distribution)
    for path, file in tree_of(bundle_of(folder, distribution)).items():
        target = folder / "host" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.text, encoding="utf-8")
    return folder / "host"


def install(host: Path, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RINGFENCE_ROOT": str(root)}
    command = [SHELL, str(host / "install.sh"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def state(root: Path) -> dict[str, tuple[str, str]]:
    """Mode and digest of every file below a folder."""
    return {
        f"/{f.relative_to(root).as_posix()}": (mode(f), sha256(f.read_bytes()).hexdigest())
        for f in sorted(root.rglob("*"))
        if f.is_file()
    }


def mode(path: Path) -> str:
    return f"0{stat.S_IMODE(path.stat().st_mode):03o}"


@pytest.mark.parametrize("role", ["control-plane", "worker"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_file_of_the_role_lies_where_the_table_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, role: str
) -> None:
    host = written(tmp_path, distribution, monkeypatch)
    done = install(host, tmp_path / "root", role)
    assert (done.returncode, done.stderr) == (0, "")
    table = load((host / "files.yaml").read_text(), "files.yaml").value["files"]
    wanted = {f["path"]: (f["mode"], f["sha256"]) for f in table if role in f["roles"]}
    found = state(tmp_path / "root")
    config = "/etc/kubernetes" if distribution == "kubeadm" else f"/etc/rancher/{distribution}"
    keyed = {f"{config}/ringfence/encryption.yaml"} if role == "control-plane" else set()
    made = keyed | {f"/var/lib/ringfence/installed.{role}"}
    assert wanted
    assert found.keys() - wanted.keys() == made, "a key's file, by the script, and what install.sh put"
    assert {path: found[path] for path in wanted} == wanted
    assert all(found[path][0] == "0600" for path in found.keys() - wanted.keys())


def test_folders_are_made_with_their_mode_and_what_exists_is_held_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, root = written(tmp_path, "kubeadm", monkeypatch), tmp_path / "root"
    configured = [root / "etc/kubernetes/admin.conf", root / "etc/kubernetes/kubelet.conf"]
    other = root / "etc/kubernetes/notes.txt"
    other.parent.mkdir(parents=True)
    for file in (*configured, other):
        file.write_text("")
        file.chmod(0o644)
    assert install(host, root, "control-plane").returncode == 0
    assert mode(root / "var/log/kubernetes/audit") == "0700"
    assert [mode(f) for f in configured] == ["0600", "0600"], "the pattern reaches every file that fits"
    assert mode(other) == "0644"


def test_what_a_pattern_does_not_find_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = written(tmp_path, "kubeadm", monkeypatch)
    assert install(host, tmp_path / "root", "control-plane").returncode == 0
    assert not (tmp_path / "root/etc/kubernetes/*.conf").exists()


def test_twice_is_once_and_a_key_that_was_made_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, root = written(tmp_path, "kubeadm", monkeypatch), tmp_path / "root"
    assert install(host, root, "control-plane").returncode == 0
    before = state(root)
    text = (root / "etc/kubernetes/ringfence/encryption.yaml").read_text()
    assert "generated-on-host" not in text
    assert "made-once-" in text
    assert install(host, root, "control-plane").returncode == 0
    assert state(root) == before


def test_a_changed_file_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, root = written(tmp_path, "kubeadm", monkeypatch), tmp_path / "root"
    install(host, root, "control-plane")
    before = state(root)
    policy = root / "etc/kubernetes/ringfence/audit-policy.yaml"
    policy.write_text("rules: []")
    policy.chmod(0o666)
    install(host, root, "control-plane")
    assert state(root) == before


@pytest.mark.parametrize("arguments", [(), ("master",), ("",), ("Worker",)])
def test_another_role_is_refused_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    host = written(tmp_path, "kubeadm", monkeypatch)
    done = install(host, tmp_path / "root", *arguments)
    assert (done.returncode, done.stderr) == (64, "usage: install.sh control-plane|worker\n")
    assert not (tmp_path / "root").exists()


def test_it_works_from_another_folder_and_with_blanks_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = written(tmp_path, "kubeadm", monkeypatch)
    moved = host.rename(tmp_path / "my host files")
    monkeypatch.chdir("/")
    assert install(moved, tmp_path / "the root", "control-plane").returncode == 0
    assert (tmp_path / "the root/etc/kubernetes/ringfence/audit-policy.yaml").is_file()


@pytest.mark.parametrize("role", ["control-plane", "worker"])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_owners_and_modes_are_held_again_at_every_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, role: str
) -> None:
    """kubeadm makes admin.conf, keys and manifests after the script has run."""
    host = written(tmp_path, distribution, monkeypatch)
    rows = load((host / "files.yaml").read_text(), "files.yaml").value["permissions"]
    wanted = {(p["path"], p["mode"], *p["owner"].split(":"), "-", "-") for p in rows if role in p["roles"]}
    assert install(host, tmp_path / "root", role).returncode == 0
    placed = tmp_path / "root/etc/tmpfiles.d/ringfence.conf"
    assert placed.is_file() is bool(wanted)
    if wanted:
        lines = [line.split() for line in placed.read_text().splitlines() if not line.startswith("#")]
        assert {tuple(line[1:]) for line in lines} == wanted
        assert {line[0] for line in lines} <= {"d", "z"}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_systemd_takes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str) -> None:
    judge = shutil.which("systemd-tmpfiles")
    if judge is None:
        pytest.skip("systemd-tmpfiles judges these files, and it is not here: a host with systemd has it")
    host = written(tmp_path, distribution, monkeypatch)
    root = tmp_path / "root"
    held = root / "etc/held"
    held.parent.mkdir(parents=True)
    held.touch(mode=0o644)
    for file in host.glob("tmpfiles-*.conf"):
        text = file.read_text() + f"z /etc/held 0600 {os.getuid()} {os.getgid()} - -\n"
        (tmp_path / file.name).write_text(text.replace(" root root ", f" {os.getuid()} {os.getgid()} "))
        line = [judge, "--create", f"--root={root}", str(tmp_path / file.name)]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
    assert mode(held) == "0600"


def test_folders_on_the_way_are_open_and_what_is_in_them_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, root = written(tmp_path, "kubeadm", monkeypatch), tmp_path / "root"
    assert install(host, root, "control-plane").returncode == 0
    ways = ["", "etc", "etc/kubernetes", "etc/tmpfiles.d", "usr/local/sbin", "var", "var/log", "var/log/kubernetes"]
    assert {mode(root / way) for way in ways} == {"0755"}
    assert mode(root / "var/log/kubernetes/audit") == "0700"


def test_what_is_held_is_held_when_a_script_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, root = written(tmp_path, "kubeadm", monkeypatch), tmp_path / "root"
    (script,) = (host / "files/usr/local/sbin").iterdir()
    script.write_text("#!/bin/sh\necho no >&2\nexit 3\n")
    file = root / "etc/kubernetes/admin.conf"
    file.parent.mkdir(parents=True)
    file.touch(mode=0o644)
    done = install(host, root, "control-plane")
    assert (done.returncode, done.stderr) == (3, "no\n")
    assert mode(file) == "0600"
