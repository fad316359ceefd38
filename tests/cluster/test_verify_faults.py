"""`ringfence verify` on a real control plane: what goes wrong is told in one line, and nothing is left behind, whatever ends it."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from catalogues import Command
from cluster.applying import Applier
from cluster.asking import asked, kubectl
from helpers import ROOT

from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.sandbox import Tools
from ringfence.sandbox.identities import Authority, Credentials

CLUSTER = ROOT / "examples" / "minimal" / "cluster.yaml"
ON_HOST = "apiserver-debug-off"  # a control that asks nothing of namespaces
IN_TENANTS = "psa-labels"
RINGFENCE = (sys.executable, "-c", "from ringfence.cli import main; main()")
PATIENCE = 60.0  # seconds for what takes some


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where sandboxes lie, so that `--sandbox` finds this one."""
    return tmp_path_factory.mktemp("home")


class Plane(NamedTuple):
    """A running sandbox, as `ringfence sandbox up` tells."""

    kubeconfig: Path
    authority: Authority


@pytest.fixture(scope="module")
def plane(home: Path, tools: Tools) -> Iterator[Plane]:
    access = json.loads(ringfence(home, "sandbox", "up", str(CLUSTER), "-o", "json"))["access"]
    try:
        yield Plane(Path(access["kubeconfig"]), Authority.load(access["ca_cert"], access["ca_key"]))
    finally:
        ringfence(home, "sandbox", "down", str(CLUSTER))


def ringfence(home: Path, *arguments: str) -> str:
    """What a command that must succeed prints."""
    done = subprocess.run(
        [*RINGFENCE, *arguments],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE * 3,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "XDG_STATE_HOME": str(home), "PYTHONPATH": str(ROOT / "generator")}


@pytest.fixture(scope="module")
def before(plane: Plane) -> list[str]:
    """Every object, once the tree is in force."""
    api = Api(kubeconfig.read((plane.kubeconfig,)), None)
    builder = Builder()
    Applier(api).apply_all(builder.objects(builder.resolve(CLUSTER)).manifests)
    api.close()
    time.sleep(3)  # controllers make what belongs to new namespaces
    return objects(plane)


@pytest.fixture
def verify(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """The command's exit code and its talk."""
    monkeypatch.setenv("XDG_STATE_HOME", str(home))

    def run(*arguments: str) -> tuple[int, str]:
        done = command("verify", str(CLUSTER), *arguments)
        return done.code, done.err

    return run


def objects(plane: Plane) -> list[str]:
    """Every object of every kind but events, which tell what happened, and go by themselves."""
    config = plane.kubeconfig
    kinds = kubectl(config, "api-resources", "--verbs=list", "-o", "name").split()
    columns = "custom-columns=A:.kind,B:.metadata.namespace,C:.metadata.name,D:.metadata.uid"
    wanted = ",".join(k for k in kinds if not k.startswith("events"))
    done = asked(config, "get", wanted, "-A", "-o", columns, "--no-headers")
    return sorted(set(done.stdout.splitlines()))


def without(plane: Plane, folder: Path, credentials: Credentials | None = None, server: str = "") -> Path:
    """The sandbox's kubeconfig with somebody else's certificate, or another server."""
    config = load(plane.kubeconfig.read_bytes(), "kubeconfig").value
    if credentials:
        cert, key = credentials.write(folder, "user")
        config["users"][0]["user"] = {"client-certificate": str(cert), "client-key": str(key)}
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    file = folder / "kubeconfig"
    file.write_text(dump(config))
    return file


# ------------------------------------------------------------------------------------------------------------- errors


def test_a_right_that_is_missing_comes_as_the_rule_that_grants_it(
    plane: Plane, before: list[str], tmp_path: Path, verify: Callable[..., tuple[int, str]]
) -> None:
    config = without(plane, tmp_path, plane.authority.client("somebody", ["somebodies"]))
    arguments = ("--kubeconfig", str(config), "--control", IN_TENANTS, "--patience", "0")
    code, said = verify(*arguments)
    assert code == 1
    assert len(said.splitlines()) == 1
    assert "may not create " in said
    assert "a dry run needs the same right as the request; grant its user a ClusterRole with `rules: " in said
    rules = json.loads(said.partition("`rules: ")[2].rpartition("`")[0])
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "verifies"}}
    kubectl(
        plane.kubeconfig, "create", "clusterrolebinding", "verifies", "--clusterrole=verifies", "--group=somebodies"
    )
    assert asked(plane.kubeconfig, "apply", "-f", "-", given=json.dumps({**role, "rules": rules})).returncode == 0
    try:
        limit = time.monotonic() + 10
        while code == 1 and time.monotonic() < limit:  # until the authorizer knows
            code, said = verify(*arguments)
        assert code == 0, said
    finally:
        kubectl(plane.kubeconfig, "delete", "clusterrole/verifies", "clusterrolebinding/verifies")


def test_a_client_certificate_that_has_ended(
    plane: Plane, tmp_path: Path, verify: Callable[..., tuple[int, str]]
) -> None:
    ended = plane.authority.client("somebody", ended=True)
    code, said = verify("--kubeconfig", str(without(plane, tmp_path, ended)))
    assert code == 1
    assert ": the client certificate expired on " in said
    assert said.endswith(" UTC; renew it, and fetch the kubeconfig again\n")


