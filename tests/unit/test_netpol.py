"""The simulator that judges our policies is itself judged by what the API's documentation says of each field."""

from __future__ import annotations

from typing import Any

import pytest
from netpol import Address, Network, Pod, policy_types, selects

WEB = Pod("shop", {"app": "web"}, "10.0.0.1", {"http": (8080, "TCP"), "dns": (53, "UDP")})
DB = Pod("shop", {"app": "db", "role": "store"}, "10.0.0.2")
CLIENT = Pod("other", {"app": "client"}, "10.0.1.1")
NODE = Address("192.0.2.1")


def policy(namespace: str = "shop", name: str = "p", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def network(*policies: dict[str, Any]) -> Network:
    return Network(policies, {"other": {"team": "red"}})


def test_without_policies_everything_passes() -> None:
    assert network().allows(CLIENT, WEB, 1)
    assert network().allows(WEB, NODE, 1, "UDP")


def test_a_selected_pod_is_closed_in_the_directions_of_the_policy() -> None:
    closed = network(policy(policyTypes=["Ingress"]))
    assert not closed.allows(CLIENT, WEB, 80)
    assert closed.allows(WEB, CLIENT, 80)
    closed = network(policy(policyTypes=["Egress"]))
    assert closed.allows(CLIENT, WEB, 80)
    assert not closed.allows(WEB, CLIENT, 80)
    assert not closed.allows(WEB, DB, 80)  # inside the namespace too


def test_types_left_out_are_ingress_and_egress_only_with_rules() -> None:
    assert policy_types({}) == ["Ingress"]
    assert policy_types({"egress": []}) == ["Ingress"]
    assert policy_types({"egress": [{}]}) == ["Ingress", "Egress"]
    assert policy_types({"policyTypes": ["Egress"]}) == ["Egress"]


def test_only_selected_pods_are_closed() -> None:
    closed = network(policy(podSelector={"matchLabels": {"app": "db"}}))
    assert not closed.allows(CLIENT, DB, 80)
    assert closed.allows(CLIENT, WEB, 80)


def test_policies_are_a_union() -> None:
    both = network(policy(), policy(ingress=[{"ports": [{"port": 80}]}]), policy(ingress=[{"ports": [{"port": 81}]}]))
    assert both.allows(CLIENT, WEB, 80)
    assert both.allows(CLIENT, WEB, 81)
    assert not both.allows(CLIENT, WEB, 82)


def test_both_ends_must_allow() -> None:
    sends = policy("other", policyTypes=["Egress"], egress=[{"to": [{"namespaceSelector": {}}]}])
    takes = policy(ingress=[{"from": [{"namespaceSelector": {}}]}])
    assert network(sends, takes).allows(CLIENT, WEB, 80)
    assert not network(sends, policy()).allows(CLIENT, WEB, 80)
    assert not network(policy("other", policyTypes=["Egress"]), takes).allows(CLIENT, WEB, 80)


PEERS = [
    ({"podSelector": {}}, {"DB"}),
    ({"podSelector": {"matchLabels": {"app": "client"}}}, set()),  # of the policy's own namespace
    ({"namespaceSelector": {}}, {"DB", "CLIENT"}),
    ({"namespaceSelector": {"matchLabels": {"team": "red"}}}, {"CLIENT"}),
    ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "other"}}}, {"CLIENT"}),
    ({"namespaceSelector": {"matchLabels": {"team": "red"}}, "podSelector": {"matchLabels": {"app": "db"}}}, set()),
    ({"ipBlock": {"cidr": "192.0.2.0/24"}}, {"NODE"}),
    ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.0/24"]}}, {"DB", "CLIENT"}),
    ({"ipBlock": {"cidr": "::/0"}}, set()),
]


@pytest.mark.parametrize(("peer", "expected"), PEERS)
def test_peers(peer: dict[str, Any], expected: set[str]) -> None:
    net = network(policy(podSelector={"matchLabels": {"app": "web"}}, ingress=[{"from": [peer]}]))
    ends = {"DB": DB, "CLIENT": CLIENT, "NODE": NODE}
    assert {name for name, end in ends.items() if net.allows(end, WEB, 80)} == expected


def test_items_of_a_rule_are_alternatives_and_parts_of_an_item_are_not() -> None:
    items = [{"podSelector": {}}, {"ipBlock": {"cidr": "192.0.2.0/24"}}]
    net = network(policy(ingress=[{"from": items, "ports": [{"port": 80}]}]))
    assert net.allows(DB, WEB, 80)
    assert net.allows(NODE, WEB, 80)
    assert not net.allows(NODE, WEB, 81)


def test_empty_lists_of_peers_and_ports_are_everything() -> None:
    net = network(policy(ingress=[{"from": [], "ports": []}]))
    assert net.allows(CLIENT, WEB, 1, "UDP")


PORTS = [
    ({"port": 80}, 80, "TCP", True),
    ({"port": 80}, 80, "UDP", False),
    ({"protocol": "UDP", "port": 80}, 80, "UDP", True),
    ({"protocol": "UDP"}, 7, "UDP", True),
    ({"protocol": "UDP"}, 7, "TCP", False),
    ({"port": 80, "endPort": 90}, 80, "TCP", True),
    ({"port": 80, "endPort": 90}, 90, "TCP", True),
    ({"port": 80, "endPort": 90}, 91, "TCP", False),
    ({"port": "http"}, 8080, "TCP", True),
    ({"port": "http"}, 80, "TCP", False),
    ({"port": "dns"}, 53, "TCP", False),
    ({"protocol": "UDP", "port": "dns"}, 53, "UDP", True),
    ({"port": "metrics"}, 8080, "TCP", False),
]


@pytest.mark.parametrize(("entry", "port", "protocol", "expected"), PORTS)
def test_ports(entry: dict[str, Any], port: int, protocol: str, expected: bool) -> None:
    assert network(policy(ingress=[{"ports": [entry]}])).allows(CLIENT, WEB, port, protocol) is expected


def test_a_named_port_of_egress_is_the_targets() -> None:
    net = network(policy("other", policyTypes=["Egress"], egress=[{"ports": [{"port": "http"}]}]))
    assert net.allows(CLIENT, WEB, 8080)
    assert not net.allows(CLIENT, DB, 8080)
    assert not net.allows(CLIENT, NODE, 8080)


def test_the_hosts_network_is_neither_closed_nor_selected() -> None:
    host = Pod("shop", {"app": "web"}, "192.0.2.1", host_network=True)
    net = network(policy(policyTypes=["Ingress", "Egress"]), policy(ingress=[{"from": [{"podSelector": {}}]}]))
    assert net.allows(CLIENT, host, 80)
    assert not net.allows(host, WEB, 80)
    assert network(policy(ingress=[{"from": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}])).allows(host, WEB, 80)


SELECTORS = [
    (None, True),
    ({}, True),
    ({"matchLabels": {"app": "db"}}, True),
    ({"matchLabels": {"app": "web"}}, False),
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}, True),
    ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["db"]}]}, False),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}, False),
    ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["db"]}]}, True),
    ({"matchExpressions": [{"key": "role", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "role", "operator": "DoesNotExist"}]}, False),
    ({"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
]


@pytest.mark.parametrize(("selector", "expected"), SELECTORS)
def test_selectors(selector: dict[str, Any] | None, expected: bool) -> None:
    assert selects(selector, DB.labels) is expected


def test_an_unknown_operator_is_no_match_in_silence() -> None:
    with pytest.raises(ValueError, match="Near"):
        selects({"matchExpressions": [{"key": "a", "operator": "Near"}]}, {})
