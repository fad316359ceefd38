"""Before any probe: one clear error for each way in which a cluster can't be asked, or we may not ask it."""

from __future__ import annotations

import datetime
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from helpers import build_tree, write_cluster
from probes.stub import Stub, refusal, serving

from ringfence.build import Builder, Resolution
from ringfence.documents import dump
from ringfence.errors import ToolError
from ringfence.probes import Access, KeyPair, Session, preflight, rights


def error(access: Access, kubernetes: str = "1.36") -> str:
    with pytest.raises(ToolError) as caught:
        preflight.check(access, kubernetes)
    return caught.value.line()


def test_the_version_of_a_server_that_will_do() -> None:
    with serving(Stub()) as stub:
        assert preflight.check(stub.access, "1.36") == "v1.36.4"


@pytest.mark.parametrize("version", ["v1.37.0-eks-1234567", "v1.36.2+k3s1"])
def test_providers_spell_versions_in_their_own_way(version: str) -> None:
    with serving(Stub(version=version)) as stub:
        assert preflight.check(stub.access, "1.36") == version


def test_a_server_older_than_any_that_is_supported() -> None:
    with serving(Stub(version="v1.31.9")) as stub:
        said = f"error: the stub at {stub.server} runs v1.31.9; verify needs 1.32 or later; upgrade the cluster"
        assert error(stub.access, "1.32") == said


def test_a_server_older_than_cluster_yaml_says() -> None:
    with serving(Stub(version="v1.35.1")) as stub:
        assert "runs v1.35.1, and cluster.yaml says 1.36; is this the right context?" in error(stub.access)


def test_a_sandbox_may_run_another_version_on_purpose() -> None:
    with serving(Stub(version="v1.36.4")) as stub:
        assert preflight.check(replace(stub.access, version="1.36"), "1.37")


def test_a_server_that_does_not_know_us() -> None:
    with serving(Stub(lambda _: refusal(401, "Unauthorized", "Unauthorized"))) as stub:
        assert error(stub.access).endswith("does not know who we are (401); sign in again, or renew the kubeconfig")


def test_something_that_is_no_api_server() -> None:
    with serving(Stub(lambda _: (200, "hello"))) as stub:
        assert "is no Kubernetes API server: GET /version gives 200" in error(stub.access)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = error(Access("the stub", f"https://127.0.0.1:{port}"))
    assert said == (
        f"error: the stub at https://127.0.0.1:{port} does not answer: connection refused;"
        " is it running, and is this its address and port?"
    )


def certificate(folder: Path, name: str, days: int) -> KeyPair:
    """Signed by itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    end = now + datetime.timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - datetime.timedelta(days=10))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair.key.write_bytes(key.private_bytes(*form))
    return pair


@contextmanager
def tls_server(pair: KeyPair) -> Iterator[str]:
    """Accepts one handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            plain, _ = listening.accept()
            with plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(5)


def test_a_certificate_authority_that_is_not_the_servers(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "ours", 5), certificate(tmp_path, "theirs", 5)
    with tls_server(theirs) as server:
        said = error(Access("the stub", server, ca=ours.certificate))
    assert "the server's certificate is not from the kubeconfig's certificate authority" in said
    assert "fetch its kubeconfig again" in said


def test_a_client_certificate_that_has_expired(tmp_path: Path) -> None:
    old = certificate(tmp_path, "old", -1)
    with serving(Stub()) as stub:
        said = error(replace(stub.access, client=old))
        assert stub.asked == []
    assert said.startswith("error: the stub: the client certificate expired on 2")
    assert said.endswith("UTC; renew it, and fetch the kubeconfig again")


def test_rights_that_are_missing_come_as_rules_to_grant(tmp_path: Path) -> None:
    resolution = Builder().resolve(write_cluster(tmp_path))
    stub = Stub(denied={("create", "pods"), ("create", "namespaces"), ("delete", "namespaces")})
    with serving(stub), Session(stub.access) as session, pytest.raises(ToolError) as caught:
        preflight.permissions(session, resolution, ["psa-labels", "psa-label-guard"])
    assert caught.value.message.startswith("the stub may not ")
    assert "and 2 more; a dry run needs the same right as the request" in caught.value.message
    rules = json.loads((caught.value.hint or "").partition("`rules: ")[2].rstrip("`"))
    assert sorted(rules, key=str) == [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create", "delete"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},
    ]


