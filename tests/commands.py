"""The documents, the commands that they show, and a place where those can be run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
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
INSTALL = "sh install"  # needs the wheel that `make package` makes, and a package index
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


def build_wheel(folder: Path) -> Path:
    """What `make package` writes into dist/, in `folder`."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def installing(folder: Path) -> dict[str, str]:
    """The environment of a reader's shell that installs from their index what requirements.lock pins, into `folder`.

    Nothing of this process's own environment is found from there.
    """
    pins = re.findall(r"^[\w.-]+==[^ ;\\]+", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
    cached = os.environ.get("PIP_CACHE_DIR") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pip"
    given = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV") and not k.startswith("MAKE")}
    pip = {"PIP_CONSTRAINT": str(constraints), "PIP_CACHE_DIR": str(cached), "PIP_COMPILE": "0"}
    return {**given, "HOME": str(folder), **pip}
