"""Facts about a cluster's network that templates use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.errors import InputError
from ringfence.spec import Cluster, read_cluster


@pytest.fixture
def facts(tmp_path: Path) -> Any:
    def read(distribution: str = "kubeadm", **network: Any) -> Cluster:
        kubernetes = {"version": "1.36", "distribution": distribution}
        return read_cluster(write_cluster(tmp_path, kubernetes=kubernetes, network=network), "cluster.yaml")

    return read


BOTH = ["IPv4", "IPv6"]
DNS = [
    ({}, ("kube-dns",), (), (53,)),
    ({"port": 5353}, ("kube-dns",), (), (53, 5353)),
    ({"mode": "nodelocal"}, ("kube-dns", "node-local-dns"), ("169.254.20.10/32",), (53,)),
    ({"mode": "nodelocal", "addresses": ["fd00::53"]}, ("kube-dns", "node-local-dns"), ("fd00::53/128",), (53,)),
    ({"mode": "gke-clouddns"}, (), ("169.254.169.254/32",), (53,)),
    ({"mode": "custom", "addresses": ["192.0.2.1"]}, (), ("192.0.2.1/32",), (53,)),
]


@pytest.mark.parametrize(("dns", "pods", "cidrs", "ports"), DNS)
def test_resolvers(facts: Any, dns: dict[str, Any], pods: tuple[str], cidrs: tuple[str], ports: tuple[int]) -> None:
    cluster = facts(dns=dns, ipFamilies=BOTH)
    assert (cluster.dns_pods, cluster.dns_cidrs, cluster.dns_ports) == (pods, cidrs, ports)


@pytest.mark.parametrize("mode", ["nodelocal", "gke-clouddns"])
def test_an_ipv4_resolver_is_no_default_on_ipv6(facts: Any, mode: str) -> None:
    with pytest.raises(InputError, match=f"mode {mode} needs addresses where IPv4 is not in use"):
        facts(dns={"mode": mode}, ipFamilies=["IPv6"])
    assert facts(dns={"mode": mode, "addresses": ["fd00::53"]}, ipFamilies=["IPv6"]).dns_cidrs == ("fd00::53/128",)


@pytest.mark.parametrize(("distribution", "port"), [("kubeadm", 6443), ("eks", 443), ("gke", 443), ("aks", 443)])
def test_the_api_servers_port_is_the_distributions_unless_given(facts: Any, distribution: str, port: int) -> None:
    assert facts(distribution).api_server_port == port
    assert facts(distribution, apiServer={"port": 8443}).api_server_port == 8443


def test_the_service_of_the_api_server_has_the_first_address_of_each_range(facts: Any) -> None:
    assert facts().api_service_cidrs == ()
    ranges = ["10.96.0.0/12", "fd00:96::/112"]
    assert facts(serviceCIDRs=ranges, ipFamilies=BOTH).api_service_cidrs == ("10.96.0.1/32", "fd00:96::1/128")


@pytest.mark.parametrize(
    ("cni", "kept"), [("aws-vpc-cni", True), ("kindnet", True), ("calico", False), ("cilium", False)]
)
def test_callers_are_known_where_the_plugin_keeps_nodes_addresses(facts: Any, cni: str, kept: bool) -> None:
    nodes = ["10.10.0.0/20"]
    assert facts(cni=cni, nodeCIDRs=nodes).api_caller_cidrs == (tuple(nodes) if kept else ())
    assert facts(cni=cni).api_caller_cidrs == ()


def test_there_is_one_of_each_for_every_family(facts: Any) -> None:
    assert facts().metadata_cidrs == ("169.254.169.254/32",)
    assert facts().mesh_probe_cidrs == ("169.254.7.127/32",)
    both = facts(ipFamilies=BOTH)
    assert both.metadata_cidrs == ("169.254.169.254/32", "fd00:ec2::254/128")
    assert both.mesh_probe_cidrs == ("169.254.7.127/32", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128")


def test_given_tells_whether_a_key_says_anything(facts: Any) -> None:
    assert not facts().given("network.apiServer.addresses")
    assert facts(apiServer={"addresses": ["10.0.0.1"]}).given("network.apiServer.addresses")
