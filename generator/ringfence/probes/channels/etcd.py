"""Bytes as etcd holds them, read over its JSON gateway (etcd's docs, "gRPC gateway"; on by default in 3.6)."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from ringfence.probes.access import Etcd, KeyPair
from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.resources import Resource
from ringfence.probes.scene import Scene

_SILENCE = 2.0  # seconds in which an alert would have come
# Where the key's resource is not the plural, k8s.io/kubernetes pkg/registry (ResourcePrefix) and pkg/kubeapiserver.
_PREFIXES = {
    "nodes": "minions",
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "ingresses": "ingress",
}


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when etcd doesn't let us read, or the value does not hold the wanted text."""
    wanted = request["etcd"]
    return read(scene, wanted, scene.fill(wanted["key"] or ""))


def key_of(resource: Resource, namespace: str | None, name: str) -> str:
    """The key of a built-in object."""
    place = [_PREFIXES.get(resource.plural, resource.plural), *([namespace] if namespace else []), name]
    return "/registry/" + "/".join(place)


def read(scene: Scene, wanted: Mapping[str, Any], key: str) -> Outcome:
    """What etcd holds under `key`, seen with the certificate that `wanted` names."""
    etcd = scene.access.etcd
    if etcd is None:
        raise Unprovable("only a sandbox lets its etcd be read")
    client = _client(scene, etcd, wanted["certificate"])
    server = etcd.peer if wanted["port"] == "peer" else etcd.endpoint
    alert = _alert(etcd, server, client) if client != etcd.client else ""
    if alert:
        return Outcome(True, alert)
    try:
        if wanted["port"] == "peer":
            return _version(etcd, client)
        code, found = _range(etcd, client, key)
    except urllib3.exceptions.HTTPError as bad:
        return Outcome(True, " ".join(str(bad).split()))
    if code != 200:
        return Outcome(True, f"etcd answers {code}")
    if found is None:
        return Outcome(True, f"etcd holds no {key}")
    text = scene.fill(wanted["contains"] or "")
    if text.encode() in found:
        return Outcome(False, f'etcd holds "{text}" in the clear' if text else "etcd answers")
    return Outcome(True, f'etcd holds "{_start(found)}..."')


def _client(scene: Scene, etcd: Etcd, which: str) -> KeyPair | None:
    from ringfence.probes import pki

    if which == "api-server":
        return etcd.client
    if which == "none":
        return None
    authority = scene.access.client_ca if which == "cluster-ca" else None
    if which == "cluster-ca" and authority is None:
        raise Unprovable("only a sandbox has the cluster's CA key")
    return pki.client_certificate(scene.folder, f"etcd-{which}", "kube-apiserver-etcd-client", (), authority)


def _alert(etcd: Etcd, server: str, client: KeyPair | None) -> str:
    """The alert by which etcd refuses a client certificate, in OpenSSL's words; empty when it says nothing.

    In TLS 1.3 the client's handshake is over before the server judges the certificate (RFC 8446, 4.4.2.4): the alert
    is what comes instead of an answer, and is lost when a request is written first.
    """
    address = urlsplit(server)
    place = (address.hostname or "", address.port or 2379)
    context = ssl.create_default_context(cafile=str(etcd.ca))
    if client:
        context.load_cert_chain(client.certificate, client.key)
    try:
        with (
            socket.create_connection(place, 5) as plain,
            context.wrap_socket(plain, server_hostname=place[0]) as secure,
        ):
            secure.settimeout(_SILENCE)
            secure.recv(1)
    except TimeoutError:
        return ""
    except ssl.SSLError as bad:
        return str(bad.reason or bad).replace("_", " ").lower()
    except ConnectionError as bad:
        return f"etcd closed the connection: {bad}"
    return ""


def _pool(etcd: Etcd, client: KeyPair | None) -> urllib3.PoolManager:
    options: dict[str, Any] = {"ca_certs": str(etcd.ca), "timeout": 10, "retries": False}
    if client:
        options.update(cert_file=str(client.certificate), key_file=str(client.key))
    return urllib3.PoolManager(**options)


def _version(etcd: Etcd, client: KeyPair | None) -> Outcome:
    """What a member is told of another (etcd's server/etcdserver/api/etcdhttp/peer.go)."""
    with _pool(etcd, client) as pool:
        answer = pool.request("GET", f"{etcd.peer}/version")
    return Outcome(answer.status != 200, f"etcd answers {answer.status}")


def _range(etcd: Etcd, client: KeyPair | None, key: str) -> tuple[int, bytes | None]:
    with _pool(etcd, client) as pool:
        body = json.dumps({"key": base64.b64encode(key.encode()).decode()})
        answer = pool.request("POST", f"{etcd.endpoint}/v3/kv/range", body=body)
        pairs = json.loads(answer.data).get("kvs", []) if answer.status == 200 else []
    return answer.status, base64.b64decode(pairs[0]["value"]) if pairs else None


def _start(value: bytes) -> str:
    """The first bytes as text; what an encryption provider writes before the sealed bytes is printable."""
    return "".join(chr(b) if 32 <= b < 127 else "." for b in value[:48])
