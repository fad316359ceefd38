"""The control plane that these stacks share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers import ROOT

from ringfence.sandbox import ControlPlane, HostFiles, Tools


@pytest.fixture(scope="package")
def pulumi_plane(pulumi: None, tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The host files of examples/minimal, running, for stacks that come one after the other and leave nothing."""
    host = HostFiles.of_cluster(ROOT / "examples" / "minimal" / "cluster.yaml")
    with ControlPlane(host, tmp_path_factory.mktemp("pulumi") / "state", tools) as plane:
        yield plane
