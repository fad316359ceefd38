"""Host files on their way to a host: keys, static pods, and what may not happen to them."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers import build_tree, write_cluster

from ringfence.documents import dump, load_all
from ringfence.errors import InputError
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.hostkeys import keys_on_host, make_keys, put_keys, stand_ins, verify_installed
from ringfence.sandbox.kubeadm import Pod, generated_flags, substituted
from ringfence.sandbox.serving import issuers, kms_endpoints, write_files, write_servers
from ringfence.sandbox.substitutions import Setting

PATH = "/etc/kubernetes/ringfence/encryption.yaml"
ENCRYPTION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - {name: two, secret: "<generated-on-host:two>"}
      - {name: one, secret: "<generated-on-host:one>"}
"""
INSTALLED = ENCRYPTION.replace("<generated-on-host:one>", "b25l").replace("<generated-on-host:two>", "dHdv")
SETTING = Setting("/r", "v1.36.4", ports={"kube-apiserver": 5, "issuer": 1}, issuer_ca="CA", sockets="/run/s")


def host(**files: str) -> HostFiles:
    return HostFiles("shop", {"kubeadm.yaml": "", **{f"files{p}": t for p, t in files.items()}})


def on_host(tmp_path: Path, installed: str) -> HostFiles:
    build_tree(tmp_path, {PATH.lstrip("/"): installed})
    return host(**{PATH: ENCRYPTION})


def test_a_host_whose_script_made_keys_is_as_generated(tmp_path: Path) -> None:
    verify_installed(on_host(tmp_path, INSTALLED), tmp_path)


@pytest.mark.parametrize(
    "installed",
    [
        INSTALLED.replace("secrets", "configmaps"),
        INSTALLED + "  - identity: {}\n",
        INSTALLED.replace("b25l", 'b25l"}\n  - identity: {"x'),
        "",
    ],
)
def test_a_script_that_changes_more_than_keys_is_refused(tmp_path: Path, installed: str) -> None:
    with pytest.raises(InputError, match="on the host is not what was generated"):
        verify_installed(on_host(tmp_path, installed), tmp_path)


def test_a_key_that_no_script_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no script of the host files made <generated-on-host:one>"):
        verify_installed(on_host(tmp_path, INSTALLED.replace("b25l", "<generated-on-host:one>")), tmp_path)


def test_where_no_script_makes_keys_the_sandbox_does_and_says_so(tmp_path: Path) -> None:
    one = replace(host(**{PATH: ENCRYPTION}), keys_by="Talos")
    build_tree(tmp_path, {f"{PATH.lstrip('/')}.template": ENCRYPTION})
    make_keys(one, tmp_path)
    verify_installed(one, tmp_path)
    keys = keys_on_host(one, tmp_path)["secretbox"]
    assert [len(base64.b64decode(k["secret"])) for k in keys] == [32, 32]
    assert keys[0]["secret"] != keys[1]["secret"]
    (said,) = stand_ins(one)
    assert (said["what"], said["for"]) == (f"the keys of {PATH}", "Talos, which makes its own")
    assert stand_ins(host(**{PATH: ENCRYPTION})) == []


def test_a_script_that_names_placeholders_stays_as_it_is(tmp_path: Path) -> None:
    script = "sed s/<generated-on-host:one>/x/"
    build_tree(tmp_path, {"usr/local/sbin/keys": script})
    verify_installed(host(**{"/usr/local/sbin/keys": script}), tmp_path)
    (tmp_path / "usr/local/sbin/keys").write_text("rm -rf /")
    with pytest.raises(InputError, match="/usr/local/sbin/keys on the host is not what was generated"):
        verify_installed(host(**{"/usr/local/sbin/keys": script}), tmp_path)


def test_keys_that_the_host_rotated_are_kept_when_its_files_are_written_again(tmp_path: Path) -> None:
    rotated = INSTALLED.replace("dHdv", "bmV3").replace(
        "      - {name: one", "      - {name: three, secret: YWdl}\n      - {name: one"
    )
    files = on_host(tmp_path, rotated)
    keys = keys_on_host(files, tmp_path)
    names = [k["name"] for k in keys["secretbox"]]
    assert names == ["two", "three", "one"]
    write_files(files, keys, tmp_path, SETTING, frozenset())
    assert keys_on_host(files, tmp_path) == keys


