"""Real control planes for tests: one of examples/zero-trust that many share, one for a module that breaks it, and the programs.

`pytest -n auto` starts each plane that tests share once: tests/together.py says which tests stay together.
Without the programs the tests are skipped, and say what would run them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import Command
from helpers import ROOT
from up import PROGRAMS

from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane, HostFiles, Tools, find_tools
from ringfence.sandbox.binaries import CORE, KMS, cache

FIXTURES = "pod-security-fixtures"


@pytest.fixture(scope="session")
def tools() -> Tools:
    """etcd, kubeadm, the control plane with its scheduler, and the KMS plugin."""
    try:
        return find_tools(os.environ, (*CORE, "kube-scheduler", KMS))
    except ToolError as missing:
        pytest.skip(f"{missing.message}: {missing.hint}")


@pytest.fixture(scope="session")
def pod_security_fixtures() -> Path:
    """The fixtures of k8s.io/pod-security-admission: <level>/<version>/{pass,fail}/*.yaml."""
    try:
        found = Path(json.loads((cache(os.environ) / "tools.json").read_bytes())[FIXTURES]["path"])
    except (OSError, ValueError, KeyError):
        found = Path(FIXTURES)
    if not found.is_dir():
        pytest.skip(f"the {FIXTURES} are not here: `make tools` brings them")
    return found


def zero_trust(state: Path, tools: Tools) -> ControlPlane:
    return ControlPlane(HostFiles.of_cluster(ROOT / "examples" / "zero-trust" / "cluster.yaml"), state, tools)


@pytest.fixture(scope="session")
def control_plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The host files of examples/zero-trust, running: `.kubeconfig`, `.access`, and mutants beside it.

    Whoever restarts its API server with changes restarts it without them in the end.
    """
    with zero_trust(tmp_path_factory.mktemp("zero-trust") / "state", tools) as plane:
        yield plane


@pytest.fixture(scope="module")
def mutable_plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The same for one module alone, whose tests break it in whatever way they like."""
    with zero_trust(tmp_path_factory.mktemp("mutable") / "state", tools) as plane:
        yield plane


@pytest.fixture(scope="session")
def pulumi_plane(pulumi: None, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The host files of examples/minimal, running, for stacks that come one after the other and leave nothing."""
    host = HostFiles.of_cluster(ROOT / "examples" / "minimal" / "cluster.yaml")
    with ControlPlane(host, tmp_path_factory.mktemp("pulumi") / "state", tools) as plane:
        yield plane


@pytest.fixture(scope="session")
def pulumi() -> None:
    """The Pulumi engine with its language host and provider."""
    try:
        find_tools(os.environ, PROGRAMS)
    except ToolError as missing:
        pytest.skip(f"{missing.message}: {missing.hint}")


@pytest.fixture
def command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """`ringfence` in this process."""
    return Command(tmp_path, capsys, monkeypatch)
