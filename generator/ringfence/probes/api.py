"""A thin request layer: one identity's connection to an API server, and answers whole with code, body and headers.

Not the Kubernetes client's: a probe must see warnings, audit ids and refusals as they come, of any kind there is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from ringfence.errors import ToolError
from ringfence.probes.access import Access, KeyPair
from ringfence.verdict import readable

_TIMEOUT = urllib3.Timeout(connect=5, read=30)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `text` is what reasons are looked for in."""

    code: int
    body: bytes
    headers: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Was the request carried out?"""
        return self.code < 300

    @property
    def data(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def text(self) -> str:
        """`<code> <reason>: <message>` of a refusal, `<code>` of success; readable, whatever the server sent."""
        if self.ok:
            return str(self.code)
        data = self.data
        if isinstance(data, dict) and data.get("kind") == "Status":
            return readable(f"{self.code} {data.get('reason', '')}: {data.get('message', '')}")
        words = " ".join(self.body[:300].decode("utf-8", "replace").split())
        return readable(f"{self.code} {_PHRASES.get(self.code, '')}: {words}")


_PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Credential:
    """How somebody shows who they are: a client certificate, a bearer header, somebody to act as; or nothing."""

    client: KeyPair | None = None
    bearer: str | None = None
    acts_as: str | None = None  # Impersonate-User


class Api:
    """One identity's connection, kept open."""

    def __init__(self, access: Access, credential: Credential | None) -> None:
        """`credential` None is the kubeconfig's own identity."""
        client = access.client if credential is None else credential.client
        tls = {
            "cert_reqs": "CERT_REQUIRED" if access.verify else "CERT_NONE",
            "ca_certs": str(access.ca) if access.ca else None,
            "cert_file": str(client.certificate) if client else None,
            "key_file": str(client.key) if client else None,
        }
        if access.server_name:
            tls["server_hostname"] = tls["assert_hostname"] = access.server_name
        options: dict[str, Any] = {**tls, "timeout": _TIMEOUT, "retries": False, "maxsize": 8}
        self._pool = (
            urllib3.ProxyManager(access.proxy, **options) if access.proxy else urllib3.PoolManager(8, **options)
        )
        self._access, self.credential = access, credential

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Answer:
        """One request. Raises ToolError when there is no answer at all."""
        url = self._access.server.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "User-Agent": "ringfence-verify", **self._identity()}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), content
        try:
            got = self._pool.request(method, url, body=data, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as bad:
            raise unreachable(self._access, bad) from None
        return Answer(got.status, got.data, got.headers, tuple(_warnings(got.headers)))

    def _identity(self) -> dict[str, str]:
        if self.credential is None:
            bearer = self._access.authorization()
            return {"Authorization": bearer} if bearer else {}
        headers = {"Authorization": f"Bearer {self.credential.bearer}"} if self.credential.bearer else {}
        if self.credential.acts_as:
            headers["Impersonate-User"] = self.credential.acts_as
        return headers

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()


def _warnings(headers: Any) -> list[str]:
    """Texts of `Warning: 299 - "text"` headers (RFC 7234, 5.5)."""
    found = headers.getlist("Warning") if hasattr(headers, "getlist") else []
    return [readable(w.partition('"')[2].rpartition('"')[0].replace('\\"', '"')) for w in found]


def unreachable(access: Access, bad: Exception) -> ToolError:
    """No answer, as one error: what stood in the way, and what to look at."""
    reason = getattr(bad, "reason", None) or bad
    words = " ".join(str(reason).split())
    where = f"{access.name} at {access.server}"
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return ToolError(
            f"{where}: the server's certificate is not from the kubeconfig's certificate authority"
            f" ({words.rpartition('CERTIFICATE_VERIFY_FAILED] ')[2].partition(' (_ssl')[0] or words})",
            hint="the cluster was made anew, or something sits in between: fetch its kubeconfig again",
        )
    if "certificate expired" in words:
        return ToolError(f"{where}: the client certificate has expired", hint="renew the kubeconfig's certificate")
    if "refused" in words:
        return ToolError(
            f"{where} does not answer: connection refused", hint="is it running, and is this its address and port?"
        )
    if isinstance(bad, urllib3.exceptions.TimeoutError) or "timed out" in words:
        return ToolError(
            f"{where} does not answer: timed out", hint="is it running, and reachable from here (VPN, proxy, firewall)?"
        )
    if "resolve" in words or "Name or service" in words:
        return ToolError(f"{where}: its name does not resolve", hint="look at `server` in the kubeconfig")
    return ToolError(f"{where} does not answer: {words}", hint="look at `server` in the kubeconfig")
