"""Shared by tests of tools/build.py: runs it with a PATH and a cache of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from helpers import ROOT

COMMAND = [sys.executable, str(ROOT / "tools" / "build.py")]


@dataclass
class Bench:
    """Runs tools/build.py with a PATH and a cache below the test's folder."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / "ringfence-tools"

    @property
    def builds(self) -> list[str]:
        """Names of the programs that the stand-in was told to build."""
        return [line.split()[0] for line in self._log()]

    @property
    def processes(self) -> list[int]:
        """Process ids of those builds."""
        return [int(line.split()[1]) for line in self._log()]

    def _log(self) -> list[str]:
        log = Path(self.env["FAKE_GO_LOG"])
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    def index(self) -> dict[str, dict[str, str]]:
        return json.loads((self.cache / "tools.json").read_text(encoding="utf-8"))

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env={**self.env, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], env={**self.env, **env}, text=True, capture_output=True, check=False
        )

    def program(self, place: str, script: str) -> Path:
        """A script as a program below the test's folder."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return path
