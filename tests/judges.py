"""The strict judges of host files, where they are built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ringfence.errors import ToolError
from ringfence.sandbox.binaries import find_tools


def tool(name: str) -> Path:
    """A program of the rig; skips, saying what would build it, where there is none."""
    try:
        return find_tools(os.environ, [name])[name]
    except ToolError as missing:
        pytest.skip(f"{name} judges these files, and it is not here: `make tools` builds it ({missing.message})")


def refusal(*command: str | Path) -> str:
    """What a judge says against a file; empty when it accepts it."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stderr + done.stdout