def test_the_template_that_the_hosts_script_reads_keeps_placeholders_and_gets_the_socket(tmp_path: Path) -> None:
    text = ENCRYPTION + "  - kms: {endpoint: 'unix:///a.sock'}\n"
    build_tree(tmp_path, {PATH.lstrip("/"): text, f"{PATH.lstrip('/')}.template": text})
    write_files(host(**{PATH: text}), {}, tmp_path, SETTING, frozenset())
    template = (tmp_path / f"{PATH.lstrip('/')}.template").read_text()
    assert '"<generated-on-host:two>"' in template
    assert "unix:///run/s/a-sock.sock" in template


def test_a_mutant_gets_made_up_keys_where_the_host_has_none() -> None:
    (document,) = [d.value for d in load_all(ENCRYPTION, "x")]
    put_keys(document, {"aescbc": []})
    assert "generated-on-host" not in str(document)
    assert document["resources"][0]["providers"][0]["secretbox"]["keys"][0]["name"] == "made-up"


def test_what_somebody_changed_below_the_root_is_put_right_or_refused(tmp_path: Path) -> None:
    policy = "kind: Policy\nrules: []\n"
    files = host(**{PATH: ENCRYPTION, "/etc/audit.yaml": policy, "/etc/worker.yaml": "kind: Worker\n"})
    build_tree(tmp_path, {PATH.lstrip("/"): "tampered", "etc/audit.yaml": policy})
    write_files(files, {}, tmp_path, SETTING, frozenset())
    assert "EncryptionConfiguration" in (tmp_path / PATH.lstrip("/")).read_text()
    assert not (tmp_path / "etc/worker.yaml").exists()
    (tmp_path / "etc/audit.yaml").write_text("kind: Policy\nrules: [{level: None}]\n")
    with pytest.raises(InputError, match=r"/etc/audit\.yaml: the file would run as"):
        write_files(files, {}, tmp_path, SETTING, frozenset())
    write_files(files, {}, tmp_path, SETTING, {"/etc/audit.yaml"})  # a mutant had changed it
    assert (tmp_path / "etc/audit.yaml").read_text() == policy


def test_kubeconfigs_point_at_the_sandbox_and_a_sealed_one_stays_away(tmp_path: Path) -> None:
    config = {"kind": "Config", "clusters": [{"cluster": {"server": "https://192.0.2.1:6443"}}]}
    build_tree(tmp_path, {"made/admin.conf": dump(config), "made/scheduler.conf": dump(config)})
    build_tree(tmp_path, {"root/etc/kubernetes/scheduler.conf": "old"})
    for _ in range(2):  # a second start says the same
        applied = write_servers(tmp_path / "made", tmp_path / "root", SETTING)
        assert [(a.where, a.now) for a in applied] == [("scheduler.conf", "https://127.0.0.1:5")]
    assert not (tmp_path / "root/etc/kubernetes/admin.conf").exists()
    assert "https://127.0.0.1:5" in (tmp_path / "root/etc/kubernetes/scheduler.conf").read_text()


def test_issuers_and_plugins_are_those_that_the_files_name() -> None:
    kms = ENCRYPTION.replace(
        "secretbox:", "kms: {endpoint: 'unix:///a.sock'}\n  - kms: {endpoint: 'unix:///a.sock'}\n  - x:"
    )
    jwt = "kind: AuthenticationConfiguration\njwt: [{issuer: {url: 'https://a', audiences: [b]}}]\n"
    files = host(**{PATH: kms, "/etc/authentication.yaml": jwt})
    assert kms_endpoints(files) == ["unix:///a.sock"]
    assert [tuple(i) for i in issuers(files)] == [("https://a", ["b"])]
    assert kms_endpoints(host()) == []
    assert issuers(host()) == []


# ------------------------------------------------------------------------------------------------- kubeadm's files

CONFIGURATION = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
apiServer:
  certSANs: [api.example.com]
  extraArgs:
  - {name: profiling, value: "false"}
