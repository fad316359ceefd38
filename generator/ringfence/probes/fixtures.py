"""What a run makes in a cluster, and takes away again: every object of it is noted before it can be forgotten."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ringfence.errors import ToolError
from ringfence.probes.api import Api
from ringfence.probes.bases import BASES
from ringfence.probes.merge import merged
from ringfence.probes.outcome import Unprovable
from ringfence.probes.resources import Resources

LABEL = "ringfence/probe"  # on everything that a run makes, with its name
_FINALIZER = LABEL
_RBAC = "rbac.authorization.k8s.io"
_GONE_WITHIN = 180.0  # seconds that a namespace may take to go: a busy disk drops the events of a flood one by one
_ATTEMPTS = 3  # to delete an object at the end of a run
_PAUSE = 1.0  # seconds between them, as API Priority and Fairness tells a client to wait


class Fixtures:
    """Objects of one run, all labelled `ringfence/probe: <run>`, in its own namespace where they can be."""

    def __init__(self, admin: Api, resources: Resources, run: str) -> None:
        self._admin, self._resources, self._run = admin, resources, run
        self.name = f"ringfence-probe-{run}"
        self._made: list[str] = []  # paths, oldest first
        self.going: list[str] = []  # paths that were among those; deleted, and perhaps not gone yet
        self._numbers = itertools.count(1)  # of all threads
        self._namespace = ""
        self._accounts: set[tuple[str, str]] = set()
        self._users: dict[str, str] = {}
        self.last_made = 0.0  # time.monotonic() of the latest, whose effect may take a moment

    def fresh(self) -> str:
        """A name that nothing else has."""
        return f"{self.name}-{next(self._numbers)}"

    def make(
        self,
        body: Mapping[str, Any],
        namespace: str | None = None,
        *,
        terminating: bool = False,
        maker: Api | None = None,
    ) -> str:
        """Create an object; its path. One that is `terminating` is being deleted, and held by a finalizer.

        `maker` asks for it, the kubeconfig's own identity by default. Raises Unprovable when the cluster refuses it.
        """
        if terminating:
            body = merged(body, {"metadata": {"finalizers": [_FINALIZER]}})
        resource = self._resources.of(body)
        whole = self.labelled(body)
        path = resource.path(namespace, whole["metadata"]["name"])
        self._made.append(path)  # before the request: an interrupt may fall between it and its answer
        answer = (maker or self._admin).call(
            "POST", resource.path(namespace), whole, {"fieldManager": "ringfence-verify"}
        )
        if not answer.ok:
            self._made.remove(path)
            raise Unprovable(f"can't make {resource.kind} {whole['metadata']['name']} for the probe: {answer.text}")
        if terminating:
            self._admin.call("DELETE", path, {"propagationPolicy": "Background"})
        self.last_made = time.monotonic()
        return path

    def labelled(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """An object with the label of the run."""
        whole: dict[str, Any] = merged(body, {"metadata": {"labels": {LABEL: self._run}}})
        return whole

    def patch(self, path: str, change: Mapping[str, Any]) -> None:
        """Merge a change into an object of ours. Raises Unprovable when the cluster refuses it."""
        answer = self._admin.call("PATCH", path, change, content="application/merge-patch+json")
        if not answer.ok:
            raise Unprovable(f"can't change {path} for the probe: {answer.text}")

    def note(self, path: str, namespace: str | None) -> bool:
        """Note an object that a probe itself made; False when it goes with the run's own namespace anyway."""
        if namespace == self._namespace:
            return False
        self._made.append(path)
        return True

    def forget(self, path: str) -> None:
        """Take back a note: the object was not made."""
        self._made.remove(path)

    def discard(self, path: str) -> str:
        """Delete one object, held by our finalizer or not; why it stays, empty when it doesn't.

        What stays is tried again by `close`.
        """
        gone = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        answer = self._admin.call("DELETE", path, gone)
        if answer.ok and _FINALIZER in ((answer.data or {}).get("metadata") or {}).get("finalizers", ()):
            free = {"metadata": {"finalizers": None}}
            answer = self._admin.call("PATCH", path, free, content="application/merge-patch+json")
        if not answer.ok and answer.code != 404:
            return answer.text
        if path in self._made:
            self._made.remove(path)
            if answer.ok and "deletionTimestamp" in ((answer.data or {}).get("metadata") or {}):
                self.going.append(path)  # such as a namespace, which goes after all that is in it
        return ""

    def namespace(self) -> str:
        """The run's own namespace, made when it is first asked for."""
        if not self._namespace:
            self.make({**BASES["namespace"], "metadata": {**BASES["namespace"]["metadata"], "name": self.name}})
            self._namespace = self.name
        return self._namespace

    def service_account(self, namespace: str, name: str = "") -> str:
        """A ServiceAccount in `namespace`, made when it is first asked for; its name."""
        name = name or self.name
        if (namespace, name) not in self._accounts:
            body = merged(BASES["serviceaccount"], {"metadata": {"name": name}})
            self.make(body, namespace)
            self._accounts.add((namespace, name))
        return name

    def forget_account(self, namespace: str, name: str) -> None:
        """Delete a ServiceAccount of `service_account`."""
        self._accounts.discard((namespace, name))
        self.discard(self._resources.find("serviceaccounts")[0].path(namespace, name))

    def bound_account(self, rules: list[Any]) -> str:
        """A ServiceAccount of the run's namespace that these rules are bound to, cluster-wide; its name."""
        key = repr(rules)
        if key not in self._users:
            name = self.fresh()
            self.service_account(self.namespace(), name)
            role = {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}
            self.make(role)
            subject = {"kind": "ServiceAccount", "name": name, "namespace": self.name}
            ref = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name}
            binding = {**role, "kind": "ClusterRoleBinding", "roleRef": ref, "subjects": [subject]}
            del binding["rules"]
            self.make(binding)
            self._users[key] = name
        return self._users[key]

    def close(self) -> None:
        """Delete everything of the run, newest first, and wait until it is gone. ToolError names what is not."""
        paths = list(reversed(self._made))
        self._namespace, self._accounts, self._users = "", set(), {}
        stays = self._discard_all(paths)
        stays.update(self._wait([p for p in dict.fromkeys((*paths, *self.going)) if p not in stays]))
        self.going.clear()
        if stays:
            first, *others = stays
            more = f"; so are {', '.join(others)}" if others else ""
            hint = f"what is left of this run is labelled {LABEL}={self._run}; the next `ringfence verify` removes it"
            raise ToolError(f"{first} of this run is still there{stays[first]}{more}", hint=hint)

    def _discard_all(self, paths: Sequence[str]) -> dict[str, str]:
        """Delete objects; what stays, and why. A server may be too busy for one of so many requests."""
        stays = dict.fromkeys(paths, "")
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(_PAUSE)
            stays = {path: why for path in stays if (why := self._try(path))}
            if not stays:
                break
        return {path: f": {why}" for path, why in stays.items()}

    def _try(self, path: str) -> str:
        try:
            return self.discard(path)
        except ToolError as bad:  # nobody answered; others may yet be deleted
            return bad.message

    def _wait(self, paths: Sequence[str]) -> dict[str, str]:
        """What is still there when patience is over, and why."""
        deadline = time.monotonic() + _GONE_WITHIN
        stays = {}
        for path in paths:
            try:
                while (answer := self._admin.call("GET", path)).code != 404:
                    if not answer.ok and answer.code in (401, 403):
                        stays[path] = f", or may be: {answer.text}"
                        break
                    if time.monotonic() > deadline:
                        stays[path] = "; is the controller manager running?"
                        break
                    time.sleep(0.1)
            except ToolError as bad:
                stays[path] = f", or may be: {bad.message}"
        return stays
