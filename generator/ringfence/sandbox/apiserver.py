"""One kube-apiserver process: the sandbox's own, or a mutant beside it on the same etcd."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from ringfence.documents import dump
from ringfence.errors import ToolError
from ringfence.sandbox import serving
from ringfence.sandbox.binaries import Tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.hostkeys import Keys
from ringfence.sandbox.kubeadm import Pod
from ringfence.sandbox.processes import Child, environment
from ringfence.sandbox.readiness import Client, wait
from ringfence.sandbox.state import Folder
from ringfence.sandbox.substitutions import Applied, Setting

NAME = "kube-apiserver"
_PKI = "etc/kubernetes/pki"
# A mutant lives for seconds, and a quarter of what its start costs is collecting garbage.
SHORT_LIVED = {"GOGC": "off", "GOMEMLIMIT": "800MiB"}


@dataclass(slots=True)
class Parts:
    """What every API server of a sandbox is made from."""

    folder: Folder
    host: HostFiles
    tools: Tools
    keys: Keys
    pod: Pod


@dataclass(frozen=True, slots=True)
class Changed:
    """In what a mutant differs: flags, files by their path on the host; `before`: files that the last one changed."""

    flags: serving.Changes = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    before: Set[str] = frozenset()


@dataclass(slots=True)
class ApiServer:
    """A running kube-apiserver. As a context it is ended on the way out."""

    child: Child
    server: str
    kubeconfig: Path  # of an administrator
    audit_log: Path | None
    client: Client  # of system:masters, for the sandbox itself
    applied: list[Applied]

    def wait(self, limit: float) -> None:
        """Until /readyz says so; `limit` is a monotonic time. ToolError with what it says instead."""
        try:
            wait(self.child, lambda: self.client.answers("/readyz"), limit, "get ready")
        except ToolError as late:
            said = self.client.words("/readyz") if self.child.running else ""
            raise ToolError(f"{late.message}{said and ': ' + said}", hint=late.hint) from late

    def stop(self, grace: float = 0.0) -> None:
        """End it; without grace at once, which is fine for everybody but those who wait for an answer."""
        self.child.stop(grace)

    def __enter__(self) -> ApiServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, bad: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def start(parts: Parts, name: str, setting: Setting, changes: Changed, kubeconfig: Path) -> ApiServer:
    """Start one below `setting.root` with changed flags and files, without waiting for it."""
    root = Path(setting.root)
    host = parts.host.with_files(changes.files)
    applied = serving.write_files(host, parts.keys, root, setting, changes.files.keys() | changes.before)
    wanted = serving.changed(parts.pod.flags, changes.flags)
    line, differing = serving.command(parts.tools[NAME], parts.pod, wanted, setting)
    child = Child(name, line, parts.folder.log(name))
    child.start({**environment(parts.folder.path), **({} if name == NAME else SHORT_LIVED)})
    server = f"https://127.0.0.1:{setting.ports[NAME]}"
    pki = parts.folder / "pki"
    ca = parts.folder.root / _PKI / "ca.crt"
    write_kubeconfig(kubeconfig, parts.host.name, server, ca, pki / "admin.crt", pki / "admin.key")
    log = dict(serving.read_flags(line)).get("audit-log-path")
    audit = Path(log) if log and log != "-" else None
    client = Client(server, ca, pki / "super-admin.crt", pki / "super-admin.key")
    return ApiServer(child, server, kubeconfig, audit, client, applied + differing)


def access(parts: Parts, one: ApiServer, setting: Setting) -> dict[str, Any]:
    """`state.Access` of the sandbox whose API server is `one`."""
    folder, pki = parts.folder, parts.folder.root / _PKI
    jwks = json.loads((folder / "issuer" / "jwks.json").read_bytes())
    files = {
        "kubeconfig": one.kubeconfig,
        "ca_cert": pki / "ca.crt",
        "ca_key": pki / "ca.key",
        "root": folder.root,
        "etcd_ca": pki / "etcd/ca.crt",
        "etcd_cert": pki / "apiserver-etcd-client.crt",
        "etcd_key": pki / "apiserver-etcd-client.key",
        "admin_cert": folder / "pki/admin.crt",
        "admin_key": folder / "pki/admin.key",
        "issuer_key": folder / "issuer/key.pem",
    }
    return {
        **{name: path.as_posix() for name, path in files.items()},
        "server": one.server,
        "etcd_endpoint": f"https://127.0.0.1:{setting.ports['etcd']}",
        "audit_log": one.audit_log.as_posix() if one.audit_log else "",
        "issuer_key_id": jwks["keys"][0]["kid"],
        "issuers": [i._asdict() for i in serving.issuers(parts.host)],
        "kms_keys": (folder / "kms").as_posix() if serving.kms_endpoints(parts.host) else "",
    }


def beside(setting: Setting, root: Path, port: int) -> Setting:
    """The setting of a further API server."""
    return replace(setting, root=root.as_posix(), ports={**setting.ports, NAME: port})


def write_kubeconfig(file: Path, cluster: str, server: str, ca: Path, cert: Path, key: Path) -> None:
    """A kubeconfig with everything inside, so that it can be passed on alone."""
    name = f"ringfence-{cluster}"
    data = [base64.b64encode(f.read_bytes()).decode() for f in (ca, cert, key)]
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": data[0]}}],
        "users": [{"name": name, "user": {"client-certificate-data": data[1], "client-key-data": data[2]}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600)
    file.write_text(dump(document))
