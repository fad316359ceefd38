"""Traps that only a real API server shows: each with what a mistake would do, and with what stands here. See tests/traps.yaml."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.applying import Applier
from cluster.asking import ask, kubectl
from cluster.story import inhabited
from helpers import ROOT

from ringfence.build import Builder
from ringfence.probes import kubeconfig
from ringfence.probes.api import Answer, Api, Credential
from ringfence.sandbox import ControlPlane

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace"}
LEVEL = "pod-security.kubernetes.io/"
HOST = {"hostPID": True, "containers": [{"name": "one", "image": "example.com/one@sha256:" + "0" * 64}]}


def as_admin(file: Path) -> Api:
    return Api(kubeconfig.read((file,)), None)


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[Api]:
    found = as_admin(control_plane.kubeconfig)
    yield found
    found.close()


@contextmanager
def namespace(api: Api, **labels: str) -> Iterator[str]:
    """One with these Pod Security labels, which takes pods; gone in the end."""
    name = f"trap-{secrets.token_hex(4)}"
    metadata = {"name": name, "labels": {f"{LEVEL}{key}": value for key, value in labels.items()}}
    answer = api.call("POST", "/api/v1/namespaces", {**NAMESPACE, "metadata": metadata})
    assert answer.ok, answer.text
    try:
        inhabited(api, name)
        yield name
    finally:
        api.call("DELETE", f"/api/v1/namespaces/{name}")


def on_host(control_plane: ControlPlane, name: str) -> tuple[str, Any]:
    """Path and content of a file of the host."""
    path = next(p for p in control_plane.host.files if p.endswith(f"/{name}"))
    return path, yaml.safe_load(control_plane.host.files[path])


def in_etcd(control_plane: ControlPlane, key: str) -> bytes:
    """What etcd holds."""
    access = control_plane.access
    client = Path(access.etcd_cert), Path(access.etcd_key)
    query = {"key": base64.b64encode(key.encode()).decode()}
    code, found = ask(access.etcd_endpoint, access.etcd_ca, "/v3/kv/range", query, client=client)
    assert code == 200
    return base64.b64decode(found["kvs"][0]["value"])


def test_trap_11_identity_first_writes_in_the_clear_and_what_it_wrote_stays_so_until_it_is_written_again(
    control_plane: ControlPlane, api: Api
) -> None:
    path, content = on_host(control_plane, "encryption.yaml")
    sealed = content["resources"][-1]
    assert list(sealed["providers"][0]) == ["kms"], "the last provider, never the first, reads what is not sealed"
    assert list(sealed["providers"][-1]) == ["identity"]
    sealed["providers"].reverse()
    name, marker = f"trap-{secrets.token_hex(4)}", secrets.token_hex(16)
    url = f"/api/v1/namespaces/default/secrets/{name}"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"value": marker}}
    with control_plane.second_apiserver(files={path: yaml.safe_dump(content)}) as mistaken:
        careless = as_admin(mistaken.kubeconfig)
        assert careless.call("POST", url.rpartition("/")[0], secret).ok
        careless.close()
    try:
        assert marker.encode() in in_etcd(control_plane, f"/registry/secrets/default/{name}")
        found = api.call("GET", url).data
        assert base64.b64decode(found["data"]["value"]).decode() == marker, "encryption that is on seals nothing old"
        assert api.call("PUT", url, found).ok
        value = in_etcd(control_plane, f"/registry/secrets/default/{name}")
        assert value.startswith(b"k8s:enc:kms:v2:")
        assert marker.encode() not in value
    finally:
        api.call("DELETE", url)


def test_trap_14_a_deployment_passes_enforcement_and_its_author_is_warned(api: Api) -> None:
    with namespace(api, enforce="restricted", warn="restricted") as name:
        template = {"metadata": {"labels": {"app": "one"}}, "spec": HOST}
        spec = {"selector": {"matchLabels": {"app": "one"}}, "template": template}
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "one"}, "spec": spec}
        answer = api.call("POST", f"/apis/apps/v1/namespaces/{name}/deployments", body, {"dryRun": "All"})
        assert answer.ok, "the apply is green"
        assert any("would violate PodSecurity" in w for w in answer.warnings), "so a warning has to say it"
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": HOST}
        refused = api.call("POST", f"/api/v1/namespaces/{name}/pods", pod, {"dryRun": "All"})
        assert (refused.code, "violates PodSecurity" in refused.text) == (403, True), "no pod would come of it"


def test_trap_14_a_namespaces_pods_are_named_before_its_level_changes(api: Api) -> None:
    with namespace(api, enforce="privileged") as name:
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "one"}}
        assert api.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account).ok
        spec = {**HOST, "serviceAccountName": "one", "automountServiceAccountToken": False}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}
        made = api.call("POST", f"/api/v1/namespaces/{name}/pods", pod)
        assert made.ok, made.text
        change = {"metadata": {"labels": {f"{LEVEL}enforce": "restricted"}}}
        tried = api.call(
            "PATCH",
            f"/api/v1/namespaces/{name}",
            change,
            {"dryRun": "All"},
            content="application/merge-patch+json",
        )
        assert tried.ok
        assert any("existing pods in namespace" in w for w in tried.warnings)
        api.call("DELETE", f"/api/v1/namespaces/{name}/pods/one", None, {"gracePeriodSeconds": "0"})


def test_trap_15_the_clusters_default_is_in_force_where_a_namespace_says_nothing(api: Api) -> None:
    with namespace(api) as name:
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": HOST}
        refused = api.call("POST", f"/api/v1/namespaces/{name}/pods", pod, {"dryRun": "All"})
        assert (refused.code, "violates PodSecurity" in refused.text) == (403, True)


def unknown(control_plane: ControlPlane, server: str) -> dict[str, int]:
    """What somebody without credentials is answered."""
    access = replace(kubeconfig.read((control_plane.kubeconfig,)), server=server)
    nobody = Api(access, Credential())
    codes = {path: nobody.call("GET", path).code for path in ("/livez", "/readyz", "/version", "/api")}
    nobody.close()
    return codes


def test_trap_17_probes_without_credentials_are_answered_and_nothing_else_is(control_plane: ControlPlane) -> None:
    here = unknown(control_plane, control_plane.api.server)
    assert here == {"/livez": 200, "/readyz": 200, "/version": 401, "/api": 401}
    path, content = on_host(control_plane, "authentication.yaml")
    content["anonymous"] = {"enabled": False}  # as --anonymous-auth=false, which is refused beside this file
    with control_plane.second_apiserver(files={path: yaml.safe_dump(content)}) as strict:
        assert set(unknown(control_plane, strict.server).values()) == {401}, (
            "its static pod would be restarted for ever"
        )


def review(api: Api, **who: Any) -> bool:
    spec = {**who, "nonResourceAttributes": {"path": "/api", "verb": "get"}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    assert answer.ok, answer.text
    found: bool = answer.data["status"]["allowed"]
    return found


def test_trap_19_a_group_that_is_asked_about_as_a_user_may_nothing_whatever_it_may(
    api: Api,
) -> None:
    group = "system:authenticated"
    assert review(api, user="somebody", groups=[group]), "members of the group read the API's root"
    assert not review(api, user=group), "a user of that name is in no group: the question is vacuous"


def events(log: Path, marker: str) -> list[Any]:
    """Lines of an audit log that hold a text, once they are there."""
    limit = time.monotonic() + 5
    while True:
        found = [json.loads(line) for line in log.read_text().splitlines() if marker in line]
        if found or time.monotonic() > limit:
            return found
        time.sleep(0.05)


def test_trap_20_flags_alone_log_nothing(control_plane: ControlPlane) -> None:
    path, content = on_host(control_plane, "audit-policy.yaml")
    silent = yaml.safe_dump({**content, "rules": [{"level": "None"}]})
    with control_plane.second_apiserver(files={path: silent}) as checked:
        marker = f"trap-{secrets.token_hex(8)}"
        kubectl(checked.kubeconfig, "get", "secrets", "-n", "default", f"--field-selector=metadata.name={marker}")
        assert checked.audit_log is not None, "every flag of the benchmark is set"
        time.sleep(1)
        assert marker not in checked.audit_log.read_text()
    marker = f"trap-{secrets.token_hex(8)}"
    kubectl(control_plane.kubeconfig, "get", "secrets", "-n", "default", f"--field-selector=metadata.name={marker}")
    assert [e["level"] for e in events(Path(control_plane.access.audit_log), marker)] == ["Metadata"]


def request_for(*groups: str) -> str:
    """A request for a certificate of somebody in these groups, as base64."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    name = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*name, x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def test_trap_46_nobody_gets_a_certificate_of_system_masters_not_even_an_administrator(
    api: Api,
) -> None:
    def asked(*groups: str) -> Answer:
        signer = "kubernetes.io/kube-apiserver-client"
        spec = {"request": request_for(*groups), "signerName": signer, "usages": ["client auth"]}
        body = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "spec": spec}
        url = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        metadata = {"name": f"trap-{secrets.token_hex(4)}"}
        return api.call("POST", url, {**body, "metadata": metadata}, {"dryRun": "All"})

    refused = asked("system:masters")
    assert refused.code == 403
    assert "system:masters" in refused.text
    assert asked("trap").ok


