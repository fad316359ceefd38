"""Small catalogues for tests that need exact output, and the command line run in this process."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import build_tree

from ringfence.build import Builder
from ringfence.cli.app import run
from ringfence.cli.console import console
from ringfence.documents import dump

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: {{ namespace.name }}
data:
  owner: {{ namespace.owner }}
"""
CLUSTER_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: kube-system
data:
  note: {{ params.note }}
"""
NOTE = {"note": {"type": "string", "default": "none", "description": "A note."}}


def write_control(root: Path, id_: str, templates: Mapping[str, str], domain: str = "demo", **fields: Any) -> Path:
    """A control under `root`; templates render once a namespace unless `emits` says otherwise."""
    meta: dict[str, Any] = {
        "title": f"The control {id_}",
        "profile": "baseline",
        "stage": {"baseline": "enforce"},
        "severity": "low",
        "rationale": "It exists so that a test can see what the machinery does with it, and for nothing else.",
        "references": {"docs": ["tests"]},
        "emits": [{"template": name, "each": "namespace"} for name in templates],
        "proof": ["render"],
    }
    meta.update(fields)
    build_tree(root / domain / id_, {"control.yaml": dump(meta), **templates})
    return root


def small(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`root` as the one folder of controls, in place of the shipped catalogue."""
    root.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr("ringfence.bundled.templates", lambda: root)
    return root


def demo(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalogue of one control that writes a ConfigMap into every namespace, and of one for the cluster."""
    small(root, monkeypatch)
    write_control(root, "demo-each", {"configmap.yaml.j2": CONFIG_MAP})
    once = [{"template": "configmap.yaml.j2"}]
    write_control(root, "demo-once", {"configmap.yaml.j2": CLUSTER_MAP}, emits=once, params=NOTE, exceptions="none")
    return root


def bodies(file: Path) -> list[dict[str, Any]]:
    """The objects of a cluster file, as plain data."""
    return [m.body for m in Builder().build(file, file.name)]


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Command:
    """`ringfence` in this process and in one folder."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / ".cache"))

    def __call__(self, *arguments: str) -> Outcome:
        self._capsys.readouterr()
        try:
            code = run(list(arguments))
        finally:
            gc.enable()  # render turns it off for its short life
            console.configure(quiet=False, verbose=False, color="auto", debug=False)
        return Outcome(code, *self._capsys.readouterr())


def snapshot_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the cache's, with its bytes."""
    files = (f for f in sorted(folder.rglob("*")) if f.is_file() and ".cache" not in f.parts)
    return {f.relative_to(folder).as_posix(): f.read_bytes() for f in files}
