"""Kubeconfigs that lie on a host once the installation's are put away: whom each makes of who reads it.

The host's own script puts them away below a copy of a sandbox's host, so the sandbox itself keeps its files.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene

_SCRIPT = "ringfence-seal-admin"
_REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_SECONDS = 30  # for the script


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when no such file is left; else the text says in which groups its reader is."""
    path: str = request["kubeconfig"]["path"]
    file = _sealed(scene) / path.lstrip("/")
    if not file.is_file():
        return Outcome(True, f"{path}: No such file or directory")
    access = replace(kubeconfig.read((file,)), server=scene.access.server)
    api = Api(access, None)
    try:
        answer = api.call("POST", _REVIEW, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    finally:
        api.close()
    if not answer.ok:
        return Outcome(True, answer.text)
    return Outcome(False, f"its reader is in {', '.join(answer.data['status']['userInfo']['groups'])}")


def _sealed(scene: Scene) -> Path:
    """A copy of the host below which its script has run."""
    root = scene.access.root
    if root is None:
        raise Unprovable("only a sandbox lends a copy of its host")
    copy = scene.folder / "sealed-host"
    if copy.is_dir():
        return copy
    for part in ("etc/kubernetes", "usr/local/sbin"):
        if (root / part).is_dir():
            shutil.copytree(root / part, copy / part)
    for script in copy.rglob(_SCRIPT):
        env = {"PATH": "/usr/bin:/bin", "RINGFENCE_ROOT": str(copy)}
        subprocess.run(  # noqa: S603 # the host's own script is what is asked about
            ["/bin/sh", str(script)], env=env, capture_output=True, timeout=_SECONDS, check=False
        )
    return copy
