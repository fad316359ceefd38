"""What stands around the control plane where its files name it: the throwaway issuer and the KMS plugin."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ringfence.errors import ToolError
from ringfence.sandbox import ending, serving
from ringfence.sandbox.binaries import CORE, KMS, Tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.processes import module
from ringfence.sandbox.state import Folder, Record
from ringfence.sandbox.substitutions import LOOPBACK, socket_name

_MAX_SOCKET = 100  # bytes of a socket's path, unix(7)
_KMS_KEY_BYTES = 32
_KMS_KEY = "sandbox-1"


def make(folder: Folder) -> None:
    """The issuer's CA, serving certificate and signing key, and a key for the KMS plugin."""
    try:
        from ringfence.sandbox.identities import Authority
        from ringfence.sandbox.tokens import Signer
    except ImportError as bad:
        hint = "pip install cryptography kubernetes"
        raise ToolError(
            f"the sandbox makes certificates with a package that is not here: {bad.name}", hint=hint
        ) from bad

    issuer = folder / "issuer"
    authority = Authority.create("ringfence sandbox issuer CA")
    authority.server("ringfence sandbox issuer", [LOOPBACK]).write(issuer, "tls")
    (issuer / "ca.crt").write_text(authority.pem)  # its key is forgotten: nothing more is to be signed
    signer = Signer.create()
    key = issuer / "key.pem"
    key.touch(mode=0o600)
    key.write_text(signer.pem)
    (issuer / "jwks.json").write_text(json.dumps(signer.jwks()))
    kms = folder / "kms"
    kms.mkdir(mode=0o700)
    (kms / f"{_KMS_KEY}.key").write_bytes(secrets.token_bytes(_KMS_KEY_BYTES))
    (kms / "current").write_text(f"{_KMS_KEY}\n")


def issuer_ca(folder: Folder) -> str:
    """The certificate that signs the issuer's."""
    return (folder / "issuer" / "ca.crt").read_text()


def issuer_command(folder: Folder, host: HostFiles, port: int) -> list[str]:
    """The issuer's command, its documents in place; empty where the host files trust no issuer."""
    found = serving.issuers(host)
    if not found:
        return []
    issuer = folder / "issuer"
    serving.discovery(issuer / "www", found, port, json.loads((issuer / "jwks.json").read_bytes()))
    return module("ringfence.sandbox.issuer", str(issuer), str(port))


def sockets(folder: Folder, host: HostFiles, record: Record) -> str:
    """A new folder for the plugins' sockets, outside since their paths must be short; empty where none are needed.

    The one of before isn't used again: a killed plugin's socket may be in it, and after a reboot it may be anybody's.
    """
    endpoints = serving.kms_endpoints(host)
    if not endpoints:
        return ""
    ending.remove_sockets(record)
    record.sockets = tempfile.mkdtemp(prefix="ringfence-")
    folder.write(record)  # so that `down` knows it
    if max(len(f"{record.sockets}/{socket_name(e)}") for e in endpoints) > _MAX_SOCKET:
        raise ToolError(f"{record.sockets} is too long for the path of a socket", hint="set a shorter TMPDIR")
    return record.sockets


def kms_commands(folder: Folder, host: HostFiles, tools: Tools, where: str) -> Iterator[tuple[Path, list[str]]]:
    """The socket and the command of each KMS plugin that the EncryptionConfiguration names."""
    for endpoint in serving.kms_endpoints(host):
        if KMS not in tools.paths:
            raise ToolError(
                f"the EncryptionConfiguration names a KMS plugin, and {KMS} is not here", hint="`make tools`"
            )
        socket = Path(where, socket_name(endpoint))
        yield socket, [str(tools[KMS]), "--listen", str(socket), "--keys", str(folder / "kms")]


def needed(host: HostFiles, *, scheduler: bool) -> tuple[str, ...]:
    """The programs that a sandbox of these host files runs."""
    kms = (KMS,) if serving.kms_endpoints(host) else ()
    return (*CORE, *(("kube-scheduler",) if scheduler else ()), *kms)
