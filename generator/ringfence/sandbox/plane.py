"""The control plane of a sandbox: its components in order, mutants of its API server, and their end.

Order matters at both ends. The issuer and the KMS plugin answer before the API server asks; the API server ends
before etcd, without which its graceful shutdown hangs for minutes and keeps the port.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Set
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ringfence.errors import RingfenceError
from ringfence.sandbox import apiserver, definitions, ending, serving, surroundings
from ringfence.sandbox.apiserver import ApiServer, Changed, Parts
from ringfence.sandbox.binaries import KMS, Tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.hostkeys import keys_on_host, stand_ins
from ringfence.sandbox.kubeadm import COMPONENTS, Pod
from ringfence.sandbox.ports import choose, lost_a_race
from ringfence.sandbox.preparing import prepare
from ringfence.sandbox.processes import Child, environment
from ringfence.sandbox.readiness import healthy, listens, wait
from ringfence.sandbox.serving import Changes
from ringfence.sandbox.state import Access, Folder, Record
from ringfence.sandbox.substitutions import Applied, Setting

ETCD, API, KCM, SCHEDULER = COMPONENTS
_ATTEMPTS = 3  # when others take our ports
_GRACE = 10.0  # seconds for a component to end by itself
_TIMEOUT = 90.0  # seconds for everything to be ready; a quiet machine takes ten
_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


class ControlPlane:
    """A control plane that runs `host`; as a context it is ready inside, and gone without a trace after."""

    def __init__(
        self, host: HostFiles, state: Path, tools: Tools, *, scheduler: bool = False, timeout: float = _TIMEOUT
    ) -> None:
        """`state` is a folder of its own; `timeout` are seconds until everything must be ready."""
        self.host, self.folder, self.tools = host, Folder(state), tools
        self.record = Record(scheduler=scheduler)
        self.api: ApiServer
        self._timeout = timeout
        self._children: dict[str, Child] = {}  # in the order of their start
        self._variants: list[ApiServer] = []
        self._count = itertools.count(1)
        self._changed: Set[str] = frozenset()  # files that the API server's last start changed

    def __enter__(self) -> ControlPlane:
        self.record = prepare(self.folder, self.host, self.tools, scheduler=self.record.scheduler)
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, bad: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        ending.remove(self.folder, self.record)

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator."""
        return self.folder / "kubeconfig"

    @property
    def access(self) -> Access:
        """What its owner may do."""
        return Access(**(self.record.access or {}))

    @property
    def children(self) -> tuple[Child, ...]:
        """Its components."""
        return tuple(self._children.values())

    def start(self) -> None:
        """Start everything on a prepared host, or again on what an ended sandbox left: `record` says which."""
        self._parts = Parts(self.folder, self.host, self.tools, {}, Pod.read(API, self.folder / "kubeadm"))
        self._note("starting")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._start_all(time.monotonic() + self._timeout)
            except BaseException:
                raced = any(lost_a_race(c) for c in self.children)
                self.stop()
                if not raced or attempt == _ATTEMPTS:
                    raise
                self.record.ports = {}
            else:
                self.record.ready_once = True
                self._note("ready")
                return

    def _start_all(self, limit: float) -> None:
        folder = self.folder
        ports = self.record.ports = choose(self.record.ports)
        sockets = surroundings.sockets(folder, self.host, self.record)
        authority = surroundings.issuer_ca(folder)
        self._setting = Setting(folder.root.as_posix(), ports=ports, issuer_ca=authority, sockets=sockets)
        applied = serving.write_servers(folder / "kubeadm", folder.root, self._setting)
        if command := surroundings.issuer_command(folder, self.host, ports["issuer"]):
            wait(self._run("issuer", command), listens(ports["issuer"]), limit)
        for i, (socket, command) in enumerate(surroundings.kms_commands(folder, self.host, self.tools, sockets)):
            wait(self._run(f"{KMS}-{i}" if i else KMS, command), socket.exists, limit)
        applied += self._start(ETCD, {}, limit)
        applied += self._start_api({}, {}, limit)
        self.api.client.admit_admins()
        definitions.install(self.api.client, self.host.definitions)
        for component in (KCM, SCHEDULER) if self.record.scheduler else (KCM,):
            applied += self._start(component, {}, limit)
        wait(self._children[KCM], lambda: self.api.client.answers(_ACCOUNT), limit, "make ServiceAccounts")
        wait(self.api.child, self._serves_custom_kinds, limit, "serve the custom kinds of the bundle")
        for (
            child
        ) in self.children:  # one that lost its port to somebody else may have answered by them, and ended since
            if not child.running:
                raise child.failure()
        prepared = [s for s in self.record.substitutions if s["where"].startswith("host/")]
        self.record.substitutions = prepared + [a._asdict() for a in applied]
        self.record.stand_ins = [*definitions.stand_ins(self.host.definitions), *stand_ins(self.host)]

    def _serves_custom_kinds(self) -> bool:
        return definitions.served(self.api.client, self.host.definitions)

    def _run(self, name: str, command: list[str]) -> Child:
        child = Child(name, command, self.folder.log(name))
        self._children[name] = child
        child.start(environment(self.folder.path))
        self._note(self.record.phase)
        return child

    def _start(self, component: str, flags: Changes, limit: float) -> list[Applied]:
        """A component other than the API server, until it is healthy."""
        pod = Pod.read(component, self.folder / "kubeadm")
        wanted = serving.changed(pod.flags, flags)
        line, applied = serving.command(self.tools[component], pod, wanted, self._setting)
        port = self.record.ports["etcd-metrics" if component == ETCD else component]
        ready = healthy(port, "/readyz" if component == ETCD else "/healthz", tls=component != ETCD)
        wait(self._run(component, line), ready, limit)
        return applied

    def _start_api(self, flags: Changes, files: Mapping[str, str], limit: float) -> list[Applied]:
        self._read_keys()
        for path in self._changed | files.keys():
            if path not in self.host.files:  # files that only a mutant has
                place = self.folder.root / path.lstrip("/")
                place.touch(mode=0o600) if path in files else place.unlink(missing_ok=True)
        changes = Changed(flags, files, self._changed)
        self._changed = files.keys()
        self.api = apiserver.start(self._parts, API, self._setting, changes, self.kubeconfig)
        self._children[API] = self.api.child
        self.record.server = self.api.server
        self.record.access = apiserver.access(self._parts, self.api, self._setting)
        self._note(self.record.phase)
        self.api.wait(limit)
        return self.api.applied

    def _read_keys(self) -> None:
        """The host's scripts may have rotated its keys; what a mutant left there is no key of the host."""
        if not self._changed:
            self._parts.keys = keys_on_host(self.host, self.folder.root)

    # ----------------------------------------------------------------------------------------------------- mutants

    def restart(
        self,
        component: str,
        flags: Changes | None = None,
        files: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """Start a component again with other flags (None leaves one out) and host files; without them, as generated.

        Values are as on the host: substitutions apply to them. etcd takes the API server with it. A component that
        doesn't start is an error, and can be restarted. `timeout` are seconds until it must be ready.
        """
        limit = time.monotonic() + (timeout or self._timeout)
        if component in (API, ETCD):
            self._children[API].stop(0)
        if component != API:
            self._children[component].stop(_GRACE)
            self._start(component, flags or {}, limit)
            flags = {}
        if component in (API, ETCD):
            self._start_api(flags or {}, files or {}, limit)

    def restart_apiserver(self, flags: Changes | None = None, files: Mapping[str, str] | None = None) -> None:
        """`restart` of the API server: about four seconds."""
        self.restart(API, flags, files)

    def second_apiserver(
        self, flags: Changes | None = None, files: Mapping[str, str] | None = None, *, timeout: float | None = None
    ) -> ApiServer:
        """A further API server on the same etcd, with port, files and audit log of its own; threads may call this."""
        name = f"{API}-{next(self._count)}"
        limit = time.monotonic() + (timeout or self._timeout)
        self._read_keys()
        root = self.folder / "variants" / name
        kubeconfig = root.with_suffix(".kubeconfig")
        while True:
            serving.variant(self.folder.root, root, files or {})
            self._parts.pod.make_volumes(root)
            changes = Changed(flags or {}, files or {}, self._changed)
            setting = apiserver.beside(self._setting, root, choose({}, (API,))[API])
            one = apiserver.start(self._parts, name, setting, changes, kubeconfig)
            self._variants.append(one)
            try:
                one.wait(limit)
            except RingfenceError:
                one.stop()
                if not lost_a_race(one.child):
                    raise
            else:
                return one

    # ---------------------------------------------------------------------------------------------------------- end

    def stop(self) -> None:
        """End every component, the API servers before etcd."""
        for one in self._variants:
            one.stop()
        etcd = self._children.get(ETCD)
        for child in reversed(self.children):
            alone = child.name == API and not (etcd and etcd.running)
            child.stop(0 if alone else _GRACE)
        ending.remove_sockets(self.record)
        if (self.folder / "sandbox.json").is_file():
            with suppress(OSError):  # the disk may be full; what runs is seen without it
                self._note("stopped")

    def _note(self, phase: str) -> None:
        """Write down how far it is and what runs."""
        self.record.phase = phase
        self.record.components = [c.to_record() for c in self.children]
        self.folder.write(self.record)

    def note_ended(self) -> None:
        """Write down how components ended that did so by themselves."""
        if [c.to_record() for c in self.children] != self.record.components:
            self._note(self.record.phase)
