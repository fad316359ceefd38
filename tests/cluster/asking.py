"""kubectl, asked by tests: that of this Python's environment, else the one on PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def asked(kubeconfig: str | Path, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """What came of a command; `given` is its standard input."""
    line = ["kubectl", "--kubeconfig", str(kubeconfig), *words]
    env = {**os.environ, "PATH": PATH}
    return subprocess.run(line, input=given, env=env, capture_output=True, text=True, check=False, timeout=60)


def kubectl(kubeconfig: str | Path, *words: str) -> str:
    """What a command that must succeed says."""
    done = asked(kubeconfig, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout
