"""Talos: its configuration package accepts the patches, refuses a misspelt key, and nothing is dropped in silence."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT
from hostplane import bundle_of, catalogue, tree_of
from judges import refusal, tool

from ringfence import host
from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.host.ownership import TALOS_FLAGS
from ringfence.model import Bundle
from ringfence.spec.read import cluster_of


@cache
def builder() -> Builder:
    """One for all examples, of the shipped catalogue."""
    return Builder()


EXAMPLES = sorted(p.parent.name for p in ROOT.glob("examples/*/cluster.yaml"))
CONTROL, WORKER = "controlplane.yaml", "worker.yaml"


def judged(folder: Path, tree: dict[str, str]) -> dict[str, str]:
    """What Talos says against the patches, by file."""
    found = {}
    folder.mkdir(exist_ok=True)
    for name in (CONTROL, WORKER):
        if name in tree:
            (folder / name).write_text(tree[name])
            role = name.removesuffix(".yaml")
            found[name] = refusal(tool("talos-validate"), "--role", role, folder / name)
    return {n: said for n, said in found.items() if said}


def texts(bundle: Bundle) -> dict[str, str]:
    return {path: file.text for path, file in tree_of(bundle).items()}


def value(tree: dict[str, str], name: str) -> dict[str, Any]:
    return load(tree[name], name).value if name in tree else {}


@pytest.fixture
def rich(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    catalogue(tmp_path / "catalogue", monkeypatch, "talos")
    return bundle_of(tmp_path, "talos")


def test_talos_accepts_one_of_everything(tmp_path: Path, rich: Bundle) -> None:
    assert judged(tmp_path / "judged", texts(rich)) == {}


@pytest.mark.parametrize("example", EXAMPLES)
def test_talos_accepts_every_example(tmp_path: Path, example: str) -> None:
    folder = ROOT / "examples" / example
    document = load((folder / "cluster.yaml").read_text(), "cluster.yaml").value
    document["kubernetes"] = {"version": document["kubernetes"]["version"], "distribution": "talos"}
    bundle = builder().objects(builder().decide(cluster_of(load(dump(document), "cluster.yaml")), folder))
    tree = texts(bundle)
    assert CONTROL in tree
    assert judged(tmp_path / "judged", tree) == {}
    check(bundle)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "said"),
    [
        (CONTROL, "extraConfig:", "sysctlz:", "sysctlz"),
        (CONTROL, "extraVolumes:", "extraVolumez:", "extraVolumez"),
        (CONTROL, "auditPolicy:", "auditPolizy:", "auditPolizy"),
        (CONTROL, "podPidsLimit: 2048", "rotateCertificates: false", '"rotateCertificates" can\'t be overridden'),
        (WORKER, "machine:", "cluster: {etcd: {extraArgs: {a: b}}}\nmachine:", "only allowed on control plane"),
        (WORKER, "defaultRuntimeSeccompProfileEnabled: true", "defaultRuntimeSeccompProfileEnabled: soon", "cannot"),
    ],
)
def test_control_of_the_judge(tmp_path: Path, rich: Bundle, file: str, right: str, wrong: str, said: str) -> None:
    tree = texts(rich)
    assert right in tree[file]
    found = judged(tmp_path / "judged", {**tree, file: tree[file].replace(right, wrong, 1)})
    assert list(found) == [file]
    assert said in found[file]


def check(bundle: Bundle) -> None:
    """Every flag and file of the plan is given, a field of Talos' own, or listed as owned; no denied flag is given."""
    plan, tree = host.plan(bundle), texts(bundle)
    cluster, owned = value(tree, CONTROL).get("cluster", {}), value(tree, "owned.yaml").get("settings", [])
    sections = {
        "apiServer": "kube-apiserver",
        "controllerManager": "kube-controller-manager",
        "scheduler": "kube-scheduler",
    }
    for section, component in {**sections, "etcd": "etcd"}.items():
        given = cluster.get(section, {}).get("extraArgs", {})
        theirs = {
            r["setting"][2:]: r["wanted"] for r in owned if r["component"] == component and r["setting"][:2] == "--"
        }
        assert not given.keys() & TALOS_FLAGS[component].keys()
        assert {**given, **theirs} == plan.flags.get(component, {})
    placed = {f["path"] for f in value(tree, CONTROL)["machine"].get("files", [])}
    listed = {r["setting"] for r in owned}
    flags = {r["setting"][2:] for r in owned}
    for file in plan.files:
        own_field = file.name in ("admission", "audit-policy", "authorization", "kubelet", "kube-proxy")
        sysctl = file.path.startswith("/etc/sysctl.d/")
        assert own_field or sysctl or file.path in placed | listed or file.flag in flags, file.path
    assert all(p.startswith("/var/") for p in placed)
    assert {p.path for p in plan.permissions} <= listed


def test_nothing_is_dropped_in_silence(rich: Bundle) -> None:
    check(rich)


def test_files_of_kube_apiserver_become_fields(rich: Bundle) -> None:
    server = value(texts(rich), CONTROL)["cluster"]["apiServer"]
    assert server["auditPolicy"]["rules"] == [{"level": "Metadata"}]
    assert [p["name"] for p in server["admissionControl"]] == ["PodSecurity"]
    assert [a["type"] for a in server["authorizationConfig"]] == ["Node", "RBAC"]


def test_nobody_is_anonymous_and_the_rest_of_the_authentication_file_is_there(rich: Bundle) -> None:
    control = value(texts(rich), CONTROL)
    files = {f["path"]: f for f in control["machine"]["files"]}
    file = files["/var/lib/ringfence/authentication.yaml"]
    content = load(file["content"], "authentication.yaml").value
    assert content.keys() == {"apiVersion", "kind", "jwt"}
    assert file["op"] == "create"
    assert oct(file["permissions"]) == "0o644", "kube-apiserver runs as nobody, and the file is root's"
    assert control["cluster"]["apiServer"]["extraVolumes"] == [
        {"hostPath": "/var/lib/ringfence", "mountPath": "/var/lib/ringfence", "readonly": True}
    ]


def test_an_authentication_file_about_anonymous_requests_alone_is_not_given(tmp_path: Path) -> None:
    document = load((ROOT / "examples/minimal/cluster.yaml").read_text(), "cluster.yaml").value
    document["kubernetes"] = {"version": "1.35", "distribution": "talos"}
    document.get("identity", {}).pop("oidc", None)
    bundle = builder().objects(builder().decide(cluster_of(load(dump(document), "cluster.yaml")), tmp_path))
    tree = texts(bundle)
    assert "authentication-config" not in tree[CONTROL]
    assert "anonymous" in {r["setting"] for r in value(tree, "owned.yaml")["settings"]}


def test_encryption_is_talos_own_and_its_limit_is_said(rich: Bundle) -> None:
    tree = texts(rich)
    assert "encryption" not in tree[CONTROL]
    row = next(r for r in value(tree, "owned.yaml")["settings"] if r["setting"] == "--encryption-provider-config")
    assert "secretbox" in row["why"]
    assert "no further resources" in row["why"]


def test_sysctls_are_a_field_of_every_host(rich: Bundle) -> None:
    tree = texts(rich)
    assert value(tree, CONTROL)["machine"]["sysctls"] == {"kernel.panic": "10"}
    assert value(tree, WORKER)["machine"]["sysctls"] == {"kernel.panic": "10"}
