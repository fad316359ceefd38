"""Start a sandbox of a cluster.yaml, run `pulumi up` on it, and prove its controls by `ringfence verify`: `make up`.

    python tools/up.py examples/zero-trust          all of it; again, on what runs already, changes nothing
    python tools/up.py --down examples/zero-trust   end the sandbox, and remove the stack's folder

The stack's state, its passphrase and Pulumi's own files lie in `.up/<cluster>`, made for one sandbox: those of another
are thrown away, since the objects that they tell of went with its API server. Everything listens on loopback alone.

Ctrl-C, SIGTERM and SIGHUP are passed on to the step that runs, once each, and its end is waited for: a build removes
what is half made, Pulumi writes down what is made, a sandbox that was never ready leaves nothing.

Exit codes: 0; 1 a step failed, and has said why; 2 wrong usage; 3 a control is not what it promises; 129, 130 or 143
ended by a signal.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "generator"))

from ringfence.errors import RingfenceError  # noqa: E402 # this checkout's, whatever is installed
from ringfence.spec.facts import Cluster  # noqa: E402
from ringfence.spec.read import read_cluster  # noqa: E402

PROJECT = ROOT / "stacks" / "bootstrap"
STACKS = ROOT / ".up"
AS_OF = "2026-01-01"  # the exceptions of an example end some day; a sandbox of it is for looking at them
PROGRAMS = ("pulumi", "pulumi-resource-kubernetes", "pulumi-language-python")
RINGFENCE = [sys.executable, "-c", "from ringfence.cli import main; main()"]
FAILED, INTERRUPTED = 1, 128  # and the number of a signal
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StepError(Exception):
    """A step failed and has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Interruption:
    """The signals that this process gets, for the step that runs."""

    def __init__(self) -> None:
        self.told = 0  # the number of the last one
        self._step: subprocess.Popen[str] | None = None
        self._apart = False  # has the step a process group of its own, so that a terminal's Ctrl-C doesn't reach it?

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen meanwhile."""
        self.told = 0
        before = {number: signal.signal(number, self._hear) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, _frame: object) -> None:
        self.told = number
        if self._step and (self._apart or number != signal.SIGINT):
            self._step.send_signal(signal.SIGINT)  # all of them end in order by this one; does nothing to an ended one

    def wait(self, step: subprocess.Popen[str], *, apart: bool) -> tuple[str, str]:
        """What a step printed, once it has ended; raises StepError when this process was told to end meanwhile."""
        self._step, self._apart = step, apart
        try:
            out, err = step.communicate()
        finally:
            self._step = None
        self.end_if_told()
        return out or "", err or ""

    def end_if_told(self) -> None:
        """Raises StepError when this process was told to end."""
        if self.told:
            say("interrupted; `make up` goes on from here, `make down` ends it")
            raise StepError(INTERRUPTED + self.told)


INTERRUPTION = Interruption()


def say(text: str) -> None:
    """One line of progress."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def environment(folder: Path, programs: Mapping[str, Path], kubeconfig: str) -> dict[str, str]:
    """What Pulumi is told for a stack that keeps everything in `folder`, uses no network, and installs nothing."""
    here = Path(sys.executable).parent
    # A language host before Pulumi 3.79 takes the first python on PATH, whatever environment Pulumi.yaml names.
    path = dict.fromkeys([str(here), *(str(programs[name].parent) for name in PROGRAMS), "/usr/bin", "/bin"])
    return {
        "HOME": os.environ.get("HOME", str(folder)),
        "GOGC": "400",  # Pulumi and its provider live for seconds, of which collecting garbage is a sixth
        "KUBECONFIG": kubeconfig,
        "PATH": os.pathsep.join(path),
        # Without `metadata=skip` a kill can leave an empty `.attrs` file beside the state, which is then refused.
        "PULUMI_BACKEND_URL": f"file://{folder / 'state'}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(folder / "passphrase"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PYTHONPATH": str(ROOT / "generator"),
        **{name: os.environ[name] for name in ("NO_COLOR", "TERM", "LANG") if name in os.environ},
    }


def prepare(folder: Path, program: Path = PROJECT) -> Path:
    """Folders for a stack's state and a copy of its program, in which `pulumi` then runs; a passphrase nobody knows."""
    (folder / "state").mkdir(mode=0o700, parents=True)
    (folder / "passphrase").write_text(secrets.token_hex(16), encoding="utf-8")
    ignored = shutil.ignore_patterns("Pulumi.*.yaml", ".venv", "__pycache__")
    shutil.copytree(program, folder / "project", ignore=ignored)
    (folder / "project" / ".venv").symlink_to(Path(sys.executable).parent.parent)  # where a newer language host looks
    return folder / "project"


def up(folder: Path) -> None:
    """All the steps for the cluster.yaml of a folder; raises StepError for one that failed."""
    cluster = read(folder)
    place = STACKS / cluster.name
    with alone(place):
        programs = provide()
        say(f"1/3 a control plane of the host files of {folder}")
        access = json.loads(ringfence("sandbox", "up", str(folder), "-o", "json"))["access"]
        say(f"2/3 pulumi up; its state lies in {os.path.relpath(place / 'stack', ROOT)}")
        apply(folder, place / "stack", environment(place / "stack", programs, access["kubeconfig"]), access["ca_cert"])
        say("3/3 ringfence verify")
        try:
            ringfence("verify", str(folder), "--sandbox", shown=True)
        except StepError:
            if not INTERRUPTION.told:
                tell(folder, cluster.namespaces[0].name, access, "and not every control is what it promises: see above")
            raise
        tell(folder, cluster.namespaces[0].name, access, "and what can be proved here is proved")