def test_trap_47_an_operator_adds_nothing_to_the_roles_that_everybody_has(api: Api) -> None:
    builder = Builder()
    bundle = builder.build(ROOT / "examples" / "zero-trust" / "cluster.yaml", "cluster.yaml")
    guards = [m.body for m in bundle if "rbac-no-aggregation" in m.shape.controls]
    assert {g["kind"] for g in guards} == {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}

    def asked(**labels: str) -> Answer:
        metadata = {"name": f"trap-{secrets.token_hex(4)}", "labels": labels}
        rules = [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["get"]}]
        body = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata}
        url = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
        return api.call("POST", url, {**body, "rules": rules}, {"dryRun": "All"})

    into_edit = {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
    applier = Applier(api)
    there = all(applier.get(g).get("kind") == g["kind"] for g in guards)
    if not there:
        assert asked(**into_edit).ok, "upstream lets everybody who may write roles extend edit"
    for guard in guards:
        assert applier.apply(guard).ok
    try:
        limit = time.monotonic() + 15
        while (refused := asked(**into_edit)).ok and time.monotonic() < limit:
            time.sleep(0.1)
        assert refused.code in (403, 422)
        assert "rbac-no-aggregation" in refused.text
        assert asked().ok
    finally:
        if not there:
            for guard in reversed(guards):
                applier.delete(guard)
