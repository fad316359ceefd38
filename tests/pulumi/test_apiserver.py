"""Reading what exists: bounded requests to a server that answers, and one plain error for each way it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from answering import Server, kubeconfig
from helpers import ROOT

from ringfence.build import Builder
from ringfence.errors import RingfenceError
from ringfence.shape import Manifest
from ringfence.sinks.pulumi.apiserver import Present, snapshot
from ringfence.sinks.pulumi.connecting import Connection


@pytest.fixture
def objects() -> list[Manifest]:
    """What the core and networking groups hold of one namespace."""
    bundle = Builder().build(ROOT / "examples" / "minimal" / "cluster.yaml")
    return [m for m in bundle if "shop" in (m.namespace, m.name) and m.shape.group in ("", "networking.k8s.io")]


def refusal(objects: list[Manifest], connection: Connection) -> str:
    with pytest.raises(RingfenceError) as raised:
        snapshot(objects, connection)
    return raised.value.line()


def test_what_exists_is_found_with_its_owner(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.held["/api/v1/namespaces"] = [
        {"name": "shop", "annotations": {"ringfence/stack": "p/dev"}, "labels": {"app.kubernetes.io/managed-by": "x"}},
        {"name": "else"},
    ]
    found = snapshot(objects, kubeconfig(tmp_path, server.url))
    assert found.version == "1.36"
    assert dict(found.present) == {("", "Namespace", "", "shop"): Present("p/dev", "x")}
    assert found.unserved == frozenset()


def test_of_bindings_alone_more_than_metadata_is_read(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    bundle = Builder().build(ROOT / "examples" / "production" / "cluster.yaml")
    binding = next(m for m in bundle if m.kind == "ClusterRoleBinding")
    server.held["/api/v1/namespaces"] = [{"name": "shop"}]
    server.held["/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"] = [{"name": binding.name}]
    found = snapshot([*objects, binding], kubeconfig(tmp_path, server.url)).present
    assert {key[1]: there.role for key, there in found.items()} == {
        "Namespace": "",
        "ClusterRoleBinding": "ClusterRole/view",
    }


def test_pages_are_followed_to_the_end(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.page = 2
    server.held["/api/v1/namespaces"] = [{"name": f"n{i}"} for i in range(5)] + [{"name": "shop"}]
    assert ("", "Namespace", "", "shop") in snapshot(objects, kubeconfig(tmp_path, server.url)).present


def test_one_namespace_is_asked_for_alone_and_patched_kinds_not_at_all(
    server: Server, tmp_path: Path, objects: list[Manifest]
) -> None:
    snapshot(objects, kubeconfig(tmp_path, server.url))
    lists = {a.partition("?")[0] for a in server.asked if "limit=" in a}
    assert "/api/v1/namespaces/shop/resourcequotas" in lists
    assert not any("serviceaccounts" in a for a in lists), "the default ServiceAccount is patched, whoever made it"


def test_a_group_that_is_not_there_is_unserved(server: Server, tmp_path: Path) -> None:
    objects = list(Builder().build(ROOT / "examples" / "minimal" / "cluster.yaml"))
    found = snapshot(objects, kubeconfig(tmp_path, server.url))
    assert ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy") in found.unserved


def test_an_unreachable_server(tmp_path: Path, objects: list[Manifest]) -> None:
    text = refusal(objects, kubeconfig(tmp_path, "http://127.0.0.1:9"))
    assert text.startswith("error: can't reach the API server http://127.0.0.1:9 (context only): ")
    assert text.endswith(
        "Connection refused; start it, or choose another with `pulumi config set kubernetes:context NAME`"
    )


def test_a_server_that_is_too_old(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.version = {"major": "1", "minor": "27"}
    text = refusal(objects, kubeconfig(tmp_path, server.url))
    assert "(context only) is Kubernetes 1.27; ringfence knows 1." in text


def test_a_list_that_is_forbidden_names_the_rule(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.status["/api/v1/namespaces"] = 403
    assert refusal(objects, kubeconfig(tmp_path, server.url)).endswith(
        "(context only) forbids to list namespaces; "
        'grant the rule {apiGroups: [""], resources: ["namespaces"], verbs: ["get", "list"]}'
    )


def test_credentials_that_are_refused(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.status["/version"] = 401
    assert refusal(objects, kubeconfig(tmp_path, server.url)).endswith(
        "refuses the credentials (401); log in again, or renew the kubeconfig"
    )


def test_a_server_that_is_none(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.version = b"<html>"  # type: ignore[assignment] # on purpose
    assert "answers /version with something that is no JSON" in refusal(objects, kubeconfig(tmp_path, server.url))


def test_a_server_that_fails(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    server.status["/api/v1/namespaces"] = 500
    assert "answers /api/v1/namespaces?limit=500 with 500" in refusal(objects, kubeconfig(tmp_path, server.url))


def test_several_contexts_and_none_chosen(server: Server, tmp_path: Path, objects: list[Manifest]) -> None:
    connection = kubeconfig(tmp_path, server.url, "prod", "lab")
    assert refusal(objects, connection) == (
        f"error: the kubeconfig {connection.kubeconfig} has several contexts, and the stack names none; "
        "it has prod, lab; choose one: pulumi config set kubernetes:context NAME"
    )
    assert snapshot(objects, Connection("lab", connection.kubeconfig)).version == "1.36"
    assert 'has no context "labs"; it has prod, lab' in refusal(objects, Connection("labs", connection.kubeconfig))


def test_a_kubeconfig_that_is_not_there(tmp_path: Path, objects: list[Manifest]) -> None:
    file = str(tmp_path / "none")
    assert refusal(objects, Connection(kubeconfig=file)).startswith(f"error: can't use the kubeconfig {file}: ")


def test_the_environment_s_kubeconfig_is_the_default(
    server: Server, tmp_path: Path, objects: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = kubeconfig(tmp_path, server.url).kubeconfig
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "none"), str(file)]))
    assert snapshot(objects, Connection()).version == "1.36"
