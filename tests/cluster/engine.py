"""The real Pulumi engine for one stack: its state in a folder, its programs from PATH or `make tools`, no network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from helpers import ROOT

from ringfence.sandbox.binaries import find_tools

PROGRAMS = ("pulumi", "pulumi-resource-kubernetes", "pulumi-language-python")
PATIENCE = 300  # seconds for one command
_COUNT = re.compile(r"^ +(?:\S+ )?(\d+) (\w+)", re.MULTILINE)


class Done(NamedTuple):
    """What one command left."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    @property
    def counts(self) -> dict[str, int]:
        """What its summary says happened to how many resources, such as {"created": 62}."""
        _, _, summary = self.out.partition("\nResources:\n")
        return {what: int(number) for number, what in _COUNT.findall(summary.partition("\n\n")[0])}


class Engine:
    """One project and its stack `dev`. Commands fail the test unless told that they may fail."""

    def __init__(self, folder: Path, kubeconfig: Path, program: Path = ROOT / "stacks" / "bootstrap") -> None:
        self.folder, self.home = folder, folder / "home"
        self.project = folder / "project"
        tools = find_tools(os.environ, PROGRAMS)
        shutil.copytree(program, self.project)
        (folder / "state").mkdir()
        self.env: dict[str, str] = {
            "HOME": str(folder),
            "KUBECONFIG": str(kubeconfig),
            # The old language host takes the first python on PATH, whatever virtual environment Pulumi.yaml names.
            "PATH": os.pathsep.join(
                [
                    str(Path(sys.executable).parent),
                    *dict.fromkeys(str(tools[p].parent) for p in PROGRAMS),
                    "/usr/bin",
                    "/bin",
                ]
            ),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "only for a test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self.home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        self.run("stack", "init", "dev")

    def popen(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.project,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def run(self, *arguments: str, ok: bool = True, env: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end."""
        process = self.popen(*arguments, env=env)
        out, err = process.communicate(timeout=PATIENCE)
        done = Done(process.returncode, out, err)
        assert not ok or done.code == 0, f"pulumi {' '.join(arguments)}: exit {done.code}\n{done.text}"
        return done

    def configure(self, key: str, value: str) -> None:
        """Set a key of the stack's configuration; `adopt[0]` is a path."""
        self.run("config", "set", *(["--path"] if "[" in key else []), key, value)

    def up(self, *arguments: str, ok: bool = True, env: Mapping[str, str] | None = None) -> Done:
        return self.run("up", "--yes", "--skip-preview", *arguments, ok=ok, env=env)

    def destroy(self, ok: bool = True) -> Done:
        return self.run("destroy", "--yes", "--skip-preview", ok=ok)

    def preview(self, *arguments: str) -> dict[str, Any]:
        """What `pulumi preview --json` prints."""
        plan: dict[str, Any] = json.loads(self.run("preview", "--json", *arguments).out)
        return plan

    def state(self) -> list[dict[str, Any]]:
        """The resources in the state, as exported."""
        exported = json.loads(self.run("stack", "export").out)
        found: list[dict[str, Any]] = exported["deployment"].get("resources", [])
        return found

    def everything_kept(self) -> str:
        """The state with its secrets shown, and every file of the backend: checkpoints, backups, history."""
        files = sorted(f for f in (self.folder / "state").rglob("*") if f.is_file())
        exported = self.run("stack", "export", "--show-secrets").out
        return exported + "".join(f.read_text(encoding="utf-8", errors="replace") for f in files)

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("stack", "output", "--json").out)
        return found
