"""kubeadm's form: its own judge accepts it, refuses a misspelt field, and makes static pods of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, build_tree
from hostplane import bundle_of, catalogue, tree_of
from hypothesis import given, settings
from hypothesis import strategies as st
from judges import refusal, tool
from strategies import UNSHRUNK, clusters

from ringfence import host
from ringfence.build import Builder
from ringfence.documents import dump, load, load_all
from ringfence.host import HostPlan, kubeadm
from ringfence.host.kubeadm import DISCOVERY, volume_name
from ringfence.spec.read import cluster_of

EXAMPLES = sorted(p.parent.name for p in ROOT.glob("examples/*/cluster.yaml"))
KUBEADM = "kubeadm.yaml"
JOINS = ("join-control-plane.yaml", "join-worker.yaml")


def documents(text: str) -> list[dict[str, Any]]:
    return [d.value for d in load_all(text.encode(), KUBEADM, "kubectl")]


def judged(folder: Path, tree: dict[str, str]) -> dict[str, str]:
    """kubeadm's refusals by file; a discovery file, which only a cluster can give, stands in for."""
    discovery = folder / DISCOVERY
    folder.mkdir(exist_ok=True)
    discovery.write_text("")
    found = {}
    for name in (KUBEADM, *JOINS):
        file = folder / name
        text = tree[name]
        file.write_text(text.replace(f"/etc/kubernetes/ringfence/{DISCOVERY}", str(discovery)))
        found[name] = refusal(tool("kubeadm"), "config", "validate", "--config", file)
    return {n: said for n, said in found.items() if said}


@pytest.fixture
def rich(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    catalogue(tmp_path / "catalogue", monkeypatch, "kubeadm")
    return {path: file.text for path, file in tree_of(bundle_of(tmp_path, "kubeadm")).items()}


def test_kubeadm_accepts_one_of_everything(tmp_path: Path, rich: dict[str, str]) -> None:
    assert judged(tmp_path / "judged", rich) == {}


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (KUBEADM, "extraVolumes:", "extraVolume:", 'unknown field "apiServer.extraVolume"'),
        (KUBEADM, "readOnly: true", "readOnly: soon", "cannot unmarshal"),
        (KUBEADM, "podPidsLimit:", "podPidLimit:", 'unknown field "podPidLimit"'),
        (KUBEADM, "metricsBindAddress:", "metricBindAddress:", 'unknown field "metricBindAddress"'),
        (KUBEADM, "dataDir: /var/lib/etcd", "dataDir: lib/etcd", "path is not absolute"),
        (JOINS[0], "kubeConfigPath:", "kubeconfigPath:", "discovery"),
        (JOINS[1], "kubeletExtraArgs:", "kubeletArgs:", 'unknown field "nodeRegistration.kubeletArgs"'),
    ],
)
def test_control_of_the_judge(
    tmp_path: Path, rich: dict[str, str], file: str, right: str, wrong: str, said: str
) -> None:
    assert right in rich[file]
    found = judged(tmp_path / "judged", {**rich, file: rich[file].replace(right, wrong, 1)})
    assert list(found) == [file]
    assert said in found[file]


