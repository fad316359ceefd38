"""How objects are registered: names, order, protection, replacement, aliases, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pulumi
import pytest
from helpers import ROOT
from spying import Engine

from ringfence.build import Builder
from ringfence.errors import RingfenceError
from ringfence.schemas import SUPPORTED
from ringfence.shape import Manifest, Shape, Wave
from ringfence.sinks.pulumi import ClusterBootstrap, HardenedNamespace, Terms, register, treatment
from ringfence.sinks.pulumi.registration import key_of
from ringfence.spec.read import read_cluster

PRODUCTION: Any = {
    "cluster": str(ROOT / "examples" / "production" / "cluster.yaml"),
    "preflight": False,
    "as_of": "2026-01-01",
}


def manifest(kind: str, name: str, namespace: str = "", wave: Wave = Wave.GUARDS, **further: Any) -> Manifest:
    """An object of our own making, as a bundle would hold it."""
    version = further.pop("version", "v1")
    mode = further.pop("mode", "own")
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **further.pop("metadata", {})}
    body = {"apiVersion": version, "kind": kind, "metadata": metadata, **further}
    shape = Shape(body, version, kind, name, namespace or None, {}, (), "", wave, mode, False, {}, 0)
    return Manifest(wave, kind, namespace, name, shape, ())


class Parent(pulumi.ComponentResource):
    """A program's own component, with nothing in it but objects."""

    def __init__(self, objects: list[Manifest], opts: pulumi.ResourceOptions | None = None, **terms: Any) -> None:
        super().__init__("test:index:Parent", "parent")
        self.registered = register(self, objects, opts, Terms(**terms))


@pytest.fixture(scope="module")
def production() -> Engine:
    made = Engine()
    made.run(lambda: ClusterBootstrap("bootstrap", PRODUCTION))
    return made


def of_kind(engine: Engine, kind: str) -> dict[str, Any]:
    return {n: r for n, r in engine.objects.items() if r.type.endswith((f":{kind}", f":{kind}Patch"))}


def test_names_are_component_namespace_kind_and_name(production: Engine) -> None:
    assert "bootstrap/payments/namespace-payments" in production.objects
    assert "bootstrap/payments/payments/networkpolicy-default-deny-ingress" in production.objects
    assert "bootstrap/baseline/namespace-kube-system" in production.objects
    assert "bootstrap/baseline/kube-system/serviceaccount-default" in production.objects


def test_no_two_resources_have_one_urn(production: Engine) -> None:
    assert len(production.urns) == len(set(production.urns))


def test_tokens_name_core_and_groups(production: Engine) -> None:
    types = {n: r.type for n, r in production.objects.items()}
    assert types["bootstrap/payments/namespace-payments"] == "kubernetes:core/v1:Namespace"
    assert types["bootstrap/baseline/namespace-kube-system"] == "kubernetes:core/v1:NamespacePatch"
    policy = "bootstrap/payments/payments/networkpolicy-default-deny-ingress"
    assert types[policy] == "kubernetes:networking.k8s.io/v1:NetworkPolicy"


def test_tokens_are_those_of_the_typed_sdk(production: Engine) -> None:
    """The provider that `pulumi up` finds by a token is the one that knows the kind."""
    from pulumi_kubernetes import admissionregistration, core, flowcontrol, networking, rbac, scheduling

    homes = {
        "core/v1": core.v1,
        "flowcontrol.apiserver.k8s.io/v1": flowcontrol.v1,
        "networking.k8s.io/v1": networking.v1,
        "rbac.authorization.k8s.io/v1": rbac.v1,
        "scheduling.k8s.io/v1": scheduling.v1,
        "admissionregistration.k8s.io/v1": admissionregistration.v1,
    }
    for type_ in {r.type for r in production.objects.values()}:
        _, home, kind = type_.split(":")
        typed = getattr(homes[home], kind, None)
        if typed is None:
            assert kind.startswith("MutatingAdmissionPolicy"), type_  # the SDK of 4.34 has it as v1beta1 only
        else:
            assert typed.__init__.__globals__["__name__"].startswith("pulumi_kubernetes"), type_
            assert typed.pulumi_type == type_


