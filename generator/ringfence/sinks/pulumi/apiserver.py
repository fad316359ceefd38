"""What an API server holds already, read before anything is registered. Nothing is ever written here.

Lists carry metadata alone (`PartialObjectMetadataList`), a page at a time. Of no kind but bindings, whose role decides
whether they can stay, is any body read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ringfence.errors import ToolError
from ringfence.schemas import SUPPORTED
from ringfence.shape import Manifest
from ringfence.sinks.pulumi.connecting import Connection, connect, plain
from ringfence.sinks.pulumi.registration import Key, key_of
from ringfence.sinks.pulumi.treatment import STACK_ANNOTATION, patched

_CONNECT, _READ = 5, 30  # seconds; a server that takes longer is not there for a person who waits
_PAGE = 500
_JSON = "application/json"
_BINDINGS = ("ClusterRoleBinding", "RoleBinding")
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True, slots=True)
class Present:
    """An object on the cluster: whose stack it belongs to, and who else says that it is theirs."""

    stack: str  # "" when no stack of ringfence's made it
    manager: str  # app.kubernetes.io/managed-by; "" when unsaid
    role: str = ""  # what a binding binds, which can't be changed in place, as `role_of` spells it


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read: the server's version, our objects that are there, and kinds that it does not serve."""

    version: str  # "1.36"
    present: Mapping[Key, Present]
    unserved: frozenset[tuple[str, str]]  # apiVersion, kind


def snapshot(objects: Iterable[Manifest], connection: Connection) -> Snapshot:
    """Which of these objects exist; raises ToolError, saying what to mend, when that can't be read."""
    server = _Server(connection)
    try:
        return _read(server, list(objects))
    finally:
        server.close()


def _read(server: _Server, objects: list[Manifest]) -> Snapshot:
    version = server.version()
    wanted = {key_of(m) for m in objects if not patched(m)}
    present: dict[Key, Present] = {}
    unserved: set[tuple[str, str]] = set()
    kinds: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in objects:
        kinds.setdefault((manifest.shape.api_version, manifest.kind), []).append(manifest)
    for (api_version, kind), found in kinds.items():
        resource = server.resource(api_version, kind)
        if resource is None:
            unserved.add((api_version, kind))
            continue
        namespaces = {m.namespace for m in found if not patched(m)}
        if not namespaces:
            continue
        only = namespaces.pop() if len(namespaces) == 1 else ""  # ask for no more than is needed
        for body in server.list(api_version, resource, only, whole=kind in _BINDINGS):
            metadata = body["metadata"]
            key = (api_version.rpartition("/")[0], kind, metadata.get("namespace", ""), metadata["name"])
            if key in wanted:
                present[key] = _present(body)
    return Snapshot(version, present, frozenset(unserved))


def role_of(body: Mapping[str, Any]) -> str:
    """The role that a binding binds, as `Kind/name`; empty for everything else."""
    bound = body.get("roleRef")
    return f"{bound['kind']}/{bound['name']}" if bound else ""


def _present(body: Mapping[str, Any]) -> Present:
    metadata = body["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    managed = labels.get("app.kubernetes.io/managed-by", "")
    return Present(annotations.get(STACK_ANNOTATION, ""), managed, role_of(body))


class _Server:
    """GET requests to one API server; every failure is one error that says what to type next."""

    def __init__(self, connection: Connection) -> None:
        self._client, self._where = connect(connection)
        self._resources: dict[str, dict[str, str] | None] = {}  # apiVersion -> kind -> plural

    def close(self) -> None:
        self._client.close()

    def version(self) -> str:
        """Major and minor; raises ToolError for a server older than ringfence knows."""
        data = self._get("/version")
        minor = "".join(c for c in str(data["minor"]) if c.isdigit())
        version = f"{data['major']}.{minor}"
        if _number(version) < _number(SUPPORTED[0]):
            raise ToolError(
                f"{self._where} is Kubernetes {version}; ringfence knows {SUPPORTED[0]} and later",
                hint="upgrade the cluster",
            )
        return version

    def resource(self, api_version: str, kind: str) -> str | None:
        """The plural under which the server serves a kind; None when it doesn't."""
        if api_version not in self._resources:
            path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            data = self._get(path, missing={"resources": []})
            plurals = {r["kind"]: r["name"] for r in data["resources"] if "/" not in r["name"]}
            self._resources[api_version] = plurals
        return (self._resources[api_version] or {}).get(kind)

    def list(self, api_version: str, resource: str, namespace: str, *, whole: bool) -> Iterator[dict[str, Any]]:
        """Every object of a kind, in one namespace or everywhere; no more than its metadata, unless `whole`."""
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        path = f"{root}/namespaces/{quote(namespace)}/{resource}" if namespace else f"{root}/{resource}"
        grant = (api_version.rpartition("/")[0], resource)
        proceed = ""
        while True:
            page = self._get(f"{path}?limit={_PAGE}{proceed}", grant=grant, accept=_JSON if whole else _METADATA)
            yield from page.get("items") or ()
            if not (token := page.get("metadata", {}).get("continue")):
                return
            proceed = f"&continue={quote(token)}"

    def _get(
        self, path: str, missing: Any = None, grant: tuple[str, str] | None = None, accept: str = _METADATA
    ) -> Any:
        status, data = self._answer(path, accept)
        if status == 404 and missing is not None:
            return missing
        if status == 401:
            raise _unauthorized(self._client.configuration, self._where)
        if status == 403 and grant:
            rule = f'apiGroups: ["{grant[0]}"], resources: ["{grant[1]}"], verbs: ["get", "list"]'
            raise ToolError(f"{self._where} forbids to list {grant[1]}", hint=f"grant the rule {{{rule}}}")
        if status != 200:
            raise ToolError(f"{self._where} answers {path} with {status}", hint="see the API server's log")
        try:
            return json.loads(data)
        except ValueError as bad:
            raise ToolError(
                f"{self._where} answers {path} with something that is no JSON", hint="is this an API server?"
            ) from bad

    def _answer(self, path: str, accept: str) -> tuple[int, bytes]:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        headers = {"Accept": accept}
        request = self._client.param_serialize("GET", path, header_params=headers, auth_settings=["BearerToken"])
        try:
            response = self._client.call_api(*request, _request_timeout=(_CONNECT, _READ))
            return response.status, response.read()
        except (ApiException, HTTPError, OSError) as bad:
            reason = getattr(bad, "reason", None) or bad
            raise ToolError(
                f"can't reach {self._where}: {plain(reason)}",
                hint="start it, or choose another with `pulumi config set kubernetes:context NAME`",
            ) from bad


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _unauthorized(settings: Any, where: str) -> ToolError:
    """The server does not know who asks; an expired client certificate is the usual reason, and is named."""
    if ended := _certificate_end(settings.cert_file):
        return ToolError(f"{where} refuses the client certificate: it expired on {ended}", hint="renew the kubeconfig")
    return ToolError(f"{where} refuses the credentials (401)", hint="log in again, or renew the kubeconfig")


def _certificate_end(file: str | None) -> str | None:
    """The day on which a client certificate expired; None while it holds, or when there is none to read."""
    import datetime

    try:
        from cryptography import x509

        end = x509.load_pem_x509_certificate(Path(file or "").read_bytes()).not_valid_after_utc
    except (ImportError, OSError, ValueError):
        return None
    return end.date().isoformat() if end < datetime.datetime.now(datetime.UTC) else None
