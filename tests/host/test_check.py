"""`ringfence check` over a tree with a host plane: configuration of components is no object, and no finding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from catalogues import Command
from helpers import build_tree
from hostplane import bundle_of, catalogue

from ringfence.sinks.tree import write


@pytest.mark.parametrize("distribution", ["kubeadm", "rke2", "k3s", "talos", "eks"])
def test_nothing_of_the_host_plane_is_a_finding_or_not_analysed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], distribution: str
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, distribution)
    write(bundle_of(tmp_path, distribution), tmp_path / "rendered")
    done = Command(tmp_path, capsys, monkeypatch)("check", "rendered", "--strict", "-o", "json")
    report = json.loads(done.out)
    assert (done.code, report["findings"], report["notAnalysed"]) == (0, [], [])
    assert report["summary"]["objects"] == 0


def test_an_object_that_no_index_lists_is_still_judged_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue(tmp_path / "catalogue", monkeypatch, "rke2")
    write(bundle_of(tmp_path, "rke2"), tmp_path / "rendered")
    build_tree(tmp_path / "rendered", {"host/extra.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspek: {}\n"})
    build_tree(tmp_path / "rendered", {"host/plain.yaml": "kubelet-arg: []\n"})
    done = Command(tmp_path, capsys, monkeypatch)("check", "rendered", "-o", "json")
    report = json.loads(done.out)
    assert done.code == 3
    assert [f["object"] for f in report["findings"]] == ["Pod/x"]
    assert [n["file"] for n in report["notAnalysed"]] == ["rendered/host/plain.yaml"]


COMPONENTS = {
    "kubeadm.k8s.io/v1beta4": "ClusterConfiguration",
    "kubelet.config.k8s.io/v1beta1": "KubeletConfiguration",
    "kubeproxy.config.k8s.io/v1alpha1": "KubeProxyConfiguration",
    "apiserver.config.k8s.io/v1": "EncryptionConfiguration",
    "audit.k8s.io/v1": "Policy",
    "eventratelimit.admission.k8s.io/v1alpha1": "Configuration",
    "pod-security.admission.config.k8s.io/v1": "PodSecurityConfiguration",
    "ringfence/v1alpha1": "HostFiles",
}


def test_configuration_of_components_is_known_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "---\n".join(f"apiVersion: {api}\nkind: {kind}\n" for api, kind in COMPONENTS.items())
    build_tree(tmp_path, {"all.yaml": text})
    done = Command(tmp_path, capsys, monkeypatch)("check", "all.yaml", "--strict", "-o", "json")
    assert (done.code, json.loads(done.out)["notAnalysed"]) == (0, [])