def test_rights_that_suffice(tmp_path: Path) -> None:
    resolution = Builder().resolve(write_cluster(tmp_path))
    with serving(Stub()) as stub, Session(stub.access) as session:
        preflight.permissions(session, resolution, ["psa-labels"])
        asked = {a.body["spec"]["resourceAttributes"]["resource"] for a in stub.asked if a.method == "POST"}
    assert asked == {"pods"}


# ------------------------------------------------------------------------------------------------------------- rights

ROLES, OURS = "rbac.authorization.k8s.io", ("create", "delete", "get")


def of(group: str, *named: str, verbs: tuple[str, ...] = OURS) -> set[tuple[str, str, str]]:
    return {(group, name, verb) for name in named for verb in verbs}


# psa-label-guard lets whoever may change it label namespaces.
GUARD = of("admissionregistration.k8s.io", "validatingadmissionpolicies", verbs=("update",))
MADE = of("", "namespaces") | GUARD
REQUESTS = {
    "a URL that is no resource": ({"path": "/debug/pprof/"}, of("", "/debug/pprof/", verbs=("get",))),
    "a dry run": (
        {"verb": "create", "resource": "configmaps", "namespace": "<tenant>", "base": "configmap"},
        of("", "configmaps", verbs=("create",)),
    ),
    "a write that stays": (
        {"verb": "create", "resource": "configmaps", "namespace": "x", "base": "configmap", "dry_run": False},
        of("", "configmaps", verbs=("create", "delete")),
    ),
    "a write that is looked for in etcd": (
        {"verb": "create", "resource": "configmaps", "namespace": "x", "base": "configmap", "etcd": {"contains": "y"}},
        of("", "configmaps", verbs=("create", "delete")),
    ),
    "a write of somebody else's that stays": (
        {"who": "node:x", "verb": "create", "resource": "configmaps", "base": "configmap", "dry_run": False},
        of("", "configmaps", verbs=("delete",)),
    ),
    "an apply": (
        {"verb": "apply", "resource": "configmaps", "namespace": "x", "base": "configmap"},
        of("", "configmaps", verbs=("create", "patch")),
    ),
    "the run's namespace": (
        {"verb": "list", "resource": "configmaps", "namespace": "<own>"},
        MADE | of("", "configmaps", verbs=("list",)),
    ),
    "a pod in the run's namespace": (
        {"verb": "create", "resource": "pods", "namespace": "<own>", "base": "pod"},
        MADE | of("", "serviceaccounts") | of("", "pods", verbs=("create",)),
    ),
    "an account of the run": (
        {"verb": "create", "resource": "configmaps", "namespace": "x", "base": "configmap", "over": {"data": {"a": "<account>"}}},
        of("", "serviceaccounts") | of("", "configmaps", verbs=("create",)),
    ),
    "a uid": (
        {"verb": "create", "resource": "configmaps", "base": "configmap", "over": {"data": {"a": "<uid:namespaces/kube-system>"}}},
        of("", "namespaces", verbs=("get",)) | of("", "configmaps", verbs=("create",)),
    ),
    "a role": (
        {"verb": "create", "resource": "clusterroles", "base": "clusterrole"},
        of(ROLES, "clusterroles", verbs=("create", "escalate")),
    ),
    "a binding": (
        {"verb": "create", "resource": "clusterrolebindings", "base": "clusterrolebinding"},
        of(ROLES, "clusterrolebindings", verbs=("create",)) | of(ROLES, "clusterroles", verbs=("bind",)),
    ),
    "somebody with rules": (
        {"who": {"rules": [{"verbs": ["get"]}]}, "verb": "list", "resource": "configmaps"},
        MADE | of("", "serviceaccounts")
        | of("", "serviceaccounts/token", verbs=("create",))
        | of(ROLES, "clusterroles", "clusterrolebindings")
        | of(ROLES, "clusterroles", verbs=("bind", "escalate")),
    ),
    "an account's token": (
        {"who": "system:serviceaccount:kube-system:x", "verb": "list", "resource": "configmaps"},
        of("", "serviceaccounts/token", verbs=("create",)),
    ),
    "an account of a pair": (
        {"who": {"service_account": "x/y"}, "verb": "list", "resource": "configmaps"},
        of("", "serviceaccounts") | of("", "serviceaccounts/token", verbs=("create",)),
    ),
    "a persona, reviewed": (
        {"who": "developer", "verb": "list", "resource": "configmaps", "by": "review"},
        of("authorization.k8s.io", "subjectaccessreviews", verbs=("create",)),
    ),
    "what isn't served": ({"verb": "create", "resource": "widgets", "object": {"kind": "Widget"}}, set()),
}  # fmt: skip


