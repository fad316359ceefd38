"""Build one of the Go tools that tests and benchmarks judge by, into a cache outside the work tree.

    python tools/build.py kube-score      prints the path of the binary

The cache is keyed by the content of the tool's module files and Go's version, so a change builds anew and
an unchanged tool costs nothing. Without Go it exits 3 and says so.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# package to build in each module; the module pins its version
PACKAGES = {
    "kube-score": "github.com/zegl/kube-score/cmd/kube-score",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform",
}
NO_GO = 3


class NoGoError(RuntimeError):
    """Go is not on PATH."""


def cache() -> Path:
    """The folder of built tools."""
    base = os.environ.get("RINGFENCE_TOOLS_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ringfence-tools"


def build(name: str) -> Path:
    """The built tool; raises NoGoError without Go, CalledProcessError when it does not build."""
    go = shutil.which("go")
    if not go:
        raise NoGoError(f"{name} needs Go to be built: install Go 1.26 or newer")
    module = HERE / name
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    key = hashlib.sha256(version.encode() + b"".join(f.read_bytes() for f in sorted(module.glob("go.*")))).hexdigest()
    binary = cache() / key[:16] / name
    if binary.is_file():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"building {name} (half a minute, once)\n")
    with tempfile.TemporaryDirectory() as work:
        flags = "-trimpath -buildvcs=false -mod=readonly"
        env = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": flags, "GOCACHE": f"{work}/cache"}
        beside = binary.with_suffix(f".{os.getpid()}")
        command = [go, "build", "-ldflags", "-s -w", "-o", str(beside), PACKAGES[name]]
        subprocess.run(command, cwd=module, env=env, check=True, stdout=sys.stderr)
        beside.replace(binary)
    return binary


def main() -> int:
    """Build the tools named on the command line, or all."""
    try:
        for name in sys.argv[1:] or sorted(PACKAGES):
            sys.stdout.write(f"{build(name)}\n")
    except NoGoError as bad:
        sys.stderr.write(f"{bad}\n")
        return NO_GO
    return 0


if __name__ == "__main__":
    sys.exit(main())