def test_what_belongs_to_others_is_patched_and_never_deleted(production: Engine) -> None:
    patches = {n: r for n, r in production.objects.items() if r.type.endswith("Patch")}
    assert {"bootstrap/baseline/namespace-default", "bootstrap/payments/payments/serviceaccount-default"} <= set(
        patches
    )
    assert all(r.retainOnDelete and not r.protect for r in patches.values())
    assert not any(r.retainOnDelete for n, r in production.objects.items() if n not in patches)
    for name in patches:
        annotations = production.inputs(name)["metadata"]["annotations"]
        assert annotations["pulumi.com/patchForce"] == "true"
        assert "ringfence/stack" not in annotations, "kube-system is no stack's own"
        assert not production.inputs(name)["kind"].endswith("Patch")


@pytest.mark.parametrize(
    ("kind", "protected"),
    [
        ("Namespace", True),
        ("ValidatingAdmissionPolicy", True),
        ("ValidatingAdmissionPolicyBinding", True),
        ("MutatingAdmissionPolicy", True),
        ("ResourceQuota", True),
        ("LimitRange", True),
        ("NetworkPolicy", True),
        ("ClusterRole", False),
        ("RoleBinding", False),
        ("PriorityClass", False),
    ],
)
def test_namespaces_and_guards_are_protected_and_grants_are_not(production: Engine, kind: str, protected: bool) -> None:
    found = {n: r for n, r in of_kind(production, kind).items() if not r.type.endswith("Patch")}
    assert found
    assert {bool(r.protect) for r in found.values()} == {protected}


def test_one_key_lifts_every_protection(engine: Engine) -> None:
    engine.run(lambda: ClusterBootstrap("bootstrap", {**PRODUCTION, "unprotect": True}))
    assert not any(r.protect for r in engine.objects.values())


def test_a_namespaced_object_waits_for_its_namespace_and_goes_with_it(production: Engine) -> None:
    for name, request in production.objects.items():
        namespace = production.inputs(name)["metadata"].get("namespace")
        if not namespace:
            continue
        home = next(n for n in production.objects if n.endswith(f"/namespace-{namespace}"))
        assert production.urn(home) in request.dependencies, name
        ours = not production.objects[home].type.endswith("Patch")
        assert request.deletedWith == (production.urn(home) if ours else ""), name


def test_each_wave_waits_for_the_one_before(engine: Engine) -> None:
    objects = [
        manifest("Namespace", "shop", wave=Wave.NAMESPACES),
        manifest("Thing", "things.example.com", version="apiextensions.k8s.io/v1", wave=Wave.CRDS),
        manifest("Guard", "cluster-wide", version="example.com/v1", wave=Wave.GUARDS),
        manifest("Deployment", "engine", "shop", version="apps/v1", wave=Wave.COMPONENTS),
        manifest("Enforcer", "all", version="example.com/v1", wave=Wave.ENFORCEMENT),
    ]
    engine.run(lambda: Parent(objects))
    chain = [
        "parent/thing-things.example.com",
        "parent/namespace-shop",
        "parent/guard-cluster-wide",
        "parent/shop/deployment-engine",
        "parent/enforcer-all",
    ]
    for before, after in pairwise(chain):
        assert engine.urn(before) in engine.objects[after].dependencies


def test_guards_name_few_dependencies(production: Engine) -> None:
    """The state grows with the number of objects, not with its square."""
    inside = list(of_kind(production, "NetworkPolicy").values())
    assert {len(r.dependencies) for r in inside} == {1}


def test_a_replacement_deletes_first(production: Engine) -> None:
    for name, request in production.objects.items():
        assert request.deleteBeforeReplace != request.type.endswith("Patch"), name


def test_objects_carry_stack_and_field_manager(production: Engine) -> None:
    annotations = production.inputs("bootstrap/payments/namespace-payments")["metadata"]["annotations"]
    assert annotations["ringfence/stack"] == "ringfence-bootstrap/dev"
    assert annotations["pulumi.com/patchFieldManager"] == "ringfence"
    assert "pulumi.com/patchForce" not in annotations


