"""Every command that a document shows for a cluster is run on a real one, in the document's order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import CLUSTER, DOCUMENTS, blocks, make_workplace
from helpers import ROOT

from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.sandbox.binaries import CORE, KMS

SHOWING = [d for d in DOCUMENTS if any(kind == CLUSTER for kind, _ in blocks(d))]

# A release's file that its reader is told to put there; one Deployment in the form of those twelve.
RELEASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: frontend}
spec:
  selector: {matchLabels: {app: frontend}}
  template:
    metadata: {labels: {app: frontend}}
    spec:
      securityContext: {fsGroup: 1000, runAsGroup: 1000, runAsNonRoot: true, runAsUser: 1000}
      containers:
      - name: server
        image: example.com/frontend:v1
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
          privileged: false
          readOnlyRootFilesystem: true
"""


@pytest.fixture(scope="module")
def plane(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    host = HostFiles.of_cluster(ROOT / "examples" / "production" / "cluster.yaml")
    with ControlPlane(host, tmp_path_factory.mktemp("production") / "state", tools) as one:
        yield one


@pytest.mark.parametrize("document", SHOWING, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_commands_for_a_cluster_work(document: Path, tmp_path: Path, plane: ControlPlane, tools: Tools) -> None:
    workplace = make_workplace(tmp_path)
    script = "\n".join(body for kind, body in blocks(document) if kind == CLUSTER)
    programs = {tools[name].parent for name in (*CORE, KMS)}  # for a home without the cache of `make tools`
    env = {
        **os.environ,
        "HOME": str(workplace / "home"),
        "KUBECONFIG": str(plane.kubeconfig),
        "NO_COLOR": "1",
        "PATH": os.pathsep.join(
            str(p) for p in (workplace / "bin", Path(sys.executable).parent, *programs, os.environ["PATH"])
        ),
    }
    env.pop("XDG_STATE_HOME", None)
    place = workplace
    if "rendered/" in script and document.parent == ROOT / "docs":
        place = workplace / "examples" / "production"
    if "boutique" in script:
        (workplace / "examples/production/boutique/kubernetes-manifests.yaml").write_text(RELEASE)
        namespace = workplace / "examples/production/rendered/1-namespaces/boutique.yaml"
        script = f"kubectl apply --server-side -f {namespace}\n{script}"
    done = subprocess.run(
        [shutil.which("bash") or "sh", "-euxc", script],
        cwd=place,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
