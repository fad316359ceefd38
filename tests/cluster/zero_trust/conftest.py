"""The control plane that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import ROOT

from ringfence.sandbox import ControlPlane, HostFiles, Tools


@pytest.fixture(scope="package")
def control_plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The host files of examples/zero-trust, running: `.kubeconfig`, `.access`, and mutants beside it.

    Whoever restarts its API server with changes restarts it without them in the end.
    """
    host = HostFiles.of_cluster(ROOT / "examples" / "zero-trust" / "cluster.yaml")
    with ControlPlane(host, tmp_path_factory.mktemp("zero-trust") / "state", tools) as plane:
        yield plane
