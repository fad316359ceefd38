"""Who may do what under each profile, computed from the rendered roles alone and compared with a committed matrix.

tests/goldens/personas.txt is for reading: a change to a role shows there as what it opens. The laws below it hold for
every such matrix. Break-glass is bound to the built-in cluster-admin, which may do everything, and has no column.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from helpers import ROOT, golden, write_cluster
from rbac import Access, Request, Who

from ringfence.build import Builder
from ringfence.model import PROFILES

PERSONAS = {
    "platform-admin": "oidc:platform-admins",
    "auditor": "oidc:auditors",
    "ns-admin": "oidc:shop-admins",
    "ci-deployer": "oidc:shop-ci",
    "developer": "oidc:shop-developers",
    "viewer": "oidc:shop-viewers",
    "nobody": "oidc:nobody",
}
TENANT = ("ns-admin", "ci-deployer", "developer", "viewer")
STEPPED_UP = "stepped-up"  # a platform administrator as the one identity that it may impersonate
IMPERSONATED = Who("ringfence:platform-admin")
PLACES = {"shop": "production", "shop-dev": "development", "bank": "another tenant", "": "the whole cluster"}
VERBS = {
    "get": "g", "list": "l", "watch": "w", "create": "c", "update": "u", "patch": "p", "delete": "d",
    "deletecollection": "D", "bind": "B", "escalate": "E", "impersonate": "I", "approve": "A", "sign": "S",
}  # fmt: skip
RESOURCES = tuple(
    (group, resource)
    for group, resources in {
        "": "pods pods/log pods/eviction pods/exec pods/attach pods/portforward pods/proxy pods/ephemeralcontainers "
        "services services/proxy services/status endpoints configmaps secrets serviceaccounts serviceaccounts/token "
        "persistentvolumeclaims events resourcequotas limitranges replicationcontrollers namespaces "
        "namespaces/finalize nodes nodes/proxy persistentvolumes users groups",
        "apps": "deployments deployments/scale statefulsets statefulsets/scale daemonsets replicasets "
        "controllerrevisions",
        "batch": "jobs cronjobs",
        "autoscaling": "horizontalpodautoscalers",
        "policy": "poddisruptionbudgets",
        "discovery.k8s.io": "endpointslices",
        "networking.k8s.io": "ingresses ingressclasses networkpolicies",
        "gateway.networking.k8s.io": "httproutes grpcroutes gateways",
        "policy.networking.k8s.io": "clusternetworkpolicies",
        "rbac.authorization.k8s.io": "roles rolebindings clusterroles clusterrolebindings",
        "admissionregistration.k8s.io": "validatingadmissionpolicies validatingadmissionpolicybindings "
        "mutatingadmissionpolicies mutatingadmissionpolicybindings validatingwebhookconfigurations "
        "mutatingwebhookconfigurations",
        "apiextensions.k8s.io": "customresourcedefinitions",
        "apiregistration.k8s.io": "apiservices",
        "certificates.k8s.io": "certificatesigningrequests certificatesigningrequests/approval signers",
        "storage.k8s.io": "storageclasses csidrivers",
        "scheduling.k8s.io": "priorityclasses",
        "node.k8s.io": "runtimeclasses",
        "coordination.k8s.io": "leases",
        "metrics.k8s.io": "pods nodes",
    }.items()
    for resource in resources.split()
)
SHELLS = {"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "services/proxy", "pods/ephemeralcontainers"}
GUARDS = {
    "networkpolicies", "clusternetworkpolicies", "roles", "rolebindings", "clusterroles", "clusterrolebindings",
    "customresourcedefinitions", "apiservices", "certificatesigningrequests/approval", "signers", "users", "groups",
    "nodes/proxy", "serviceaccounts/token", "namespaces/finalize", "services/status",
}  # fmt: skip
LIMITS = {"resourcequotas", "limitranges", "namespaces", "nodes", "priorityclasses", "storageclasses"}


@cache
def bodies(profile: str) -> tuple[dict[str, Any], ...]:
    with TemporaryDirectory() as folder:
        file = write_cluster(
            Path(folder),
            profile=profile,
            identity={
                "groups": {
                    "platformAdmin": [PERSONAS["platform-admin"]],
                    "auditor": [PERSONAS["auditor"]],
                    "breakGlass": ["oidc:break-glass"],
                }
            },
            tenants=[
                {
                    "name": "shop",
                    "owner": "shop@example.com",
                    "groups": {
                        "nsAdmin": [PERSONAS["ns-admin"]],
                        "developer": [PERSONAS["developer"]],
                        "viewer": [PERSONAS["viewer"]],
                        "ciDeployer": [PERSONAS["ci-deployer"]],
                    },
                    "namespaces": ["shop", {"name": "shop-dev", "tier": "development"}],
                },
                {"name": "bank", "owner": "bank@example.com", "namespaces": ["bank"]},
            ],
        )
        return tuple(m.body for m in Builder().build(file))


@cache
def access(profile: str) -> Access:
    return Access(bodies(profile))


def allowed(profile: str, persona: str, request: Request) -> bool:
    """May a persona, and nobody but it, make this request?"""
    known = access(profile)
    if persona != STEPPED_UP:
        return known.allows(Who("someone", (PERSONAS[persona],)), request)
    admin = Who("someone", (PERSONAS["platform-admin"],))
    become = Request("impersonate:user-info", "authentication.k8s.io", "users", name=IMPERSONATED.user)
    act = request._replace(verb=f"impersonate-on:user-info:{request.verb}")
    return known.allows(admin, become) and known.allows(admin, act) and known.allows(IMPERSONATED, request)


def columns(profile: str) -> tuple[str, ...]:
    return (*PERSONAS, STEPPED_UP) if profile == "zero-trust" else tuple(PERSONAS)


@cache
def rights(profile: str, persona: str) -> frozenset[Request]:
    """Every request of the matrix that a persona may make."""
    asked = (Request(v, g, r, place) for place, (g, r), v in product(PLACES, RESOURCES, VERBS))
    return frozenset(r for r in asked if allowed(profile, persona, r))


def table(profile: str, place: str) -> Iterator[str]:
    names = [n for n in columns(profile) if n != "nobody"]
    labels = [f"{resource}.{group}" if group else resource for group, resource in RESOURCES]
    width = max(map(len, labels))
    yield f"{profile}: {f'namespace {place}, {PLACES[place]}' if place else PLACES[place]}"
    yield " ".join([" " * width, *names])
    for label, (group, resource) in zip(labels, RESOURCES, strict=True):
        cells = (
            "".join(c for v, c in VERBS.items() if Request(v, group, resource, place) in rights(profile, name)) or "-"
            for name in names
        )
        padded = (f"{cell:<{len(name)}}" for cell, name in zip(cells, names, strict=True))
        yield " ".join([f"{label:<{width}}", *padded]).rstrip()
    yield ""


def test_the_matrix_is_the_committed_one() -> None:
    legend = ", ".join(f"{letter} {verb}" for verb, letter in VERBS.items())
    lines = [f"Verbs: {legend}", ""]
    for profile in ("baseline", "zero-trust"):
        for place in PLACES:
            lines.extend(table(profile, place))
    golden(ROOT / "tests/goldens/personas.txt", "\n".join(lines))


def test_restricted_grants_what_baseline_does() -> None:
    assert all(rights("restricted", p) == rights("baseline", p) for p in PERSONAS)


@pytest.mark.parametrize("persona", PERSONAS)
def test_a_stricter_profile_grants_no_more(persona: str) -> None:
    loose, middle, strict = (rights(p, persona) for p in PROFILES)
    assert strict <= middle <= loose


@pytest.mark.parametrize("profile", PROFILES)
def test_personas_of_a_namespace_are_a_ladder(profile: str) -> None:
    viewer, developer, deployer, admin = (
        rights(profile, p) for p in ("viewer", "developer", "ci-deployer", "ns-admin")
    )
    assert viewer < developer < admin
    assert viewer < deployer < admin


@pytest.mark.parametrize("profile", PROFILES)
def test_no_persona_reads_secrets_or_lifts_a_guard(profile: str) -> None:
    for persona in columns(profile):
        for right in rights(profile, persona):
            assert right.resource != "secrets" or right.verb in ("create", "delete"), (persona, right)
            changes = right.verb not in ("get", "list", "watch")
            guard = right.resource in GUARDS or right.group == "admissionregistration.k8s.io"
            assert not (changes and guard), (persona, right)
            assert right.verb not in ("bind", "escalate", "impersonate", "approve", "sign", "deletecollection")


@pytest.mark.parametrize("profile", PROFILES)
def test_limits_are_the_platforms(profile: str) -> None:
    for persona in set(columns(profile)) - {"platform-admin"}:
        for right in rights(profile, persona):
            assert right.resource not in LIMITS or right.verb in ("get", "list", "watch"), (persona, right)


@pytest.mark.parametrize("profile", PROFILES)
def test_shells_are_for_namespace_admins_outside_production(profile: str) -> None:
    shells = {(p, r.namespace) for p in columns(profile) for r in rights(profile, p) if r.resource in SHELLS}
    assert shells == {("ns-admin", "shop-dev")}


@pytest.mark.parametrize("profile", PROFILES)
def test_developers_deploy_outside_production(profile: str) -> None:
    create = {r.namespace for r in rights(profile, "developer") if (r.verb, r.resource) == ("create", "deployments")}
    assert create == {"shop-dev"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("persona", TENANT)
def test_a_tenant_stays_in_its_namespaces(profile: str, persona: str) -> None:
    assert {r.namespace for r in rights(profile, persona)} == {"shop", "shop-dev"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_stranger_may_do_nothing(profile: str) -> None:
    assert not rights(profile, "nobody")


def test_nobody_holds_the_platform_for_good_in_zero_trust() -> None:
    assert rights("baseline", "platform-admin")
    assert not rights("zero-trust", "platform-admin")
    assert {r.verb for r in rights("zero-trust", STEPPED_UP)} == {"get", "list", "watch"}
    assert rights("zero-trust", STEPPED_UP) < rights("baseline", "platform-admin")


@pytest.mark.parametrize("profile", PROFILES)
def test_roles_are_spelled_out(profile: str) -> None:
    for body in bodies(profile):
        if body["kind"] in ("Role", "ClusterRole"):
            listed = {word for r in body["rules"] for k in ("verbs", "resources", "apiGroups") for word in r.get(k, ())}
            assert not {w for w in listed if "*" in w}, body["metadata"]["name"]
            assert "aggregationRule" not in body
            assert not [k for k in body["metadata"]["labels"] if k.startswith("rbac.authorization.k8s.io/")]
