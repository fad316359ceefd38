"""What the rotation's script concludes from what etcd says, with an etcd that says what a test wants."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helpers import write_cluster

from ringfence.build import Builder
from ringfence.sinks.tree import write

SHELL = shutil.which("dash") or "/bin/sh"
# etcdctl get FROM END --limit 500 -w fields, of the keys and values in a file; a write that fails is its failure.
_ETCDCTL = """\
#!{python}
import sys
lines = [line.split("\\t") for line in open({data!r}).read().splitlines()]
found = [one for one in lines if sys.argv[2] <= one[0] < sys.argv[3]][:500]
sys.stdout.write("".join(f'"Key" : "{{k}}"\\n"Value" : "{{v}}"\\n' for k, v in found))
sys.stdout.close()
"""


class Node:
    """A host with the scripts, below a folder, and an etcd of a few values."""

    def __init__(self, folder: Path, distribution: str = "kubeadm", **encryption: Any) -> None:
        controls = {"sec-encrypt-rest": {"params": encryption, "reason": "A test."}} if encryption else {}
        kubernetes = {"version": "1.36", "distribution": distribution}
        write(Builder().build(write_cluster(folder, controls=controls, kubernetes=kubernetes)), folder / "tree")
        self.root, self.bin, self.data = folder / "root", folder / "bin", folder / "data"
        self._sh(str(folder / "tree/host/install.sh"), "control-plane")
        self.bin.mkdir()
        for name, text in (
            ("etcdctl", _ETCDCTL.format(python=sys.executable, data=str(self.data))),
            ("kubectl", "#!/bin/sh\nexit 1\n"),
        ):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        listed = self._sh(str(self.root / "usr/local/sbin/ringfence-encryption-keys"), "list").stdout
        self.sealed = f"k8s:enc:secretbox:v1:{listed.split()[1]}:"

    def prove(self, values: Mapping[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
        """`prove` of an etcd with these values, after some shell commands."""
        self.data.write_text("".join(f"/registry/{key}\t{values[key]}\n" for key in sorted(values)))
        script = self.root / "usr/local/sbin/ringfence-rotate-encryption"
        return self._sh("-c", f'{before}\nexec "{SHELL}" "{script}" prove')

    def _sh(self, *words: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "RINGFENCE_ROOT": str(self.root),
            "RINGFENCE_API_SERVERS": "https://127.0.0.1:6443",
            "KUBECONFIG": os.devnull,
        }
        return subprocess.run([SHELL, *words], env=env, capture_output=True, text=True, check=False, timeout=120)


SPECIAL = {
    "ingresses.networking.k8s.io": "ingress/shop/web",
    "nodes": "minions/node-1",
    "replicationcontrollers": "controllers/shop/old",
    "services": "services/specs/shop/web",
    "endpoints": "services/endpoints/shop/web",
    "deployments.apps": "deployments/shop/web",
    "issuers.cert-manager.io": "cert-manager.io/issuers/shop/ca",
}


def test_what_lies_under_another_name_than_its_kinds_is_proved_too(tmp_path: Path) -> None:
    node = Node(tmp_path, also=sorted(SPECIAL))
    sealed = {"secrets/shop/a": node.sealed, **dict.fromkeys(SPECIAL.values(), node.sealed)}
    done = node.prove(sealed)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(sealed)} {node.sealed.removeprefix('k8s:enc:').rstrip(':')}\n"
    for key in SPECIAL.values():
        done = node.prove({**sealed, key: "k8s"})
        assert (done.returncode, done.stderr) == (1, f"  plain: /registry/{key}\n")


def test_services_are_not_their_endpoints(tmp_path: Path) -> None:
    node = Node(tmp_path, also=["services"])
    done = node.prove({"secrets/shop/a": node.sealed, SPECIAL["services"]: node.sealed, SPECIAL["endpoints"]: "k8s"})
    assert (done.returncode, done.stderr) == (0, "")


def test_a_whole_group_can_not_be_proved_and_is_said(tmp_path: Path) -> None:
    done = (node := Node(tmp_path, also=["*.apps"])).prove({"secrets/shop/a": node.sealed, "deployments/shop/a": "k8s"})
    assert done.returncode == 1
    assert done.stderr.startswith("*.apps secretbox\n")
    assert "name its resources one by one" in done.stderr


def test_a_list_that_the_disk_has_no_room_for_proves_nothing(tmp_path: Path) -> None:
    """The last value is plain, and only the list of all before it can be written."""
    node = Node(tmp_path)
    values = {f"secrets/shop/{n:05}{'x' * 40}": node.sealed for n in range(4000)} | {"secrets/shop/z": "k8s"}
    done = node.prove(values)
    assert (done.returncode, done.stderr) == (1, "  plain: /registry/secrets/shop/z\n")
    # As a full disk answers: a write past this many blocks of 512 bytes fails. A page of etcd is smaller.
    done = node.prove(values, before="trap '' XFSZ; ulimit -f 400")
    assert done.returncode == 1
    assert "the values in etcd could not be listed" in done.stderr
    assert done.stdout == ""


def test_k3s_on_sqlite_is_told_what_is_missing(tmp_path: Path) -> None:
    node = Node(tmp_path, "k3s")
    db = node.root / "var/lib/rancher/k3s/server/db"
    (db / "state.db").touch()
    done = node.prove({})
    assert done.returncode == 1
    assert f"keeps the cluster in SQLite, {db}/state.db" in done.stderr
    assert "cluster-init: true" in done.stderr
    (db / "etcd/member").mkdir()
    assert node.prove({"secrets/shop/a": node.sealed}).returncode == 0
