"""Layouts: which file an object lies in, and what Kustomize, Flux and Argo CD need beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from catalogues import CONFIG_MAP, demo, snapshot_of, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.schemas import SchemaStore
from ringfence.sinks.tree import write

FLUX = {"layout": "flux", "path": "clusters/test", "flux": {"name": "platform"}}
ARGOCD = {"layout": "argocd", "path": "clusters/test", "argocd": {"repoURL": "https://git.example.com/platform.git"}}
PATCH = """\
apiVersion: v1
kind: ServiceAccount
metadata:
  name: default
  namespace: {{ namespace.name }}
automountServiceAccountToken: false
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {{ namespace.name }}\n"
COLON = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ 'ringfence:' ~ params.note }}
  namespace: {{ namespace.name }}
rules: []
"""
NOTES = {"note": {"type": "string", "default": "Reader", "description": "A note."}}
STORE = SchemaStore("1.36")
Render = Callable[..., dict[str, bytes]]


@pytest.fixture
def render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Render:
    """A tree of four waves and two modes, by path."""
    catalogue = demo(tmp_path / "catalogue", monkeypatch)
    row = {"each": "namespace"}
    write_control(
        catalogue, "demo-space", {"ns.yaml.j2": NAMESPACE}, emits=[{"template": "ns.yaml.j2", "wave": 1, **row}]
    )
    patch = [{"template": "sa.yaml.j2", "mode": "patch", **row}]
    write_control(catalogue, "demo-patch", {"sa.yaml.j2": PATCH}, "other", emits=patch)
    late = [{"template": "late.yaml.j2", "wave": 4, **row}]
    write_control(catalogue, "demo-late", {"late.yaml.j2": CONFIG_MAP.replace("settings", "late")}, emits=late)
    write_control(catalogue, "demo-role", {"role.yaml.j2": COLON}, params=NOTES)

    def run(files: str = "area", **delivery: Any) -> dict[str, bytes]:
        folder = tmp_path / f"{files}-{delivery.get('layout', 'plain')}"
        tenants = [{"name": "t", "owner": "o", "namespaces": ["one", "two"]}]
        made = Builder().build(write_cluster(folder, tenants=tenants, delivery={"files": files, **delivery}))
        write(made, folder / "rendered")
        return {k: v for k, v in snapshot_of(folder / "rendered").items() if k != "ringfence.index"}

    return run


def parsed(files: dict[str, bytes], folder: str = "") -> dict[str, Any]:
    return {path: yaml.safe_load(text) for path, text in files.items() if path.startswith(folder)}


def objects(files: dict[str, bytes]) -> list[str]:
    """Every rendered object, as text, companions left out."""
    own = [t.decode().partition("\n")[2] for p, t in files.items() if t.startswith(b"# Rendered")]
    return sorted(one for text in own for one in text.split("---\n") if one)


WAVES = ["1-namespaces", "2-guards", "2-guards-patched", "4-custom-resources"]


def test_one_file_an_area(render: Render) -> None:
    assert sorted(render()) == [
        "1-namespaces/one.yaml", "1-namespaces/two.yaml",
        "2-guards-patched/one/other.yaml", "2-guards-patched/two/other.yaml",
        "2-guards/kube-system/demo.yaml", "2-guards/one/demo.yaml", "2-guards/two/demo.yaml",
        "4-custom-resources/one/demo.yaml", "4-custom-resources/two/demo.yaml",
    ]  # fmt: skip


def test_one_file_an_object(render: Render) -> None:
    files = render("object")
    assert [p for p in sorted(files) if "/one" in p] == [
        "1-namespaces/one.yaml",
        "2-guards-patched/one/other/serviceaccount-default.yaml",
        "2-guards/one/demo/configmap-settings.yaml", "2-guards/one/demo/role-ringfence-reader-45ff34e8.yaml",
        "4-custom-resources/one/demo/configmap-late.yaml",
    ]  # fmt: skip
    assert all(text.count(b"---\n") == 1 for text in files.values())
    assert objects(files) == objects(render())


def test_names_that_spell_alike_get_files_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RBAC names may hold colons and capitals, which no file name should."""
    catalogue = demo(tmp_path / "catalogue", monkeypatch)
    for number, note in enumerate(("a:b", "a-b", "A-b")):
        role = COLON.replace("params.note", f"'{note}'")
        write_control(catalogue, f"demo-role-{number}", {"role.yaml.j2": role})
    made = Builder().build(write_cluster(tmp_path / "c", delivery={"files": "object"}))
    write(made, tmp_path / "rendered")
    files = {k: v for k, v in snapshot_of(tmp_path / "rendered").items() if k != "ringfence.index"}
    assert all(text.count(b"---\n") == 1 for text in files.values()), sorted(files)
    assert len({path.lower() for path in files}) == len(made.manifests)


