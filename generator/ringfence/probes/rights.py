"""What our own identity must be allowed to do so that pairs fail for their controls' sake alone, as RBAC rules.

A dry run needs the same right as the request. Whoever makes roles and bindings needs their rights, or may `escalate`
and `bind` (kubernetes.io, "Using RBAC Authorization", privilege escalation prevention), which are as good as all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ringfence.build import Resolution
from ringfence.model import Control, Stage
from ringfence.probes.bases import BASES
from ringfence.probes.merge import merged
from ringfence.probes.outcome import Unprovable
from ringfence.probes.pairs import Pair, Request, channel
from ringfence.probes.places import strings
from ringfence.probes.resources import Resource
from ringfence.probes.runner import planned
from ringfence.probes.scene import ADMINISTRATOR
from ringfence.probes.session import Session

_RBAC = "rbac.authorization.k8s.io"
_VERBS = {"apply": "patch", "connect": "create"}
_KEPT = ("create", "delete", "get")  # of what a run makes and looks for at its end
_READS = ("get", "list", "watch")
_WRITES = ("create", "update", "patch", "apply")
# What a policy's template lets pass whoever may do (KEP-3488, `authorizer` in CEL), and the resources that it looks at.
_CHECK = re.compile(
    r"authorizer\s*\.group\('([^']*)'\)\s*\.resource\('([^']*)'\)(?:\s*\.\w+\([^()]*\))*?\s*\.check\('(\w+)'\)"
)
_MATCHED = re.compile(r"\bresources: \[([^\]]*)\]")


class Right(NamedTuple):
    """One verb on a resource."""

    group: str
    resource: str  # plural[/subresource]; or the path of a URL that is no resource
    verb: str


class _Pass(NamedTuple):
    """A right by which a control's policy lets writes of some resources pass."""

    control: str
    resources: frozenset[str]
    right: Right


def needed(session: Session, resolution: Resolution, controls: Sequence[str] = ()) -> Iterator[Right]:
    """The rights for the pairs of these controls, some of them more than once."""
    accounts = any(c.id == "sa-per-workload" and c.stage is Stage.ENFORCE for c in resolution.controls)
    passes = [one for c in resolution.controls if c.stage is not Stage.OFF for one in _passes(c.control)]
    for pair, state, _ in planned(resolution, controls):
        if pair is None or state is not None:
            continue
        for right in _of_pair(session, pair, accounts=accounts):
            yield right
            for one in passes:  # everybody's namespaces are made beside policies; other objects where those don't look
                about = one.control == pair.control or right.resource.partition("/")[0] == "namespaces"
                if about and right.resource in one.resources and right.verb not in _READS:
                    yield one.right


def _passes(control: Control) -> Iterator[_Pass]:
    for file in sorted(Path(control.folder).glob("*.j2")):
        text = file.read_text(encoding="utf-8")
        matched = {word.strip() for found in _MATCHED.findall(text) for word in found.split(",")}
        for group, resource, verb in _CHECK.findall(text):
            yield _Pass(control.id, frozenset(matched), Right(group, resource, verb))


def _of_pair(session: Session, pair: Pair, *, accounts: bool) -> Iterator[Right]:
    for request in (pair.refuse, pair.admit):
        yield from _of_request(session, request, pair)
        yield from _of_who(request["who"])
        yield from _of_placeholders(session, request, accounts=accounts)
    for one in pair.given:
        yield from _of_given(session, one)
        yield from _of_placeholders(session, one, accounts=accounts)


