"""Every command that a document shows for Pulumi is run, in its order, by the real engine on a real API server."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cluster.applying import Applier
from cluster.engine import Engine
from cluster.story import remove
from commands import DOCUMENTS, PULUMI, blocks, make_workplace
from helpers import ROOT

from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane

SHOWING = [d for d in DOCUMENTS if any(kind == PULUMI for kind, _ in blocks(d))]


@pytest.mark.parametrize("document", SHOWING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_for_pulumi_work(document: Path, tmp_path: Path, pulumi_plane: ControlPlane) -> None:
    """They end with a `destroy`; what that leaves on purpose is removed here."""
    (tmp_path / "workplace").mkdir()
    workplace = make_workplace(tmp_path / "workplace")
    script = "\n".join(body for kind, body in blocks(document) if kind == PULUMI)
    env = Engine(tmp_path / "engine", pulumi_plane.kubeconfig).env
    try:
        done = subprocess.run(
            [shutil.which("bash") or "sh", "-euxc", script],
            cwd=workplace,
            env={**env, "PATH": f"{workplace / 'bin'}{os.pathsep}{env['PATH']}", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    finally:
        api = Api(kubeconfig.read((pulumi_plane.kubeconfig,)), None)
        remove(Applier(api), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        api.close()
