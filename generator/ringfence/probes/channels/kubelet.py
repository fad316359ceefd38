"""A kubelet of ours on loopback: what the API server shows it, and whether it takes what we show.

A node that names our address, a pod on it, and a request for the pod's log make the API server connect as for
`kubectl logs` (k8s.io/kubernetes pkg/registry/core/pod, LogLocation). Only a sandbox's API server reaches loopback.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ringfence.probes.access import KeyPair
from ringfence.probes.bases import BASES
from ringfence.probes.merge import merged
from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene

_LOOPBACK = "127.0.0.1"
_LOG = b"a line of a pod's log\n"


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when either side breaks the handshake off; the text is the API server's."""
    wanted = request["kubelet"]
    authority = scene.access.client_ca
    if authority is None:
        raise Unprovable("only a sandbox has the cluster's CA key, and a network that the API server shares with us")
    serving = _serving(scene, authority if wanted["serving"] == "cluster-ca" else None)
    clients = authority.certificate if wanted["clients"] == "cluster-ca" else _strangers(scene)
    with _listening(serving, clients) as port, _pod(scene, port) as path:
        answer = scene.admin.call("GET", f"{path}/log")
    return Outcome(not answer.ok, answer.text, answer.warnings)


def _serving(scene: Scene, authority: KeyPair | None) -> KeyPair:
    from ringfence.probes import pki

    name = "kubelet" if authority else "kubelet-self-signed"
    return pki.server_certificate(scene.folder, name, _LOOPBACK, authority)


def _strangers(scene: Scene) -> Path:
    """A CA that signed none of the API server's certificates."""
    from ringfence.probes import pki

    return pki.server_certificate(scene.folder, "strangers", "strangers", None).certificate


class _Handler(BaseHTTPRequestHandler):
    """Answers every request for a log."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(_LOG)))
        self.end_headers()
        self.wfile.write(_LOG)

    def log_message(self, format: str, *args: Any) -> None:  # as the base class names it
        """Say nothing on standard error."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that fails is what some probes want, and is told by the API server."""


@contextmanager
def _listening(serving: KeyPair, clients: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(serving.certificate, serving.key)
    context.load_verify_locations(clients)
    context.verify_mode = ssl.CERT_REQUIRED
    server = _Server((_LOOPBACK, 0), _Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _pod(scene: Scene, port: int) -> Iterator[str]:
    """A pod on a node whose kubelet listens there; its path."""
    name = scene.fixtures.fresh()
    endpoints = {"kubeletEndpoint": {"Port": port}}
    status = {"addresses": [{"type": "InternalIP", "address": _LOOPBACK}], "daemonEndpoints": endpoints}
    node = scene.fixtures.make(merged(BASES["node"], {"metadata": {"name": name}, "status": status}))
    try:
        namespace = scene.fixtures.namespace()
        change = {"metadata": {"name": name}, "spec": {"nodeName": name}}
        pod = scene.fixtures.make(scene.fill(merged(BASES["pod"], change), namespace), namespace)
        try:
            yield pod
        finally:
            scene.fixtures.discard(pod)
    finally:
        scene.fixtures.discard(node)
