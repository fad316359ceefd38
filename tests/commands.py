"""The documents, the commands that they show, and a place where those can be run."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from helpers import ROOT

DOCUMENTS = sorted(
    p
    for p in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
        *ROOT.glob("examples/*/README.md"),
    )
    if p.is_file()
)
_BLOCK = re.compile(r"^```(\S*)([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
RUN, CLUSTER, PULUMI, HOST = "sh", "sh cluster", "sh pulumi", "sh host"
SHOWN_ONLY = {"", "yaml", "text", "console", "json", "svg", "toml"}


def blocks(document: Path) -> list[tuple[str, str]]:
    return [(f"{m[1]}{m[2]}".strip(), m[3]) for m in _BLOCK.finditer(document.read_text(encoding="utf-8"))]


def make_workplace(folder: Path) -> Path:
    """A copy of what the documents' commands touch, and a `ringfence` on PATH."""
    for name in ("examples", "docs", "profiles", "stacks", "templates"):
        shutil.copytree(ROOT / name, folder / name)
    bin_ = folder / "bin"
    bin_.mkdir()
    launcher = bin_ / "ringfence"
    launcher.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT / 'generator')!r})\n"
        "from ringfence.cli import main\nmain()\n"
    )
    launcher.chmod(0o755)
    return folder
