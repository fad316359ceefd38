"""Go: one run of it, and how each part of a family is made."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .families import Binary, Copy, Embeds, Family

SETTINGS = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GOEXPERIMENT": "",
    # the same bytes from every folder and checkout; go.sum stays as it is
    "GOFLAGS": "-trimpath -buildvcs=false -mod=readonly",
}
# For this machine and no narrower one, whatever the caller's shell is set to: what is cached is not known by these.
UNSET = (
    "GOOS",
    "GOARCH",
    "GO386",
    "GOAMD64",
    "GOARM",
    "GOARM64",
    "GOMIPS",
    "GOMIPS64",
    "GOPPC64",
    "GORISCV64",
    "GOFIPS140",
)
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # end a run; what is half built is removed
TAIL = 15  # lines of Go's output that an error shows


class NoGoError(RuntimeError):
    """Something has to be built, and there is no Go, or one that is too old."""


class BuildError(RuntimeError):
    """Go refused; the text says what and holds the end of its output."""


@dataclass(frozen=True)
class Go:
    """The Go tool chain on PATH."""

    path: str
    version: str  # go version go1.26.8 linux/amd64

    @classmethod
    def find(cls) -> Go | None:
        """The tool chain, or None when there is none that runs."""
        path = shutil.which("go")
        if not path:
            return None
        said = subprocess.run(
            [path, "version"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
        return cls(path, said.stdout.strip()) if said.returncode == 0 else None

    def refuse_if_older(self, folders: list[Path]) -> None:
        """Raises NoGoError when a go.mod asks for a newer Go: GOTOOLCHAIN=local fetches none."""
        ours = _version(self.version)
        for folder in folders:
            asked = re.search(r"^go (\S+)", (folder / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
            if asked and ours < _version(asked[1]):
                raise NoGoError(f"tools/{folder.name} needs Go {asked[1]} or newer to be built, found: {self.version}")

    def module_cache(self) -> Path:
        """The folder of downloaded modules, which is the user's."""
        return Path(
            subprocess.run([self.path, "env", "GOMODCACHE"], capture_output=True, text=True, check=True).stdout.strip()
        )


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


@dataclass(frozen=True)
class Workshop:
    """Makes parts in a folder of its own, which its owner removes."""

    go: Go
    work: Path
    build_cache: Path
    root: Path  # of the families

    def make(self, family: Family, part: Binary | Copy, place: Path) -> None:
        """Make one part and move it to its place, whole; raises BuildError."""
        made = self.work / "made" / part.name
        made.parent.mkdir(exist_ok=True)
        if isinstance(part, Binary):
            self._build(family, part, made)
        else:
            self._copy(family, part, made)
        place.parent.mkdir(parents=True, exist_ok=True)
        made.replace(place)

    def _build(self, family: Family, part: Binary, made: Path) -> None:
        folder = self._folder(family.name)
        if family.embeds:
            self._embed(family, family.embeds, folder)
        tags = ["-tags", family.tags] if family.tags else []
        self._run(folder, "build", *tags, "-ldflags", family.ldflags(self.root), "-o", str(made), part.package)

    def _copy(self, family: Family, part: Copy, made: Path) -> None:
        source = self._module(self._folder(part.pinned_in or family.name), part.module) / part.source
        for member in part.members or ("",):
            if (source / member).is_dir():  # contents, not the module cache's read-only modes
                shutil.copytree(source / member, made / member, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(source / member, made)
                made.chmod(0o755)  # the only files taken are scripts
        for folder in (path for path in (made, *made.rglob("*")) if path.is_dir()):
            folder.chmod(0o755)

    def _embed(self, family: Family, embeds: Embeds, folder: Path) -> None:
        source = self._module(folder, family.module) / embeds.source
        (folder / "embed").mkdir(exist_ok=True)
        for name in embeds.files:
            text = (source / name).read_bytes()
            if name == embeds.stamped:
                number = family.version(self.root).removeprefix("v")
                text = json.dumps({**json.loads(text), "version": number}).encode()
            (folder / "embed" / name).write_bytes(text)

    def _folder(self, family: str) -> Path:
        """A copy of a family's folder: nothing is ever written into the work tree."""
        folder = self.work / "modules" / family
        if not folder.exists():
            shutil.copytree(self.root / family, folder)
        return folder

    def _module(self, folder: Path, module: str) -> Path:
        """Where a module that the family requires lies, downloaded and checked against its go.sum."""
        return Path(json.loads(self._run(folder, "mod", "download", "-json", module))["Dir"])

    def _run(self, folder: Path, *arguments: str) -> str:
        """Run Go in a family's folder; its standard output. No process of it outlives this call."""
        temporary = self.work / "go-build"
        temporary.mkdir(exist_ok=True)
        folders = {"GOCACHE": str(self.build_cache), "GOTMPDIR": str(temporary)}
        env = {**os.environ, **dict.fromkeys(UNSET, ""), **SETTINGS, **folders}
        with (self.work / "log").open("w+", encoding="utf-8", errors="replace") as log:
            process = None
            try:
                with _held():
                    process = subprocess.Popen(
                        [self.go.path, *arguments],
                        cwd=folder,
                        env=env,
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=log,
                        text=True,
                        start_new_session=True,  # so that compilers can be ended with it
                    )
                output, _ = process.communicate()
            except BaseException:
                if process:
                    _end(process)
                raise
            log.seek(0)
            said = log.read()
        if process.returncode:
            raise BuildError(_refusal(arguments, said + output))
        return output


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """Signals that come meanwhile are heeded after it: what starts just then would be left behind."""
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        for number in SIGNALS:
            signal.signal(number, lambda number, _: told.append(number))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in told:
            signal.raise_signal(number)


def _end(process: subprocess.Popen[str]) -> None:
    """Kill a process and what it started, and wait until none of them can write any more."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ProcessLookupError):
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def _refusal(arguments: tuple[str, ...], said: str) -> str:
    """What failed, with the end of what Go said; downloads are no error."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("go: downloading ")]
    return "\n".join([f"go {arguments[0]} {arguments[-1]} failed:", *(f"    {line}" for line in lines[-TAIL:])])
