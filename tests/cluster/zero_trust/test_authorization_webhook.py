"""A webhook between Node and RBAC: it refuses what RBAC grants, and while nobody answers, people are refused and controllers are not."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cluster.trees import put
from helpers import write_cluster

from ringfence import host
from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.probes import KeyPair, kubeconfig, pki
from ringfence.probes.api import Api, Credential
from ringfence.sandbox import ControlPlane
from ringfence.sandbox.apiserver import write_kubeconfig

KUBECONFIG = "/etc/kubernetes/ringfence/webhook.conf"


class Webhook(ThreadingHTTPServer):
    """Denies reads of ConfigMaps to everybody it is asked about, and has no opinion on anything else."""

    def __init__(self, serving: KeyPair, clients: Path) -> None:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked.append(review["spec"]["user"])
                denied = review["spec"].get("resourceAttributes", {}).get("resource") == "configmaps"
                review["status"] = {
                    "allowed": False,
                    "denied": denied,
                    "reason": "the webhook says no" if denied else "",
                }
                body = json.dumps(review).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None: ...

        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = asked
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(serving.certificate, serving.key)
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class Scene(NamedTuple):
    webhook: Webhook
    person: Api  # whom RBAC lets do everything
    controller: Api


def files(control_plane: ControlPlane, folder: Path, authority: KeyPair, url: str) -> dict[str, str]:
    """The AuthorizationConfiguration of a cluster with such a webhook, and the API server's kubeconfig for it."""
    control = {"params": {"webhook": url}, "reason": "a test"}
    file = write_cluster(folder, profile="zero-trust", controls={"apiserver-authz-chain": control})
    (found,) = (f for f in host.plan(Builder().build(file)).files if f.name == "authorization")
    (index,) = (i for i, a in enumerate(found.content["authorizers"]) if a["type"] == "Webhook")
    where = ("authorizers", index, "webhook", "connectionInfo", "kubeConfigFile")
    client = pki.client_certificate(folder, "api-server", "kube-apiserver", (), authority)
    write_kubeconfig(folder / "webhook.conf", "webhook", url, authority.certificate, client.certificate, client.key)
    return {found.path: dump(put(found.content, where, KUBECONFIG)), KUBECONFIG: (folder / "webhook.conf").read_text()}


@pytest.fixture(scope="module")
def scene(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("webhook")
    authority = KeyPair(Path(control_plane.access.ca_cert), Path(control_plane.access.ca_key))
    webhook = Webhook(pki.server_certificate(folder, "webhook", "127.0.0.1", authority), authority.certificate)
    url = f"https://127.0.0.1:{webhook.server_address[1]}/authorize"
    with control_plane.second_apiserver(files=files(control_plane, folder, authority, url)) as one:
        access = kubeconfig.read((one.kubeconfig,))
        scheduler = pki.client_certificate(folder, "scheduler", "system:kube-scheduler", (), authority)
        yield Scene(webhook, Api(access, None), Api(access, Credential(client=scheduler)))


def test_it_refuses_what_rbac_grants_and_leaves_the_rest_to_rbac(scene: Scene) -> None:
    refused = scene.person.call("GET", "/api/v1/namespaces/default/configmaps")
    assert refused.code == 403
    assert "the webhook says no" in refused.text
    assert scene.person.call("GET", "/api/v1/namespaces/default/services").ok
    assert "kubernetes-admin" in scene.webhook.asked


def test_nobody_asks_it_about_the_control_plane(scene: Scene) -> None:
    assert scene.controller.call("GET", "/api/v1/nodes").ok
    assert [user for user in scene.webhook.asked if user.startswith("system:")] == []


def test_while_it_does_not_answer_people_are_refused_and_controllers_are_not(scene: Scene) -> None:
    scene.webhook.close()
    assert scene.person.call("GET", "/api/v1/namespaces/default/endpoints").code in (403, 500)
    assert scene.controller.call("GET", "/api/v1/pods").ok
