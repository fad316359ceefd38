"""install.sh on a host that has run it before, and on one that runs: what goes, what stays, what is loaded and said."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.sinks.tree import write

SHELL = shutil.which("dash") or "/bin/sh"
UNIT = "etc/systemd/system/kubelet.service.d"
FENCE, DISK, KEPT = "etc/kubernetes/ringfence/etcd.nft", f"{UNIT}/31-ringfence-etcd-disk.conf", f"{UNIT}/40-own.conf"
SYSCTL = "etc/sysctl.d/60-ringfence-kubelet.conf"
NETWORK = {"apiServer": {"addresses": ["10.0.0.1"]}}
OFF = {
    "etcd-data-fence": {"stage": "off", "reason": "A test."},
    "kubelet-kernel-defaults": {"stage": "audit", "reason": "A test."},
}
# In place of a host's own: what they were asked stands in a file.
_SHIM = '#!/bin/sh\necho "${0##*/} $*" >>/var/asked\n[ "${0##*/}" != sysctl ] || [ ! -e /var/read-only ]\n'
# A host of its own: folders of this one are covered, for this command alone.
_HOST = """\
set -eu
for folder in etc var run usr/local; do mount --bind "$HOST/$folder" "/$folder"; done
export PATH="$SHIMS:$PATH"
exec "$SHELL_OF_HOST" "$SCRIPT" control-plane
"""


@cache
def _builder() -> Builder:
    return Builder()


def script(folder: Path, **changes: Any) -> Path:
    """install.sh of a cluster whose every host control is enforced."""
    file = write_cluster(folder, **{"profile": "zero-trust", "network": NETWORK, **changes})
    write(_builder().build(file), folder / "tree")
    return folder / "tree/host/install.sh"


def rooted(script: Path, root: Path, role: str = "control-plane") -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "RINGFENCE_ROOT": str(root)}
    done = subprocess.run([SHELL, script, role], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done


class Running:
    """A host that runs, in a mount namespace: its /etc, /var, /run and /usr/local are below a folder."""

    def __init__(self, folder: Path) -> None:
        self.root, self.shims = folder / "host", folder / "shims"
        for path in ("etc", "var", "run/systemd/system", "usr/local"):
            (self.root / path).mkdir(parents=True)
        for name in ("passwd", "group"):
            line = "root:x:0:0::/:/bin/sh\n" if name == "passwd" else "root:x:0:\n"
            (self.root / "etc" / name).write_text(line)
        if (alternatives := Path("/etc/alternatives")).is_dir():  # where awk is a link on Debian
            shutil.copytree(alternatives, self.root / alternatives.relative_to("/"), symlinks=True)
        self.shims.mkdir()
        for name in ("sysctl", "systemctl", "nft"):
            (self.shims / name).write_text(_SHIM)
            (self.shims / name).chmod(0o755)

    def install(self, script: Path) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """The run, and what it asked of sysctl, systemctl and nft."""
        env = {
            "PATH": os.environ["PATH"],
            "HOST": self.root,
            "SHIMS": self.shims,
            "SCRIPT": script,
            "SHELL_OF_HOST": SHELL,
        }
        asked = self.root / "var/asked"
        asked.unlink(missing_ok=True)
        command = ["unshare", "--mount", "--map-root-user", SHELL, "-c", _HOST]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
        return done, asked.read_text().splitlines() if asked.is_file() else []


@pytest.fixture
def running(tmp_path: Path) -> Running:
    probe = ["unshare", "--mount", "--map-root-user", "mount", "--bind", tmp_path, "/var"]
    try:
        subprocess.run(probe, check=True, capture_output=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as refused:
        pytest.skip(f"no mount namespace of one's own here ({refused}): Linux with unshare and user namespaces runs it")
    return Running(tmp_path)


def test_what_was_switched_off_is_taken_away_and_nothing_else_is(tmp_path: Path) -> None:
    root = tmp_path / "root"
    rooted(script(tmp_path / "before"), root)
    assert all((root / path).is_file() for path in (FENCE, DISK, SYSCTL))
    (root / KEPT).write_text("[Service]\n")
    keys = (root / "etc/kubernetes/ringfence/encryption.yaml").read_bytes()
    done = rooted(script(tmp_path / "after", controls=OFF), root)
    assert [p for p in (FENCE, DISK, SYSCTL) if (root / p).exists()] == []
    assert f"/{DISK} is not of this role any more, and is taken away" in done.stdout.splitlines()
    assert (root / KEPT).is_file(), "somebody else's"
    assert (root / "etc/kubernetes/ringfence/encryption.yaml").read_bytes() == keys
    assert rooted(script(tmp_path / "again", controls=OFF), root).stdout == ""


def test_what_a_run_put_that_was_cut_short_is_taken_away_too(tmp_path: Path) -> None:
    root, before = tmp_path / "root", script(tmp_path / "before")
    text = before.read_text()
    before.write_text(text.replace("put 0700 root:root /usr/local", "exit 9\n  put 0700 root:root /usr/local", 1))
    env = {"PATH": os.environ["PATH"], "RINGFENCE_ROOT": str(root)}
    assert subprocess.run([SHELL, before, "control-plane"], env=env, check=False, timeout=60).returncode == 9
    assert (root / DISK).is_file()
    rooted(script(tmp_path / "after", controls=OFF), root)
    assert not (root / DISK).exists()


def test_a_file_of_the_other_role_stays_in_an_image_for_both(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for role in ("control-plane", "worker"):
        rooted(script(tmp_path / role), root, role)
    rooted(script(tmp_path / "after", controls=OFF), root)
    assert (root / SYSCTL).is_file(), "the worker's files have not changed"
    rooted(script(tmp_path / "after", controls=OFF), root, "worker")
    assert not (root / SYSCTL).exists()


def test_a_file_that_a_static_pod_still_names_stays_until_it_does_not(tmp_path: Path) -> None:
    root = tmp_path / "root"
    rooted(script(tmp_path / "before"), root)
    manifest = root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(f"- --some-file=/{FENCE}\n")
    after = script(tmp_path / "after", controls=OFF)
    assert f"/{FENCE} is named by a static pod still" in rooted(after, root).stdout
    assert (root / FENCE).is_file()
    manifest.write_text("")
    rooted(after, root)
    assert not (root / FENCE).exists()


def test_a_running_host_loads_what_the_kubelet_compares_with(tmp_path: Path, running: Running) -> None:
    done, asked = running.install(script(tmp_path / "cluster"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"sysctl -q -p /{SYSCTL}" in asked
    assert asked[-1] == "systemctl daemon-reload"
    assert (running.root / SYSCTL).is_file()
    assert done.stdout == "this host goes on as before until you run:\n  systemctl restart kubelet.service\n"
    assert running.install(script(tmp_path / "again"))[0].stdout == "", "nothing has changed"


def test_a_running_host_is_told_how_to_load_changed_and_lift_removed_fences(tmp_path: Path, running: Running) -> None:
    assert running.install(script(tmp_path / "one"))[0].returncode == 0
    done, _ = running.install(script(tmp_path / "two", network={"apiServer": {"addresses": ["10.0.0.1", "10.0.0.2"]}}))
    assert done.stdout == f"this host goes on as before until you run:\n  nft -f /{FENCE}\n"
    done, asked = running.install(script(tmp_path / "three", controls=OFF))
    assert done.stdout.endswith(
        "this host goes on as before until you run:\n"
        "  nft delete table inet ringfence-etcd\n  systemctl restart kubelet.service\n"
    )
    assert asked[-1] == "systemctl daemon-reload"


def test_a_kernel_that_does_not_take_a_setting_is_an_error_after_everything_else(
    tmp_path: Path, running: Running
) -> None:
    (running.root / "var/read-only").touch()
    done, asked = running.install(script(tmp_path / "cluster"))
    assert (done.returncode, done.stderr) == (1, f"install.sh: the kernel did not take all of /{SYSCTL}\n")
    assert asked[-1] == "systemctl daemon-reload"
    assert (running.root / "etc/kubernetes/ringfence/encryption.yaml").is_file(), "keys were made"


RKE2 = {"kubernetes": {"version": "1.36", "distribution": "rke2"}, "profile": "baseline"}
DATA = "var/lib/rancher/rke2/server/db/etcd"


def test_without_etcds_account_its_data_is_held_to_the_mode_alone(tmp_path: Path, running: Running) -> None:
    """RKE2 runs etcd as root, but under its `profile: cis`."""
    (running.root / DATA).mkdir(parents=True, mode=0o755)
    done, _ = running.install(script(tmp_path / "cluster", **RKE2))
    assert done.returncode == 0
    assert done.stderr == "install.sh: this host has no account etcd; what would be its own keeps its owner\n"
    assert (running.root / DATA).stat().st_mode & 0o777 == 0o700


def test_below_a_folder_no_account_of_this_host_is_given_anything(tmp_path: Path) -> None:
    root, shims = tmp_path / "root", tmp_path / "shims"
    (root / DATA).mkdir(parents=True)
    shims.mkdir()
    for name, text in (("id", "echo 0"), ("chown", f'echo "$1" >>{tmp_path}/owners')):
        (shims / name).write_text(f"#!/bin/sh\n{text}\n")
        (shims / name).chmod(0o755)
    env = {"PATH": f"{shims}{os.pathsep}{os.environ['PATH']}", "RINGFENCE_ROOT": str(root)}
    command = [SHELL, script(tmp_path / "cluster", **RKE2), "control-plane"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert set((tmp_path / "owners").read_text().split()) == {"root:root"}
    assert "z /var/lib/rancher/rke2/server/db/etcd 0700 - - - -" in (root / "etc/tmpfiles.d/ringfence.conf").read_text()
