"""Every command that a document shows for Pulumi is run, in its order, by the real engine on a real API server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cluster.applying import Applier
from cluster.engine import Engine
from cluster.story import remove
from commands import DOCUMENTS, PULUMI, blocks, build_wheel, installing, make_workplace
from helpers import ROOT

from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane

SHOWING = [d for d in DOCUMENTS if any(kind == PULUMI for kind, _ in blocks(d))]


def environment(engine: Engine, home: Path) -> dict[str, str]:
    """A reader's shell: nothing says where a state lies, and no ringfence is there but the one that they install."""
    done = {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PYTHONPATH"}  # by what the document says
    ours = {k: v for k, v in engine.env.items() if k not in done}
    tools = [folder for folder in ours["PATH"].split(os.pathsep) if folder != str(Path(sys.executable).parent)]
    python = home / "python"
    python.mkdir()
    (python / "python3").symlink_to(Path(sys.executable).resolve())
    return {
        **{k: v for k, v in installing(home).items() if k not in done},
        **ours,
        "HOME": str(home),
        "PATH": os.pathsep.join([str(python), *tools]),
        "NO_COLOR": "1",
    }


@pytest.mark.parametrize("document", SHOWING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_for_pulumi_work(document: Path, tmp_path: Path, pulumi_plane: ControlPlane) -> None:
    """They end with a `destroy`; what that leaves on purpose is removed here."""
    (tmp_path / "workplace").mkdir()
    workplace = make_workplace(tmp_path / "workplace")
    (workplace / "bin" / "ringfence").unlink()  # the document's own environment has one
    (workplace / "dist").mkdir()
    build_wheel(workplace / "dist")
    script = "\n".join(body for kind, body in blocks(document) if kind == PULUMI)
    env = environment(Engine(tmp_path / "engine", pulumi_plane.kubeconfig), tmp_path)
    try:
        done = subprocess.run(
            [shutil.which("bash") or "sh", "-euxc", script],
            cwd=workplace,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        assert list(tmp_path.glob(".demo-state/.pulumi/stacks/demo/*")), "its state lies where the document says"
        assert not list(tmp_path.rglob("*.attrs")), "nothing is written there that a kill can cut off"
    finally:
        api = Api(kubeconfig.read((pulumi_plane.kubeconfig,)), None)
        remove(Applier(api), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        api.close()
