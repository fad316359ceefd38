"""Encryption at rest on a real control plane, by the scripts that ringfence puts on its host: etcd's own bytes are read.

One plane for all of it, as a cluster lives: sealed by a key of the host, rotated, moved to a KMS plugin, rotated there.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.encrypting import CONFIGMAPS, FOLDER, KEYS, ROTATE, SECRETS, Host, Plugin, reading, seal
from commands import HOST, blocks
from helpers import ROOT, write_cluster

from ringfence.build import Builder
from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane, HostFiles, Tools, find_tools
from ringfence.sandbox.apiserver import ApiServer
from ringfence.sandbox.binaries import KMS
from ringfence.sinks.tree import write

# A server that is killed in the middle of a handshake leaves a socket that Python closes late.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
BOTH = {"scope": "secrets-and-configmaps"}
ENCRYPTION = ("encryption-provider-config", "encryption-provider-config-automatic-reload")
STEPS = ("begun", "saved", "added", "promoted", "rewritten", "proved", "finished")


@pytest.fixture(scope="module")
def host(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    try:
        etcdctl = find_tools(os.environ, ("etcdctl",))["etcdctl"]
    except ToolError as missing:
        pytest.skip(f"{missing.message}: {missing.hint}")
    folder = tmp_path_factory.mktemp("encryption")
    with ControlPlane(HostFiles.of_cluster(write_cluster(folder)), folder / "state", tools) as plane:
        yield Host(plane, etcdctl, folder)


@pytest.fixture(scope="module")
def unsealed(host: Host) -> Iterator[ApiServer]:
    """An API server on the same etcd as it was before encryption; it starts while it can still read everything."""
    with host.plane.second_apiserver(dict.fromkeys(ENCRYPTION)) as one:
        yield one


def test_what_was_written_before_encryption_is_found_sealed_and_proved(host: Host, unsealed: ApiServer) -> None:
    before, after = secrets.token_hex(16), secrets.token_hex(16)
    assert host.write("before", before, unsealed)[0] == 201
    assert before.encode() in host.values()["/registry/secrets/default/before"]
    assert host.read("before") == (before, before), "identity, last, still reads it"

    assert host.write("after", after)[0] == 201
    sealed = host.values()["/registry/secrets/default/after"]
    assert sealed.startswith(f"k8s:enc:secretbox:v1:{host.key_names()[0]}:".encode())
    assert after.encode() not in sealed

    found = host.run(ROTATE, "prove")
    assert found.returncode == 1
    assert found.stderr == "  plain: /registry/secrets/default/before\n", "ConfigMaps are not in the baseline's scope"
    done = host.run(ROTATE, "rewrite")
    assert done.returncode == 0, done.stderr
    holding = [k for k, v in host.values().items() if before.encode() in v]
    assert holding == ["/registry/configmaps/default/before"]
    assert host.read("before") == (before, before)


def test_a_wider_scope_is_sealed_once_it_is_written_again(host: Host) -> None:
    marker = secrets.token_hex(16)
    assert host.write("wider", marker)[0] == 201
    _lay_down_wider(host)
    assert host.run(ROTATE, "prove").returncode == 1
    done = host.run(ROTATE, "rewrite")  # waits until the API server reads the file by itself
    assert done.returncode == 0, done.stderr
    assert [k for k, v in host.values().items() if marker.encode() in v] == []
    assert host.seals() == {f"secretbox:v1:{host.key_names()[0]}"}
    assert host.read("wider") == (marker, marker)


def _lay_down_wider(host: Host) -> None:
    host.give(**{"sec-encrypt-rest": {"params": BOTH}})
    done = host.run(KEYS)
    assert done.returncode == 0, done.stderr


def _widen(host: Host) -> None:
    _lay_down_wider(host)
    host.reload()


def test_a_rotation_killed_at_every_step_and_resumed_loses_nothing_and_leaves_no_old_key(host: Host) -> None:
    _widen(host)
    marker = secrets.token_hex(16)
    assert host.write("rotated", marker)[0] == 201
    assert host.run(ROTATE, "rewrite").returncode == 0
    old = host.key_names()[0]
    with host.plane.second_apiserver() as second:
        other = host.root_of(second)
        host.servers = [host.plane.api, second]
        try:
            assert host.run(KEYS).returncode == 0, "the script's own form of the file, which the sandbox has spelt anew"
            _share(host, other, "")
            with reading([lambda one=one: host.read("rotated", one) for one in host.servers]) as odd:
                _rotate(host, other)
        finally:
            host.servers = [host.plane.api]
    assert odd == [], "every server reads it at every moment"

    (new,) = host.key_names()
    assert new != old
    assert host.seals() == {f"secretbox:v1:{new}"}
    assert [k for k, v in host.values().items() if seal(v).endswith(old)] == []
    assert host.key_names(other) == [new]
    assert old in (host.root / FOLDER / "retired").read_text(), "older snapshots of etcd need it"
    assert (host.root / "var/lib/ringfence/snapshots" / f"before-{new}.db").stat().st_mode & 0o777 == 0o600

    killed = host.killed_at.read_text().splitlines()
    assert len(killed) == len(set(killed))
    for step in STEPS:
        for when in ("before", "after"):
            assert any(k.endswith(f": {when} step={step}") for k in killed), f"{when} {step}: {killed}"
    host.reload()
    assert host.read("rotated") == (marker, marker), "by the new key alone"
    done = host.run(ROTATE, "status")
    assert (done.returncode, done.stdout) == (
        0,
        "no rotation is under way\nthe key is 0 days old, and 365 is its limit\n",
    )


def _rotate(host: Host, other: Path) -> None:
    """Start and resume a rotation until it is finished; every run is killed at the next place where none was yet."""
    digest, checked = host.run(KEYS, "digest").stdout, set()
    while True:
        if (now := host.run(KEYS, "digest").stdout) != digest:
            if "waits" not in checked:  # no server has read it
                checked.add("waits")
                done = host.run(ROTATE, "run", RINGFENCE_TIMEOUT="1")
                assert done.returncode == 4
                assert f"{host.servers[0].server} has not loaded the encryption.yaml of this host" in done.stderr
            _share(host, other, host.word("old") if host.word("step") == "proved" else "")
            digest = now
        step = host.word("step")
        if step == "promoted" and "proves" not in checked:
            checked.add("proves")
            done = host.run(ROTATE, "run", **{**host.killer(), "KILLED": "", "NO_PATCH": "1"})
            assert done.returncode == 1
            assert "the old key still seals these; it stays" in done.stderr, "nothing was written again"
            assert (host.word("step"), host.word("old") in host.key_names()) == ("promoted", True)
        done = host.run(ROTATE, "run" if step else "start", **host.killer())
        if done.returncode == 0 and step:
            assert checked == {"waits", "proves"}
            return
        assert done.returncode in (-9, 0), done.stderr


def _share(host: Host, other: Path, removed: str) -> None:
    """The keys to the other host through a pipe, as docs/encryption.md says, and both servers started again."""
    exported = host.run(KEYS, "export").stdout
    done = host.run(KEYS, "import", root=other, stdin=exported)
    assert done.returncode == 0, done.stderr
    if removed:
        done = host.run(KEYS, "remove", "secretbox", removed, root=other)
        assert done.returncode == 0, done.stderr
    assert host.run(KEYS, "digest", root=other).stdout == host.run(KEYS, "digest").stdout
    host.reload()


def test_commands_that_the_document_shows_for_a_host_work(host: Host, tmp_path: Path) -> None:
    _widen(host)
    other, programs = tmp_path / "cp-2", tmp_path / "bin"
    _install(other, tmp_path)
    assert host.key_names(other) != host.key_names(), "it has made a key of its own"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nshift\nRINGFENCE_ROOT={other} exec "$@"\n')
    (programs / "ssh").chmod(0o755)
    path = [str(host.root / "usr/local/sbin"), str(programs), host.env()["PATH"]]
    env = {**host.env(), "RINGFENCE_ROOT": str(host.root), "PATH": os.pathsep.join(path)}
    shown = "\n".join(body for kind, body in blocks(ROOT / "docs" / "encryption.md") if kind == HOST)
    old = host.key_names()
    with host.rereading():
        done = subprocess.run(["sh", "-eux", "-c", shown], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    digests = [line for line in done.stdout.splitlines() if re.fullmatch("[0-9a-f]{64}", line)]
    assert len(digests) == 2
    assert len(set(digests)) == 1
    assert [line for line in done.stdout.splitlines() if line in STEPS] == list(STEPS)
    assert host.key_names() != old


def _install(root: Path, folder: Path) -> None:
    """A second host of the control plane, by its own install.sh."""
    file = write_cluster(folder / "cluster", controls={"sec-encrypt-rest": {"params": BOTH, "reason": "A test."}})
    write(Builder().build(file), folder / "tree")
    env = {"PATH": os.environ["PATH"], "RINGFENCE_ROOT": str(root)}
    subprocess.run(["sh", str(folder / "tree/host/install.sh"), "control-plane"], env=env, check=True, timeout=60)


def test_without_identity_nothing_plain_is_taken(host: Host, unsealed: ApiServer) -> None:
    _widen(host)
    assert host.run(ROTATE, "rewrite").returncode == 0
    host.give(**{"sec-encrypt-rest": {"params": {**BOTH, "plaintext": "unreadable"}}})
    done = host.run(KEYS)
    assert done.returncode == 1
    assert "no longer names identity" in done.stderr
    assert host.run(ROTATE, "prove").returncode == 0
    assert host.run(KEYS, "drop", "identity").returncode == 0
    host.reload()
    assert host.write("sealed", "sealed")[0] == 201
    assert host.write("plain", "plain", unsealed)[0] == 201
    try:
        assert host.read("plain") == 500
        assert host.read("sealed") == ("sealed", "sealed")
    finally:
        for path in (SECRETS, CONFIGMAPS):
            unsealed.client.request("DELETE", f"{path}/plain")


@pytest.fixture(scope="module")
def plugin(host: Host, tools: Tools) -> Iterator[Plugin]:
    """A plugin that seals what this cluster writes from here on."""
    made = Plugin(tools[KMS], host.folder / "kms.log")
    made.start()
    kms = {"stage": "enforce", "params": {"name": "rig", "folder": str(made.folder), "socket": "kms.sock"}}
    assert host.write("by-the-host", "by the host")[0] == 201
    host.give(**{"sec-encrypt-rest": {"params": {"scope": "everything"}}, "sec-kms-v2": kms})
    done = host.run(KEYS)
    assert done.returncode == 0, done.stderr
    host.reload()
    yield made
    made.stop()
    shutil.rmtree(made.folder)


def test_a_cluster_moves_to_kms_and_reads_what_the_host_sealed(host: Host, plugin: Plugin) -> None:
    assert host.read("by-the-host") == ("by the host", "by the host")
    assert host.run(ROTATE, "prove").returncode == 1, "it is sealed by the host's key still"
    done = host.run(ROTATE, "rewrite")
    assert done.returncode == 0, done.stderr
    assert host.seals() == {"kms:v2:rig"}
    assert host.run(ROTATE, "status").returncode == 0
    own = ("/registry/masterleases/", "/registry/peerserverleases/", "/registry/ranges/", "/registry/events/")
    plain = [k for k, v in host.values().items() if seal(v) != "kms:v2:rig" and not k.startswith(own)]
    assert plain == [], "all but events and what API servers note for themselves"
    assert host.read("by-the-host") == ("by the host", "by the host")


def test_a_new_key_of_the_plugin_seals_everything_and_the_old_one_may_go(host: Host, plugin: Plugin) -> None:
    if host.run(ROTATE, "prove").returncode:
        assert host.run(ROTATE, "rewrite").returncode == 0
    assert host.write("before-kms", "before")[0] == 201
    assert host.run(ROTATE, "start").returncode == 0
    done = host.run(ROTATE, "run", RINGFENCE_TIMEOUT="1")
    assert done.returncode == 4
    assert "make a new key in the service behind rig" in done.stderr
    plugin.new_key("second")
    host.reload()
    done = host.run(ROTATE, "run")
    assert done.returncode == 0, done.stderr
    assert host.run(ROTATE, "status").returncode == 0
    (plugin.folder / "first.key").unlink()
    host.reload()
    assert host.read("before-kms") == ("before", "before")
    assert host.read("by-the-host") == ("by the host", "by the host")


def test_without_its_plugin_a_restarted_api_server_neither_is_ready_nor_writes_and_with_it_all_is_back(
    host: Host, plugin: Plugin
) -> None:
    one: ApiServer = host.plane.api
    assert host.write("kept", "kept")[0] == 201
    plugin.stop()
    try:
        host.start(one)
        assert _within(90, lambda: "[-]kms-providers failed" in _readiness(one))
        assert _answer(lambda: host.write("lost", "lost")[0]) in (500, "none")
        assert _answer(lambda: host.read("kept")) in (500, "none")
    finally:
        plugin.start()
    if not one.child.running:
        host.start(one)  # as a kubelet does
    assert _within(90, lambda: _answer(lambda: host.read("kept")) == ("kept", "kept"))
    assert host.write("again", "again")[0] == 201


def _readiness(one: ApiServer) -> str:
    """What an API server says of its checks; empty while it says nothing."""
    try:
        code, body = one.client.request("GET", "/readyz")
    except OSError:
        return ""
    assert code != 200
    return body.decode()


def _answer(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except OSError:
        return "none"


def _within(seconds: float, met: Callable[[], bool]) -> bool:
    limit = time.monotonic() + seconds
    while not (found := met()) and time.monotonic() < limit:
        time.sleep(0.2)
    return found
