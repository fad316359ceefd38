"""What makes hardening generators wrong in practice, each shown not to be so here, on what is rendered or refused."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
from helpers import cluster, write_cluster

from ringfence.build import Builder
from ringfence.errors import RingfenceError

BY_NAME = "kubernetes.io/metadata.name"
GROUPS = {"groups": {"platformAdmin": ["oidc:platform"], "auditor": ["oidc:audit"], "breakGlass": ["oidc:glass"]}}
PARTS = {
    "components": {
        "admission": "kyverno", "secrets": ["external-secrets"], "mesh": "none", "runtime": ["falco"],
        "monitoring": {"namespace": "monitoring"}, "ingressControllers": [{"namespace": "gateway"}],
    },
    "identity": GROUPS,
}  # fmt: skip
API = {"apiServer": {"addresses": ["10.0.0.10"]}, "nodeCIDRs": ["10.0.0.0/16"]}


@cache
def builder() -> Builder:
    return Builder()


def objects(folder: Path, kind: str | None = None, **changes: Any) -> list[dict[str, Any]]:
    document = {"profile": "restricted", **PARTS, **changes}
    bundle = builder().build(write_cluster(folder, **document))
    return [m.body for m in bundle if kind in (None, m.kind)]


def named(found: list[dict[str, Any]], name: str, namespace: str = "shop") -> dict[str, Any]:
    (one,) = [
        b for b in found if b["metadata"]["name"] == name and b["metadata"].get("namespace", namespace) == namespace
    ]
    return one


def blocks(policy: dict[str, Any], direction: str = "egress") -> list[str]:
    key = "to" if direction == "egress" else "from"
    rules = policy["spec"].get(direction) or []
    return [p["ipBlock"]["cidr"] for r in rules for p in r.get(key) or [] if "ipBlock" in p]


@pytest.mark.parametrize("profile", ["restricted", "zero-trust"])
def test_trap_1_closed_egress_has_its_dns_twin_and_cannot_lose_it(tmp_path: Path, profile: str) -> None:
    policies = objects(tmp_path / "on", "NetworkPolicy", profile=profile)
    assert named(policies, "default-deny-egress")
    assert {p["protocol"] for p in named(policies, "allow-dns")["spec"]["egress"][0]["ports"]} == {"UDP", "TCP"}
    off = {"net-allow-dns": {"stage": "off", "reason": "To see."}}
    with pytest.raises(RingfenceError, match="net-allow-dns"):
        objects(tmp_path / "off", profile=profile, controls=off)


@pytest.mark.parametrize(
    ("dns", "address"),
    [({"mode": "nodelocal"}, "169.254.20.10/32"), ({"mode": "gke-clouddns"}, "169.254.169.254/32"),
     ({"mode": "nodelocal", "addresses": ["169.254.25.10"]}, "169.254.25.10/32")],
)  # fmt: skip
def test_trap_2_resolvers_that_are_no_pods_are_allowed_by_address(tmp_path: Path, dns: Any, address: str) -> None:
    assert address in blocks(named(objects(tmp_path, "NetworkPolicy", network={"dns": dns}), "allow-dns"))


def test_trap_3_metadata_is_blocked_by_absence_and_never_by_an_except(tmp_path: Path) -> None:
    for policy in objects(tmp_path, "NetworkPolicy", network=API):
        for rule in policy["spec"].get("egress") or []:
            assert not [p for p in rule.get("to") or [] if p.get("ipBlock", {}).get("except")]
        covering = [c for c in blocks(policy) if ip_address("169.254.169.254") in ip_network(c)]
        assert not covering or policy["metadata"]["name"] == "allow-dns"


def test_trap_4_the_api_server_is_allowed_at_its_endpoints_or_by_entity(tmp_path: Path) -> None:
    tenants = [{"name": "t", "owner": "o@x", "namespaces": [{"name": "shop", "apiAccess": True}]}]
    plain = named(objects(tmp_path / "a", "NetworkPolicy", network=API, tenants=tenants), "allow-apiserver")
    assert "10.0.0.10/32" in blocks(plain)
    cilium = objects(tmp_path / "b", "CiliumNetworkPolicy", network={**API, "cni": "cilium"}, tenants=tenants)
    assert any("kube-apiserver" in r.get("toEntities", []) for p in cilium for r in p["spec"].get("egress", []))
    with pytest.raises(RingfenceError, match=r"network\.apiServer\.addresses"):
        objects(tmp_path / "c", network={"cni": "calico"}, tenants=tenants)


def test_trap_5_webhooks_are_reached_at_the_port_of_their_pods(tmp_path: Path) -> None:
    policies = [p for p in objects(tmp_path, "NetworkPolicy", network=API) if p["metadata"]["namespace"] == "kyverno"]
    ports = {p["port"] for policy in policies for r in policy["spec"]["ingress"] for p in r.get("ports", [])}
    assert 9443 in ports
    assert 443 not in ports


def test_trap_7_kube_system_is_never_closed(tmp_path: Path) -> None:
    for profile in ("baseline", "restricted", "zero-trust"):
        closed = {p["metadata"]["namespace"] for p in objects(tmp_path / profile, "NetworkPolicy", profile=profile)}
        assert not closed & {"kube-system", "kube-public", "default"}


def test_trap_8_namespaces_are_selected_by_name_alone(tmp_path: Path) -> None:
    for policy in objects(tmp_path, "NetworkPolicy", network=API):
        for direction, key in (("ingress", "from"), ("egress", "to")):
            for rule in policy["spec"].get(direction) or []:
                for peer in rule.get(key) or []:
                    selector = peer.get("namespaceSelector", {})
                    keys = {*selector.get("matchLabels", {}), *(e["key"] for e in selector.get("matchExpressions", []))}
                    assert keys <= {BY_NAME}


def test_trap_9_dual_stack_gets_both_families(tmp_path: Path) -> None:
    both = {
        "ipFamilies": ["IPv4", "IPv6"], "cni": "aws-vpc-cni", "nodeCIDRs": ["10.0.0.0/16", "fd00::/64"],
        "apiServer": {"addresses": ["10.0.0.10", "fd00::10"]},
    }  # fmt: skip
    for policy in objects(tmp_path, "NetworkPolicy", network=both):
        for direction in ("ingress", "egress"):
            versions = {ip_network(c).version for c in blocks(policy, direction)}
            assert versions in (set(), {4, 6}), policy["metadata"]["name"]


def test_trap_13_system_namespaces_are_privileged_by_name_and_with_a_reason(tmp_path: Path) -> None:
    level = "pod-security.kubernetes.io/enforce"
    namespaces = objects(tmp_path, "Namespace", network={"cni": "calico"})
    privileged = [n["metadata"] for n in namespaces if n["metadata"]["labels"].get(level) == "privileged"]
    assert {m["name"] for m in privileged} >= {"kube-system", "falco"}
    assert all(m["annotations"]["ringfence/reason"] for m in privileged)


def test_trap_15_nothing_is_exempt_by_user(tmp_path: Path) -> None:
    """Exempting a controller exempts whoever uses it: no policy lets the workload controllers pass."""
    for policy in objects(tmp_path, "ValidatingAdmissionPolicy", profile="zero-trust"):
        text = str(policy["spec"].get("matchConditions", []))
        assert not [c for c in ("replicaset-controller", "deployment-controller", "job-controller") if c in text]


def test_trap_16_enforcement_is_pinned_and_warnings_float(tmp_path: Path) -> None:
    labels = named(objects(tmp_path, "Namespace"), "shop")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce-version"] == "v" + cluster()["kubernetes"]["version"]
    assert labels["pod-security.kubernetes.io/warn-version"] == "latest"


def test_trap_28_policies_are_bound_and_see_every_container(tmp_path: Path) -> None:
    found = objects(tmp_path, profile="zero-trust")
    policies = {b["metadata"]["name"] for b in found if b["kind"] == "ValidatingAdmissionPolicy"}
    bindings = [b["spec"] for b in found if b["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert policies == {b["policyName"] for b in bindings}
    assert all({"Deny", "Warn"} - set(b["validationActions"]) for b in bindings)
    for body in found:
        if body["kind"] == "ValidatingAdmissionPolicy":
            text = " ".join(v["expression"] for v in body["spec"]["validations"])
            if "spec.containers" in text:
                assert "initContainers" in text
                assert "ephemeralContainers" in text


def test_trap_45_a_quota_has_a_limit_range_that_gives_defaults(tmp_path: Path) -> None:
    found = objects(tmp_path)
    quotas = {b["metadata"]["namespace"] for b in found if b["kind"] == "ResourceQuota"}
    ranges = {b["metadata"]["namespace"]: b["spec"]["limits"] for b in found if b["kind"] == "LimitRange"}
    assert quotas == set(ranges) != set()
    for limits in ranges.values():
        (container,) = [entry for entry in limits if entry["type"] == "Container"]
        assert container["defaultRequest"].keys() >= {"cpu", "memory"}
        assert "cpu" not in container["default"]
    with pytest.raises(RingfenceError, match="quota-limitrange"):
        objects(tmp_path / "off", controls={"quota-limitrange": {"stage": "off", "reason": "To see."}})
