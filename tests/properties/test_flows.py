"""What passes between pods under each profile: stated here in words of our own, and held against the rendered policies.

`expected` is the oracle. It knows no template: it says who may speak to whom, and the simulator of tests/netpol.py says
what the policies let through. Every flow between every two ends is compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import ROOT, write_cluster
from netpol import Address, End, Network, Pod

from ringfence.build import Builder
from ringfence.documents import load
from ringfence.model import PROFILES

SYSTEM = "kube-system"
PROMETHEUS = {"app.kubernetes.io/name": "prometheus"}
WEBHOOK = {"app.kubernetes.io/component": "admission-controller"}
METRICS = {"metrics": (9464, "TCP")}
TENANTS = ("shop", "staging", "other", "jobs", "operators")
OPEN = "open"  # a tenant's namespace with an exception from both default-denies

ENDS: dict[str, End] = {
    "web": Pod("shop", {"app": "web"}, "10.244.0.1", METRICS),
    "cart": Pod("shop", {"app": "cart"}, "10.244.0.2", METRICS),
    "pretender": Pod("shop", {**PROMETHEUS, "k8s-app": "kube-dns", "ringfence/api-access": "true"}, "10.244.0.3"),
    "staging": Pod("staging", {"app": "web"}, "10.244.0.4", METRICS),
    "staging-cart": Pod("staging", {"app": "cart"}, "10.244.0.10", METRICS),
    "client": Pod("other", {"app": "web"}, "10.244.0.5", METRICS),
    "client-cart": Pod("other", {"app": "cart"}, "10.244.0.11", METRICS),
    "worker": Pod("jobs", {"app": "worker"}, "10.244.0.6", METRICS),
    "queue": Pod("jobs", {"app": "queue"}, "10.244.0.12", METRICS),
    "operator": Pod("operators", {"ringfence/api-access": "true"}, "10.244.0.7", METRICS),
    "unlabelled": Pod("operators", {"app": "operator"}, "10.244.0.8", METRICS),
    "open": Pod(OPEN, {"app": "web"}, "10.244.0.9", METRICS),
    "prometheus": Pod("monitoring", PROMETHEUS, "10.244.1.1"),
    "grafana": Pod("monitoring", {"app": "grafana"}, "10.244.1.2"),
    "gateway": Pod("gateway", {"app": "gateway"}, "10.244.1.3"),
    "dns": Pod(SYSTEM, {"k8s-app": "kube-dns"}, "10.244.1.4"),
    "metrics-server": Pod(SYSTEM, {"k8s-app": "metrics-server"}, "10.244.1.5"),
    "webhook": Pod("kyverno", WEBHOOK, "10.244.1.6"),
    "node": Address("10.10.0.40"),
    "apiserver": Address("10.10.0.11"),
    "service": Address("10.96.0.1"),
    "metadata": Address("169.254.169.254"),
    "metadata-v6": Address("fd00:ec2::254"),
    "nodelocal": Address("169.254.20.10"),
    "mesh-probe": Address("169.254.7.127"),
    "world": Address("198.51.100.7"),
    "world-v6": Address("2001:db8::7"),
}
PORTS = (("UDP", 53), *(("TCP", p) for p in (53, 80, 443, 6443, 8000, 8080, 9090, 9443, 9464, 15008)))


class Flow(NamedTuple):
    source: str
    target: str
    port: int
    protocol: str

    @property
    def ends(self) -> tuple[End, End]:
        return ENDS[self.source], ENDS[self.target]


class World(NamedTuple):
    """A cluster that differs from the one below in these facts."""

    profile: str
    dns: str = "coredns"
    mesh: str = "none"

    def document(self) -> dict[str, Any]:
        exceptions = [
            {"name": c, "control": c, "owner": "a", "reason": "b", "ticket": "c", "expires": "2027-01-01",
             "scope": {"namespaces": [OPEN]}}
            for c in ("net-default-deny-ingress", "net-default-deny-egress")
        ]  # fmt: skip
        return {
            "profile": self.profile,
            "network": {
                "cni": "calico",
                "dns": {"mode": self.dns},
                "apiServer": {"addresses": ["10.10.0.11"]},
                "serviceCIDRs": ["10.96.0.0/12"],
                "ipFamilies": ["IPv4", "IPv6"],
            },
            "components": {
                "mesh": self.mesh,
                "admission": "kyverno",
                "monitoring": {"namespace": "monitoring", "podLabels": PROMETHEUS},
                "ingressControllers": [{"namespace": "gateway", "podLabels": {"app": "gateway"}}],
            },
            "tenants": [
                {
                    "name": "shop",
                    "owner": "shop@example.com",
                    "namespaces": [{"name": "shop", "metricsPorts": [9090]}, "staging", OPEN],
                },
                {
                    "name": "other",
                    "owner": "other@example.com",
                    "namespaces": [
                        "other",
                        {"name": "jobs", "ingress": False},
                        {"name": "operators", "apiAccess": True, "ingress": False},
                    ],
                },
            ],
            # OPEN has no egress policy in the looser profile either, where the second exception would match nothing
            "exceptions": exceptions if self.profile != "baseline" else exceptions[:1],
        }


def sends(world: World, flow: Flow) -> bool:
    """May the source send this? Open but for tenants under the stricter profiles."""
    source, target = flow.ends
    if not isinstance(source, Pod) or source.namespace not in TENANTS or world.profile == "baseline":
        return True
    port = (flow.port, flow.protocol)
    if flow.target == "dns" and world.dns != "gke-clouddns" and flow.port == 53:
        return True
    if flow.target == "nodelocal" and world.dns == "nodelocal" and flow.port == 53:
        return True
    if flow.target == "metadata" and world.dns == "gke-clouddns" and flow.port == 53:
        return True
    if flow.source == "operator" and (flow.target, *port) in {("apiserver", 6443, "TCP"), ("service", 443, "TCP")}:
        return True
    if isinstance(target, Pod) and source.namespace == target.namespace:
        tunnel = world.mesh == "istio-ambient" and port == (15008, "TCP")
        return world.profile == "restricted" or tunnel
    return False


def takes(world: World, flow: Flow) -> bool:
    """May the target take this? Closed in tenants' namespaces under every profile, and at webhooks."""
    source, target = flow.ends
    port = (flow.port, flow.protocol)
    if flow.target == "webhook":
        return port == (9443, "TCP") or (flow.source == "prometheus" and port == (8000, "TCP"))
    if not isinstance(target, Pod) or target.namespace not in TENANTS:
        return True
    tunnel = world.mesh == "istio-ambient" and port == (15008, "TCP")
    published = target.namespace in ("shop", "staging", "other")
    if flow.source == "gateway" and published:
        return True
    if flow.source == "prometheus":
        scraped = (9090, "TCP") if target.namespace == "shop" else target.ports.get("metrics")
        return port == scraped or tunnel
    if flow.source == "mesh-probe":
        return world.mesh == "istio-ambient"
    if isinstance(source, Pod) and source.namespace == target.namespace:
        return world.profile != "zero-trust" or tunnel
    return False


