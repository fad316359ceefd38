"""Custom kinds on a sandbox: served and judged by ringfence's own schemas, in place of who registers them on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from cluster.asking import asked, kubectl

from ringfence.sandbox import ControlPlane
from ringfence.sandbox.definitions import define
from ringfence.schemas import SchemaStore, read

RESOURCE = "ciliumnetworkpolicies"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def apply(plane: ControlPlane, **spec: Any) -> subprocess.CompletedProcess[str]:
    metadata = {"name": f"policy-{os.getpid()}", "namespace": "kube-public"}
    body = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": metadata, "spec": spec}
    words = ("apply", "--server-side", "--validate=strict", "-f", "-")
    return asked(plane.kubeconfig, *words, given=json.dumps(body))


@pytest.fixture
def clean(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    yield control_plane
    kubectl(
        control_plane.kubeconfig, "delete", RESOURCE, "-n", "kube-public", f"policy-{os.getpid()}", "--ignore-not-found"
    )


def test_the_record_lists_what_stands_in(control_plane: ControlPlane) -> None:
    said = json.loads((control_plane.folder / "sandbox.json").read_text())["stand_ins"]
    assert [s["what"] for s in said] == [f"CustomResourceDefinition {RESOURCE}.cilium.io (v2)"]


def test_a_valid_object_is_kept_whole_and_outlives_etcd(clean: ControlPlane) -> None:
    spec = {"endpointSelector": {"matchLabels": {"a": "b"}}, "ingress": [{"fromEntities": ["host"]}]}
    done = apply(clean, **spec)
    assert done.returncode == 0, done.stderr
    clean.restart("etcd")
    kept = kubectl(clean.kubeconfig, "get", RESOURCE, "-n", "kube-public", f"policy-{os.getpid()}", "-o", "json")
    assert json.loads(kept)["spec"] == spec


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"endpointSelector": {}, "ingress": [{"fromEntities": ["nobody"]}]}, 'Unsupported value: "nobody"'),
        ({"endpointSelector": {}, "ingress": [{"fromEntity": ["host"]}]}, "field not declared in schema"),
        ({"ingress": [{"fromEntities": ["host"]}]}, "must validate one and only one schema (oneOf)"),
    ],
)
def test_an_object_that_its_schema_refuses_is_refused(clean: ControlPlane, spec: dict[str, Any], why: str) -> None:
    done = apply(clean, **spec)
    assert done.returncode == 1
    assert why in done.stderr


def test_every_custom_kind_that_ringfence_knows_can_be_defined(control_plane: ControlPlane) -> None:
    store, refused, kinds = SchemaStore("1.36"), {}, 0
    for group, names in read("index.json")["crds"].items():
        for name in names:
            kinds += 1
            _, version, kind = name.rsplit("/", 2)
            one = define(store, group, kind, {version: True})
            code, answer = control_plane.api.client.request("POST", f"{DEFINITIONS}?dryRun=All", one)
            if code not in (201, 409):
                refused[name] = json.loads(answer)["message"]
    assert refused == {}
    assert kinds > 100