def test_static_pods_have_our_flags_once_and_our_folders_mounted(tmp_path: Path, rich: dict[str, str]) -> None:
    (tmp_path / KUBEADM).write_text(
        rich[KUBEADM].replace("kubernetesVersion: stable-1.36", "kubernetesVersion: v1.36.0")
    )
    program, out = tool("kubeadm"), tmp_path / "out"
    out.mkdir()
    for phase in (["control-plane", "all"], ["etcd", "local"]):
        subprocess.run(
            [program, "init", "phase", *phase, "--dry-run", "--config", str(tmp_path / KUBEADM)],
            env={**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(out)}, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    cluster = documents(rich[KUBEADM])[0]
    sections = {
        "kube-apiserver": cluster["apiServer"],
        "kube-controller-manager": cluster["controllerManager"],
        "kube-scheduler": cluster["scheduler"],
        "etcd": cluster["etcd"]["local"],
    }
    for component, section in sections.items():
        pod = documents(next(out.rglob(f"{component}.yaml")).read_text())[0]
        container = pod["spec"]["containers"][0]
        for argument in section["extraArgs"]:
            mine = [c for c in container["command"] if c.startswith(f"--{argument['name']}=")]
            assert mine == [f"--{argument['name']}={argument['value']}"]
        mounts = [m["mountPath"] for m in container["volumeMounts"]]
        assert len(mounts) == len(set(mounts)), "a pod that mounts one path twice is refused"
        assert {v["mountPath"] for v in section.get("extraVolumes", [])} <= set(mounts)
    command = documents(next(out.rglob("kube-apiserver.yaml")).read_text())[0]["spec"]["containers"][0]["command"]
    assert not [c for c in command if c.startswith("--authorization-mode")], "it excludes --authorization-config"


@pytest.mark.parametrize("example", EXAMPLES)
def test_kubeadm_accepts_every_example(tmp_path: Path, example: str) -> None:
    bundle = Builder().build(ROOT / "examples" / example / "cluster.yaml", "cluster.yaml")
    if bundle.cluster.managed:
        assert [f.path for f in host.forms(bundle)] == ["host/provider.yaml"]
        return
    tree = {f.path.removeprefix("host/"): f.text for f in kubeadm.form(host.plan(bundle), bundle.cluster)}
    assert judged(tmp_path / "judged", tree) == {}


@pytest.fixture(scope="module")
def builder() -> Builder:
    return Builder()


@settings(max_examples=12, phases=UNSHRUNK)
@given(document=clusters(), patch=st.one_of(st.none(), st.integers(0, 4)))
def test_kubeadm_accepts_what_generated_clusters_give(
    tmp_path_factory: pytest.TempPathFactory, builder: Builder, document: dict[str, Any], patch: int | None
) -> None:
    kubernetes = {"version": "1.36", "distribution": "kubeadm", **({} if patch is None else {"patch": patch})}
    folder = tmp_path_factory.mktemp("generated")
    services = {"IPv4": "10.96.0.0/16", "IPv6": "fd00:2::/112"}  # kubeadm takes at most 20 bits of them
    document["network"]["serviceCIDRs"] = [services[f] for f in document["network"]["ipFamilies"]]
    cluster = cluster_of(load(dump({**document, "kubernetes": kubernetes}), "cluster.yaml"))
    bundle = builder.objects(builder.decide(cluster, folder))
    tree = {f.path.removeprefix("host/"): f.text for f in host.forms(bundle)}
    assert judged(folder, tree) == {}


def test_a_host_joins_by_a_discovery_file_since_nobody_is_anonymous(rich: dict[str, str]) -> None:
    worker, control = (documents(rich[n])[0] for n in reversed(JOINS))
    assert worker["discovery"] == {"file": {"kubeConfigPath": f"/etc/kubernetes/ringfence/{DISCOVERY}"}}
    assert "controlPlane" not in worker
    assert control["controlPlane"] == {}
    assert worker["nodeRegistration"] == control["nodeRegistration"]


def test_a_patch_that_lies_on_joining_workers_is_named_to_kubeadm(tmp_path: Path) -> None:
    bundle = Builder().build(ROOT / "examples/zero-trust/cluster.yaml", "cluster.yaml")
    tree = {f.path.removeprefix("host/"): f.text for f in host.forms(bundle)}
    worker, control = (documents(tree[n])[0] for n in reversed(JOINS))
    assert "files/etc/kubernetes/ringfence/patches/kubeletconfiguration.yaml" in tree
    assert worker["patches"] == {"directory": "/etc/kubernetes/ringfence/patches"}
    assert "patches" not in control


def test_without_a_patch_release_the_minor_stays(tmp_path: Path, rich: dict[str, str]) -> None:
    assert documents(rich[KUBEADM])[0]["kubernetesVersion"] == "stable-1.36"


def test_a_mount_that_kubeadm_makes_is_not_made_twice_and_etcds_is_listed(tmp_path: Path) -> None:
    cluster = Builder().build(ROOT / "examples/minimal/cluster.yaml").cluster
    mounts = {
        "kube-apiserver": {"/etc/kubernetes/pki": True, "/etc/kubernetes/pki/etcd": True, "/etc/kubernetes/pkix": True},
        "etcd": {"/var/lib/etcd": False, "/etc/kubernetes/pki/etcd": True, "/opt/more": True},
    }
    tree = {f.path: f.text for f in kubeadm.form(HostPlan(mounts=mounts), cluster)}
    volumes = documents(tree["host/kubeadm.yaml"])[0]["apiServer"]["extraVolumes"]
    assert [v["hostPath"] for v in volumes] == ["/etc/kubernetes/pkix"]
    owned = documents(tree["host/owned.yaml"])[0]["settings"]
    assert [(o["component"], o["setting"]) for o in owned] == [("etcd", "/opt/more")]


PATHS = st.lists(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,40}", fullmatch=True), min_size=1, max_size=6)


@given(st.lists(PATHS.map(lambda parts: "/" + "/".join(parts)), min_size=2, max_size=8, unique=True))
def test_names_of_volumes_are_labels_and_tell_paths_apart(paths: list[str]) -> None:
    names = [volume_name(p) for p in paths]
    assert len(set(names)) == len(paths)
    assert all(len(n) <= 63 and n.isascii() and n == n.lower() and n[0].isalnum() and n[-1].isalnum() for n in names)
    assert all(c.isalnum() or c == "-" for n in names for c in n)


@pytest.mark.parametrize(
    ("one", "other"), [("/a/b", "/a-b"), ("/a.b", "/a_b"), ("/A/b", "/a/b"), ("/" + "a" * 80, "/" + "a" * 81)]
)
def test_names_of_like_paths_differ(one: str, other: str) -> None:
    assert volume_name(one) != volume_name(other)


def test_the_tree_on_disk_has_the_host_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ringfence.sinks.tree import write

    catalogue(tmp_path / "catalogue", monkeypatch, "kubeadm")
    bundle = bundle_of(tmp_path, "kubeadm")
    tree = tmp_path / "rendered"
    write(bundle, tree)
    assert {f"host/{p}": f.text for p, f in tree_of(bundle).items()} == {
        p.relative_to(tree).as_posix(): p.read_text() for p in (tree / "host").rglob("*") if p.is_file()
    }
    assert write(bundle, tree, check=True).stale is False
    (tree / "host/install.sh").write_text("#!/bin/sh\n")
    (tree / "host/kubeadm.yaml").unlink()
    build_tree(tree, {"host/files/etc/passwd": "root::0:0::/:/bin/sh\n"})
    changes = write(bundle, tree, check=True)
    assert (changes.changed, changes.new) == (["host/install.sh"], ["host/kubeadm.yaml"])
    assert changes.unknown == ["host/files/etc/passwd"]