def read(folder: Path) -> Cluster:
    """The cluster.yaml of a folder."""
    return read_cluster(folder / "cluster.yaml", str(folder / "cluster.yaml"))


def provide() -> dict[str, Path]:
    """The programs of the rig by name; those that are neither on PATH nor in the cache are built, which is said."""
    command = [sys.executable, str(ROOT / "tools" / "build.py"), "--tier", "core", "kms-plugin"]
    paths = run(command, ROOT, dict(os.environ), shown=False, talks=True).splitlines()
    return {Path(path).name: Path(path) for path in paths}


def apply(cluster: Path, folder: Path, env: Mapping[str, str], authority: str) -> None:
    """`pulumi up` of stacks/bootstrap for a cluster, with a new stack for a new API server."""
    whose = owner(Path(authority).read_bytes(), env["PULUMI_BACKEND_URL"])
    if not usable(folder, whose):
        shutil.rmtree(folder, ignore_errors=True)
        prepare(folder)
        pulumi(folder, env, "stack", "init", "sandbox")
        (folder / "of").write_text(whose, encoding="utf-8")
    shutil.copy(PROJECT / "__main__.py", folder / "project")  # as it is now
    pulumi(folder, env, "config", "set", "cluster", str((cluster / "cluster.yaml").resolve()))
    pulumi(folder, env, "config", "set", "asOf", AS_OF)
    if any((folder / "state").rglob("locks/*/*/*/*.json")):  # of a run that was killed: `alone` says that none runs
        pulumi(folder, env, "cancel", "--yes")
    said = pulumi(folder, env, "up", "--yes", "--skip-preview", "--suppress-outputs", shown=sys.stdout.isatty())
    say(said[said.find("Resources:") :].strip())


def owner(authority: bytes, backend: str) -> str:
    """Whose a stack is: of the API server with this CA; and of this address, by which Pulumi remembers its choice."""
    return sha256(authority + backend.encode()).hexdigest()


def usable(folder: Path, whose: str) -> bool:
    """Is that stack of this API server? A new stack of the same name finds on the API server what is its own."""
    belongs = folder / "of"
    return belongs.is_file() and belongs.read_text(encoding="utf-8") == whose


def down(folder: Path) -> None:
    """End the sandbox and remove the stack; a stack without its API server has nothing left to destroy."""
    place = STACKS / read(folder).name
    with alone(place):
        ringfence("sandbox", "down", str(folder), shown=True)
        shutil.rmtree(place, ignore_errors=True)


def tell(folder: Path, tenant: str, access: dict[str, Any], proof: str) -> None:
    """How to look at it, and how to end it."""
    given = "" if folder == Path("examples/zero-trust") else f" CLUSTER={folder}"
    sys.stdout.write(
        f"\n{folder} is up at {access['server']}, {proof}. Look at it:\n"
        f"  export KUBECONFIG={access['kubeconfig']}\n"
        "  .venv/bin/kubectl get validatingadmissionpolicies\n"
        f"  .venv/bin/kubectl -n {tenant} run x --image=x --privileged --dry-run=server    # is refused\n"
        f"change {folder}/cluster.yaml and run it again: make up{given}"
        f"    # after make down{given}, where it changes host files\n"
        f"end it: make down{given}\n"
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One run at a time for one cluster."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"error: another `make up` or `make down` of {folder.name} is running; wait for it, or end it")
            raise StepError(FAILED) from None
        yield


def ringfence(*arguments: str, shown: bool = False) -> str:
    """One of ringfence's commands; what it printed, unless that is shown."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    return run([*RINGFENCE, *arguments], ROOT, env, shown=shown, talks=True)


def pulumi(folder: Path, env: Mapping[str, str], *arguments: str, shown: bool = False) -> str:
    """One of Pulumi's commands; what it says is shown as it comes when asked for, else when it fails, or returned."""
    wait = () if shown else ("--non-interactive", "--color", "never")
    return run(["pulumi", *arguments, *wait], folder / "project", env, shown=shown)


def run(command: list[str], place: Path, env: Mapping[str, str], *, shown: bool, talks: bool = False) -> str:
    """Run a command to its end; raises StepError when it fails. `talks`: its standard error is shown in any case."""
    program = shutil.which(command[0], path=env["PATH"]) or command[0]
    INTERRUPTION.end_if_told()
    step = subprocess.Popen(
        [program, *command[1:]],
        cwd=place,
        env=env,
        stdin=None if shown else subprocess.DEVNULL,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown or talks else subprocess.PIPE,
        text=True,
        process_group=None if shown else 0,  # what is shown may want the terminal, which it would not get in another
    )
    out, err = INTERRUPTION.wait(step, apart=not shown)
    if step.returncode:
        sys.stderr.write(out + err)
        raise StepError(step.returncode)
    return out


def main(arguments: list[str]) -> int:
    """Run as a command; returns the exit code."""
    parser = argparse.ArgumentParser(description="A sandbox, pulumi up on it, and the proof of its controls.")
    parser.add_argument("cluster", metavar="FOLDER", help="the folder of a cluster.yaml, such as examples/minimal")
    parser.add_argument("--down", action="store_true", help="end the sandbox and remove the stack's folder")
    asked = parser.parse_args(arguments)
    try:
        with INTERRUPTION.heard():
            (down if asked.down else up)(Path(asked.cluster))
    except StepError as bad:
        return bad.code
    except RingfenceError as bad:
        say(bad.line())
        return bad.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