def rules(rights: Sequence[Right]) -> list[dict[str, list[str]]]:
    """RBAC rules that grant these rights: those of one group and the same verbs in one."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for group, resource, verb in rights:
        verbs.setdefault((group, resource), []).append(verb)
    together: dict[tuple[str, bool, tuple[str, ...]], list[str]] = {}
    for (group, resource), found in verbs.items():
        together.setdefault((group, resource.startswith("/"), tuple(sorted(found))), []).append(resource)
    return [
        {"nonResourceURLs": sorted(r), "verbs": list(v)}
        if url
        else {"apiGroups": [g], "resources": sorted(r), "verbs": list(v)}
        for (g, url, v), r in together.items()
    ]


def allowed(session: Session, right: Right) -> bool:
    """Has our own identity a right, in every namespace?"""
    if right.resource.startswith("/"):
        spec: dict[str, Any] = {"nonResourceAttributes": {"path": right.resource, "verb": right.verb}}
    else:
        plural, _, sub = right.resource.partition("/")
        attributes = {"group": right.group, "resource": plural, "subresource": sub, "verb": right.verb}
        spec = {"resourceAttributes": {k: v for k, v in attributes.items() if v}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    answer = session.admin.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer.ok and answer.data["status"].get("allowed"))


def _of_request(session: Session, request: Request, pair: Pair) -> Iterator[Right]:
    ours = request["who"] in (None, "admin", ADMINISTRATOR)
    match channel(request):
        case "verb":
            yield from _of_object(session, request, pair, ours=ours)
        case "path" if ours:
            yield Right("", request["path"], (request["method"] or "GET").lower())
        case "kubelet" if session.access.client_ca is not None:
            for kind in ("nodes", "pods", "namespaces", "serviceaccounts"):
                yield from _all("", kind)
            yield Right("", "pods/log", "get")


def _of_object(session: Session, request: Request, pair: Pair, *, ours: bool) -> Iterator[Right]:
    if not ours and (request["by"] == "review" or _only_askable(session, request, pair)):
        yield Right("authorization.k8s.io", "subjectaccessreviews", "create")
        return
    try:
        resource, sub = session.resources.find(request["resource"])
    except Unprovable:
        return
    verb = request["verb"]
    if verb == "create" and not sub and (request["dry_run"] is False or request["etcd"] is not None):
        yield Right(resource.group, resource.plural, "delete")
    if not ours:
        return
    whole = f"{resource.plural}/{sub}" if sub else resource.plural
    yield Right(resource.group, whole, str(_VERBS.get(verb, verb)))
    if verb in ("apply", "update") and not sub:  # which make what isn't there
        yield Right(resource.group, resource.plural, "create")
    if verb in _WRITES:
        yield from _of_granting(resource, sub, request)


def _only_askable(session: Session, request: Request, pair: Pair) -> bool:
    """A user whom only a sandbox can be, and who is asked about elsewhere where the refusal would be RBAC's."""
    who = request["who"]
    made = isinstance(who, Mapping) and not (who["user"] or who["groups"])
    return (
        session.access.client_ca is None
        and pair.reason.startswith("cannot ")
        and not (made or who == "anonymous" or _is_account(who))
    )


def _of_granting(resource: Resource, sub: str, one: Mapping[str, Any]) -> Iterator[Right]:
    """What writing roles, bindings and approvals needs beyond the write."""
    if resource.group == _RBAC and resource.plural in ("roles", "clusterroles"):
        yield Right(_RBAC, resource.plural, "escalate")
    elif resource.group == _RBAC:
        kind = _body(one).get("roleRef", {}).get("kind", "ClusterRole")
        yield Right(_RBAC, "roles" if kind == "Role" else "clusterroles", "bind")
    elif (resource.plural, sub) == ("certificatesigningrequests", "approval"):
        yield Right(resource.group, "signers", "approve")


def _of_who(who: Any) -> Iterator[Right]:
    if isinstance(who, Mapping) and who["rules"]:
        for group, kind in (("", "namespaces"), (_RBAC, "clusterroles"), (_RBAC, "clusterrolebindings")):
            yield from _all(group, kind)
        yield from (Right(_RBAC, "clusterroles", verb) for verb in ("escalate", "bind"))
    if isinstance(who, Mapping) and (who["rules"] or who["service_account"]):
        yield from _all("", "serviceaccounts")
    if _is_account(who):
        yield Right("", "serviceaccounts/token", "create")


def _is_account(who: Any) -> bool:
    if isinstance(who, Mapping):
        return bool(who["rules"] or who["service_account"])
    return isinstance(who, str) and who.startswith("system:serviceaccount:")


def _of_placeholders(session: Session, one: Mapping[str, Any], *, accounts: bool) -> Iterator[Right]:
    """What must be made or looked up for what stands in the texts of a request or a given object.

    `accounts`: do pods everywhere need a ServiceAccount of their own?
    """
    texts = [*strings({k: v for k, v in one.items() if k != "object"}), *strings(_body(one))]
    account = any("<account>" in text for text in texts)
    if any("<own>" in text for text in texts) or (account and not one["namespace"]):
        yield from _all("", "namespaces")
    if account or (any("<serviceaccount>" in text for text in texts) and (accounts or one["namespace"] == "<own>")):
        yield from _all("", "serviceaccounts")
    for text in texts:
        for found in text.split("<uid:")[1:]:
            try:
                resource, _ = session.resources.find(found.partition(">")[0].rpartition("/")[0])
            except Unprovable:
                continue
            yield Right(resource.group, resource.plural, "get")


def _of_given(session: Session, one: Mapping[str, Any]) -> Iterator[Right]:
    try:
        resource = session.resources.of(_body(one))
    except Unprovable:
        return
    yield from _all(resource.group, resource.plural)
    yield from _of_granting(resource, "", one)
    if one["patch"] or one["terminating"]:
        yield Right(resource.group, resource.plural, "patch")


def _all(group: str, resource: str) -> Iterator[Right]:
    return (Right(group, resource, verb) for verb in _KEPT)


def _body(one: Mapping[str, Any]) -> dict[str, Any]:
    """The object of a request or a given one, as it is written; empty without one."""
    raw = BASES[one["base"]] if one["base"] else one["object"]
    body: dict[str, Any] = merged(raw or {}, one["over"])
    return body