def test_a_client_certificate_of_another_cluster(
    plane: Plane, tmp_path: Path, verify: Callable[..., tuple[int, str]]
) -> None:
    foreign = Authority.create("another").client("somebody")
    code, said = verify("--kubeconfig", str(without(plane, tmp_path, foreign)))
    assert code == 1
    assert said.endswith(" does not know who we are (401); sign in again, or renew the kubeconfig\n")


def test_an_api_server_that_is_not_there(plane: Plane, tmp_path: Path, verify: Callable[..., tuple[int, str]]) -> None:
    code, said = verify("--kubeconfig", str(without(plane, tmp_path, server="https://127.0.0.1:9")))
    assert code == 1
    assert said.endswith(
        " at https://127.0.0.1:9 does not answer: connection refused; is it running, and is this its address and port?\n"
    )


def test_a_cluster_that_is_not_the_one_of_cluster_yaml(
    plane: Plane, before: list[str], command: Command, tmp_path: Path
) -> None:
    document = load(CLUSTER.read_bytes(), "cluster.yaml").value
    document["name"] = "another"
    document["tenants"][0]["namespaces"] = ["another-0"]
    file = tmp_path / "cluster.yaml"
    file.write_text(dump(document))
    done = command("verify", str(file), "--kubeconfig", str(plane.kubeconfig))
    assert done.code == 1
    assert "has none of the namespaces of another: another-0" in done.err
    assert "is this the right cluster? If it is, put the tree in force first" in done.err


# -------------------------------------------------------------------------------------------------- what is left behind


def started(plane: Plane, home: Path) -> subprocess.Popen[str]:
    """`ringfence verify` in a process of its own, that has just made its namespace."""
    line, pipe = [*RINGFENCE, "verify", str(CLUSTER), "--sandbox"], subprocess.PIPE
    process = subprocess.Popen(line, env=environment(home), stdout=pipe, stderr=pipe, text=True)
    limit = time.monotonic() + PATIENCE
    while "ringfence-probe-" not in kubectl(plane.kubeconfig, "get", "namespaces", "-o", "name"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.05)
    return process


def test_a_whole_run_leaves_nothing(plane: Plane, before: list[str], verify: Callable[..., tuple[int, str]]) -> None:
    code, said = verify("--sandbox")
    assert code == 0, said
    assert objects(plane) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(plane: Plane, before: list[str], home: Path, number: signal.Signals) -> None:
    process = started(plane, home)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    said_lines = [line for line in said.splitlines() if line]  # one that is empty ends the line of a terminal's ^C
    assert said_lines == ["interrupted: removing what this run made; a few seconds", "error: interrupted"]
    assert objects(plane) == before


def test_the_next_run_removes_what_a_killed_one_left(
    plane: Plane, before: list[str], home: Path, verify: Callable[..., tuple[int, str]]
) -> None:
    process = started(plane, home)
    process.kill()
    process.communicate()
    assert objects(plane) != before
    code, said = verify("--sandbox", "--control", ON_HOST)
    assert code == 0, said
    assert " was killed; what it left is removed: Namespace ringfence-probe-" in said
    limit = time.monotonic() + PATIENCE
    while (now := objects(plane)) != before and time.monotonic() < limit:
        time.sleep(0.5)
    assert now == before


def test_what_a_run_elsewhere_makes_stays(
    plane: Plane, before: list[str], verify: Callable[..., tuple[int, str]]
) -> None:
    labels = {"ringfence/probe": "abcdef"}
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ringfence-probe-abcdef", "labels": labels}}
    assert asked(plane.kubeconfig, "create", "-f", "-", given=json.dumps(other)).returncode == 0
    try:
        code, said = verify("--sandbox", "--control", ON_HOST)
        assert code == 0, said
        assert (
            "run abcdef goes on elsewhere, or was killed there: its Namespace ringfence-probe-abcdef stay until" in said
        )
        assert "`kubectl get namespace -A -l ringfence/probe=abcdef` shows them" in said
        assert "ringfence-probe-abcdef" in kubectl(plane.kubeconfig, "get", "namespaces", "-o", "name")
    finally:
        kubectl(plane.kubeconfig, "delete", "namespace", "ringfence-probe-abcdef")


def test_a_run_elsewhere_is_over_after_an_hour(
    plane: Plane, before: list[str], verify: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"ringfence/probe": "abcdef"}
    held = {"name": "ringfence-probe-abcdef-1", "labels": labels, "finalizers": ["ringfence/probe"]}
    body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": held, "rules": []}
    assert asked(plane.kubeconfig, "create", "-f", "-", given=json.dumps(body)).returncode == 0
    monkeypatch.setattr("ringfence.probes.leftovers._OVER", datetime.timedelta(seconds=-5))
    code, said = verify("--sandbox", "--control", ON_HOST)
    assert code == 0, said
    assert "run abcdef was killed; what it left is removed: ClusterRole ringfence-probe-abcdef-1" in said
    assert objects(plane) == before
