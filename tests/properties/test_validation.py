"""Checking a structure once says what checking every object in full says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import ROOT, cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import LINES, UNSHRUNK, clusters

from ringfence.arrange import arrange
from ringfence.build import Builder
from ringfence.documents import dump, load
from ringfence.errors import Errors, RingfenceError
from ringfence.model import Bundle
from ringfence.render import Renderer
from ringfence.schemas import SchemaStore
from ringfence.shape import Manifest
from ringfence.spec.read import cluster_of
from ringfence.validate import validate


@cache
def builder() -> Builder:
    return Builder()


def in_full(manifests: Sequence[Manifest], store: SchemaStore) -> dict[Any, set[tuple[str, str]]]:
    """What is wrong with each object, every one checked on its own: shape → (object, message)."""
    found: dict[Any, set[tuple[str, str]]] = {}
    for manifest in manifests:
        schema = store.kind(manifest.shape.api_version, manifest.shape.kind)
        problems = ["no such kind"] if schema is None else [p.message for p in schema.problems(manifest.body)]
        found.setdefault(manifest.shape, set()).update((manifest.id, message) for message in problems)
    return found


@settings(max_examples=5, phases=UNSHRUNK)
@given(document=clusters())
def test_what_is_rendered_is_valid_object_by_object(document: dict[str, Any]) -> None:
    resolution = builder().decide(cluster_of(load(dump(document), "cluster.yaml")), ROOT)
    bundle = builder().objects(resolution)
    wrong = in_full(bundle.manifests, builder().store(resolution.cluster.kubernetes))
    assert [m for messages in wrong.values() for m in messages] == []


HEAD = "apiVersion: {}\nkind: {}\nmetadata:\n  name: {}\n  namespace: {{{{ namespace.name }}}}\n"
BROKEN = {
    "free": HEAD.format("v1", "ConfigMap", "a") + "data:\n  owner: {{ namespace.owner }}\n",
    "enum": HEAD.format("networking.k8s.io/v1", "NetworkPolicy", "a")
    + "spec:\n  podSelector: {}\n  policyTypes: [\"{{ namespace.owner }}\"]\n",
    "enum in text": HEAD.format("networking.k8s.io/v1", "NetworkPolicy", "b")
    + "spec:\n  podSelector: {}\n  policyTypes: [\"In{{ namespace.owner }}\"]\n",
    "cidr": HEAD.format("networking.k8s.io/v1", "NetworkPolicy", "c")
    + "spec:\n  podSelector: {}\n  ingress:\n  - from:\n    - ipBlock: {cidr: {{ namespace.owner }} }\n",
    "unknown field": HEAD.format("v1", "ConfigMap", "b") + "dataa:\n  owner: {{ namespace.owner }}\n",
    "wrong type": HEAD.format("v1", "ConfigMap", "c") + "data:\n  owner: 5\n",
    "string for a mapping": HEAD.format("v1", "ConfigMap", "d") + "data: {{ namespace.owner }}\n",
    "string for a number": HEAD.format("networking.k8s.io/v1", "NetworkPolicy", "d")
    + "spec:\n  podSelector: {}\n  ingress:\n  - ports:\n    - {endPort: {{ namespace.owner }}, port: 1}\n",
    "quantity": HEAD.format("v1", "ResourceQuota", "a") + "spec:\n  hard: {pods: \"{{ namespace.owner }}\"}\n",
    "crd": HEAD.format("cilium.io/v2", "CiliumNetworkPolicy", "a")
    + "spec:\n  endpointSelector: {}\n  ingress:\n  - fromEntities: [\"{{ namespace.owner }}\"]\n",
    "no such kind": HEAD.format("v1", "ConfigMapp", "a"),
}  # fmt: skip
OWNERS = ["Ingress", "Egress", "gress", "10.0.0.0/8", "10", "world", "5Gi", "nonsense", "ConfigMap", "80"]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """A builder with every broken template, one control each."""
    with pytest.MonkeyPatch.context() as patch:
        root = small(tmp_path_factory.mktemp("broken"), patch)
        for name, template in BROKEN.items():
            write_control(root, f"demo-{name.replace(' ', '-')}", {"x.yaml.j2": template})
        return Builder()


@settings(max_examples=60)
@given(
    owners=st.lists(st.one_of(st.sampled_from(OWNERS), LINES), min_size=1, max_size=4),
    chosen=st.sampled_from(sorted(BROKEN)),
)
def test_the_verdict_is_that_of_every_object(broken: Builder, owners: list[str], chosen: str) -> None:
    tenants = [{"name": f"t{n}", "owner": owner, "namespaces": [f"t{n}"]} for n, owner in enumerate(owners)]
    made, _, controls = broken.decide(cluster_of(load(dump(cluster(tenants=tenants)), "cluster.yaml")), Path())
    own = [c for c in controls if c.id == f"demo-{chosen.replace(' ', '-')}"]
    manifests = arrange(Renderer().render(made, own))
    store = broken.store(made.kubernetes)
    wrong = {shape: messages for shape, messages in in_full(manifests, store).items() if messages}
    errors: tuple[RingfenceError, ...] = ()
    try:
        assert isinstance(validate(made, own, manifests, store), Bundle)
    except Errors as bad:
        errors = bad.errors
    except RingfenceError as bad:
        errors = (bad,)
    assert bool(errors) is bool(wrong), (owners, chosen)
    told = {m.id for m in manifests for e in errors if e.message.startswith(f"{m.id}: ")}
    for shape, messages in wrong.items():
        objects = {id_ for id_, _ in messages}
        alike = objects == {m.id for m in manifests if m.shape is shape}
        assert told & objects == objects or (alike and len(told & objects) <= 1), (
            "one of a structure speaks for all, or each for itself"
        )


NEW = """\
apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata:
  name: new
spec:
  cidrs: [10.0.0.0/16]
"""


def test_a_second_cluster_of_a_fleet_is_judged_by_its_own_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Structures are shared between clusters; verdicts are per Kubernetes version."""
    write_control(small(tmp_path, monkeypatch), "demo-new", {"x.yaml.j2": NEW}, emits=[{"template": "x.yaml.j2"}])
    fleet = Builder()
    for version, fine in (("1.36", True), ("1.32", False), ("1.36", True), ("1.32", False)):
        made = cluster_of(load(dump(cluster(kubernetes={"version": version})), "cluster.yaml"))
        resolution = fleet.decide(made, Path())
        if fine:
            assert len(fleet.objects(resolution).manifests) == 1
            continue
        with pytest.raises(RingfenceError, match=r"ServiceCIDR does not exist in Kubernetes 1\.32"):
            fleet.objects(resolution)
