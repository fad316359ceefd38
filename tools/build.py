"""Find the programs of the test rig, or build them from the Go modules beside this file.

    python tools/build.py                  every program; the paths, one a line, in the order of building
    python tools/build.py --tier core      etcd, the control plane, kubeadm, Pulumi with its provider and Python host
    python tools/build.py --tier judges    kube-bench, talos-validate, kms-plugin, kubeconform, kube-score
    python tools/build.py kube-score etcd  those
    python tools/build.py --list           name, version, `path`, `cache` or `missing`, and where; builds nothing

Exit codes: 0; 1 a build failed or a disk is too small; 2 wrong usage; 3 something has to be built and there is no Go
for it; 130 or 143 interrupted. Progress goes to standard error, paths and the list to standard output.

What readers of the cache may rely on (ringfence.sandbox looks programs up without this file and without Go):

- The cache folder is `$RINGFENCE_TOOLS_CACHE/ringfence-tools`, else `$XDG_CACHE_HOME/ringfence-tools`, else
  `~/.cache/ringfence-tools`. It may be deleted at any time that no build runs.
- `tools.json` in it maps the name of each program found or built last to `{"path": absolute path, "version": as its
  project writes it, "key": ..., "source": ...}`; the last two are empty for one that was found. It is replaced whole:
  a reader sees an old or a new one, never half of one. A path in it may have been deleted: look.
- Files beside a program: `pulumi-language-python-exec` beside `pulumi-language-python`, and `cfg/` beside `kube-bench`.
  They have entries of their own (`pulumi-language-python-exec`, `kube-bench-cfg`), as has the folder
  `pod-security-fixtures`: `{baseline,restricted}/v1.{32..35}/{pass,fail}/*.yaml` of k8s.io/pod-security-admission.
- A program on PATH with a version that fits is taken before the cache (`builder/fitting.py` says what fits).

A build uses a Go build cache of its own inside the cache folder, shared by all programs of one run and removed when the
run ends, however it ends. RINGFENCE_TOOLS_GOCACHE=folder uses that build cache instead and keeps it. Downloaded modules
go to Go's own module cache, which is never emptied from here. A second run waits for the first.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from builder.compiling import SIGNALS, BuildError, NoGoError
from builder.cost import DiskError
from builder.families import TIERS
from builder.providing import Rig, UnknownToolError

FAILED, USAGE, NO_GO = 1, 2, 3


def say(line: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Find or build the programs of the test rig.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a program; all without any")
    parser.add_argument("--tier", action="append", default=[], choices=TIERS, help="all programs of a tier")
    parser.add_argument("--list", action="store_true", help="say what is where, and build nothing")
    return parser.parse_args(arguments)


def interrupted(number: int, _frame: object) -> None:
    """End as after Ctrl-C when told to end, so that what is half built is removed."""
    sys.exit(128 + number)


def main(arguments: list[str]) -> int:
    """Run as a command; returns the exit code."""
    asked = parse(arguments)
    for number in SIGNALS:
        signal.signal(number, interrupted)
    rig = Rig(say)
    try:
        wanted = rig.select(asked.names, asked.tier)
        if asked.list:
            for tool in (rig.locate(family, part) for family, part in wanted):
                sys.stdout.write(f"{tool.name:28} {tool.version:9} {tool.where:8} {tool.path or ''}".rstrip() + "\n")
        else:
            for tool in rig.provide(wanted):
                sys.stdout.write(f"{tool.path}\n")
    except UnknownToolError as bad:
        say(f"error: {bad.args[0]}")
        return USAGE
    except NoGoError as bad:
        say(f"error: {bad}")
        return NO_GO
    except (BuildError, DiskError) as bad:
        say(f"error: {bad}")
        return FAILED
    except (OSError, subprocess.CalledProcessError) as bad:  # the cache's folder, or Go itself
        said = (getattr(bad, "stderr", None) or "").strip()
        say(f"error: {bad}{f': {said}' if said else ''}")
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
