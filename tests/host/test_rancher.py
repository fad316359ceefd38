"""RKE2 and k3s: keys that their documentation knows, and the plan's flags, each given once or listed as owned."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT
from hostplane import bundle_of, catalogue, tree_of

from ringfence import host
from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.host import HostPlan, rancher
from ringfence.model import Bundle
from ringfence.spec.read import cluster_of

DISTRIBUTIONS = ("rke2", "k3s")
KEYS = load((Path(__file__).parent / "rancher_keys.yaml").read_text(), "rancher_keys.yaml").value


@cache
def builder() -> Builder:
    """One for all examples, of the shipped catalogue."""
    return Builder()


EXAMPLES = sorted(p.parent.name for p in ROOT.glob("examples/*/cluster.yaml"))
CONFIG, AGENT = "config.yaml", "agent.yaml"
# What a key of the distribution becomes on kube-apiserver's command line (rancher/rke2 pkg/podexecutor/staticpod.go).
RESULTS = {
    "audit-policy-file": ("kube-apiserver", "audit-policy-file"),
    "pod-security-admission-config-file": ("kube-apiserver", "admission-control-config-file"),
}


def unknown(distribution: str, name: str, text: str) -> set[str]:
    """Keys of a configuration that its role's documentation does not list."""
    known = set(KEYS[distribution]["agent"].split())
    if name == CONFIG:
        known |= set(KEYS[distribution]["server"].split())
    return load(text, name).value.keys() - known


def body(tree: dict[str, Any], name: str) -> dict[str, Any]:
    return load(tree[name].text, name).value if name in tree else {}


def given_flags(config: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The flags that components get from a configuration."""
    found: dict[str, dict[str, str]] = {}
    for key, value in config.items():
        if key.endswith("-arg"):
            pairs = [argument.split("=", 1) for argument in value]
            assert len(dict(pairs)) == len(pairs), f"{key} gives a flag twice"
            found.setdefault(key.removesuffix("-arg"), {}).update(pairs)
        elif key in RESULTS:
            component, flag = RESULTS[key]
            assert flag not in found.setdefault(component, {}), "its own key and an argument for one flag"
            found[component][flag] = value
    return found


def owned_flags(tree: dict[str, Any]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in body(tree, "owned.yaml").get("settings", []):
        if row["setting"].startswith("--"):
            found.setdefault(row["component"], {})[row["setting"][2:]] = row["wanted"]
    return found


def check(bundle: Bundle) -> None:
    """Known keys; every flag of the plan given once or owned; none that the plan does not have."""
    distribution, tree, plan = bundle.cluster.distribution, tree_of(bundle), host.plan(bundle)
    for name in (CONFIG, AGENT):
        if name in tree:
            assert unknown(distribution, name, tree[name].text) == set()
    given, owned = given_flags(body(tree, CONFIG)), owned_flags(tree)
    for component in {*plan.flags, *given, *owned} - {"kube-proxy"}:
        mine, theirs = given.get(component, {}), owned.get(component, {})
        assert not mine.keys() & theirs.keys()
        assert {**mine, **theirs} == plan.flags.get(component, {})
    agent = given_flags(body(tree, AGENT))
    assert agent == {c: f for c, f in given.items() if c in ("kubelet", "kube-proxy")}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_one_of_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, distribution)
    check(bundle_of(tmp_path, distribution))


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_example(example: str, distribution: str) -> None:
    folder = ROOT / "examples" / example
    document = load((folder / "cluster.yaml").read_text(), "cluster.yaml").value
    document["kubernetes"] = {"version": document["kubernetes"]["version"], "distribution": distribution}
    cluster = cluster_of(load(dump(document), "cluster.yaml"))
    bundle = builder().objects(builder().decide(cluster, folder))
    check(bundle)
    assert CONFIG in tree_of(bundle)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_control_of_the_list_a_key_that_no_page_lists_is_found(distribution: str) -> None:
    assert unknown(distribution, CONFIG, "kube-apiserver-args: []\n") == {"kube-apiserver-args"}
    assert unknown(distribution, AGENT, "kube-apiserver-arg: []\n") == {"kube-apiserver-arg"}
    assert unknown(distribution, AGENT, "kubelet-arg: []\n") == set()


def test_the_list_says_where_it_is_from() -> None:
    for distribution in DISTRIBUTIONS:
        assert set(KEYS[distribution]) == {"version", "source", "server", "agent"}
        for role in ("server", "agent"):
            keys = KEYS[distribution][role].split()
            assert len(keys) == len(set(keys))
            assert len(keys) > 25


def test_rke2s_own_keys_stand_for_what_it_passes_to_the_api_server_anyway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "rke2")
    config = body(tree_of(bundle_of(tmp_path, "rke2")), CONFIG)
    assert config["pod-security-admission-config-file"] == "/etc/rancher/rke2/ringfence/admission.yaml"
    assert config["audit-policy-file"] == "/etc/rancher/rke2/ringfence/audit-policy.yaml"
    assert config["protect-kernel-defaults"] is True
    assert config["kube-apiserver-extra-mount"] == ["/etc/rancher/rke2/ringfence:/etc/rancher/rke2/ringfence:ro"]


def test_k3s_runs_the_control_plane_in_one_process_and_mounts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "k3s")
    config = body(tree_of(bundle_of(tmp_path, "k3s")), CONFIG)
    assert not [k for k in config if k.endswith("-extra-mount")]
    assert "admission-control-config-file=/etc/rancher/k3s/ringfence/admission.yaml" in config["kube-apiserver-arg"]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_kubelets_file_is_a_drop_in_without_what_the_distribution_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, distribution)
    tree = tree_of(bundle_of(tmp_path, distribution))
    path = f"files/var/lib/rancher/{distribution}/agent/etc/kubelet.conf.d/50-ringfence.conf"
    assert load(tree[path].text, path).value == {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}},
        "podPidsLimit": 2048,
        "seccompDefault": True,
    }
    owned = {row["setting"] for row in body(tree, "owned.yaml")["settings"]}
    assert "authentication.x509" in owned
    assert "protectKernelDefaults" not in owned, "the key says it"
    assert not [p for p in tree if "kubelet.yaml" in p or "kube-proxy.yaml" in p]


def test_a_field_of_kube_proxy_without_a_flag_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "k3s")
    bundle = bundle_of(tmp_path, "k3s")
    plan = host.plan(bundle)
    proxy = plan.file("kube-proxy")
    assert proxy is not None
    odd = type(proxy)(
        **{**{n: getattr(proxy, n) for n in proxy.__slots__}, "content": {"detectLocal": {"bridge": "br0"}}}
    )
    tree = {f.path: f for f in rancher.form(HostPlan(files=(odd,)), bundle.cluster)}
    rows = load(tree["host/owned.yaml"].text, "owned.yaml").value["settings"]
    assert [(r["component"], r["setting"], r["wanted"]) for r in rows] == [("kube-proxy", "detectLocal.bridge", "br0")]


def test_networks_of_the_cluster_are_those_of_cluster_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "rke2")
    network = {"podCIDRs": ["10.1.0.0/16"], "serviceCIDRs": ["10.2.0.0/16"]}
    config = body(tree_of(bundle_of(tmp_path, "rke2", network=network)), CONFIG)
    assert (config["cluster-cidr"], config["service-cidr"]) == ("10.1.0.0/16", "10.2.0.0/16")
