"""A bundle put in force on a control plane, as `kubectl apply --server-side` would: the test bed of what is asked of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ringfence.probes.api import Answer, Api
from ringfence.shape import Manifest

Body = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MANAGER = {"fieldManager": "ringfence", "force": "true"}


class Applier:
    """Applies, reads and deletes objects of any kind."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def path(self, body: Body) -> str:
        metadata = body["metadata"]
        plural = self._plural(body["apiVersion"], body["kind"])
        group = body["apiVersion"]
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        inside = f"/namespaces/{metadata['namespace']}" if metadata.get("namespace") else ""
        return f"{root}{inside}/{plural}/{quote(metadata['name'], safe='')}"

    def _plural(self, api_version: str, kind: str) -> str:
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        if root not in self._known:
            answer = self.api.call("GET", root)
            assert answer.ok, f"{root}: {answer.text}"
            self._known[root] = {r["kind"]: r["name"] for r in answer.data["resources"] if "/" not in r["name"]}
        return self._known[root][kind]

    _known: dict[str, dict[str, str]] = {}  # noqa: RUF012 # what an API server serves, the same for all of a run

    def apply(self, body: Body) -> Answer:
        """Server-side apply, as the owner of the fields in `body`; those it owned before and that are gone are removed."""
        return self.api.call("PATCH", self.path(body), body, MANAGER, content=APPLY)

    def get(self, body: Body) -> Any:
        return self.api.call("GET", self.path(body)).data

    def delete(self, body: Body) -> Answer:
        return self.api.call("DELETE", self.path(body))

    def apply_all(self, manifests: Iterable[Manifest], patience: float = 30.0) -> None:
        """All of a bundle in its order; what is patched must have been made by its owner first.

        Not so a namespace: those that an installer would have made are made here, where none runs.
        """
        limit = time.monotonic() + patience
        for manifest in manifests:
            body = manifest.body
            if manifest.shape.mode == "patch" and manifest.kind != "Namespace":
                while not self.api.call("GET", self.path(body)).ok and time.monotonic() < limit:
                    time.sleep(0.05)
            answer = self.apply(body)
            while not answer.ok and answer.code in (404, 409, 429, 503) and time.monotonic() < limit:
                time.sleep(0.1)
                answer = self.apply(body)
            assert answer.ok, f"{manifest.id}: {answer.text}"
