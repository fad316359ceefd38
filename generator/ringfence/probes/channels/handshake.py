"""TLS handshakes of our own making."""

from __future__ import annotations

import socket
import ssl
import warnings
from urllib.parse import urlsplit

from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene

_VERSIONS = {
    "TLSv1.0": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when the server breaks the handshake off; its words are OpenSSL's."""
    wanted = request["tls"]
    if scene.access.proxy and wanted["server"] == "api":
        raise Unprovable("a handshake of our own goes through no proxy; somewhere without one would show it")
    address = urlsplit(_server(scene, wanted["server"]))
    host, port = address.hostname or "", address.port or 443
    context = _context(wanted["min"], wanted["max"], wanted["ciphers"])
    try:
        with (
            socket.create_connection((host, port), 5) as plain,
            context.wrap_socket(plain, server_hostname=scene.access.server_name or host) as secure,
        ):
            cipher = secure.cipher()
            return Outcome(False, f"{secure.version()} with {cipher[0] if cipher else '?'}")
    except ssl.SSLError as bad:
        words = str(bad.reason or bad).replace("_", " ").lower()
        if "no protocols available" in words or "no ciphers available" in words:
            raise Unprovable(f"this machine's OpenSSL can't offer {wanted['max']}: {words}") from None
        return Outcome(True, words)
    except ConnectionError as bad:
        return Outcome(True, f"the server closed the connection: {bad}")
    except OSError as bad:
        raise Unprovable(f"no connection to {host}:{port} for a handshake of our own: {bad}") from None


def _server(scene: Scene, which: str) -> str:
    if which == "api":
        return scene.access.server
    if scene.access.etcd is None:
        raise Unprovable("only a sandbox tells where its etcd is")
    return scene.access.etcd.endpoint


def _context(lowest: str, highest: str, ciphers: str | None) -> ssl.SSLContext:
    """A client that offers even what is not safe: the server is to decide."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.set_ciphers(f"{ciphers or 'ALL'}:@SECLEVEL=0")
    except ssl.SSLError:
        raise Unprovable(f"this machine's OpenSSL knows none of the suites {ciphers}") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions, which is why we offer them
        context.minimum_version, context.maximum_version = _VERSIONS[lowest], _VERSIONS[highest]
    return context
