"""A run against one environment: its connections, identities and fixtures, which all of its pairs share."""

from __future__ import annotations

import secrets
from functools import cached_property
from types import TracebackType
from typing import Self

from ringfence.probes.access import Access
from ringfence.probes.api import Api
from ringfence.probes.audit import AuditLog
from ringfence.probes.fixtures import Fixtures
from ringfence.probes.identities import Identities
from ringfence.probes.private import Private
from ringfence.probes.resources import Resources


class Session:
    """Open while pairs are run; leaving it takes away everything that they made, after an error or Ctrl-C too."""

    def __init__(self, access: Access) -> None:
        """Asks the API server what it serves; `preflight.check` says first whether it can be asked."""
        self.run = secrets.token_hex(3)
        self.access = access
        self.marker = f"marker-{secrets.token_hex(12)}"
        self.admin = Api(access, None)
        self.resources = Resources(self.admin)
        self.fixtures = Fixtures(self.admin, self.resources, self.run)
        self._private = Private(self.run)
        self.folder = self._private.path
        self.identities = Identities(access, self.admin, self.fixtures, self.folder)
        self.audit = AuditLog(access.audit_log) if access.audit_log else None
        self.own_accounts = False  # pods need a ServiceAccount of their own

    @cached_property
    def groups(self) -> frozenset[str]:
        """Groups of the kubeconfig's own identity; empty where nobody tells."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.admin.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return frozenset(answer.data["status"]["userInfo"].get("groups", ())) if answer.ok else frozenset()

    def service_account(self, namespace: str) -> str:
        """A ServiceAccount that a pod of this namespace may use."""
        own = self.own_accounts or namespace == self.fixtures.name
        return self.fixtures.service_account(namespace) if own else "default"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, bad: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.fixtures.close()
        finally:
            self.identities.close()
            self.admin.close()
            self._private.close()
