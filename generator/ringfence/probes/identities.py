"""Who asks: credentials made for the run, as far as the environment lets us."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ringfence.probes.access import Access
from ringfence.probes.api import Api, Credential
from ringfence.probes.fixtures import Fixtures
from ringfence.probes.outcome import Unprovable

_SA = "system:serviceaccount:"
_AUTHENTICATED = "system:authenticated"
_TOKEN = 600  # seconds that a token lives, the shortest that an API server gives; it is made anew after half of them


@dataclass(frozen=True)
class Actor:
    """Somebody: the user and groups they are to the API server, and their connection, or why there is none."""

    user: str | None  # None where only the API server could tell
    groups: tuple[str, ...] = ()
    api: Api | None = None
    lacking: str = ""

    def connection(self) -> Api:
        """Their connection; raises Unprovable when they can't be had here."""
        if self.api is None:
            raise Unprovable(self.lacking)
        return self.api


class Identities:
    """Actors by what a probe calls them; each is made once a run, and again before its token expires."""

    def __init__(self, access: Access, admin: Api, fixtures: Fixtures, folder: Path) -> None:
        self._access, self._admin, self._fixtures, self._folder = access, admin, fixtures, folder
        self._known: dict[str, Actor] = {}
        self._until: dict[str, float] = {}  # time.monotonic()

    def named(self, who: str, prefix: str, groups: tuple[str, ...]) -> Actor:
        """The actor that a word stands for; `groups` are a persona's, `prefix` the identity provider's."""
        word, _, other = who.partition(" as ")
        if other:
            return self._acting(self.named(word, prefix, groups), other)
        if who == "admin":
            return Actor(None, api=self._admin)
        if who == "anonymous":
            return self._once(who, lambda: Actor("system:anonymous", ("system:unauthenticated",), self._with()))
        if who.startswith(_SA):
            return self._account(*who.removeprefix(_SA).split(":", 1))
        if who.startswith("node:"):
            return self._user(f"system:node:{who.removeprefix('node:')}", ("system:nodes",))
        return self._user(f"{prefix}ringfence-probe-{who}", groups)

    def made(self, who: Mapping[str, Any]) -> Actor:
        """The actor that a mapping describes."""
        if who["rules"]:
            name = self._fixtures.bound_account(who["rules"])
            return self._account(self._fixtures.namespace(), name)
        if who["service_account"]:
            return self._fresh_account(
                *who["service_account"].split("/", 1), deleted=who["deleted"], audience=who["audience"]
            )
        if who["jwt"] is not None:
            return self._jwt(who["jwt"], stranger=who["signed_by"] == "stranger")
        if who["certificate"]:
            return self._bad_certificate(who["certificate"])
        if who["token"]:
            return Actor(None, api=self._with(bearer=who["token"]))
        return self._user(who["user"] or "ringfence-probe", tuple(who["groups"]))

    def _once(self, key: str, make: Callable[[], Actor], lasting: float = math.inf) -> Actor:
        """The actor of a key, made when it is first asked for, and anew after `lasting` seconds."""
        now = time.monotonic()
        if self._until.get(key, 0.0) <= now:
            old = self._known.pop(key, None)
            if old and old.api:
                old.api.close()
            self._known[key], self._until[key] = make(), now + lasting
        return self._known[key]

    def _with(self, **credential: Any) -> Api:
        return Api(self._access, Credential(**credential))

    def _user(self, user: str, groups: tuple[str, ...]) -> Actor:
        """A user by a client certificate; without the cluster's client CA, one that can only be asked about."""
        everyone = (*groups, _AUTHENTICATED)
        authority = self._access.client_ca
        if authority is None:
            return Actor(user, everyone, None, f"only a sandbox can make a certificate for the user {user}")

        def make() -> Actor:
            from ringfence.probes import pki

            name = hashlib.sha256(json.dumps([user, groups]).encode()).hexdigest()[:16]
            client = pki.client_certificate(self._folder, name, user, groups, authority)
            return Actor(user, everyone, self._with(client=client))

        return self._once(f"user {user} {groups}", make)

    def _account(self, namespace: str, name: str) -> Actor:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", _AUTHENTICATED)

        def make() -> Actor:
            return Actor(f"{_SA}{namespace}:{name}", groups, self._with(bearer=self._token(namespace, name)))

        return self._once(f"account {namespace}/{name}", make, lasting=_TOKEN / 2)

    def _fresh_account(self, namespace: str, name: str, *, deleted: bool, audience: str | None) -> Actor:
        """An account made for the pair; one that is deleted is made anew each time, with a token of its own."""
        self._fixtures.service_account(namespace, name)
        bearer = self._token(namespace, name, [audience] if audience else [])
        if deleted:
            self._fixtures.forget_account(namespace, name)
        return Actor(f"{_SA}{namespace}:{name}", (), self._with(bearer=bearer))

    def _token(self, namespace: str, name: str, audiences: Sequence[str] = ()) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        spec = {"expirationSeconds": _TOKEN, **({"audiences": audiences} if audiences else {})}
        answer = self._admin.call(
            "POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        )
        if not answer.ok:
            raise Unprovable(f"no token for ServiceAccount {namespace}/{name}: {answer.text}")
        return str(answer.data["status"]["token"])

    def _jwt(self, changes: Mapping[str, Any], *, stranger: bool) -> Actor:
        from ringfence.probes import pki

        issuer = self._access.issuer
        if issuer is None:
            raise Unprovable("only a sandbox has the key of its OIDC issuer")
        return Actor(None, api=self._with(bearer=pki.token(issuer, changes, stranger=stranger)))

    def _bad_certificate(self, kind: str) -> Actor:
        from ringfence.probes import pki

        authority = self._access.client_ca if kind == "expired" else None
        if kind == "expired" and authority is None:
            raise Unprovable("only a sandbox can make an expired certificate of its own CA")

        def make() -> Actor:
            groups = ("system:masters",)
            client = pki.client_certificate(
                self._folder, kind, "ringfence-probe", groups, authority, expired=kind == "expired"
            )
            return Actor("ringfence-probe", groups, self._with(client=client))

        return self._once(f"certificate {kind}", make)

    def _acting(self, actor: Actor, other: str) -> Actor:
        api = actor.connection()
        credential = api.credential
        if credential is None:
            raise Unprovable("the kubeconfig's own identity impersonates nobody")
        return self._once(
            f"{actor.user} {actor.groups} as {other}",
            lambda: Actor(None, api=self._with(client=credential.client, bearer=credential.bearer, acts_as=other)),
            lasting=_TOKEN / 2,
        )

    def close(self) -> None:
        """Let go of every connection."""
        for actor in self._known.values():
            if actor.api:
                actor.api.close()