GIVEN = [
    ({"base": "configmap", "namespace": "x"}, of("", "configmaps")),
    ({"base": "configmap", "namespace": "<own>"}, MADE | of("", "configmaps")),
    ({"base": "pod", "namespace": "<own>"}, MADE | of("", "pods", "serviceaccounts")),
    ({"base": "configmap", "terminating": True}, of("", "configmaps", verbs=(*OURS, "patch"))),
    ({"base": "configmap", "patch": {"data": {}}}, of("", "configmaps", verbs=(*OURS, "patch"))),
    ({"base": "clusterrole"}, of(ROLES, "clusterroles", verbs=(*OURS, "escalate"))),
    ({"base": "ingress"}, set()),  # which the stub doesn't serve
]
CONTROL = """\
title: Deny ingress by default
profile: baseline
stage: {baseline: enforce}
severity: high
rationale: Pods accept connections from every other pod of the cluster unless a policy selects them.
references: {cis-kubernetes-1.12: ["5.3.2"]}
emits:
- {template: networkpolicy.yaml.j2, each: namespace}
no_audit_form: a policy drops a flow or does not.
proof: [api]
"""
POLICY = """\
{# Closes. #}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: closed
  namespace: {{ namespace.name }}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"""


@pytest.fixture(scope="module")
def resolution(tmp_path_factory: pytest.TempPathFactory) -> Resolution:
    """A control for each of REQUESTS and of GIVEN, with one pair of which both twins are that request."""
    folder = tmp_path_factory.mktemp("rights")
    cases: list[dict[str, object]] = [{"refuse": refuse} for refuse, _ in REQUESTS.values()]
    cases += [{"refuse": {"tls": {"max": "TLSv1.1"}}, "given": [one]} for one, _ in GIVEN]
    files: dict[str, str] = {}
    for number, case in enumerate(cases):
        pair = {"name": "one", "ring": "api", **case, "reason": "no", "admit": {}}
        files[f"network/net-{number}/control.yaml"] = CONTROL
        files[f"network/net-{number}/networkpolicy.yaml.j2"] = POLICY
        files[f"network/net-{number}/probes.yaml"] = dump({"pairs": [pair]})
    return Builder([build_tree(folder / "t", files)]).resolve(write_cluster(folder), "cluster.yaml")


def needed(resolution: Resolution, number: int) -> set[tuple[str, ...]]:
    with serving(Stub()) as stub, Session(stub.access) as session:
        return {tuple(right) for right in rights.needed(session, resolution, [f"net-{number}"])}


@pytest.mark.parametrize("what", REQUESTS)
def test_every_request_needs_its_rights_and_no_others(resolution: Resolution, what: str) -> None:
    assert needed(resolution, list(REQUESTS).index(what)) == REQUESTS[what][1]


@pytest.mark.parametrize("number", range(len(GIVEN)))
def test_what_is_given_needs_rights_too(resolution: Resolution, number: int) -> None:
    assert needed(resolution, len(REQUESTS) + number) == GIVEN[number][1]


def test_a_right_to_a_url_comes_as_a_rule_for_urls(tmp_path: Path) -> None:
    resolution = Builder().resolve(write_cluster(tmp_path))
    stub = Stub(denied={("get", "/debug/pprof/")})
    with serving(stub), Session(stub.access) as session, pytest.raises(ToolError) as caught:
        preflight.permissions(session, resolution, ["apiserver-debug-off"])
    assert "the stub may not get /debug/pprof/;" in caught.value.message
    assert '`rules: [{"nonResourceURLs": ["/debug/pprof/"], "verbs": ["get"]}]`' in (caught.value.hint or "")
