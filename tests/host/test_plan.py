"""The neutral plan: flags as text, what files add to flags and mounts, several controls in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster
from hostplane import bundle_of, catalogue

from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.errors import InputError
from ringfence.host import HostPlan, plan
from ringfence.host.plan import flag_text


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("profiling", False, "false"),
        ("profiling", True, "true"),
        ("profiling", "false", "false"),
        ("audit-log-maxage", 30, "30"),
        ("api-audiences", ["a", "b"], "a,b"),
        ("api-audiences", [], ""),
        (
            "enable-admission-plugins",
            {"NodeRestriction": True, "EventRateLimit": True},
            "EventRateLimit,NodeRestriction",
        ),
        ("enable-admission-plugins", {"NodeRestriction": True, "AlwaysPullImages": False}, "NodeRestriction"),
        ("enable-admission-plugins", {"AlwaysPullImages": False}, ""),
        ("feature-gates", {"B": False, "A": True}, "A=true,B=false"),
        ("runtime-config", {"api/alpha": False}, "api/alpha=false"),
    ],
)
def test_flag_text(name: str, value: Any, text: str) -> None:
    assert flag_text(name, value) == text


@pytest.fixture
def rich(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostPlan:
    catalogue(tmp_path / "catalogue", monkeypatch, "kubeadm")
    return plan(bundle_of(tmp_path, "kubeadm"))


def test_a_file_that_a_flag_names_sets_the_flag_and_is_mounted_for_its_component_alone(rich: HostPlan) -> None:
    apiserver = rich.flags["kube-apiserver"]
    assert apiserver["authorization-config"] == "/etc/kubernetes/ringfence/authorization.yaml"
    assert rich.mounts["kube-apiserver"] == {"/etc/kubernetes/ringfence": True, "/var/log/kubernetes/audit": False}
    assert "kubelet" not in rich.mounts
    assert not any("kubelet.yaml" in v for v in rich.flags["kubelet"].values())


def test_files_and_permissions_are_in_the_order_of_their_paths(rich: HostPlan) -> None:
    assert [f.path for f in rich.files] == sorted(f.path for f in rich.files)
    assert [p.path for p in rich.permissions] == ["/etc/kubernetes/*.conf", "/var/log/kubernetes/audit"]
    assert rich.file("audit-policy") is not None
    assert rich.file("nothing") is None


def test_a_managed_cluster_has_an_empty_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "eks")
    assert plan(bundle_of(tmp_path, "eks")) == HostPlan()


MANAGED: dict[str, dict[str, Any]] = {p: {"undocumented": True} for p in ("eks", "gke", "aks")}


def two(root: Path, first: dict[str, Any], second: dict[str, Any], **rows: Any) -> Path:
    """Two controls that each write a part of one host object."""
    for number, body in enumerate((first, second), 1):
        text = dump({"apiVersion": "host.ringfence/v1alpha1", **body})
        emits = [{"template": "part.yaml.j2", "plane": "host", "fragment": True, **rows}]
        write_control(root, f"demo-{number}", {"part.yaml.j2": text}, emits=emits, managed=MANAGED, exceptions="none")
    return root


def component(**flags: Any) -> dict[str, Any]:
    return {"kind": "Component", "metadata": {"name": "kube-apiserver"}, "flags": flags}


def test_two_controls_fill_one_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sets = [component(**{"enable-admission-plugins": {name: True}}) for name in ("NodeRestriction", "AlwaysPullImages")]
    two(small(tmp_path / "catalogue", monkeypatch), *sets)
    found = plan(Builder().build(write_cluster(tmp_path), "cluster.yaml"))
    assert found.flags == {"kube-apiserver": {"enable-admission-plugins": "AlwaysPullImages,NodeRestriction"}}


def test_two_controls_that_give_one_flag_two_values_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two(small(tmp_path / "catalogue", monkeypatch), component(profiling="false"), component(profiling="true"))
    with pytest.raises(InputError) as caught:
        Builder().build(write_cluster(tmp_path), "cluster.yaml")
    assert "demo-1" in caught.value.message
    assert "demo-2" in caught.value.message


def test_lists_of_a_file_fold_by_their_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = {
        "kind": "File", "metadata": {"name": "admission"}, "path": "/etc/kubernetes/ringfence/admission.yaml", "mode": "0600",
        "owner": "root:root", "roles": ["control-plane"], "component": "kube-apiserver",
        "flag": "admission-control-config-file",
    }  # fmt: skip
    parts = [
        {**about, "content": {"kind": "AdmissionConfiguration", "plugins": [{"name": n, "path": f"/{n}"}]}}
        for n in ("PodSecurity", "EventRateLimit")
    ]
    two(small(tmp_path / "catalogue", monkeypatch), *parts, keys={"content.plugins": "name"})
    file = plan(Builder().build(write_cluster(tmp_path), "cluster.yaml")).file("admission")
    assert file is not None
    assert file.content is not None
    assert [p["name"] for p in file.content["plugins"]] == ["PodSecurity", "EventRateLimit"]
