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
_GONE_WITHIN = 60.0  # seconds that a namespace may take to go


class Fixtures:
    """Objects of one run, all labelled `ringfence/probe: <run>`, in its own namespace where they can be."""

    def __init__(self, admin: Api, resources: Resources, run: str) -> None:
        self._admin, self._resources, self._run = admin, resources, run
        self.name = f"ringfence-probe-{run}"
        self._made: list[str] = []  # paths, oldest first
        self._numbers = itertools.count(1)  # of all threads
        self._namespace = ""
        self._accounts: set[tuple[str, str]] = set()
        self._users: dict[str, str] = {}
        self.last_made = 0.0  # time.monotonic() of the latest, whose effect may take a moment

    def fresh(self) -> str:
        """A name that nothing else has."""
        return f"{self.name}-{next(self._numbers)}"

    def make(self, body: Mapping[str, Any], namespace: str | None = None, *, terminating: bool = False) -> str:
        """Create an object; its path. One that is `terminating` is being deleted, and held by a finalizer.

        Raises Unprovable when the cluster refuses it.
        """
        if terminating:
            body = merged(body, {"metadata": {"finalizers": [_FINALIZER]}})
        resource = self._resources.of(body)
        whole = self.labelled(body)
        path = resource.path(namespace, whole["metadata"]["name"])
        self._made.append(path)  # before the request: an interrupt may fall between it and its answer
        answer = self._admin.call("POST", resource.path(namespace), whole, {"fieldManager": "ringfence-verify"})
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

    def discard(self, path: str) -> None:
        """Delete one object, held by our finalizer or not."""
        gone = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        answer = self._admin.call("DELETE", path, gone)
        if answer.ok and _FINALIZER in answer.data.get("metadata", {}).get("finalizers", ()):
            self.patch(path, {"metadata": {"finalizers": None}})
        if path in self._made:
            self._made.remove(path)

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
        """Delete everything of the run, newest first, and wait until it is gone. Raises ToolError when some is not."""
        paths = list(reversed(self._made))
        self._namespace, self._accounts, self._users = "", set(), {}
        try:
            for path in paths:
                self.discard(path)
            self._wait(paths)
        except ToolError as bad:
            hint = f"what is left of this run is labelled {LABEL}={self._run}; the next `ringfence verify` removes it"
            raise ToolError(bad.message, hint=hint) from None

    def _wait(self, paths: Sequence[str]) -> None:
        deadline = time.monotonic() + _GONE_WITHIN
        for path in paths:
            while self._admin.call("GET", path).code != 404:
                if time.monotonic() > deadline:
                    raise ToolError(f"{path} of this run is still there; is the controller manager running?")
                time.sleep(0.1)
