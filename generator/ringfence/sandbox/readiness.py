"""Waiting for components to answer, and the few requests that a sandbox makes itself."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ringfence.errors import ToolError
from ringfence.sandbox.processes import Child, last_lines

_STEP = 0.05  # seconds before a second look
_LONGEST = 0.25  # and at most between two: each of an API server costs both sides a handshake
_REQUEST = 5.0  # seconds for one
ADMINS = "kubeadm:cluster-admins"


class Client:
    """Requests to an API server with a client certificate."""

    def __init__(self, server: str, ca: Path, cert: Path, key: Path) -> None:
        self._where = urlsplit(server).netloc
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.load_cert_chain(cert, key)

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        """Status and body; OSError when nobody answers."""
        connection = http.client.HTTPSConnection(self._where, context=self._context, timeout=_REQUEST)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self, path: str) -> bool:
        """Does a GET of `path` give 200? ToolError when somebody else answers."""
        try:
            return self.request("GET", path)[0] == 200
        except ssl.SSLCertVerificationError as bad:
            raise ToolError(
                f"the API server at {self._where} shows a certificate that its CA did not sign: {bad.verify_message}",
                hint="look at tls-cert-file and tls-private-key-file in host/kubeadm.yaml",
            ) from bad
        except (OSError, http.client.HTTPException):
            return False

    def words(self, path: str) -> str:
        """What a GET of `path` gives: the status, and what a health check says of itself; empty when nobody answers."""
        try:
            status, body = self.request("GET", path)
        except (OSError, http.client.HTTPException):
            return ""
        failing = [line for line in body.decode(errors="replace").splitlines() if line.startswith("[-]")]
        return " ".join((str(status), http.client.responses.get(status, ""), *failing))

    def admit_admins(self) -> None:
        """Bind kubeadm's group of administrators, as `kubeadm init` does once the API server answers.

        Source: cmd/kubeadm/app/phases/kubeconfig, EnsureAdminClusterRoleBinding.
        """
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ADMINS},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": ADMINS}],
        }
        self.ensure("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", body)

    def ensure(self, collection: str, body: Any) -> None:
        """Make an object where there is none; ToolError with the API server's refusal.

        What is there is not made again: policies that came since may refuse it, as they would somebody else's.
        """
        name = body["metadata"]["name"]
        if self.answers(f"{collection}/{name}"):
            return
        status, answer = self.request("POST", collection, body)
        if status not in (201, 409):
            said = answer[:600].decode(errors="replace")
            raise ToolError(f"the API server refused the sandbox's own {body['kind']} {name}", hint=f"{status}: {said}")


def wait(child: Child, ready: Callable[[], bool], limit: float, what: str = "answer") -> None:
    """Until `ready()`; ToolError with the last log lines when the component ends or `limit` (monotonic) passes.

    An answer counts while the component runs: somebody else may have taken its port and answer there.
    """
    pause = _STEP
    while True:
        answered = ready()
        if not child.running:
            raise child.failure()
        if answered:
            return
        if time.monotonic() > limit:
            lines = last_lines(child.output())
            raise ToolError(
                f"{child.name} did not {what} in time", hint=f"its log {child.log.as_posix()} ends in\n{lines}"
            )
        time.sleep(pause)
        pause = min(pause * 1.2, _LONGEST)


def listens(port: int) -> Callable[[], bool]:
    """Does somebody accept connections on this port of loopback?"""

    def check() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return check


def healthy(port: int, path: str, *, tls: bool) -> Callable[[], bool]:
    """Does a component on loopback give 200 for its health path? Its serving certificate is one of its own."""

    def check() -> bool:
        connection: http.client.HTTPConnection
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=_REQUEST)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_REQUEST)
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return check
