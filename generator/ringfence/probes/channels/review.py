"""SubjectAccessReviews with explicit user and groups: what RBAC says, about people who can't be had here."""

from __future__ import annotations

from typing import Any

from ringfence.probes.outcome import Outcome, Unprovable
from ringfence.probes.pairs import Request
from ringfence.probes.scene import Scene

_GROUP = "authorization.k8s.io"


def perform(scene: Scene, request: Request) -> Outcome:
    """Refused when the authorizers don't allow it; worded as the API server's own refusal."""
    actor = scene.actor(request)
    namespace = scene.namespace(request)
    resource, sub = scene.resources.named(request["resource"], namespace is not None)
    if not resource.namespaced:
        namespace = None
    _, name = scene.body(request)
    attributes = {
        "verb": request["verb"],
        "group": resource.group,
        "resource": resource.plural,
        "subresource": sub or None,
        "namespace": namespace,
        "name": None if request["verb"] in ("list", "watch", "create", "deletecollection") and not sub else name,
    }
    spec: dict[str, Any] = {"resourceAttributes": {k: v for k, v in attributes.items() if v}}
    kind = "SelfSubjectAccessReview"
    if actor.user is not None:
        kind, spec = "SubjectAccessReview", {**spec, "user": actor.user, "groups": list(actor.groups)}
    elif actor.api is not scene.admin:
        raise Unprovable("a review needs a user and groups that are known")
    path = f"/apis/{_GROUP}/v1/{kind.lower()}s"
    answer = scene.admin.call("POST", path, {"apiVersion": f"{_GROUP}/v1", "kind": kind, "spec": spec})
    if not answer.ok:
        raise Unprovable(f"no access review: {answer.text}")
    if answer.data["status"].get("allowed"):
        return Outcome(False, "allowed, by a review")
    whole = f"{resource.plural}/{sub}" if sub else resource.plural
    return Outcome(
        True, f'403 Forbidden: User "{actor.user}" cannot {request["verb"]} resource "{whole}" in API group '
        f'"{resource.group}", by a review',
    )  # fmt: skip