"""


def test_kubeadm_gets_the_generated_configuration_and_what_the_table_says() -> None:
    text, applied = substituted(CONFIGURATION, SETTING)
    cluster, init = [d.value for d in load_all(text, "x")]
    assert cluster["apiServer"] == {
        "certSANs": ["api.example.com", "127.0.0.1"],
        "extraArgs": [{"name": "profiling", "value": "false"}],
    }
    assert cluster["kubernetesVersion"] == "v1.36.4"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "192.0.2.1"}
    assert len(applied) == 5
    assert generated_flags(CONFIGURATION)["kube-apiserver"] == [("profiling", "false")]


def test_an_external_etcd_is_not_run() -> None:
    with pytest.raises(InputError, match="the sandbox runs no external etcd"):
        generated_flags(CONFIGURATION + "etcd: {external: {endpoints: ['https://a:2379']}}\n")


def pod(tmp_path: Path, command: list[str], **volumes: Any) -> Pod:
    mounts = [{"name": n, "mountPath": v.get("at", v["path"])} for n, v in volumes.items()]
    hosts = [{"name": n, "hostPath": {"path": v["path"], "type": v.get("type", "")}} for n, v in volumes.items()]
    spec = {"containers": [{"command": ["kube-apiserver", *command], "volumeMounts": mounts}], "volumes": hosts}
    build_tree(tmp_path, {"kube-apiserver.yaml": dump({"kind": "Pod", "spec": spec})})
    return Pod.read("kube-apiserver", tmp_path)


def test_a_path_that_the_static_pod_does_not_mount_is_an_error(tmp_path: Path) -> None:
    pki = {"path": "/etc/kubernetes/pki"}
    pod(tmp_path, ["--client-ca-file=/etc/kubernetes/pki/ca.crt", "--etcd-prefix=/registry"], pki=pki).check([])
    one = pod(tmp_path, ["--audit-policy-file=/etc/kubernetes/pki-not/audit.yaml"], pki=pki)
    with pytest.raises(InputError, match="names a path that its static pod doesn't mount"):
        one.check([])


def test_a_flag_that_kubeadm_did_not_take_over_is_an_error(tmp_path: Path) -> None:
    one = pod(tmp_path, ["--profiling=true"], pki={"path": "/p"})
    with pytest.raises(InputError, match="--profiling would run as 'true' where the host files give 'false'"):
        one.check([("profiling", "false")])


def test_volumes_are_made_as_the_kubelet_makes_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    volumes = {
        "a": {"path": "/var/log/audit", "type": "DirectoryOrCreate"},
        "b": {"path": "/x.conf", "type": "FileOrCreate"},
    }
    root.mkdir()
    pod(tmp_path, [], **volumes).make_volumes(root)
    assert (root / "var/log/audit").is_dir()
    assert (root / "x.conf").is_file()
    missing = pod(tmp_path, [], a={"path": "/etc/there.yaml", "type": "File"})
    with pytest.raises(InputError, match=r"the file /etc/there\.yaml that its static pod mounts is not there"):
        missing.make_volumes(root)


def test_a_volume_mounted_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="/etc/a is mounted at /etc/b"):
        pod(tmp_path, [], a={"path": "/etc/a", "at": "/etc/b"})


# --------------------------------------------------------------------------------------------------- cluster.yaml


def test_host_files_have_one_digest_and_come_back_from_the_state_folder() -> None:
    one = host(**{PATH: ENCRYPTION})
    assert HostFiles.from_json(one.to_json()) == one
    assert one.digest == HostFiles.from_json(one.to_json()).digest
    assert one.with_files({PATH: INSTALLED}).digest != one.digest
    assert one.with_files({PATH: INSTALLED}).files == {PATH: INSTALLED}


@pytest.mark.parametrize(
    ("distribution", "provider"), [("eks", "Amazon EKS"), ("gke", "Google GKE"), ("aks", "Azure AKS")]
)
def test_a_provider_owned_control_plane_is_refused_with_what_to_do(
    tmp_path: Path, distribution: str, provider: str
) -> None:
    file = write_cluster(tmp_path, kubernetes={"version": "1.36", "distribution": distribution})
    with pytest.raises(InputError) as bad:
        HostFiles.of_cluster(file, "cluster.yaml")
    assert bad.value.line() == (
        f"cluster.yaml: error: test has no host files: {provider} runs its control plane; "
        "start a sandbox from a cluster.yaml of another distribution, and apply this tree to it"
    )
