"""Requests for API objects, as they are: real ones, or dry runs for writes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ringfence.probes import expectations
from ringfence.probes.api import Answer, Api
from ringfence.probes.channels import etcd
from ringfence.probes.merge import merged
from ringfence.probes.outcome import Outcome
from ringfence.probes.pairs import Request
from ringfence.probes.resources import Resource
from ringfence.probes.scene import Scene

_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "connect": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "apply": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
_WRITES = ("create", "update", "patch", "apply", "delete", "deletecollection")
_COLLECTIONS = ("list", "watch", "deletecollection")
# Streams: admission is asked before the pod or node is. That it is not there, or that we speak plain HTTP to it, is
# what a request that passed is told.
_STREAMS = ("exec", "attach", "portforward", "proxy")
_PASSED = (400, 404, 500, 502, 503)
_AT_ONCE = 8  # requests of a flood, as many as a connection pool holds
# Unless a webhook is what answers so: by 500 when it can't be asked, by 400 when it refuses and names no code.
_WEBHOOKS = re.compile(
    r'(Internal error occurred: failed calling webhook|admission webhook "[^"]*" denied the request)'
)
_UNSAVED = ("token",)  # and reviews: nothing is stored, and a dry run would answer nothing


class _Target(NamedTuple):
    """An object's place."""

    resource: Resource
    sub: str
    namespace: str | None
    name: str

    def path(self, *, collection: bool) -> str:
        if collection:
            return self.resource.path(self.namespace)
        return self.resource.path(self.namespace, self.name, self.sub)


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused on any answer over 299, or when what came back, was audited, or lies in etcd is not as expected."""
    verb = request["verb"]
    resource, sub = scene.resources.find(request["resource"])
    namespace = scene.namespace(request) if resource.namespaced else None
    body, name = scene.body(request)
    target = _Target(resource, sub, namespace, name)
    api = scene.actor(request).connection()
    start = scene.audit_position()
    query = _query(request, target)
    stays = verb == "create" and not sub and "dryRun" not in query and not resource.kind.endswith("Review")
    created: list[str] = []

    def once(one: _Target) -> Outcome:
        whole = merged(body, {"metadata": {"name": one.name}}) if body else None
        if not stays:
            return _judge(scene, request, _send(api, verb, one, whole, query), start, one)
        answer, noted = _make(scene, api, one, whole, query)
        if answer.ok and (noted or not request["times"]):  # the next try makes it again
            created.append(one.path(collection=False))
        return _judge(scene, request, answer, start, one)

    try:
        if not request["times"]:
            return once(target)
        return _flood(once, (target._replace(name=scene.fixtures.fresh()) for _ in range(request["times"])))
    finally:
        for path in created:
            scene.fixtures.discard(path)


def _flood(once: Callable[[_Target], Outcome], targets: Iterator[_Target]) -> Outcome:
    """Some requests at a time: one after another would be slower than a limit where every answer comes from afar."""
    outcome = Outcome(True, "nothing was sent")
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while several := list(itertools.islice(targets, _AT_ONCE)):
            outcomes = list(pool.map(once, several))
            outcome = next((o for o in outcomes if o.refused), outcomes[-1])
            if outcome.refused:
                break
    return outcome


def _make(
    scene: Scene, api: Api, target: _Target, body: Mapping[str, Any] | None, query: Mapping[str, str]
) -> tuple[Answer, bool]:
    """Create an object that stays until it is discarded; False when it goes with the run's own namespace anyway."""
    path, fixtures = target.path(collection=False), scene.fixtures
    noted = fixtures.note(path, target.namespace)  # before the request: an interrupt may fall between it and its answer
    answer = _send(api, "create", target, fixtures.labelled(body or {}), query)
    if noted and not answer.ok:
        fixtures.forget(path)
    return answer, noted


def _query(request: Request, target: _Target) -> dict[str, str]:
    verb = request["verb"]
    if target.sub in _STREAMS:
        return {"command": "true", "stdout": "true"} if target.sub in ("exec", "attach") else {}
    if verb == "watch":
        return {"watch": "1", "timeoutSeconds": "1"}
    if verb not in _WRITES:
        return {}
    query = {"fieldManager": "ringfence-verify"} if verb in ("create", "update", "patch", "apply") else {}
    if verb in ("create", "update", "patch"):
        query["fieldValidation"] = "Strict"  # a misspelt probe must not pass for an admitted one
    if verb == "apply":
        query["force"] = "true"
    unsaved = target.sub in _UNSAVED or target.resource.kind.endswith("Review")
    real = request["dry_run"] is False or request["etcd"] is not None or unsaved
    return query if real else {**query, "dryRun": "All"}


def _send(api: Api, verb: str, target: _Target, body: Mapping[str, Any] | None, query: Mapping[str, str]) -> Answer:
    collection = verb in _COLLECTIONS or (verb == "create" and not target.sub)
    if verb in ("delete", "deletecollection"):
        body = None
    content = {"patch": "application/merge-patch+json", "apply": "application/apply-patch+yaml"}
    return api.call(
        _METHODS[verb],
        target.path(collection=collection),
        None if verb in ("get", "list", "watch") else body,
        query,
        content=content.get(verb, "application/json"),
    )


def _of_webhook(answer: Answer) -> bool:
    """Is an answer an admission webhook's, or one about it?"""
    status = answer.data
    return isinstance(status, dict) and bool(_WEBHOOKS.match(str(status.get("message", ""))))


def _judge(scene: Scene, request: Request, answer: Answer, start: int, target: _Target) -> Outcome:
    streamed = target.sub in _STREAMS and answer.code in _PASSED and not _of_webhook(answer)
    audited = request["audited"] is not None and answer.code not in (401, 403)
    if not (answer.ok or streamed or audited):
        return Outcome(True, answer.text, answer.warnings)
    outcome = expectations.judge(scene, request, answer, start, target.namespace)
    if streamed and not outcome.refused:
        return outcome._replace(text=f"passed authorization and admission ({answer.code})")
    if outcome.refused or request["etcd"] is None:
        return outcome
    wanted = request["etcd"]
    key = scene.fill(wanted["key"] or "") or etcd.key_of(target.resource, target.namespace, target.name)
    return etcd.read(scene, wanted, key)
