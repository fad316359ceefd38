"""The sandbox on real components: it runs the generated files, on loopback, and nothing is left of it."""

from __future__ import annotations

import json
import os
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cluster.asking import ask, kubectl
from helpers import ROOT

from ringfence.documents import load_all
from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane
from ringfence.sandbox.identities import Authority, Credentials
from ringfence.sandbox.tokens import Signer

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ZERO_TRUST = ROOT / "examples" / "zero-trust" / "cluster.yaml"


def whoami(control_plane: ControlPlane, tmp_path: Path, who: Credentials | str) -> tuple[int, Any]:
    """Status and user info for a certificate or a token."""
    access = control_plane.access
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    if isinstance(who, str):
        code, found = ask(access.server, access.ca_cert, REVIEW, body, token=who)
    else:
        code, found = ask(access.server, access.ca_cert, REVIEW, body, client=who.write(tmp_path, "who"))
    return code, found["status"]["userInfo"] if code == 201 else found


def listening(pid: int) -> set[str]:
    """Addresses on which a process accepts connections."""
    sockets = {str(f.readlink()) for f in Path(f"/proc/{pid}/fd").iterdir() if f.is_symlink()}
    found = set()
    for family, file in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        for line in Path(f"/proc/{pid}/net/{file}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                raw = bytes.fromhex(fields[1].split(":")[0])
                words = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
                found.add(socket.inet_ntop(family, words))
    return found


# ------------------------------------------------------------------------------------------- what runs is what was made


def test_every_generated_flag_is_on_a_command_line_or_is_a_listed_substitution(control_plane: ControlPlane) -> None:
    configuration = next(
        d.value
        for d in load_all(control_plane.host.kubeadm, "kubeadm.yaml")
        if d.value["kind"] == "ClusterConfiguration"
    )
    sections = {
        "kube-apiserver": configuration["apiServer"],
        "kube-controller-manager": configuration["controllerManager"],
        "etcd": configuration["etcd"]["local"],
    }
    pids = {c.name: c.identity.pid for c in control_plane.children}
    listed = {(s["where"], s["what"], s["now"]) for s in control_plane.record.substitutions}
    for component, section in sections.items():
        line = Path(f"/proc/{pids[component]}/cmdline").read_text().split("\0")
        assert section["extraArgs"], component
        for flag in section["extraArgs"]:
            (real,) = [w.partition("=")[2] for w in line if w.startswith(f"--{flag['name']}=")]
            assert real == flag["value"] or (component, f"--{flag['name']}", real) in listed


def test_nothing_listens_beyond_loopback(control_plane: ControlPlane) -> None:
    addresses = {c.name: listening(c.identity.pid) for c in control_plane.children}
    assert addresses["kube-apiserver"] == addresses["etcd"] == {"127.0.0.1"}
    assert set().union(*addresses.values()) == {"127.0.0.1"}


def test_nobody_else_reads_its_state(control_plane: ControlPlane) -> None:
    assert control_plane.folder.path.stat().st_mode & 0o777 == 0o700
    for file in (control_plane.kubeconfig, *map(Path, (control_plane.access.ca_key, control_plane.access.issuer_key))):
        assert file.stat().st_mode & 0o077 == 0, file


def test_the_administrator_is_no_system_master(control_plane: ControlPlane) -> None:
    found = json.loads(kubectl(control_plane.kubeconfig, "auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert found["groups"] == ["kubeadm:cluster-admins", "system:authenticated"]
    assert kubectl(control_plane.kubeconfig, "auth", "can-i", "*", "*").strip() == "yes"


def test_controllers_work(control_plane: ControlPlane) -> None:
    assert kubectl(control_plane.kubeconfig, "get", "serviceaccount", "default", "-o", "name").strip()


# ------------------------------------------------------------------------------------------------------------- access


def test_certificates_of_its_ca_are_identities_and_ended_or_foreign_ones_are_not(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    access = control_plane.access
    authority = Authority.load(access.ca_cert, access.ca_key)
    code, user = whoami(control_plane, tmp_path, authority.client("alice", ["oidc:auditors"]))
    assert (code, user["username"], user["groups"]) == (201, "alice", ["oidc:auditors", "system:authenticated"])
    for bad in (authority.client("alice", ended=True), Authority.create("kubernetes").client("alice")):
        assert whoami(control_plane, tmp_path, bad)[0] == 401


def good_claims(control_plane: ControlPlane) -> dict[str, Any]:
    from ringfence.spec import read_cluster

    told = control_plane.access.issuers[0]
    claims = read_cluster(ZERO_TRUST).issuers[0].good_claims
    return {"iss": told["url"], "aud": told["audiences"][0], "sub": "alice", "groups": ["auditors"], **claims}


def test_tokens_of_its_issuer_are_accepted_and_others_are_not(control_plane: ControlPlane, tmp_path: Path) -> None:
    signer = Signer.load(control_plane.access.issuer_key)
    assert signer.kid == control_plane.access.issuer_key_id
    claims = good_claims(control_plane)
    code, user = whoami(control_plane, tmp_path, signer.token(claims))
    assert code == 201, user
    assert user["groups"] == ["oidc:auditors", "system:authenticated"]
    for bad in (
        signer.token({**claims, "aud": "another"}),
        signer.token({**claims, "iss": "https://elsewhere.example.com"}),
        signer.token(claims, lifetime=-60),
        Signer.create().token(claims),
    ):
        assert whoami(control_plane, tmp_path, bad)[0] == 401


def test_etcd_is_read_with_the_api_servers_certificate_and_with_no_other(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    access = control_plane.access
    query = {"key": "L3JlZ2lzdHJ5Lw==", "range_end": "L3JlZ2lzdHJ5MA==", "limit": 1}  # /registry/ to /registry0
    client = Path(access.etcd_cert), Path(access.etcd_key)
    code, found = ask(access.etcd_endpoint, access.etcd_ca, "/v3/kv/range", query, client=client)
    assert code == 200
    assert int(found["count"]) > 100
    of_cluster_ca = Authority.load(access.ca_cert, access.ca_key).client("kube-apiserver-etcd-client")
    for refused in (None, of_cluster_ca.write(tmp_path, "etcd")):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(access.etcd_endpoint, access.etcd_ca, "/v3/kv/range", query, client=refused)


def test_the_audit_log_is_where_access_says(control_plane: ControlPlane) -> None:
    kubectl(control_plane.kubeconfig, "get", "secrets", "-n", "kube-system")
    lines = Path(control_plane.access.audit_log).read_text().splitlines()
    assert any(json.loads(line)["objectRef"]["resource"] == "secrets" for line in lines if '"secrets"' in line)


# ------------------------------------------------------------------------------------------------------------ mutants


def pprof(control_plane: ControlPlane, server: str) -> int:
    access = control_plane.access
    client = Path(access.admin_cert), Path(access.admin_key)
    return ask(server, access.ca_cert, "/debug/pprof/", client=client)[0]


def test_two_api_servers_differ_in_a_flag_and_share_their_objects(control_plane: ControlPlane) -> None:
    with control_plane.second_apiserver({"profiling": None}) as mutant:
        assert pprof(control_plane, mutant.server) == 200
        assert pprof(control_plane, control_plane.api.server) == 404
        kubectl(mutant.kubeconfig, "create", "namespace", "seen-by-both")
        kubectl(control_plane.kubeconfig, "delete", "namespace", "seen-by-both")
        assert mutant.audit_log is not None
        assert "seen-by-both" in mutant.audit_log.read_text()
        identity = mutant.child.identity
    assert not identity.alive


def test_a_mutant_of_a_file_is_in_force_and_gone_after_the_next_restart(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    path = next(p for p in control_plane.host.files if p.endswith("/authentication.yaml"))
    text = control_plane.host.files[path]
    audience = control_plane.access.issuers[0]["audiences"][0]
    good = Signer.load(control_plane.access.issuer_key).token(good_claims(control_plane))
    secret = f"mutant-{os.getpid()}"
    kubectl(control_plane.kubeconfig, "create", "secret", "generic", secret, "--from-literal=a=b", "-n", "kube-public")
    try:
        control_plane.restart_apiserver(files={path: text.replace(f"- {audience}\n", "- another\n")})
        assert whoami(control_plane, tmp_path, good)[0] == 401
    finally:
        control_plane.restart_apiserver()
    assert whoami(control_plane, tmp_path, good)[0] == 201
    kubectl(control_plane.kubeconfig, "delete", "secret", secret, "-n", "kube-public")  # its key is still there


def test_a_mutant_that_does_not_start_says_why_and_the_next_one_does(control_plane: ControlPlane) -> None:
    with pytest.raises(ToolError) as bad:
        control_plane.second_apiserver({"no-such-flag": "true"})
    assert "kube-apiserver-" in bad.value.message
    assert "unknown flag: --no-such-flag" in (bad.value.hint or "")
