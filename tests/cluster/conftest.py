"""The programs that tests on real control planes run. Without them the tests are skipped, and say what would run them.

A folder below this one has a control plane, or what comes of one, that its tests share: tests/together.py keeps them in
one process.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from catalogues import Command
from up import PROGRAMS

from ringfence.errors import ToolError
from ringfence.sandbox import Tools, find_tools
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
