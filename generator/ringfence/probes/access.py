"""What an environment offers to probes: a way in, and where it is a sandbox, the keys and files behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both files in PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Etcd:
    """etcd's addresses, the CA that signs it, and the client certificate that the API server shows."""

    endpoint: str  # https://host:port, for clients
    peer: str  # and for other members
    ca: Path
    client: KeyPair


@dataclass(frozen=True, slots=True)
class Issuer:
    """An OIDC issuer whose signing key is at hand, and the claims that make a good token of it."""

    url: str
    audience: str
    key: Path  # RSA or P-256, PEM
    key_id: str
    claims: tuple[tuple[str, object], ...] = ()  # further claims of a good token, such as an MFA claim
    lifetime: int = 300  # seconds
    backdated: int = 0  # seconds from the moment a token is signed back to its iat


@dataclass(frozen=True)
class Access:
    """A running cluster and who we are in it. Everything optional is what only a sandbox has."""

    name: str  # as messages call it: `context "prod"`, `the sandbox "default"`
    server: str  # https://host:port, perhaps with a path
    ca: Path | None = None
    verify: bool = True
    server_name: str | None = None  # in the handshake, where it is not the host
    proxy: str | None = None
    client: KeyPair | None = None
    authorization: Callable[[], str | None] = lambda: None  # header of the moment; exec plugins renew it
    client_ca: KeyPair | None = None  # signs client certificates that the API server takes
    issuer: Issuer | None = None
    etcd: Etcd | None = None
    audit_log: Path | None = None
    root: Path | None = None  # the host's file system
    version: str | None = None  # the minor that a sandbox runs in place of cluster.yaml's, such as "1.36"
