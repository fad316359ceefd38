"""Before any probe: does the API server answer, is it what cluster.yaml describes, may we ask what must be asked?"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from ringfence.build import Resolution
from ringfence.errors import ToolError
from ringfence.probes.access import Access
from ringfence.probes.api import Api
from ringfence.probes.bases import BASES
from ringfence.probes.outcome import Unprovable
from ringfence.probes.pairs import Pair, Request, channel
from ringfence.probes.places import mentions_tenants, strings
from ringfence.probes.runner import planned
from ringfence.probes.session import Session

OLDEST = "1.32"  # policies with what ours use, and reasons as ours are written
_VERBS = {"apply": "patch", "connect": "create"}
_Right = tuple[str, str, str]  # group, resource[/subresource], verb


def check(access: Access, kubernetes: str) -> str:
    """The API server's version, such as v1.36.4.

    Raises ToolError when it can't be asked, or is older than `kubernetes`, a minor.
    """
    _certificate(access)
    api = Api(access, None)
    answer = api.call("GET", "/version")
    api.close()
    where = f"{access.name} at {access.server}"
    if answer.code == 401:
        raise ToolError(f"{where} does not know who we are (401)", hint="sign in again, or renew the kubeconfig")
    data = answer.data if answer.ok else None
    version = str(data.get("gitVersion", "")) if isinstance(data, dict) else ""
    found = re.match(r"v(1)\.(\d+)", version)
    if not found:
        raise ToolError(f"{where} is no Kubernetes API server: GET /version gives {answer.text}")
    minor = int(found[2])
    if minor < _minor(OLDEST):
        raise ToolError(f"{where} runs {version}; verify needs {OLDEST} or later", hint="upgrade the cluster")
    if access.version is None and minor < _minor(kubernetes):
        raise ToolError(
            f"{where} runs {version}, and cluster.yaml says {kubernetes}",
            hint="is this the right context? Upgrade the cluster, or set kubernetes.version to what it runs",
        )
    return version


def permissions(session: Session, resolution: Resolution, controls: Sequence[str] = ()) -> None:
    """Raise ToolError, with the rules to grant, when our own identity may not make the requests of pairs."""
    wanted = dict.fromkeys(_rights(session, resolution, controls))
    missing = [right for right in wanted if not _allowed(session, right)]
    if missing:
        group, resource, verb = missing[0]
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ToolError(
            f"{session.access.name} may not {verb} {resource}{f'.{group}' if group else ''}{more};"
            " a dry run needs the same right as the request",
            hint=f"grant its user a ClusterRole with `rules: {json.dumps(rules(missing))}`",
        )


def belongs(session: Session, resolution: Resolution, controls: Sequence[str] = ()) -> None:
    """Raise ToolError when pairs are to be asked in namespaces of cluster.yaml, and the cluster has none of them."""
    names = [n.name for n in resolution.cluster.namespaces]
    pairs = [pair for pair, state, _ in planned(resolution, controls) if pair is not None and state is None]
    if not names or not any(mentions_tenants((pair.refuse, pair.admit)) for pair in pairs):
        return
    if any(session.admin.call("GET", f"/api/v1/namespaces/{name}").code != 404 for name in names):
        return
    raise ToolError(
        f"{session.access.name} at {session.access.server} has none of the namespaces of {resolution.cluster.name}:"
        f" {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}",
        hint="is this the right cluster? If it is, put the tree in force first, by `pulumi up` or `kubectl apply`",
    )


def count(resolution: Resolution, controls: Sequence[str] = ()) -> int:
    """How many verdicts there will be."""
    return sum(1 for _ in planned(resolution, controls))


def rules(rights: Sequence[_Right]) -> list[dict[str, list[str]]]:
    """RBAC rules that grant these rights: those of one group and the same verbs in one."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for group, resource, verb in rights:
        verbs.setdefault((group, resource), []).append(verb)
    together: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (group, resource), found in verbs.items():
        together.setdefault((group, tuple(sorted(found))), []).append(resource)
    return [{"apiGroups": [g], "resources": sorted(r), "verbs": list(v)} for (g, v), r in together.items()]


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _certificate(access: Access) -> None:
    if access.client is None:
        return
    from ringfence.probes import pki

    end = pki.expiry(access.client.certificate.read_bytes())
    if end < datetime.datetime.now(datetime.UTC):
        raise ToolError(
            f"{access.name}: the client certificate expired on {end:%Y-%m-%d %H:%M} UTC",
            hint="renew it, and fetch the kubeconfig again",
        )


def _rights(session: Session, resolution: Resolution, controls: Sequence[str]) -> Iterator[_Right]:
    for pair, state, _ in planned(resolution, controls):
        if pair is not None and state is None:
            yield from _of_pair(session, pair)


def _of_pair(session: Session, pair: Pair) -> Iterator[_Right]:
    for request in (pair.refuse, pair.admit):
        if channel(request) == "verb":
            yield from _of_request(session, request)
        if "<own>" in list(strings(request["namespace"])) or _bound(request):
            yield from (("", "namespaces", v) for v in ("create", "delete", "get"))
        if _bound(request):
            for kind in ("clusterroles", "clusterrolebindings"):
                yield from (("rbac.authorization.k8s.io", kind, v) for v in ("create", "delete", "get"))
        if _bound(request) or _is_account(request["who"]):
            yield "", "serviceaccounts/token", "create"
    for one in pair.given:
        body = BASES[one["base"]] if one["base"] else one["object"]
        resource = session.resources.of(body)
        yield from ((resource.group, resource.plural, v) for v in ("create", "delete", "get"))


def _of_request(session: Session, request: Request) -> Iterator[_Right]:
    if request["who"] not in (None, "admin"):
        if session.access.client_ca is None:
            yield "authorization.k8s.io", "subjectaccessreviews", "create"
        return
    try:
        resource, sub = session.resources.find(request["resource"])
    except Unprovable:
        return
    verb = str(_VERBS.get(request["verb"], request["verb"]))
    yield resource.group, f"{resource.plural}/{sub}" if sub else resource.plural, verb


def _bound(request: Request) -> bool:
    return isinstance(request["who"], Mapping) and bool(request["who"]["rules"])


def _is_account(who: object) -> bool:
    if isinstance(who, Mapping):
        return bool(who["service_account"])
    return isinstance(who, str) and who.startswith("system:serviceaccount:")


def _allowed(session: Session, right: _Right) -> bool:
    group, resource, verb = right
    plural, _, sub = resource.partition("/")
    attributes = {"group": group, "resource": plural, "subresource": sub, "verb": verb}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}},
    }
    answer = session.admin.call("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return bool(answer.ok and answer.data["status"].get("allowed"))