def test_a_definition_is_waited_for(engine: Engine) -> None:
    crd = manifest("CustomResourceDefinition", "a.example.com", version="apiextensions.k8s.io/v1", wave=Wave.CRDS)
    engine.run(lambda: Parent([crd]))
    annotations = engine.inputs("parent/customresourcedefinition-a.example.com")["metadata"]["annotations"]
    assert annotations["pulumi.com/waitFor"] == "condition=Established"


def test_only_what_exists_is_imported_and_only_what_is_adopted_is_forced(engine: Engine) -> None:
    namespace = manifest("Namespace", "shop", wave=Wave.NAMESPACES)
    quota, limits = manifest("ResourceQuota", "compute", "shop"), manifest("LimitRange", "limits", "shop")
    account = manifest("ServiceAccount", "default", "shop", mode="patch")
    existing = frozenset(key_of(m) for m in (namespace, quota, account))
    objects = [namespace, quota, limits, account]
    engine.run(lambda: Parent(objects, existing=existing, adopted=frozenset({key_of(quota)})))
    imported = {n: r.importId for n, r in engine.objects.items() if r.importId}
    assert imported == {"parent/namespace-shop": "shop", "parent/shop/resourcequota-compute": "shop/compute"}
    forced = [n for n in engine.objects if "pulumi.com/patchForce" in engine.inputs(n)["metadata"]["annotations"]]
    assert sorted(forced) == ["parent/shop/resourcequota-compute", "parent/shop/serviceaccount-default"]


def test_an_adopted_namespace_outlives_the_stack_and_nothing_relies_on_its_end(engine: Engine) -> None:
    shop, mine = (manifest("Namespace", n, wave=Wave.NAMESPACES) for n in ("shop", "mine"))
    crd = manifest("CustomResourceDefinition", "a.example.com", version="apiextensions.k8s.io/v1", wave=Wave.CRDS)
    quotas = [manifest("ResourceQuota", "compute", n) for n in ("shop", "mine")]
    adopted = frozenset(key_of(m) for m in (shop, crd, *quotas))
    engine.run(lambda: Parent([shop, mine, crd, *quotas], existing=adopted, adopted=adopted))
    assert {n for n, r in engine.objects.items() if r.retainOnDelete} == {
        "parent/namespace-shop",
        "parent/customresourcedefinition-a.example.com",
    }
    ends = {n: r.deletedWith for n, r in engine.objects.items() if r.deletedWith}
    assert ends == {"parent/mine/resourcequota-compute": engine.urn("parent/namespace-mine")}


def test_the_version_of_the_provider_is_that_of_the_installed_package(production: Engine) -> None:
    from importlib.metadata import version

    assert {r.version for r in production.objects.values()} == {version("pulumi-kubernetes")}


def test_options_of_the_caller_reach_every_object(engine: Engine) -> None:
    opts = pulumi.ResourceOptions(ignore_changes=["metadata.labels"])
    engine.run(lambda: Parent([manifest("ConfigMap", "a", "shop"), manifest("ConfigMap", "b", "shop")], opts))
    assert [list(r.ignoreChanges) for r in engine.objects.values()] == [["metadata.labels"]] * 2


def test_an_object_whose_api_version_changes_with_kubernetes_has_an_alias() -> None:
    """Otherwise raising kubernetes.version in cluster.yaml would delete it."""
    builder = Builder()
    file = ROOT / "examples" / "production" / "cluster.yaml"
    found: dict[str, dict[str, Manifest]] = {}
    for minor in SUPPORTED:
        cluster = replace(read_cluster(file), kubernetes=minor)
        for m in builder.objects(builder.decide(cluster, file.parent)):
            found.setdefault(f"{m.shape.group}/{m.id}", {})[treatment.token(m)] = m
    for versions in found.values():
        for m in versions.values():
            former = {f.token for f in treatment.formerly(m)}
            assert former >= set(versions) - {treatment.token(m)}, m.id


