"""The real Pulumi engine for one stack: its state in a folder, its programs from PATH or `make tools`, no network."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from helpers import ROOT
from up import PROGRAMS, environment, prepare

from ringfence.sandbox.binaries import find_tools

PATIENCE = 300  # seconds for one command
_COUNT = re.compile(r"^ +(?:\S+ )?(\d+) (\w+)$", re.MULTILINE)


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

    def __init__(
        self, folder: Path, kubeconfig: Path, program: Path = ROOT / "stacks" / "bootstrap", further: str = ""
    ) -> None:
        """`further` are folders that PATH starts with."""
        self.folder = folder
        self.project = prepare(folder, program)
        programs = find_tools(os.environ, PROGRAMS).paths
        env = environment(folder, programs, str(kubeconfig))
        self.env = {**env, "HOME": str(folder), "PATH": os.pathsep.join(p for p in (further, env["PATH"]) if p)}
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

    def locks(self) -> list[Path]:
        """The lock files of commands that run, or that were killed."""
        return list((self.folder / "state").glob(".pulumi/locks/**/*.json"))

    @property
    def checkpoint(self) -> Path:
        """The file of the stack's state."""
        (found,) = (self.folder / "state").glob(".pulumi/stacks/*/dev.json")
        return found

    @property
    def attributes(self) -> Path:
        """What a backend without `metadata=skip` writes beside it, and not in one step."""
        return self.checkpoint.with_name("dev.json.attrs")

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
