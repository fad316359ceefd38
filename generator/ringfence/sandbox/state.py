"""The state folder of one sandbox: where everything lies, what runs, and nothing of anybody else.

`sandbox.json` is its record, of version 1:

    version      1
    cluster      name; `source`: the cluster.yaml it came from; `digest`: of its host files
    phase        preparing | prepared | starting | ready | stopped; `ready_once`: has it ever been ready?
    kubernetes   version of the API server
    server       its URL
    supervisor   {pid, started}; `components`: [{name, pid, started, log, ended}]
    ports        name → number; `sockets`: a folder of unix sockets outside, since their paths must be short
    tools        name → path of the programs; `scheduler`: does it run too?
    substitutions  [{where, what, was, now, reason}]: how it differs from the generated files
    stand_ins    [{what, for, reason}]: what stands there for somebody who isn't
    access       see `Access`
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ringfence.errors import Place, ToolError
from ringfence.sandbox.processes import Identity

VERSION = 1
_ANOTHER = "name an empty folder of yours with --state"
_MARKER = ".ringfence-sandbox"  # made first and removed last: a folder without it is nothing of ours
_OURS = ("root", "host", "kubeadm", "issuer", "pki", "logs", "variants", "kms")  # folders, removed whole
_FILES = ("kubeconfig", "host.json", "sandbox.json", "sandbox.json.new")


@dataclass(frozen=True, slots=True)
class Access:
    """What a sandbox lets its owner do; every value is a path, a URL, or a list of them."""

    kubeconfig: str  # of an administrator: group kubeadm:cluster-admins, not system:masters
    server: str
    ca_cert: str
    ca_key: str  # signs client certificates: `identities.Authority`
    root: str  # the host's file system as the control plane sees it
    etcd_endpoint: str
    etcd_ca: str
    etcd_cert: str  # the API server's own
    etcd_key: str
    admin_cert: str  # of the kubeconfig's user
    admin_key: str
    audit_log: str  # empty when there is none
    issuer_key: str  # signs tokens: `tokens.Signer`
    issuer_key_id: str
    issuers: list[dict[str, Any]]  # {url, audiences} of the AuthenticationConfiguration
    kms_keys: str  # folder of the KMS plugin's keys; empty without one


@dataclass(slots=True)
class Record:
    """`sandbox.json`."""

    version: int = VERSION
    cluster: str = ""
    source: str = ""
    digest: str = ""
    phase: str = "preparing"
    kubernetes: str = ""
    server: str = ""
    supervisor: dict[str, Any] | None = None
    components: list[dict[str, Any]] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    sockets: str = ""
    scheduler: bool = False
    ready_once: bool = False
    tools: dict[str, str] = field(default_factory=dict)
    substitutions: list[dict[str, str]] = field(default_factory=list)
    stand_ins: list[dict[str, str]] = field(default_factory=list)
    access: dict[str, Any] | None = None

    @property
    def owner(self) -> Identity | None:
        """The process that owns the components."""
        return Identity(self.supervisor["pid"], self.supervisor["started"]) if self.supervisor else None

    @property
    def running(self) -> list[Identity]:
        """What of the sandbox still runs, its owner first."""
        found = [Identity(c["pid"], c["started"]) for c in self.components]
        return [i for i in ([self.owner] if self.owner else []) + found if i.alive]

    @property
    def healthy(self) -> bool:
        """Is it ready, with its owner and every component alive?"""
        return self.phase == "ready" and len(self.running) == 1 + len(self.components)


class _Odd(ValueError):
    """A record that another ringfence wrote."""


def _record(found: Any) -> Record:
    """The record that JSON holds. Raises ValueError, KeyError or TypeError when it is none."""
    if found["version"] != VERSION:
        raise _Odd(f"is of version {found['version']}; this ringfence knows {VERSION}")
    known = {f.name for f in fields(Record)}
    if strange := sorted(found.keys() - known):
        raise _Odd(f'has "{strange[0]}", which this ringfence doesn\'t know')
    empty, record = Record(), Record(**found)
    for name in known - {"supervisor", "access"}:
        if type(getattr(record, name)) is not type(getattr(empty, name)):
            raise TypeError(name)
    for process in (*record.components, *([record.supervisor] if record.supervisor else [])):
        Identity(process["pid"] + 0, process["started"] + "")
    return record


class Folder:
    """Paths in a state folder."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def root(self) -> Path:
        """The host's file system."""
        return self.path / "root"

    def log(self, name: str) -> Path:
        """Where a component writes what it says."""
        return self.path / "logs" / f"{name}.log"

    def claim(self) -> None:
        """Make the folder, for its owner alone; refuse one that holds anything and is no sandbox's."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.refuse_foreign()
        strangers = sorted(f.name for f in self.path.iterdir() if f.name != "lock" or f.lstat().st_size)
        if strangers and not self.is_ours():
            raise ToolError(
                f"the state folder holds {strangers[0]}, and no sandbox made it", place=self.place, hint=_ANOTHER
            )
        self.path.chmod(0o700)
        (self.path / _MARKER).touch(mode=0o600)
        (self.path / "logs").mkdir(mode=0o700, exist_ok=True)

    def refuse_foreign(self) -> None:
        """Raise ToolError for a folder through which somebody else could have us write or remove: theirs, or a link."""
        there = self.path.lstat()
        if stat.S_ISLNK(there.st_mode):
            raise ToolError("the state folder is a link", place=self.place, hint=_ANOTHER)
        if there.st_uid != os.geteuid():
            raise ToolError("the state folder belongs to another user", place=self.place, hint=_ANOTHER)

    def is_ours(self) -> bool:
        """Did a sandbox make what is in it?"""
        return (self.path / _MARKER).is_file()

    @property
    def place(self) -> Place:
        """The folder in an error."""
        return Place(self.path.as_posix())

    def read(self) -> Record | None:
        """The record; None where there is no sandbox, ToolError for one that can't be read or is of another version."""
        file = self.path / "sandbox.json"
        try:
            return _record(json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except OSError as bad:
            wrong = f"can't be read: {(bad.strerror or str(bad)).lower()}"
        except (ValueError, KeyError, TypeError) as bad:
            wrong = str(bad) if isinstance(bad, _Odd) else "can't be read"
        remove = f"rm -r {shlex.quote(self.path.as_posix())}"
        raise ToolError(
            f"this record of a sandbox {wrong}",
            place=Place(file.as_posix()),
            hint=f"end it with the ringfence that started it, or remove it: `{remove}`",
        )

    def write(self, record: Record) -> None:
        """Write the record, whole or not at all."""
        beside = self.path / "sandbox.json.new"
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(record), file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path / "sandbox.json")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One command at a time; waits for the one before."""
        while True:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if self._is(descriptor):
                    yield
                    return
            finally:
                os.close(descriptor)

    def _is(self, descriptor: int) -> bool:
        """Is the lock still that of the folder? `down` removes both."""
        try:
            return os.path.samestat(os.fstat(descriptor), (self.path / "lock").stat())
        except FileNotFoundError:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return False

    def clear(self, *, keep: tuple[str, ...] = ()) -> None:
        """Remove what a sandbox made, but for `keep`; without it the marker and the folder go too, if it is empty then.

        A folder without the marker is left alone, whatever the names in it.
        """
        if not self.is_ours():
            return
        for name in _OURS:
            if name not in keep:
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.path / name)
        for name in _FILES:
            if name not in keep:
                (self.path / name).unlink(missing_ok=True)
        if not keep:
            for name in (_MARKER, "lock"):
                (self.path / name).unlink(missing_ok=True)
            with suppress(OSError):  # something of somebody else's is there
                self.path.rmdir()
