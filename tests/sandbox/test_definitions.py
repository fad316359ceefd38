"""Definitions of custom kinds: what is registered for which bundle, and what of a schema a structural one can say."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import ROOT, write_cluster

from ringfence.sandbox.definitions import of_bundle, plural, stand_ins, structural
from ringfence.sandbox.hostfiles import HostFiles


def manifest(kind: str, api_version: str, namespace: str = "", **more: Any) -> Any:
    shape = SimpleNamespace(api_version=api_version)
    return SimpleNamespace(kind=kind, namespace=namespace, shape=shape, body={"kind": kind, **more})


def bundle(*manifests: Any) -> Any:
    class Fake:
        cluster = SimpleNamespace(kubernetes="1.36")

        def __iter__(self) -> Any:
            return iter(manifests)

    return Fake()


def named(*manifests: Any) -> dict[str, Any]:
    return {d["metadata"]["name"]: d for d in of_bundle(bundle(*manifests))}


def test_only_kinds_that_kubernetes_does_not_have_are_defined() -> None:
    host = HostFiles.of_cluster(ROOT / "examples" / "zero-trust" / "cluster.yaml")
    assert [d["metadata"]["name"] for d in host.definitions] == ["ciliumnetworkpolicies.cilium.io"]
    assert HostFiles.of_cluster(ROOT / "examples" / "minimal" / "cluster.yaml").definitions == ()


def test_calico_has_kinds_of_both_scopes(tmp_path: Path) -> None:
    tier = {"net-block-metadata": {"params": {"calicoTier": True}, "reason": "Calico's API server is there."}}
    file = write_cluster(tmp_path, profile="restricted", network={"cni": "calico"}, controls=tier)
    scopes = {d["metadata"]["name"]: d["spec"]["scope"] for d in HostFiles.of_cluster(file).definitions}
    assert scopes == {"networkpolicies.projectcalico.org": "Namespaced", "tiers.projectcalico.org": "Cluster"}


def test_the_scope_is_the_schemas_and_else_that_of_the_objects() -> None:
    found = named(
        manifest("CiliumNetworkPolicy", "cilium.io/v2", "shop"),
        manifest("CiliumClusterwideNetworkPolicy", "cilium.io/v2"),
        manifest("TracingPolicyNamespaced", "cilium.io/v1alpha1"),
    )
    assert {n.partition(".")[0]: d["spec"]["scope"] for n, d in found.items()} == {
        "ciliumnetworkpolicies": "Namespaced",
        "ciliumclusterwidenetworkpolicies": "Cluster",
        "tracingpolicynamespaceds": "Namespaced",
    }


def test_every_used_version_is_served_and_one_is_stored() -> None:
    found = named(
        manifest("AuthorizationPolicy", "security.istio.io/v1", "shop"),
        manifest("AuthorizationPolicy", "security.istio.io/v1beta1", "shop"),
    )["authorizationpolicies.security.istio.io"]
    rows = [(v["name"], v["served"], v["storage"]) for v in found["spec"]["versions"]]
    assert rows == [("v1", True, False), ("v1beta1", True, True)]


def test_a_kind_that_the_bundle_defines_itself_has_no_stand_in() -> None:
    own = manifest(
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        spec={"group": "cilium.io", "names": {"kind": "CiliumNetworkPolicy"}},
    )
    assert named(own, manifest("CiliumNetworkPolicy", "cilium.io/v2", "shop")) == {}


def test_a_group_of_kubernetes_needs_an_approval() -> None:
    found = named(manifest("Gateway", "gateway.networking.k8s.io/v1", "shop"))["gateways.gateway.networking.k8s.io"]
    assert found["metadata"]["annotations"]["api-approved.kubernetes.io"].startswith("unapproved")


def test_the_record_says_what_stands_in_for_whom() -> None:
    (one,) = stand_ins(of_bundle(bundle(manifest("CiliumNetworkPolicy", "cilium.io/v2", "shop"))))
    assert one["what"] == "CustomResourceDefinition ciliumnetworkpolicies.cilium.io (v2)"
    assert one["for"] == "the project that owns cilium.io, which registers CiliumNetworkPolicy"


@pytest.mark.parametrize(
    ("kind", "resource"),
    [
        ("CiliumNetworkPolicy", "ciliumnetworkpolicies"),
        ("GlobalNetworkSet", "globalnetworksets"),
        ("Gateway", "gateways"),
        ("GatewayClass", "gatewayclasses"),
        ("Kustomization", "kustomizations"),
    ],
)
def test_resources_are_called_as_their_projects_call_them(kind: str, resource: str) -> None:
    assert plural(kind) == resource


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["integer", "string"]}, {"x-kubernetes-int-or-string": True}),
        ({"type": "object"}, {"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
        ({}, {"x-kubernetes-preserve-unknown-fields": True}),
        ({"$ref": "#/$defs/port"}, {"type": "integer", "maximum": 65535}),
        (
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/port"}},
            {"type": "object", "additionalProperties": {"type": "integer", "maximum": 65535}},
        ),
        (
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {"a": {"type": "string"}},
                "oneOf": [{"properties": {"a": {"type": "string", "enum": ["x"]}}, "required": ["a"]}, {"not": {}}],
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "oneOf": [{"properties": {"a": {"enum": ["x"]}}, "required": ["a"]}, {"not": {}}],
            },
        ),
    ],
)
def test_what_becomes_of_a_schema(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert structural(schema, {"port": {"type": "integer", "maximum": 65535}}) == expected
