"""Programs that are there already and do as well as ours: on PATH, with a version that fits.

- kube-apiserver, kube-controller-manager, kube-scheduler, kubeadm, etcd, etcdctl: of the pinned minor release, which is
  what decides flags and APIs.
- pulumi: of the same major release and no older than the lower bound of the extra `pulumi` in pyproject.toml.
- pulumi-language-python and its -exec: they say no version, so they fit when they lie beside a pulumi that fits.
- pulumi-resource-kubernetes: it says no version either, so it fits when it lies in the folder that Pulumi installed it
  to, whose name does: `resource-kubernetes-v4.34.2`. Pulumi's plugin folder is searched after PATH.

Judges never come from PATH: a verdict belongs to the release that is pinned here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .families import ETCD, HERE, KUBE

PATIENCE = 10.0  # seconds for a program to say its version
OLDEST_PULUMI = (3, 230)
OLDEST_PROVIDER = (4, 25)
LANGUAGE_HOST = ("pulumi-language-python", "pulumi-language-python-exec")


@dataclass(frozen=True)
class Found:
    """A program that is there already."""

    path: Path
    version: str


def search(name: str) -> Found | None:
    """The first program of that name that fits, on PATH or where Pulumi installs its plugins."""
    finder = _FINDERS.get(name)
    return next(finder(name), None) if finder else None


def _on_path(name: str) -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which(name, path=folder) if folder else None
        if path:
            yield Path(path)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in version.split("."))


def _asked(path: Path, *arguments: str) -> str:
    """The version that a program says, as 1.2.3; empty when it says none."""
    try:
        said = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        ).stdout
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    version = re.search(r"\bv?(\d+\.\d+\.\d+)", said)
    return version[1] if version else ""


def _same_minor(pinned: str, *arguments: str) -> Callable[[str], Iterator[Found]]:
    ours = _numbers(pinned.lstrip("v"))[:2]

    def find(name: str) -> Iterator[Found]:
        for path in _on_path(name):
            version = _asked(path, *arguments)
            if version and _numbers(version)[:2] == ours:
                yield Found(path, version)

    return find


def _pulumi(name: str) -> Iterator[Found]:
    for path in _on_path(name):
        version = _asked(path, "version")
        if version and OLDEST_PULUMI <= _numbers(version) < (OLDEST_PULUMI[0] + 1,):
            yield Found(path, version)


def _language_host(name: str) -> Iterator[Found]:
    for pulumi in _pulumi("pulumi"):
        folder = pulumi.path.parent
        if all(os.access(folder / part, os.X_OK) for part in LANGUAGE_HOST):
            yield Found(folder / name, pulumi.version)


def _provider(name: str) -> Iterator[Found]:
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    for path in (*_on_path(name), *sorted(home.glob(f"plugins/resource-kubernetes-v*/{name}"))):
        named = re.fullmatch(r"resource-kubernetes-v(\d+\.\d+\.\d+)", path.resolve().parent.name)
        if named and OLDEST_PROVIDER <= _numbers(named[1]) < (OLDEST_PROVIDER[0] + 1,):
            yield Found(path, named[1])


_FINDERS: dict[str, Callable[[str], Iterator[Found]]] = {
    "etcd": _same_minor(ETCD.version(HERE), "--version"),
    "etcdctl": _same_minor(ETCD.version(HERE), "version"),
    "kube-apiserver": _same_minor(KUBE.version(HERE), "--version"),
    "kube-controller-manager": _same_minor(KUBE.version(HERE), "--version"),
    "kube-scheduler": _same_minor(KUBE.version(HERE), "--version"),
    "kubeadm": _same_minor(KUBE.version(HERE), "version", "-o", "short"),
    "pulumi": _pulumi,
    "pulumi-resource-kubernetes": _provider,
    **dict.fromkeys(LANGUAGE_HOST, _language_host),
}
