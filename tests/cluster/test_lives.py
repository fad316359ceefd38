"""The lives of sandboxes from start to end: kills, full disks, interruptions; nothing is lost, and nothing is left.

Every test starts a control plane of its own, of the smallest example.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.asking import PATH, kubectl
from helpers import ROOT, write_cluster

from ringfence.errors import InputError, ToolError
from ringfence.sandbox import ControlPlane, HostFiles, Tools, plane
from ringfence.sandbox.processes import Identity
from ringfence.sandbox.state import Record


@pytest.fixture
def minimal() -> HostFiles:
    return HostFiles.of_cluster(ROOT / "examples" / "minimal" / "cluster.yaml")


def remains(state: Path) -> list[str]:
    """Command lines of processes that have to do with a state folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if str(state) in line:
            found.append(line)
    return found


def eventually(check: Callable[[], bool], seconds: float = 15) -> bool:
    limit = time.monotonic() + seconds
    while not check():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


class Command:
    """`ringfence sandbox`, with a state of its own."""

    def __init__(self, home: Path, source: Path) -> None:
        self.home, self.source = home, source
        self.env = {**os.environ, "XDG_STATE_HOME": str(home), "NO_COLOR": "1", "PATH": PATH}

    def __call__(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.bare(*words, str(self.source), code=code)

    def bare(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Without saying of which cluster."""
        line = [*self.line(), *words]
        done = subprocess.run(line, env=self.env, capture_output=True, text=True, check=False, cwd=self.home.parent)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    @staticmethod
    def line() -> list[str]:
        return [str(Path(sys.executable).with_name("ringfence")), "sandbox"]

    @property
    def record(self) -> Record:
        (file,) = self.home.rglob("sandbox.json")
        return Record(**json.loads(file.read_text()))


@pytest.fixture
def sandbox(tools: Tools, tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path / "state", ROOT / "examples" / "minimal")
    yield command
    command("down")


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    return {c["name"]: c["state"] for c in json.loads(done.stdout)[0]["components"]}


def test_up_survives_kills_and_down_leaves_nothing(sandbox: Command, tmp_path: Path) -> None:
    up = sandbox("up")
    kubeconfig = up.stdout.removeprefix("export KUBECONFIG=").strip()
    assert "sandbox minimal: started, Kubernetes v1.36" in up.stderr
    assert "substitutions (-v lists them" in up.stderr
    kubectl(kubeconfig, "create", "namespace", "kept")
    again = sandbox("up")
    assert "sandbox minimal: running" in again.stderr
    assert again.stdout == up.stdout
    other = Command(sandbox.home, write_cluster(tmp_path / "other", name="minimal").parent)
    refused = other("up", code=1)
    assert "error: a sandbox of other host files runs here, started from" in refused.stderr
    assert "end it with `ringfence sandbox down minimal`" in refused.stderr
    assert set(states(sandbox("status", "-o", "json")).values()) == {"running"}

    first = sandbox.record
    assert first.owner
    os.kill(first.owner.pid, signal.SIGKILL)
    assert eventually(lambda: remains(sandbox.home) == [])
    assert eventually(lambda: not [p for p in first.ports.values() if _accepts(p)])
    assert set(states(sandbox("status", "-o", "json", code=1)).values()) == {"ended"}
    assert "sandbox minimal: resumed" in sandbox("up").stderr
    assert kubectl(kubeconfig, "get", "namespace", "kept", "-o", "name") == "namespace/kept\n"

    (etcd,) = [c for c in sandbox.record.components if c["name"] == "etcd"]
    os.kill(etcd["pid"], signal.SIGKILL)
    assert eventually(lambda: states(sandbox("status", "-o", "json", code=1))["etcd"] == "was killed by SIGKILL")
    assert "sandbox minimal: resumed" in sandbox("up").stderr
    assert kubectl(kubeconfig, "get", "namespace", "kept", "-o", "name") == "namespace/kept\n"
    assert set(states(sandbox("status", "-o", "json")).values()) == {"running"}

    began = time.monotonic()
    assert sandbox.bare("down").stderr == "sandbox minimal: removed\n"
    assert time.monotonic() - began < 30
    assert remains(sandbox.home) == []
    assert list(sandbox.home.rglob("*")) == [sandbox.home / "ringfence", sandbox.home / "ringfence" / "sandbox"]


def _accepts(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def starting(sandbox: Command) -> subprocess.Popen[bytes]:
    """An `up` whose API server was just started."""
    process = subprocess.Popen([*sandbox.line(), "up", str(sandbox.source)], env=sandbox.env, stderr=subprocess.PIPE)
    assert eventually(lambda: any("/kube-apiserver " in line for line in remains(sandbox.home)), 90)
    return process


def test_an_interrupted_up_leaves_nothing(sandbox: Command) -> None:
    process = starting(sandbox)
    assert process.stderr is not None
    with process.stderr:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 1
        assert process.stderr.read().strip() == b"error: interrupted"
    assert remains(sandbox.home) == []
    assert list(sandbox.home.rglob("*/minimal")) == []


def test_a_killed_up_leaves_nothing_running(sandbox: Command) -> None:
    process = starting(sandbox)
    assert process.stderr is not None
    with process.stderr:
        process.kill()
        process.wait()
    assert eventually(lambda: remains(sandbox.home) == [], 90)
    assert "`ringfence sandbox up` starts it again" in sandbox("status", code=1).stderr


def test_a_component_that_refuses_its_flags_is_one_error_with_its_last_words(
    tools: Tools, minimal: HostFiles, tmp_path: Path
) -> None:
    broken = minimal.kubeadm.replace("- name: profiling\n", "- name: profilling\n", 1)
    assert broken != minimal.kubeadm
    host = HostFiles("broken", {**minimal.tree, "kubeadm.yaml": broken})
    with pytest.raises(ToolError) as bad, ControlPlane(host, tmp_path / "state", tools):
        pass
    assert "ended with exit code 1" in bad.value.line()
    assert "unknown flag: --profilling" in bad.value.line()
    assert remains(tmp_path / "state") == []


def test_kubeadm_has_the_first_word(tools: Tools, minimal: HostFiles, tmp_path: Path) -> None:
    host = HostFiles("x", {**minimal.tree, "kubeadm.yaml": minimal.kubeadm.replace("extraVolumes:", "extraVolumez:")})
    with (
        pytest.raises(ToolError, match=r'unknown field "apiServer\.extraVolumez"'),
        ControlPlane(host, tmp_path / "s", tools),
    ):
        pass


def test_an_unmounted_file_is_refused_as_no_static_pod_would_see_it(
    tools: Tools, minimal: HostFiles, tmp_path: Path
) -> None:
    text = minimal.kubeadm.replace("mountPath: /etc/kubernetes/ringfence\n", "mountPath: /etc/elsewhere\n")
    host = HostFiles("x", {**minimal.tree, "kubeadm.yaml": text})
    with pytest.raises(InputError, match="/etc/kubernetes/ringfence is mounted at /etc/elsewhere"):
        ControlPlane(host, tmp_path / "s", tools).__enter__()


def test_a_port_that_somebody_takes_first_costs_one_more_attempt(
    tools: Tools, minimal: HostFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen: list[dict[str, int]] = []
    real = plane.choose

    def choose(before: Any, *names: Any) -> dict[str, int]:
        found = real(before, *names)
        chosen.append(found)
        if len(chosen) == 1:
            taken.bind(("127.0.0.1", found["kube-apiserver"]))
            taken.listen()
        return found

    monkeypatch.setattr(plane, "choose", choose)
    with socket.socket() as taken, ControlPlane(minimal, tmp_path / "state", tools) as one:
        assert len(chosen) == 2
        assert all(c.running for c in one.children)
        assert one.api.server == f"https://127.0.0.1:{chosen[1]['kube-apiserver']}"


def test_a_killed_test_leaves_no_process(tools: Tools, tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from ringfence.sandbox import *\n"
        f"host = HostFiles.of_cluster(Path({str(ROOT / 'examples' / 'minimal' / 'cluster.yaml')!r}))\n"
        f"tools = find_tools(os.environ)\n"
        f"with ControlPlane(host, Path({str(tmp_path / 'state')!r}), tools): print('ready', flush=True); time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == "ready\n"
    components = json.loads((tmp_path / "state" / "sandbox.json").read_text())["components"]
    identities = [Identity(c["pid"], c["started"]) for c in components]
    assert all(i.alive for i in identities)
    owner.kill()
    owner.wait()
    assert eventually(lambda: not any(i.alive for i in identities))


# ------------------------------------------------------------------------------------------------------------- disks

_ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size={size} none "$XDG_STATE_HOME"
{commands}
"""


def on_a_small_disk(sandbox: Command, size: str, commands: str) -> subprocess.CompletedProcess[str]:
    """Shell commands with the state on a disk of that size, in namespaces that go with them."""
    line = " ".join(sandbox.line())
    script = _ON_A_SMALL_DISK.format(size=size, commands=commands.replace("SANDBOX", line))
    sandbox.home.mkdir(exist_ok=True)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        env={**sandbox.env, "CLUSTER": str(sandbox.source)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this machine makes no mount namespaces for its users: {done.stderr.strip()}")
    return done


@pytest.mark.skipif(not shutil.which("unshare"), reason="util-linux has the unshare that makes a small disk")
def test_a_disk_with_too_little_space_is_refused_before_anything_starts(sandbox: Command) -> None:
    done = on_a_small_disk(sandbox, "20m", "SANDBOX up $CLUSTER")
    assert done.returncode == 1
    assert "MiB are free; a sandbox needs 300; free some, or name a folder on another disk with --state" in done.stderr


@pytest.mark.skipif(not shutil.which("unshare"), reason="util-linux has the unshare that makes a small disk")
def test_a_disk_that_fills_up_loses_no_object(sandbox: Command) -> None:
    commands = """
    eval "$(SANDBOX up $CLUSTER)"
    export KUBECONFIG
    kubectl create namespace kept
    cat /dev/zero > "$XDG_STATE_HOME/full" 2>/dev/null || true
    n=0
    while [ $n -lt 400 ] && kubectl --request-timeout=5s create configmap "big-$n" --from-file="$FILL" >/dev/null 2>&1; do n=$((n + 1)); done
    echo "full after $n" >&2
    SANDBOX status $CLUSTER || echo "status says so" >&2
    rm "$XDG_STATE_HOME/full"
    SANDBOX up $CLUSTER
    kubectl get namespace kept -o name
    SANDBOX down $CLUSTER
    """
    fill = sandbox.home.parent / "fill"
    fill.write_text("x" * 900_000)
    sandbox.env["FILL"] = str(fill)
    done = on_a_small_disk(sandbox, "420m", commands)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "namespace/kept" in done.stdout
    assert remains(sandbox.home) == []


# ------------------------------------------------------------------------------------------------------ distributions


@pytest.mark.parametrize("distribution", ["rke2", "k3s", "talos"])
def test_a_sandbox_of_another_distribution_starts(tools: Tools, tmp_path: Path, distribution: str) -> None:
    file = write_cluster(
        tmp_path / "cluster", profile="restricted", kubernetes={"version": "1.36", "distribution": distribution}
    )
    with ControlPlane(HostFiles.of_cluster(file), tmp_path / "state", tools) as one:
        assert one.api.client.answers("/readyz")
        made = [s["for"] for s in one.record.stand_ins if s["what"].startswith("the keys of ")]
        assert made == (["Talos, which makes its own"] if distribution == "talos" else [])
