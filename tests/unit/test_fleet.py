"""What clusters of one run share is shared where it is sound alone, and checked for each object it may not hold for."""

from __future__ import annotations

from pathlib import Path

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import Errors, RingfenceError

QUOTA = """\
apiVersion: v1
kind: ResourceQuota
metadata:
  name: q
  namespace: {{ namespace.name }}
  annotations:
    note: {{ namespace.tenant }}
spec:
  hard:
    pods: {{ namespace.owner }}
"""
BROKEN = QUOTA.replace("spec:", "spek:").replace("{{ namespace.owner }}", '"1"')  # nothing open under a pattern


def refused(builder: Builder, file: Path) -> list[str]:
    with pytest.raises(RingfenceError) as caught:
        builder.build(file)
    errors = caught.value.errors if isinstance(caught.value, Errors) else (caught.value,)
    return [e.message.partition(": ")[0] for e in errors]


def tenants(**owners: str) -> list[dict[str, object]]:
    return [{"name": f"t-{name}", "owner": owner, "namespaces": [name]} for name, owner in owners.items()]


def test_a_structure_that_is_refused_is_refused_for_every_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_control(small(tmp_path / "c", monkeypatch), "demo-quota", {"quota.yaml.j2": BROKEN})
    builder = Builder()
    for name in ("one", "two"):
        assert refused(builder, write_cluster(tmp_path / name)) == ["ResourceQuota/shop/q"]


def test_strings_that_a_schema_judges_are_judged_for_every_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_control(small(tmp_path / "c", monkeypatch), "demo-quota", {"quota.yaml.j2": QUOTA})
    builder = Builder()
    assert len(list(builder.build(write_cluster(tmp_path / "fine", tenants=tenants(a="5", b="5", c="1k"))))) == 3
    bad = write_cluster(tmp_path / "bad", tenants=tenants(a="5", b="five!", c="6", d="five!", e="5"))
    assert refused(builder, bad) == ["ResourceQuota/b/q", "ResourceQuota/d/q"]
    assert refused(Builder(), bad) == ["ResourceQuota/b/q", "ResourceQuota/d/q"]


def test_versions_of_kubernetes_do_not_vouch_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = "apiVersion: networking.k8s.io/v1\nkind: ServiceCIDR\nmetadata: {name: m}\nspec: {cidrs: [10.0.0.0/24]}\n"
    emits = [{"template": "m.yaml.j2"}]
    write_control(small(tmp_path / "c", monkeypatch), "demo-map", {"m.yaml.j2": kind}, emits=emits)
    builder = Builder()
    new = write_cluster(tmp_path / "new", kubernetes={"version": "1.36", "distribution": "kubeadm"})
    old = write_cluster(tmp_path / "old", kubernetes={"version": "1.32", "distribution": "kubeadm"})
    assert len(list(builder.build(new))) == 1
    with pytest.raises(RingfenceError, match=r"does not exist in Kubernetes 1\.32"):
        builder.build(old)
