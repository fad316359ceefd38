"""Rules about network policies: each on manifests that break it and on their nearest relatives that don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.documents import Document, dump
from ringfence.errors import InputError
from ringfence.findings import examine
from ringfence.schemas import SchemaStore

Body = dict[str, Any]
STORE = SchemaStore("1.36")
DENY_IN: Body = {"podSelector": {}, "policyTypes": ["Ingress"]}
DENY_OUT: Body = {"podSelector": {}, "policyTypes": ["Egress"]}
BOTH_DNS = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
BY_NAME = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}


def policy(spec: Body, name: str = "p", namespace: str = "shop") -> Body:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def egress(*rules: Body, **fields: Any) -> Body:
    return policy({"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules), **fields}, "allow")


def ingress(*rules: Body, **fields: Any) -> Body:
    return policy({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": list(rules), **fields}, "allow")


def cilium(kind: str = "CiliumNetworkPolicy", namespace: str | None = "shop", **spec: Any) -> Body:
    metadata = {"name": "c", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata, "spec": {"endpointSelector": {}, **spec}}


def calico(namespace: str = "shop", **spec: Any) -> Body:
    metadata = {"name": "c", "namespace": namespace}
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def found(*bodies: Body) -> list[tuple[str, str, str]]:
    """Object, path and message of every finding of the rules; each has a remedy."""
    report = examine([Document("x.yaml", b, dump(b)) for b in bodies], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy for f in report.findings)
    rules = [f for f in report.findings if f.control != "schema"]
    return [(f.object, ".".join(map(str, f.path)), f.message) for f in rules]


def messages(*bodies: Body) -> list[str]:
    return [message for _, _, message in found(*bodies)]


# Empty lists


def test_an_empty_list_of_peers_or_ports_is_everything() -> None:
    assert found(ingress({"from": [], "ports": []})) == [
        ("NetworkPolicy/shop/allow", "spec.ingress.0.from", "an empty from allows everything"),
        ("NetworkPolicy/shop/allow", "spec.ingress.0.ports", "an empty ports allows everything"),
    ]
    assert messages(egress({"to": [], "ports": BOTH_DNS})) == ["an empty to allows everything"]
    assert messages(ingress({"from": [{"podSelector": {}}], "ports": BOTH_DNS})) == []


def test_no_rules_at_all_is_a_deny_and_no_finding() -> None:
    assert messages(ingress(), policy(DENY_IN, "deny")) == []


# Selectors


def test_namespaces_are_selected_by_name() -> None:
    forged = {"namespaceSelector": {"matchLabels": {"team": "red"}}}
    expressed = {"namespaceSelector": {"matchExpressions": [{"key": "env", "operator": "Exists"}]}}
    assert messages(ingress({"from": [forged]})) == ["selects namespaces by team, a label that tenants may forge"]
    assert messages(egress({"to": [expressed], "ports": BOTH_DNS})) == [
        "selects namespaces by env, a label that tenants may forge"
    ]
    assert (
        messages(ingress({"from": [BY_NAME, {"namespaceSelector": {}}, {"podSelector": {"matchLabels": {"a": "b"}}}]}))
        == []
    )


# Ports

PORTS = [
    ({"port": 80, "endPort": 79}, "the range 80 to 79 is empty or too long"),
    ({"port": 80, "endPort": 65536}, "the range 80 to 65536 is empty or too long"),
    ({"endPort": 80}, "endPort needs a numeric port"),
    ({"port": "http", "endPort": 80}, "endPort needs a numeric port"),
    ({"port": 0}, "0 is no port"),
    ({"port": 65536}, "65536 is no port"),
    ({"port": 80, "endPort": 80}, None),
    ({"port": 80, "endPort": 65535}, None),
    ({"port": "http"}, None),
    ({"protocol": "UDP"}, None),
]


@pytest.mark.parametrize(("port", "message"), PORTS)
def test_port_ranges(port: Body, message: str | None) -> None:
    assert messages(ingress({"from": [{"podSelector": {}}], "ports": [port]})) == ([message] if message else [])


# DNS

DNS = [
    ([], "egress of shop is closed and DNS is not allowed"),
    ([{"to": [BY_NAME], "ports": BOTH_DNS}], None),
    ([{"to": [BY_NAME], "ports": [{"port": 53}]}], "egress of shop is closed and DNS is allowed over TCP alone"),
    ([{"to": [BY_NAME], "ports": [{"protocol": "UDP", "port": 53}]}], "closed and DNS is allowed over UDP alone"),
    ([{"to": [BY_NAME], "ports": [{"port": 53}]}, {"to": [BY_NAME], "ports": [{"protocol": "UDP"}]}], None),
    ([{"to": [BY_NAME], "ports": [{"protocol": p, "port": 5353} for p in ("UDP", "TCP")]}], None),
    ([{"to": [BY_NAME], "ports": [{"protocol": p, "port": 1, "endPort": 99} for p in ("UDP", "TCP")]}], None),
    ([{"to": [BY_NAME]}], None),
    ([{"to": [BY_NAME], "ports": [{"port": 443}]}], "egress of shop is closed and DNS is not allowed"),
]


@pytest.mark.parametrize(("rules", "message"), DNS)
def test_closed_egress_allows_dns_over_both_protocols(rules: list[Body], message: str | None) -> None:
    given = [policy(DENY_OUT, "deny")] + ([egress(*rules)] if rules else [])
    assert [m for m in messages(*given) if message is None or message not in m] == []
    assert len(messages(*given)) == (message is not None)


def test_open_egress_needs_no_dns() -> None:
    assert messages(egress({"to": [BY_NAME], "ports": [{"port": 443}]}, podSelector={"matchLabels": {"a": "b"}})) == []


def test_dns_in_another_namespace_is_of_no_use() -> None:
    other = policy({"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": BOTH_DNS}]}, namespace="other")
    assert "egress of shop is closed and DNS is not allowed" in messages(policy(DENY_OUT, "deny"), other)


FOREIGN_DNS = [
    (cilium(egress=[{"toEntities": ["cluster"], "toPorts": [{"ports": [{"port": "53", "protocol": "ANY"}]}]}]), True),
    (cilium(egress=[{"toEntities": ["world"]}]), True),
    (cilium(egress=[{"toEntities": ["kube-apiserver"], "toPorts": [{"ports": [{"port": "6443"}]}]}]), False),
    (cilium(egressDeny=[{"toCIDR": ["169.254.169.254/32"]}], enableDefaultDeny={"egress": False}), False),
    (cilium("CiliumClusterwideNetworkPolicy", None, egress=[{"toEntities": ["cluster"]}]), True),
    (cilium(namespace="other", egress=[{"toEntities": ["cluster"]}]), False),
    (calico(egress=[{"action": "Allow", "protocol": "UDP", "destination": {"ports": [53]}}]), True),
    (calico(egress=[{"action": "Allow", "protocol": "TCP", "destination": {"ports": [443]}}]), False),
    (calico(egress=[{"action": "Deny", "protocol": "TCP"}]), False),
]


@pytest.mark.parametrize(("other", "allows"), FOREIGN_DNS)
def test_another_kind_of_policy_may_be_the_one_that_allows_dns(other: Body, allows: bool) -> None:
    expected = [] if allows else ["egress of shop is closed and DNS is not allowed"]
    assert messages(policy(DENY_OUT, "deny"), other) == expected


# Re-opening

ALL_BUT = {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}


def test_everything_but_some_ranges_reopens_a_closed_namespace() -> None:
    closed = [policy(DENY_OUT, "deny"), egress({"to": [BY_NAME], "ports": BOTH_DNS})]
    reopened = egress({"to": [ALL_BUT], "ports": [{"port": 443}]})
    reopened["metadata"]["name"] = "internet"
    message = "everything but some ranges: that re-opens the closed egress of shop"
    assert found(*closed, reopened) == [("NetworkPolicy/shop/internet", "spec.egress.0.to.0.ipBlock", message)]
    assert messages(*closed[1:], reopened) == []  # nothing was closed


def test_a_range_with_a_hole_reopens_nothing() -> None:
    block = {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}
    assert messages(policy(DENY_OUT, "deny"), egress({"to": [block]}, {"ports": BOTH_DNS})) == []


def test_ingress_from_everywhere_but_some_ranges_is_not_egress() -> None:
    closed = [policy(DENY_OUT, "deny"), egress({"to": [BY_NAME], "ports": BOTH_DNS})]
    assert messages(*closed, ingress({"from": [ALL_BUT]})) == []


# Metadata

METADATA = "lets its pods reach the instance metadata service at 169.254.169.254"
METADATA6 = "lets its pods reach the instance metadata service at fd00:ec2::254"


def to(cidr: str, *ports: Body, **block: Any) -> Body:
    rule: Body = {"to": [{"ipBlock": {"cidr": cidr, **block}}]}
    return {**rule, "ports": list(ports)} if ports else rule


REACH = [
    (to("0.0.0.0/0"), METADATA),
    (to("169.254.0.0/16"), METADATA),
    (to("0.0.0.0/0", {"port": 80}), METADATA),
    (to("0.0.0.0/0", {"port": 1, "endPort": 1024}), METADATA),
    (to("0.0.0.0/0", {"protocol": "TCP"}), METADATA),
    (to("169.254.169.254/32", {"port": 443}), METADATA),
    (to("169.254.169.254/32", {"port": 53, "endPort": 80}), METADATA),
    (to("::/0"), METADATA6),
    ({}, METADATA),
    ({"ports": [{"port": 80}]}, METADATA),
    (to("0.0.0.0/0", {"port": 443}), None),  # nothing answers there
    (to("0.0.0.0/0", {"protocol": "UDP", "port": 80}), None),
    (to("0.0.0.0/0", **{"except": ["169.254.0.0/16"]}), None),
    (to("::/0", **{"except": ["fd00:ec2::254/128"]}), None),
    (to("169.254.169.254/32", *BOTH_DNS), None),  # GKE Cloud DNS
    (to("10.0.0.0/8"), None),
    ({"ports": [{"port": 443}]}, None),
    ({"to": [{"namespaceSelector": {}}]}, None),
    ({"ports": [{"port": "http"}]}, None),  # a name is a pod's
]


@pytest.mark.parametrize(("rule", "message"), REACH)
def test_no_allow_covers_the_metadata_service(rule: Body, message: str | None) -> None:
    given = egress(rule, podSelector={"matchLabels": {"app": "web"}})
    assert messages(given) == ([message] if message else [])


def test_metadata_is_about_egress_only() -> None:
    assert messages(ingress({"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]})) == []


def test_a_deny_above_every_allow_settles_it() -> None:
    ports = [{"ports": [{"port": "80", "protocol": "TCP"}]}]
    deny = cilium(
        egressDeny=[{"toCIDR": ["169.254.169.254/32"], "toPorts": ports}], enableDefaultDeny={"egress": False}
    )
    tier = calico(
        egress=[{"action": "Deny", "protocol": "TCP", "destination": {"nets": ["169.254.0.0/16"], "ports": [80]}}]
    )
    allow = cilium(egress=[{"toCIDR": ["169.254.169.254/32"]}])
    for settled in (deny, tier):
        assert messages(egress(to("0.0.0.0/0")), settled) == []
    assert messages(egress(to("0.0.0.0/0")), allow) == [METADATA]


# IP families


def test_both_families_get_the_same_where_ipv6_is_in_use() -> None:
    v6 = ingress({"from": [{"ipBlock": {"cidr": "fd00::/64"}}]})
    https = {"port": 443}
    half = egress(to("0.0.0.0/0", https))
    whole = egress({"to": [{"ipBlock": {"cidr": c}} for c in ("0.0.0.0/0", "::/0")], "ports": [https]})
    apart = egress(to("0.0.0.0/0", https), to("::/0", https))
    assert messages(half) == []  # nothing says that IPv6 is in use
    assert messages(half, v6) == ["all of IPv4 and nothing of IPv6, beside policies that list IPv6 ranges"]
    assert messages(whole, v6) == messages(apart, v6) == []


def test_an_except_for_ipv4_alone_is_half_an_except() -> None:
    lopsided = egress(to("0.0.0.0/0", {"port": 443}, **{"except": ["10.0.0.0/8"]}), to("::/0", {"port": 443}))
    even = egress(
        to("0.0.0.0/0", {"port": 443}, **{"except": ["10.0.0.0/8"]}),
        to("::/0", {"port": 443}, **{"except": ["fc00::/7"]}),
    )
    assert found(lopsided) == [
        (
            "NetworkPolicy/shop/allow",
            "spec.egress.1.to.0.ipBlock",
            "excepts ranges of IPv4 and none of IPv6, beside policies that list IPv6 ranges",
        )
    ]
    assert messages(even) == []


def test_a_resolver_or_a_node_may_have_one_address_only() -> None:
    assert messages(egress(to("169.254.20.10/32", *BOTH_DNS), to("fd00::1/128", {"port": 443}))) == []


# Half closed


def deployment(labels: Body, namespace: str = "shop", **spec: Any) -> Body:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}},
        },
    }


PEERS = [{"from": [{"podSelector": {}}]}]
FOR_DB = ingress(*PEERS, podSelector={"matchLabels": {"app": "db"}})
HALF = "shop has ingress policies and none for every pod: Deployment web accepts everything"


def test_a_workload_that_no_ingress_policy_selects_is_open() -> None:
    assert found(FOR_DB, deployment({"app": "web"})) == [("NetworkPolicy/shop/allow", "spec.podSelector", HALF)]


CLOSED = [
    (FOR_DB, deployment({"app": "db"})),
    (FOR_DB, deployment({"app": "web"}), policy(DENY_IN, "deny")),
    (ingress(*PEERS), deployment({"app": "web"})),  # every pod, from the namespace only
    (FOR_DB, deployment({"app": "web"}, namespace="other")),
    (FOR_DB, deployment({"app": "web"}, hostNetwork=True)),  # no policy applies to it
    (deployment({"app": "web"}),),  # no policy: nobody claims that it is closed
    (egress({"to": [BY_NAME], "ports": BOTH_DNS}), deployment({"app": "web"})),  # nor does an egress policy
    (FOR_DB, deployment({"app": "web"}), cilium(ingress=[{}])),  # which may close it
    (FOR_DB, deployment({"app": "web"}), cilium("CiliumClusterwideNetworkPolicy", None, ingress=[{}])),
]


@pytest.mark.parametrize("bodies", CLOSED, ids=range(len(CLOSED)))
def test_what_is_closed_or_claims_nothing_is_no_finding(bodies: tuple[Body, ...]) -> None:
    assert messages(*bodies) == []


def test_a_rule_for_every_pod_that_lets_everybody_in_closes_nothing() -> None:
    anybody = ingress({"ports": [{"port": 80}]})
    anybody["metadata"]["name"] = "anybody"
    assert messages(FOR_DB, anybody, deployment({"app": "db"})) == []
    assert messages(FOR_DB, deployment({"app": "web"})) == [HALF]


SELECTORS = [
    ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}, False),
    ({"matchExpressions": [{"key": "app", "operator": "Exists"}]}, True),
    ({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ({"matchLabels": {"app": "web", "tier": "front"}}, False),
]


@pytest.mark.parametrize(("selector", "selected"), SELECTORS)
def test_selectors_are_read_as_the_api_reads_them(selector: Body, selected: bool) -> None:
    closed = ingress(*PEERS, podSelector=selector)
    assert messages(closed, deployment({"app": "web"})) == ([] if selected else [HALF])


def test_kinds_of_workloads() -> None:
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    cron = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": pod}}},
    }
    pod["spec"]["restartPolicy"] = "Never"
    bare = {"apiVersion": "v1", "kind": "Pod", **pod, "metadata": {**pod["metadata"], "name": "w", "namespace": "shop"}}
    assert messages(FOR_DB, cron) == [HALF.replace("Deployment", "CronJob")]
    assert messages(FOR_DB, bare) == [HALF.replace("Deployment web", "Pod w")]


def test_a_tenants_namespace_of_ours_is_closed_even_before_anything_runs_in_it() -> None:
    ours = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"ringfence/tenant": "a"}}}
    theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    assert messages(FOR_DB, ours) == [HALF.replace("Deployment web", "what it runs")]
    assert messages(FOR_DB, theirs) == []
    assert messages(FOR_DB, ours, policy(DENY_IN, "deny")) == []


# Other groups' policies of the same name


def test_calicos_network_policy_is_not_read_as_kubernetes_own() -> None:
    assert (
        messages(calico(selector="all()", egress=[{"action": "Allow", "destination": {"nets": ["0.0.0.0/0"]}}])) == []
    )


# On what ringfence renders: addresses that differ from namespace to namespace

PER_NAMESPACE = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: allow-owner
  namespace: {{ namespace.name }}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to:
    - ipBlock:
        cidr: {{ namespace.owner }}
"""


def test_a_rule_sees_the_addresses_of_each_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = small(tmp_path / "templates", monkeypatch)
    write_control(root, "demo-net", {"networkpolicy.yaml.j2": PER_NAMESPACE})
    owners = {"shop": "10.0.0.0/8", "other": "169.254.0.0/16"}
    tenants = [{"name": n, "owner": o, "namespaces": [n]} for n, o in owners.items()]
    with pytest.raises(InputError) as caught:
        Builder().build(write_cluster(tmp_path, tenants=tenants), "cluster.yaml")
    assert caught.value.line() == (
        "templates/demo/demo-net/networkpolicy.yaml.j2:11:1: error: NetworkPolicy/other/allow-owner: "
        f"{METADATA} (net-block-metadata); "
        "allow the destinations that are needed, by port; DNS at that address needs 53 alone"
    )
    Builder().build(write_cluster(tmp_path, tenants=tenants[:1]), "cluster.yaml")
