"""Keys of encryption at rest on several hosts: each runs its own install.sh, and one's keys reach the other as documented."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.sinks.tree import write

SHELL = shutil.which("dash") or "/bin/sh"
FILE, FOLDER = "etc/kubernetes/ringfence/encryption.yaml", "etc/kubernetes/ringfence-keys"


class Node:
    """A host of the control plane below a folder of its own."""

    def __init__(self, root: Path, script: Path) -> None:
        self.root, self.script = root, script

    def install(self) -> subprocess.CompletedProcess[str]:
        return self._sh(self.script, "control-plane")

    def keys(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return self._sh(self.root / "usr/local/sbin/ringfence-encryption-keys", *words, stdin=stdin)

    def names(self) -> list[str]:
        return [line.split()[1] for line in self.keys("list").stdout.splitlines()]

    def digest(self) -> str:
        return self.keys("digest").stdout

    def _sh(self, *words: Path | str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        env = {"PATH": os.environ["PATH"], "RINGFENCE_ROOT": str(self.root)}
        command = [SHELL, *map(str, words)]
        return subprocess.run(command, env=env, input=stdin, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """install.sh of a baseline cluster."""
    folder = tmp_path_factory.mktemp("tree")
    write(Builder().build(write_cluster(folder)), folder / "rendered")
    return folder / "rendered/host/install.sh"


@pytest.fixture
def nodes(script: Path, tmp_path: Path) -> tuple[Node, Node]:
    """Two hosts, each with a key that its own install.sh made."""
    both = Node(tmp_path / "cp-1", script), Node(tmp_path / "cp-2", script)
    for node in both:
        done = node.install()
        assert done.returncode == 0, done.stderr
    assert both[0].names() != both[1].names()
    return both


def test_two_hosts_that_were_installed_are_equal_once_the_keys_are_shared(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    (own,) = two.names()
    done = two.keys("import", stdin=one.keys("export").stdout)
    assert done.returncode == 0
    kept = two.root / FOLDER / "retired"
    assert done.stderr == (
        f"set aside the secretbox key {own} of this host, which nothing was sealed with yet: {kept}\n"
    )
    assert two.names() == one.names()
    assert two.digest() == one.digest()
    assert own in kept.read_text(), "no key is ever lost"
    before = two.digest()
    assert two.install().returncode == 0
    assert two.digest() == before


@pytest.mark.parametrize("trace", ["pki/apiserver.crt", "manifests/kube-apiserver.yaml"])
def test_a_key_that_an_api_server_may_have_used_stays_until_somebody_takes_it_away(
    nodes: tuple[Node, Node], trace: str
) -> None:
    one, two = nodes
    (own,) = two.names()
    file = two.root / "etc/kubernetes" / trace
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    done = two.keys("import", stdin=one.keys("export").stdout)
    assert done.returncode == 0
    assert two.names() == [*one.names(), own], "it still unseals"
    (said,) = re.findall(r"run: ringfence-encryption-keys (.*)", done.stderr)
    assert said.split() == ["remove", "secretbox", own]
    assert two.keys(*said.split()).returncode == 0
    assert two.digest() == one.digest()


def test_a_file_of_another_host_is_not_replaced_by_one_of_this_hosts_keys(nodes: tuple[Node, Node]) -> None:
    one, two = nodes
    text = (one.root / FILE).read_text()
    (two.root / FILE).write_text(text)
    done = two.install()
    assert done.returncode == 1
    key, host = one.names()[0], os.uname().nodename
    assert done.stderr == (
        f"ringfence-encryption-keys: {two.root / FILE} names the secretbox key {key}, which is not among the keys of "
        "this host: what it sealed would be unreadable. On the host that has it run: ringfence-encryption-keys export "
        f"| ssh {host} ringfence-encryption-keys import\n"
    )
    assert (two.root / FILE).read_text() == text
    assert not (two.root / f"{FILE}.new").exists()
    assert two.keys("import", stdin=one.keys("export").stdout).returncode == 0
    assert two.install().returncode == 0
    assert two.digest() == one.digest()
