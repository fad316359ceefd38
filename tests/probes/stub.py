"""A stand-in for an API server: what it serves, and answers that a test decides. Objects that are made stay until deleted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ringfence.probes import Access

Answer = tuple[int, Any, dict[str, str]] | tuple[int, Any]
SERVED = {
    "": {"v1": {"pods": "Pod", "configmaps": "ConfigMap", "namespaces": "Namespace", "serviceaccounts": "ServiceAccount"}},
    "rbac.authorization.k8s.io": {"v1": {"clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding"}},
    "internal.apiserver.k8s.io": {"v1alpha1": {"storageversions": "StorageVersion"}},
}  # fmt: skip
CLUSTER_WIDE = {"namespaces", "clusterroles", "clusterrolebindings", "storageversions"}


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"


@dataclass
class Stub:
    """`decide` gives an answer, or None for the usual one."""

    decide: Callable[[Asked], Answer | None] = lambda asked: None
    version: str = "v1.36.4"
    objects: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    denied: set[tuple[str, str]] = field(default_factory=set)  # verb, resource that we have no right to
    server: str = ""

    @property
    def access(self) -> Access:
        return Access("the stub", self.server)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.decide(asked) or self._usual(asked)

    def _usual(self, asked: Asked) -> Answer:
        if asked.path == "/version":
            return 200, {"gitVersion": self.version}
        if asked.path in ("/api", "/apis"):
            return 200, {"items": [_group(g, v) for g, v in SERVED.items() if (g == "") is (asked.path == "/api")]}
        if asked.path.endswith("selfsubjectaccessreviews"):
            wanted = next(iter(asked.body["spec"].values()))
            what = wanted.get("path") or "/".join(filter(None, (wanted["resource"], wanted.get("subresource"))))
            return 201, {"status": {"allowed": (wanted["verb"], what) not in self.denied}}
        if asked.path.endswith("/token"):
            return 201, {"status": {"token": "a-token"}}
        return self._store(asked)

    def _store(self, asked: Asked) -> Answer:
        if asked.method == "POST":
            path = f"{asked.path}/{asked.body['metadata']['name']}"
            if not asked.dry:
                self.objects[path] = asked.body
            return 201, asked.body
        if asked.method == "DELETE":
            if asked.path not in self.objects:
                return refusal(404, "NotFound", "gone")
            body = self.objects.pop(asked.path)
            return 200, body if body["metadata"].get("finalizers") else {"kind": "Status", "status": "Success"}
        return (200, self.objects[asked.path]) if asked.path in self.objects else refusal(404, "NotFound", "not there")


def refusal(code: int, reason: str, message: str) -> Answer:
    """A refusal as the API server words it."""
    return code, {"kind": "Status", "apiVersion": "v1", "reason": reason, "message": message, "code": code}


def _group(name: str, versions: dict[str, dict[str, str]]) -> dict[str, Any]:
    found = []
    for version, resources in versions.items():
        served = [
            {"resource": r, "responseKind": {"kind": k}, "scope": "Cluster" if r in CLUSTER_WIDE else "Namespaced"}
            for r, k in resources.items()
        ]
        found.append({"version": version, "resources": served})
    return {"metadata": {"name": name} if name else {}, "versions": found}


@contextmanager
def serving(stub: Stub) -> Iterator[Stub]:
    """The stub on a port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            url = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            query = {k: v[0] for k, v in parse_qs(url.query).items()}
            answer = stub.answer(Asked(self.command, url.path, query, body, dict(self.headers)))
            data = json.dumps(answer[1]).encode()
            self.send_response(answer[0])
            for name, value in (answer[2] if len(answer) > 2 else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    stub.server = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
