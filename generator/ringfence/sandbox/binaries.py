"""Where the programs of a sandbox and of its tests are: named by the environment, on PATH, or known to `make tools`.

1. RINGFENCE_TOOLS_BIN: a folder that is looked at first.
2. PATH, where the version fits: Kubernetes and etcd of the minors below, which decide flags and APIs. Nothing else is
   taken from there: of other programs `make tools` alone knows what fits (tools/builder/fitting.py).
3. `tools.json` in the cache of `make tools`, which maps names to the paths of what it found or built (tools/build.py
   describes the folder).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ringfence.errors import ToolError

MINORS = {
    "etcd": "3.6",
    "kubeadm": "1.36",
    "kube-apiserver": "1.36",
    "kube-controller-manager": "1.36",
    "kube-scheduler": "1.36",
}
CORE = ("etcd", "kubeadm", "kube-apiserver", "kube-controller-manager")
KMS = "kms-plugin"
_HINT = "`make tools` in a checkout of ringfence builds what is missing, once (30 minutes on two cores, with Go 1.26)"
_ASK = {"kubeadm": ("version", "-o", "short")}


@dataclass(frozen=True, slots=True)
class Tools:
    """Programs that were found."""

    paths: Mapping[str, Path]
    kubernetes: str  # version of kube-apiserver, such as v1.36.4

    def __getitem__(self, name: str) -> Path:
        return self.paths[name]


def find_tools(environ: Mapping[str, str], names: Iterable[str] = CORE) -> Tools:
    """The programs called `names`; one ToolError that lists every one that is missing or of another version."""
    found: dict[str, Path] = {}
    missing: list[str] = []
    others: dict[str, str] = {}
    kubernetes = ""
    for name in names:
        for place in _places(environ, name):
            version = _version(place, name)
            if name in MINORS and not re.match(rf"v?{re.escape(MINORS[name])}\.", version):
                others.setdefault(name, f"{place} is {version or 'no ' + name}")
                continue
            found[name] = place
            kubernetes = version if name == "kube-apiserver" else kubernetes
            break
        else:
            missing.append(f"{name} {MINORS.get(name, '')}".rstrip())
    if missing:
        but = f" ({'; '.join(others.values())})" if others else ""
        raise ToolError(
            f"the sandbox needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not here{but}",
            hint=_HINT,
        )
    return Tools(found, kubernetes)


def _places(environ: Mapping[str, str], name: str) -> Iterator[Path]:
    """Where a program of that name is, best first."""
    if own := environ.get("RINGFENCE_TOOLS_BIN"):
        yield from _executable(Path(own) / name)
    if name in MINORS:
        for folder in environ.get("PATH", "").split(os.pathsep):
            if folder and (path := shutil.which(name, path=folder)):
                yield Path(path)
    try:
        listed = json.loads((cache(environ) / "tools.json").read_bytes())
        yield from _executable(Path(listed[name]["path"]))
    except (OSError, ValueError, KeyError, TypeError):
        return


def cache(environ: Mapping[str, str]) -> Path:
    """The folder that `make tools` builds into."""
    named = environ.get("XDG_CACHE_HOME", "")  # a relative one is ignored, as XDG says: it would lie in some checkout
    base = environ.get("RINGFENCE_TOOLS_CACHE") or (named if Path(named).is_absolute() else "")
    return (Path(base) if base else Path(environ.get("HOME", "/")) / ".cache") / "ringfence-tools"


def _executable(path: Path) -> Iterator[Path]:
    if path.is_file() and os.access(path, os.X_OK):
        yield path


def _version(path: Path, name: str) -> str:
    """What a program says it is; empty when it doesn't say."""
    if name not in MINORS:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 # a program that was just found
            [path, *_ASK.get(name, ("--version",))], capture_output=True, text=True, timeout=20, check=False, env={}
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.search(r"v?\d+\.\d+\.\d+\S*", done.stdout)
    return said[0] if said else ""