def expected(world: World, flow: Flow) -> bool:
    return sends(world, flow) and takes(world, flow)


def flows() -> Iterator[Flow]:
    for source in ENDS:
        for target in ENDS:
            if source != target:
                for protocol, port in PORTS:
                    yield Flow(source, target, port, protocol)


FLOWS = tuple(flows())
WORLDS = [World(p) for p in PROFILES] + [
    World("restricted", dns="nodelocal"),
    World("zero-trust", dns="gke-clouddns"),
    World("baseline", mesh="istio-ambient"),
    World("restricted", mesh="istio-ambient"),
    World("zero-trust", mesh="istio-ambient"),
]


@cache
def builder() -> Builder:
    return Builder()


@cache
def policies(world: World, folder: Path) -> tuple[dict[str, Any], ...]:
    file = write_cluster(folder, **world.document())
    return tuple(
        m.body for m in builder().build(file) if (m.kind, m.shape.group) == ("NetworkPolicy", "networking.k8s.io")
    )


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows")


@cache
def passing(world: World, folder: Path) -> frozenset[Flow]:
    network = Network(policies(world, folder))
    return frozenset(f for f in FLOWS if network.allows(*f.ends, f.port, f.protocol))


@pytest.mark.parametrize("world", WORLDS, ids=str)
def test_exactly_the_stated_flows_pass(world: World, folder: Path) -> None:
    passed = passing(world, folder)
    stated = {f for f in FLOWS if expected(world, f)}
    assert passed - stated == set(), "passes, though nobody says it may"
    assert stated - passed == set(), "is refused, though it should pass"


