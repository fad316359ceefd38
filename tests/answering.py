"""As much of an API server as a pre-flight asks for, and kubeconfigs that lead to it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from ringfence.documents import dump
from ringfence.sinks.pulumi.connecting import Connection

KINDS = {
    "/api/v1": ["Namespace", "ResourceQuota", "LimitRange", "ServiceAccount"],
    "/apis/networking.k8s.io/v1": ["NetworkPolicy"],
    "/apis/rbac.authorization.k8s.io/v1": ["ClusterRoleBinding", "Role", "RoleBinding"],
}


class Server:
    """An API server that answers as it is told to."""

    def __init__(self) -> None:
        self.version = {"major": "1", "minor": "36+"}
        self.held: dict[str, list[dict[str, Any]]] = {}  # path -> metadata of the objects
        self.status: dict[str, int] = {}  # path -> what to answer instead
        self.asked: list[str] = []
        self.page = 500
        self.whole = False  # was more than metadata asked for?
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                outer.asked.append(self.path)
                outer.whole = "PartialObjectMetadata" not in self.headers["Accept"]
                status, body = outer.answer(path, query)
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None: ...

        self._http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def answer(self, path: str, query: str) -> tuple[int, Any]:
        if path in self.status:
            return self.status[path], {}
        if path == "/version":
            return 200, self.version
        if path in KINDS:
            return 200, {"resources": [{"kind": k, "name": plural(k)} for k in KINDS[path]]}
        if path.startswith(tuple(KINDS)):
            items = self.held.get(path, [])
            start = int(query.rpartition("continue=")[2]) if "continue=" in query else 0
            end = start + self.page
            more = {"continue": str(end)} if end < len(items) else {}
            role = {"roleRef": {"kind": "ClusterRole", "name": "view"}} if self.whole else {}
            return 200, {"items": [{"metadata": m, **role} for m in items[start:end]], "metadata": more}
        return 404, {}

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def plural(kind: str) -> str:
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"


def kubeconfig(folder: Path, url: str, *contexts: str, **others: str) -> Connection:
    """A kubeconfig with contexts of one server, and with `others`, each of the server whose URL is given."""
    names = contexts or ("only",)
    urls = {**dict.fromkeys(names, url), **others}
    file = folder / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": n, "cluster": {"server": u}} for n, u in urls.items()],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": n, "context": {"cluster": n, "user": "u"}} for n in urls],
        "current-context": names[0],
    }
    file.write_text(dump(document), encoding="utf-8")
    return Connection(kubeconfig=str(file))
