"""Real control planes for tests: one of examples/zero-trust that many share, and the programs for those who start their own.

Tests that use `control_plane` belong to one group, so that `pytest -n auto --dist loadgroup` (what `make test` runs) starts it once.
Without the programs they are skipped, and say what would run them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from helpers import ROOT

from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane, HostFiles, Tools, find_tools
from ringfence.sandbox.binaries import CORE, KMS

SHARED = "control_plane"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if SHARED in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(SHARED))


@pytest.fixture(scope="session")
def tools() -> Tools:
    """etcd, kubeadm, the control plane with its scheduler, and the KMS plugin."""
    try:
        return find_tools(os.environ, (*CORE, "kube-scheduler", KMS))
    except ToolError as missing:
        pytest.skip(f"{missing.message}: {missing.hint}")


@pytest.fixture(scope="session")
def control_plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The host files of examples/zero-trust, running: `.kubeconfig`, `.access`, and mutants beside it.

    Whoever restarts its API server with changes restarts it without them in the end.
    """
    host = HostFiles.of_cluster(ROOT / "examples" / "zero-trust" / "cluster.yaml")
    with ControlPlane(host, tmp_path_factory.mktemp("zero-trust") / "state", tools) as plane:
        yield plane