@pytest.mark.parametrize("profile", PROFILES)
def test_promises_in_a_sentence_each(profile: str, folder: Path) -> None:
    net = Network(policies(World(profile), folder))
    web, cart, client = ENDS["web"], ENDS["cart"], ENDS["client"]
    assert not net.allows(client, web, 8080), "another namespace's pod reaches an app"
    assert net.allows(web, ENDS["dns"], 53, "UDP")
    assert net.allows(web, ENDS["dns"], 53, "TCP")
    assert net.allows(web, ENDS["metadata"], 80) is (profile == "baseline"), "metadata is open where egress is"
    assert net.allows(ENDS["prometheus"], web, 9090)
    assert not net.allows(ENDS["grafana"], web, 9090)
    assert not net.allows(ENDS["pretender"], client, 9090), "a label alone makes no Prometheus"
    assert net.allows(cart, web, 8080) is (profile != "zero-trust")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_tenant_namespace_is_closed_by_default(profile: str, folder: Path) -> None:
    """A pod whose labels no template can know takes nothing and, but for DNS, sends nothing."""
    found = policies(World(profile), folder)
    net = Network(tuple(p for p in found if p["metadata"]["name"].startswith("default-deny")))
    for namespace in TENANTS:
        stranger = Pod(namespace, {"x": "y"})
        assert net.selecting(stranger, "Ingress")
        assert not any(net.allows(end, stranger, 8080) for end in ENDS.values())
        if profile != "baseline":
            assert net.selecting(stranger, "Egress")
            assert not any(net.allows(stranger, end, 8080) for end in ENDS.values())


@pytest.mark.parametrize("mesh", ["none", "istio-ambient"])
def test_a_stricter_profile_lets_no_more_through(mesh: str, folder: Path) -> None:
    passed = [passing(World(profile, mesh=mesh), folder) for profile in PROFILES]
    assert passed[0] > passed[1] > passed[2]


@pytest.mark.parametrize("world", [*(World(p) for p in PROFILES), World("zero-trust", mesh="istio-ambient")], ids=str)
def test_every_allow_is_needed(world: World, folder: Path) -> None:
    """Without it, some flow that passes would be refused: so none is there for show."""
    found = policies(world, folder)
    allows = [p for p in found if p["metadata"]["name"].startswith("allow-")]
    assert len(allows) > len(TENANTS)
    # A webhook's policy closes as well as allows; the probe pairs are its proof.
    wanted = [p for p in allows if not p["metadata"]["name"].startswith("allow-webhook")]
    idle = [(p["metadata"]["namespace"], p["metadata"]["name"]) for p in wanted if not _closes(world, folder, p)]
    assert idle == []


def _closes(world: World, folder: Path, policy: dict[str, Any]) -> bool:
    """Is some flow refused once this policy is gone?"""
    net = Network(tuple(p for p in policies(world, folder) if p is not policy))
    here = policy["metadata"]["namespace"]
    touched = (f for f in passing(world, folder) if here in (getattr(e, "namespace", None) for e in f.ends))
    return any(not net.allows(*f.ends, f.port, f.protocol) for f in touched)


PAIRS = [
    (file.parent.name, pair)
    for file in sorted((ROOT / "templates" / "network").glob("*/probes.yaml"))
    for pair in load(file.read_bytes(), file.name).value["pairs"]
]


def _end(where: dict[str, Any], namespace: str | None) -> End:
    if "address" in where:
        return Address(where["address"])
    known = next((e for e in ENDS.values() if isinstance(e, Pod) and e.namespace == (namespace or "")), Pod("", {}))
    return replace(known, namespace=namespace or "", labels=where["labels"])


def _admitted(net: Network, request: dict[str, Any]) -> bool:
    wanted = request["object"]
    source = _end(wanted, request.get("namespace"))
    target = _end(wanted["to"], wanted["to"].get("namespace"))
    return net.allows(source, target, wanted["port"], request["resource"].upper())


@pytest.mark.parametrize(("control", "pair"), PAIRS, ids=[f"{c}: {p['name']}" for c, p in PAIRS])
def test_probe_pairs_hold(control: str, pair: dict[str, Any], folder: Path) -> None:
    mesh = "istio-ambient" if pair["ring"] == "mesh" else "none"
    net = Network(policies(World("restricted", mesh=mesh), folder))
    assert not _admitted(net, pair["refuse"])
    assert _admitted(net, pair["admit"])
