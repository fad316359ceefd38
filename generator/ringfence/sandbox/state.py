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
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ringfence.errors import Place, ToolError
from ringfence.sandbox.processes import Identity

VERSION = 1
_OURS = ("root", "host", "kubeadm", "issuer", "pki", "logs", "variants", "kms")  # folders, removed whole
_FILES = ("kubeconfig", "host.json", "sandbox.json", "sandbox.json.new", "lock")


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
        """Make the folder, for its owner alone; refuse one with files that are not a sandbox's."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        strangers = sorted({f.name for f in self.path.iterdir()} - {*_OURS, *_FILES})
        if self.path.is_symlink() or strangers:
            what = f"holds {strangers[0]}, which is no part of a sandbox" if strangers else "is a link"
            raise ToolError(f"the state folder {what}", place=self.place, hint="name an empty folder with --state")
        self.path.chmod(0o700)
        (self.path / "logs").mkdir(mode=0o700, exist_ok=True)

    def is_ours(self) -> bool:
        """Does it hold parts of a sandbox, and nothing else?"""
        names = {f.name for f in self.path.iterdir()} - {"lock"}
        return bool(names) and names <= {*_OURS, *_FILES}

    @property
    def place(self) -> Place:
        """The folder in an error."""
        return Place(self.path.as_posix())

    def read(self) -> Record | None:
        """The record; None where there is no sandbox, ToolError for one of another version."""
        file = self.path / "sandbox.json"
        try:
            found = json.loads(file.read_bytes())
            version = found["version"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            found, version = {}, None
        if version != VERSION:
            said = "can't be read" if version is None else f"is of version {version}; this ringfence knows {VERSION}"
            raise ToolError(
                f"this record of a sandbox {said}",
                place=Place(file.as_posix()),
                hint="end it with the ringfence that started it, or remove the folder",
            )
        return Record(**found)

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
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
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
        """Remove what a sandbox made, and the folder when nothing else is in it."""
        for name in _OURS:
            if name not in keep:
                with suppress(FileNotFoundError):
                    shutil.rmtree(self.path / name)
        for name in _FILES:
            if name not in keep:
                (self.path / name).unlink(missing_ok=True)
        if not keep:
            with suppress(OSError):  # something of somebody else's is there
                self.path.rmdir()