@pytest.mark.parametrize("files", ["area", "object"])
def test_kustomize_lists_every_file_once(render: Render, files: str) -> None:
    tree = render(files, layout="kustomize")
    top = yaml.safe_load(tree["kustomization.yaml"])
    assert top == {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": WAVES}
    listed = [
        f"{folder}/{file}"
        for folder in WAVES
        for file in yaml.safe_load(tree[f"{folder}/kustomization.yaml"])["resources"]
    ]
    assert sorted(listed) == sorted(p for p in tree if PurePosixPath(p).name != "kustomization.yaml")
    assert objects(tree) == objects(render(files))


def test_flux_follows_the_waves(render: Render) -> None:
    tree = render(**FLUX)
    flux = parsed(tree, "flux/")
    assert flux.pop("flux/kustomization.yaml")["resources"] == [f"{w}.yaml" for w in WAVES]
    assert sorted(flux) == sorted(f"flux/{w}.yaml" for w in WAVES)
    for wave in WAVES:
        body = flux[f"flux/{wave}.yaml"]
        schema = STORE.kind(body["apiVersion"], body["kind"])
        assert schema is not None
        assert schema.problems(body) == []
        assert body["metadata"] == {"name": f"test-{wave}", "namespace": "flux-system"}
        assert body["spec"]["path"] == f"./clusters/test/{wave}"
        assert body["spec"]["prune"] is (not wave.endswith("-patched"))
        assert f"{wave}/kustomization.yaml" in tree
    assert {w: [d["name"] for d in flux[f"flux/{w}.yaml"]["spec"].get("dependsOn", [])] for w in WAVES} == {
        "1-namespaces": [],
        "2-guards": ["test-1-namespaces"],
        "2-guards-patched": ["test-1-namespaces"],
        "4-custom-resources": ["test-2-guards", "test-2-guards-patched"],
    }


def test_argocd_syncs_in_waves_and_never_prunes_what_it_only_patches(render: Render) -> None:
    tree = render(**ARGOCD)
    apps = parsed(tree, "argocd/")
    assert sorted(apps) == sorted(f"argocd/{w}.yaml" for w in WAVES)
    for wave in WAVES:
        body = apps[f"argocd/{wave}.yaml"]
        schema = STORE.kind(body["apiVersion"], body["kind"])
        assert schema is not None
        assert schema.problems(body) == []
        assert body["metadata"]["annotations"] == {"argocd.argoproj.io/sync-wave": wave[0]}
        assert body["spec"]["source"]["path"] == f"clusters/test/{wave}"
        patched = wave.endswith("-patched")
        assert body["spec"]["syncPolicy"]["automated"]["prune"] is not patched
        assert ("Prune=false" in body["spec"]["syncPolicy"]["syncOptions"]) is patched
    assert [p for p in tree if p.endswith("kustomization.yaml")] == []


def test_a_change_of_layout_removes_the_companions_of_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path / "catalogue", monkeypatch)
    write(Builder().build(write_cluster(tmp_path / "c", delivery=FLUX)), tmp_path / "rendered")
    changes = write(Builder().build(write_cluster(tmp_path / "c")), tmp_path / "rendered")
    assert changes.removed == ["2-guards/kustomization.yaml", "flux/2-guards.yaml", "flux/kustomization.yaml"]
    assert (changes.new, changes.changed) == ([], [])
