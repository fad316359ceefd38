"""`ringfence init`: flags, questions, and a file that is valid or not written."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, build_tree

from ringfence.cli import init
from ringfence.documents import load
from ringfence.schemas import SUPPORTED
from ringfence.spec import read_cluster

TEXT = f"""\
# yaml-language-server: $schema=cluster.schema.json
apiVersion: ringfence/v1alpha1
kind: Cluster
name: demo
profile: restricted  # every workload least-privileged, every namespace closed
kubernetes:
  version: "{SUPPORTED[-1]}"
  distribution: kubeadm
network:
  cni: other  # any plugin that enforces NetworkPolicy
  dns: {{mode: coredns}}
  # Pods with apiAccess need these: kubectl get endpointslices -n default kubernetes
  # apiServer: {{addresses: [192.0.2.10]}}
components:
  mesh: "none"
  admission: native  # native: ValidatingAdmissionPolicy, which nobody can uninstall
  secrets: []
  runtime: []
delivery:
  layout: plain
tenants:  # a team, who answers for it, and its namespaces; add one entry a team
- name: shop
  owner: shop-team
  namespaces: [shop]
"""
ALL = {
    "name": "full", "profile": "zero-trust", "kubernetes": "1.36", "distribution": "rke2", "cni": "cilium",
    "dns": "custom", "dns-address": ["10.0.0.53", "fd00::53"], "api-server": ["10.0.0.1"], "api-server-port": "443",
    "pod-cidr": ["10.1.0.0/16"], "service-cidr": ["10.2.0.0/16"], "node-cidr": ["10.3.0.0/16", "fd00::/64"],
    "registry": ["registry.example.com/"], "admin-group": ["oidc:admins"], "mesh": "istio-ambient",
    "admission": "kyverno", "secrets": ["vault", "external-secrets"], "runtime": ["falco"], "monitoring": "metrics",
    "ingress": ["gateway"], "layout": "flux", "path": "clusters/full", "source": "platform", "tenant": "pay",
    "owner": "pay@example.com", "namespace": ["pay", "pay-jobs"],
}  # fmt: skip


def test_flags_and_defaults_make_a_commented_cluster(cli, tmp_path):
    flags = "--name demo --profile restricted --distribution kubeadm --namespace shop"
    done = cli("init", "demo/cluster.yaml", *flags.split())
    assert (done.code, done.out) == (0, "")
    assert done.err == (
        "wrote demo/cluster.yaml, and cluster.schema.json beside it for your editor\n"
        "next: read it through, then `ringfence render demo/cluster.yaml`\n"
    )
    assert (tmp_path / "demo/cluster.yaml").read_text() == TEXT
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == ["cluster.schema.json", "cluster.yaml"]
    assert cli("render", "demo").code == 0


def test_the_schema_beside_it_is_where_the_first_line_points(cli, tmp_path):
    assert cli("init").code == 0
    first = (tmp_path / "cluster.yaml").read_text().partition("\n")[0]
    schema = tmp_path / first.partition("$schema=")[2]
    assert json.loads(schema.read_text()) == json.loads((ROOT / "docs/schema/cluster.json").read_text())


def test_every_question_has_a_flag(cli, tmp_path):
    flags = [x for key, v in ALL.items() for one in (v if isinstance(v, list) else [v]) for x in (f"--{key}", one)]
    done = cli("init", "full", *flags)
    assert done.code == 0, done.err
    found = read_cluster(tmp_path / "full" / "cluster.yaml")
    assert (found.name, found.profile, found.kubernetes, found.distribution) == ("full", "zero-trust", "1.36", "rke2")
    network = load((tmp_path / "full/cluster.yaml").read_bytes(), "x").value["network"]
    assert network == {
        "cni": "cilium",
        "dns": {"mode": "custom", "addresses": ["10.0.0.53", "fd00::53"]},
        "apiServer": {"addresses": ["10.0.0.1"], "port": 443},
        "podCIDRs": ["10.1.0.0/16"],
        "serviceCIDRs": ["10.2.0.0/16"],
        "nodeCIDRs": ["10.3.0.0/16", "fd00::/64"],
        "ipFamilies": ["IPv4", "IPv6"],
    }
    assert (found.registries, found.platform_admin_groups) == (("registry.example.com/",), ("oidc:admins",))
    wanted = {"istio-ambient", "kyverno", "vault", "external-secrets", "falco", "monitoring", "ingress-controller"}
    assert found.enabled_components == wanted
    assert found.delivery["flux"]["name"] == "platform"
    assert [(t.name, t.owner, [n.name for n in t.namespaces]) for t in found.tenants] == [
        ("pay", "pay@example.com", ["pay", "pay-jobs"])
    ]
    known = {o[2:] for p in init.command.params for o in p.opts if o.startswith("--")}
    assert known == {*ALL, "force", "defaults"}


@pytest.mark.parametrize(
    ("distribution", "cni"),
    [
        ("eks", "aws-vpc-cni"), ("gke", "gke-dataplane-v2"), ("aks", "azure-cni"), ("rke2", "canal"),
        ("k3s", "kube-router"), ("talos", "other"), ("generic", "other"),
    ],
)  # fmt: skip
def test_every_distribution_has_its_network_plugin(cli, tmp_path, distribution, cni):
    done = cli("init", distribution, "--distribution", distribution)
    assert done.code == 0, done.err
    assert read_cluster(tmp_path / distribution / "cluster.yaml").cni == cni


def test_argo_cd_needs_its_repository(cli, tmp_path):
    done = cli("init", "--layout", "argocd")
    assert (done.code, done.err) == (
        64, "error: layout argocd needs --source; give the address of the tree's repository\n",
    )  # fmt: skip
    assert cli("init", "--layout", "argocd", "--source", "https://git.example.com/x.git").code == 0


def test_an_existing_file_stays(cli, tmp_path):
    build_tree(tmp_path, {"cluster.yaml": "mine\n"})
    done = cli("init")
    line = "error: cluster.yaml exists already; edit it, or write over it with --force\n"
    assert (done.code, done.err) == (64, line)
    assert (tmp_path / "cluster.yaml").read_text() == "mine\n"
    assert cli("init", "--force").code == 0
    assert (tmp_path / "cluster.yaml").read_text() != "mine\n"


def test_a_file_that_appears_meanwhile_stays(cli, tmp_path, monkeypatch):
    real = init._read_back

    def slow(text: str, target: Path) -> None:
        real(text, target)
        target.write_text("theirs\n")

    monkeypatch.setattr(init, "_read_back", slow)
    assert cli("init").code == 64
    assert (tmp_path / "cluster.yaml").read_text() == "theirs\n"
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".cluster")]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--name", "Bad_"], 'name: "Bad_" does not parse; use lower-case letters'),
        (["--dns", "custom"], "network.dns: mode custom needs addresses"),
        (["--namespace", "kube-system"], 'namespace "kube-system" is reserved by Kubernetes'),
        (["--owner", "a\nb"], "tenants[0].owner"),
    ],
)
def test_answers_that_make_no_cluster_write_nothing(cli, tmp_path, flags, message):
    done = cli("init", "new/cluster.yaml", *flags)
    assert (done.code, done.err.count("\n")) == (64, 1)
    assert done.err.startswith(f"error: these answers make no cluster: {message}")
    assert not (tmp_path / "new").exists()


def test_a_disk_that_refuses_is_one_line(cli, tmp_path):
    build_tree(tmp_path, {"file": ""})
    done = cli("init", "file/cluster.yaml")
    assert (done.code, done.err) == (1, "file/cluster.yaml: error: can't write: file exists\n")


def test_a_file_system_without_hard_links(cli, tmp_path, monkeypatch):
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    assert cli("init").code == 0
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["cluster.schema.json", "cluster.yaml"]


def converse(folder: Path, answers: list[str]) -> tuple[int, str]:
    """Run `init` on a terminal of its own, answering each question; returns the exit code and what was shown."""
    parent, child = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT / "generator"), "TERM": "dumb"}
    command = [sys.executable, "-c", "from ringfence.cli import main; main()", "init"]
    with subprocess.Popen(command, cwd=folder, env=env, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        shown, pending = "", ""
        while True:
            if not select.select([parent], [], [], 60)[0]:
                process.kill()
                raise TimeoutError(shown)
            try:
                piece = os.read(parent, 1024).decode()
            except OSError:
                break
            if not piece:
                break
            shown, pending = shown + piece, pending + piece
            if pending.endswith(": "):
                pending = ""
                os.write(parent, f"{answers.pop(0) if answers else ''}\n".encode())
        os.close(parent)
        return process.wait(timeout=60), shown


def test_questions_on_a_terminal(tmp_path):
    folder = tmp_path / "My Shop"
    folder.mkdir()
    skipped = [""] * 9  # from DNS to the layout
    code, shown = converse(
        folder, ["", "restricted", "bogus", "1.36", "", "cilium", *skipped, "flux", "", "", "shop, shop-jobs"]
    )
    assert code == 0, shown
    assert "Name of the cluster [my-shop]: " in shown
    assert "Error: 'bogus' is not one of" in shown
    found = read_cluster(folder / "cluster.yaml")
    assert (found.name, found.profile, found.kubernetes, found.cni) == ("my-shop", "restricted", "1.36", "cilium")
    assert [n.name for n in found.namespaces] == ["shop", "shop-jobs"]


def test_a_wrong_name_is_asked_again(tmp_path):
    code, shown = converse(tmp_path, ["Bad_Name", "good"])
    assert code == 0, shown
    assert "Error: use lower-case letters, digits and dashes, at most 63" in shown
    assert read_cluster(tmp_path / "cluster.yaml").name == "good"
