"""The control plane does not start while a disk below etcd's data lies open, whatever stands between the two."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.sinks.tree import write

SHELL = shutil.which("dash") or "/bin/sh"


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    write(Builder().build(write_cluster(folder, profile="zero-trust")), folder / "tree")
    return folder / "tree/host/files/etc/kubernetes/ringfence/etcd-disk"


@pytest.mark.parametrize(
    ("tree", "sealed"),
    [
        ("etcd crypt\n`-sda2 part\n  `-sda disk\n", True),
        ("vg-etcd lvm\n|-luks1 crypt\n| `-sda2 part\n|   `-sda disk\n`-luks2 crypt\n  `-sdb disk\n", True),
        ("vg-etcd lvm\n|-luks1 crypt\n| `-sda2 part\n|   `-sda disk\n`-sdb1 part\n  `-sdb disk\n", False),
        ("vg-etcd lvm\n|-sdb1 part\n| `-sdb disk\n`-luks1 crypt\n  `-sda disk\n", False),
        ("md0 raid1\n|-sda1 part\n| `-sda disk\n`-sdb1 part\n  `-sdb disk\n", False),
        ("sda2 part\n`-sda disk\n", False),
        ("", False),
    ],
)
def test_every_disk_below_etcd_is_encrypted_or_it_does_not_start(
    script: Path, tmp_path: Path, tree: str, sealed: bool
) -> None:
    for name, said in (("findmnt", "/dev/mapper/etcd[/sub]\n"), ("lsblk", tree)):
        (tmp_path / f"{name}.said").write_text(said)
        (tmp_path / name).write_text('#!/bin/sh\ncat "$0.said"\n')
        (tmp_path / name).chmod(0o755)
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([SHELL, script], env=env, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == (0 if sealed else 1), done.stderr
    assert ("/dev/mapper/etcd, which is not encrypted down to every disk" in done.stderr) is not sealed