def test_a_state_of_an_older_release_is_found_by_alias(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "kubernetes:extensions/v1beta1:NetworkPolicy"
    renamed = {"NetworkPolicy/*/default-deny": treatment.Former(name="shop/deny")}
    retyped = {"NetworkPolicy/shop/default-deny": treatment.Former(token=token)}
    monkeypatch.setattr(treatment, "FORMERLY", {"0.1": retyped, "0.2": renamed})
    policy = manifest("NetworkPolicy", "default-deny", "shop", version="networking.k8s.io/v1")
    engine.run(lambda: Parent([policy, manifest("ConfigMap", "other", "shop")]))
    aliases = {n: [(a.spec.name, a.spec.type) for a in r.aliases] for n, r in engine.objects.items()}
    assert aliases["parent/shop/networkpolicy-default-deny"] == [("parent/shop/deny", ""), ("", token)]
    assert aliases["parent/shop/configmap-other"] == []


@pytest.mark.parametrize(
    ("objects", "text"),
    [
        (
            [manifest("Secret", "token", "shop", data={"a": "Yg=="})],
            "error: Secret/shop/token: a Secret's content would lie in Pulumi's state; "
            "register a reference to it, such as an ExternalSecret",
        ),
        (
            [manifest("ConfigMap", "a", "shop", data=None)],
            "error: ConfigMap/shop/a: data is null, which Pulumi drops; leave the field out",
        ),
        (
            [manifest("ConfigMap", "a", "shop", spec={"limits": [1, 2**53 + 1]})],
            "error: ConfigMap/shop/a: spec.limits.1 is 9007199254740993, which Pulumi would round; "
            "write it as a string, where its kind allows that",
        ),
        (
            [manifest("ConfigMap", "a", "shop", spec={"share": float("nan")})],
            "error: ConfigMap/shop/a: spec.share is no number that JSON has; write a finite number",
        ),
        (
            [manifest("ConfigMap", "a", "shop"), manifest("ConfigMap", "a", "shop")],
            "error: ConfigMap/shop/a is given twice; register each object once in a stack",
        ),
        (
            [manifest("ConfigMap", "a", "shop", metadata={"annotations": {"pulumi.com/skipAwait": "true"}})],
            "error: ConfigMap/shop/a: metadata.annotations.pulumi.com/skipAwait is Pulumi's own; "
            "leave it out: it is set when the object is registered",
        ),
    ],
    ids=["secret", "null", "big", "nan", "twice", "annotation"],
)
def test_what_can_not_be_a_resource_is_refused_before_anything_is_registered(
    engine: Engine, objects: list[Manifest], text: str
) -> None:
    with pytest.raises(RingfenceError) as raised:
        engine.run(lambda: Parent([manifest("ConfigMap", "first", "shop"), *objects]))
    assert raised.value.line() == text
    assert engine.objects == {}


def test_equal_kinds_of_two_groups_are_two_objects(engine: Engine) -> None:
    own = manifest("NetworkPolicy", "deny", "shop", version="networking.k8s.io/v1")
    calico = manifest("NetworkPolicy", "deny", "shop", version="crd.projectcalico.org/v1")
    engine.run(lambda: Parent([own, calico]))
    assert len(set(engine.urns)) == 3  # and the component


def test_the_largest_exact_integer_passes(engine: Engine) -> None:
    engine.run(lambda: Parent([manifest("PriorityClass", "top", value=2**53, version="scheduling.k8s.io/v1")]))
    assert engine.inputs("parent/priorityclass-top")["value"] == 2**53


def test_a_namespace_name_is_known_when_its_guards_are(engine: Engine) -> None:
    seen: list[str] = []

    def program() -> pulumi.Output[None]:
        made = HardenedNamespace("payments", {**PRODUCTION, "name": "payments"})
        return made.namespace_name.apply(seen.append)

    engine.run(program)
    assert seen == ["payments"]


def test_two_namespaces_of_one_stack_don_t_collide(engine: Engine) -> None:
    def program() -> None:
        HardenedNamespace("payments", {**PRODUCTION, "name": "payments"})
        HardenedNamespace("boutique", {**PRODUCTION, "name": "boutique"})

    engine.run(program)
    assert len(set(engine.urns)) == len(engine.urns)
