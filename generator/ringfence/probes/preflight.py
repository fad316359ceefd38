"""Before any probe: does the API server answer, is it what cluster.yaml describes, may we ask what must be asked?"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Sequence

from ringfence.build import Resolution
from ringfence.errors import ToolError
from ringfence.probes import rights
from ringfence.probes.access import Access
from ringfence.probes.api import Api
from ringfence.probes.places import mentions_tenants
from ringfence.probes.runner import planned
from ringfence.probes.session import Session

OLDEST = "1.32"  # policies with what ours use, and reasons as ours are written


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
    wanted = dict.fromkeys(rights.needed(session, resolution, controls))
    missing = [right for right in wanted if not rights.allowed(session, right)]
    if missing:
        group, resource, verb = missing[0]
        more = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        strong = any(right.verb in ("escalate", "bind") for right in missing)
        how = "verify as an administrator; or before the tree is in force, which refuses such roles, " if strong else ""
        raise ToolError(
            f"{session.access.name} may not {verb} {resource}{f'.{group}' if group else ''}{more};"
            " a dry run needs the same right as the request",
            hint=f"{how}grant its user a ClusterRole with `rules: {json.dumps(rights.rules(missing))}`",
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
