"""The command with a stand-in for Go."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from workbench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """With the stand-in on PATH, and nothing of this machine's but a shell's commands."""
    go = tmp_path / "go" / "go"
    go.parent.mkdir()
    shutil.copy(Path(__file__).with_name("fake_go.sh"), go)
    shell = tmp_path / "shell"
    shell.mkdir()
    for name in ("sh", "sleep", "basename", "mkdir", "cat", "chmod"):
        (shell / name).symlink_to(shutil.which(name) or name)
    return Bench(
        tmp_path,
        {
            "PATH": f"{go.parent}{os.pathsep}{shell}",
            "HOME": str(tmp_path / "home"),
            "RINGFENCE_TOOLS_CACHE": str(tmp_path / "cache"),
            "FAKE_GO_LOG": str(tmp_path / "builds"),
        },
    )
