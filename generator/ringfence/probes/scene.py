"""Where one pair plays: the run, the namespaces chosen for it, and what stands for its placeholders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ringfence.model import ResolvedControl
from ringfence.probes.access import Access
from ringfence.probes.bases import BASES
from ringfence.probes.identities import Actor
from ringfence.probes.merge import merged
from ringfence.probes.outcome import Unprovable
from ringfence.probes.pairs import Pair, Request
from ringfence.probes.places import Places, personas, substitute

if TYPE_CHECKING:
    from ringfence.probes.api import Api
    from ringfence.probes.fixtures import Fixtures
    from ringfence.probes.resources import Resources
    from ringfence.probes.session import Session


ADMINISTRATOR = "administrator"  # who asks: ourselves, if we are one of the platform's


class Scene:
    """What a channel may ask while it makes one request of a pair."""

    def __init__(self, session: Session, pair: Pair, control: ResolvedControl, places: Places) -> None:
        self._session, self._pair, self._control, self._places = session, pair, control, places
        self._name = session.fixtures.fresh()

    @property
    def access(self) -> Access:
        """The environment."""
        return self._session.access

    @property
    def admin(self) -> Api:
        """The connection of the kubeconfig's own identity."""
        return self._session.admin

    @property
    def resources(self) -> Resources:
        """What the API server serves."""
        return self._session.resources

    @property
    def fixtures(self) -> Fixtures:
        """What the run makes and takes away again."""
        return self._session.fixtures

    @property
    def folder(self) -> Path:
        """A folder of the run for keys and certificates."""
        return self._session.folder

    @property
    def about_rbac(self) -> bool:
        """Is the refusal that the pair wants one of RBAC?"""
        return self._pair.reason.startswith("cannot ")

    def fill(self, value: Any, namespace: str | None = None) -> Any:
        """A value with everything in place of its placeholders; `namespace` is the request's."""
        return substitute(value, lambda name, argument: self._stands(name, argument, namespace))

    def _stands(self, name: str, argument: str, namespace: str | None) -> Any:
        if name == "version" and self.access.version:
            return self.access.version
        fixed = self._places.fixed(name, argument)
        if fixed is not None:
            return fixed
        match name:
            case "own":
                return self.fixtures.namespace()
            case "probe":
                return self._name
            case "marker":
                return self._session.marker
            case "namespace":
                return namespace or "default"
            case "serviceaccount":
                return self._session.service_account(namespace or "default")
            case "account":
                return self.fixtures.service_account(namespace or self.fixtures.namespace())
            case "params":
                return self._control.params[argument]
            case "ca":
                return self.access.ca.read_text() if self.access.ca else ""
            case "csr":
                from ringfence.probes import pki

                user = f"system:node:{self._name}" if argument == "system:nodes" else self._name
                return pki.certificate_request(user, (argument,) if argument else ())
        return self._uid(argument)

    def _uid(self, argument: str) -> str:
        plural, _, name = argument.rpartition("/")
        answer = self.admin.call("GET", self.resources.find(plural)[0].path(None, name))
        if not answer.ok:
            raise Unprovable(f"no uid of {argument}: {answer.text}")
        return str(answer.data["metadata"]["uid"])

    def namespace(self, request: Request) -> str | None:
        """The namespace of a request."""
        name: str | None = self.fill(request["namespace"])
        return name

    def body(self, request: Request) -> tuple[dict[str, Any] | None, str]:
        """The object of a request, whole, and the name that the request is for."""
        namespace = self.namespace(request)
        raw = BASES[request["base"]] if request["base"] else request["object"]
        if raw is None and request["over"]:
            raw = {}
        body = self.fill(merged(raw, request["over"]), namespace) if raw is not None else None
        own = body.get("metadata", {}).get("name") if body else None
        name = self.fill(request["name"], namespace) if request["name"] else own or self._name
        return body, name

    def actor(self, request: Request) -> Actor:
        """Who makes a request."""
        namespace = self.namespace(request)
        who = self.fill(request["who"] or "admin", namespace)
        if who == ADMINISTRATOR:
            self._require_administrator()
            who = "admin"
        if not isinstance(who, str):
            return self._session.identities.made(who)
        groups = tuple(g for p in personas(who) for g in self._places.groups(p, namespace))
        return self._session.identities.named(who, self._places.fixed("prefix", "") or "", groups)

    def _require_administrator(self) -> None:
        """Raise Unprovable unless our own identity is one that the tree trusts with the platform."""
        found = [g for p in ("platform-admin", "break-glass") for g in self._places.groups(p, None)]
        groups = ("system:masters", "kubeadm:cluster-admins", *found)
        if not self._session.groups.intersection(groups):
            raise Unprovable(f"{self.access.name} is in none of the groups {', '.join(groups)}")

    def audit_position(self) -> int:
        """Where the audit log ends now; 0 without one."""
        return self._session.audit.position() if self._session.audit else 0

    def audit_event(self, audit_id: str, wanted: dict[str, Any], start: int) -> dict[str, Any] | None:
        """The audit event of a request, or with `select` the first after `start` that holds this; None without one."""
        log = self._session.audit
        if log is None:
            raise Unprovable("only a sandbox's audit log can be read from here")
        if wanted["select"]:
            return log.find(wanted["select"], start)
        return log.of_request({"auditID": audit_id, "stage": wanted["stage"]}, start, self._later)

    def _later(self) -> str:
        """The audit id of a review of our own rights: an ordinary request, which no policy of ours leaves out."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = self.admin.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        return str(answer.headers.get("Audit-Id"))
