"""The pre-flight's decisions: what exists is ours, adopted by name, or the run stops with one error."""

from __future__ import annotations

from typing import Any

import pytest
from helpers import ROOT

from ringfence.build import Builder
from ringfence.errors import RingfenceError
from ringfence.shape import Manifest
from ringfence.sinks.pulumi.adoption import settle
from ringfence.sinks.pulumi.apiserver import Present, Snapshot
from ringfence.sinks.pulumi.registration import Key, Terms, key_of
from ringfence.sinks.pulumi.treatment import patched

STACK = "bootstrap/dev"
SHOP: Key = ("", "Namespace", "", "shop")
QUOTA: Key = ("", "ResourceQuota", "shop", "compute")


@pytest.fixture(scope="module")
def objects() -> list[Manifest]:
    return list(Builder().build(ROOT / "examples" / "minimal" / "cluster.yaml"))


def cluster(present: dict[Key, Present] | None = None, **further: Any) -> Snapshot:
    return Snapshot("1.36", present or {}, further.get("unserved", frozenset()))


def refusal(objects: list[Manifest], found: Snapshot, *adopt: str) -> RingfenceError:
    with pytest.raises(RingfenceError) as raised:
        settle(objects, found, STACK, adopt)
    return raised.value


def test_an_empty_cluster_asks_for_nothing(objects: list[Manifest]) -> None:
    assert settle(objects, cluster(), STACK) == Terms()


def test_what_this_stack_made_before_is_taken_up_again(objects: list[Manifest]) -> None:
    found = {key_of(m): Present(STACK, "ringfence") for m in objects if not patched(m)}
    assert settle(objects, cluster(found), STACK) == Terms(existing=frozenset(found))


def test_what_somebody_else_made_is_refused_with_what_to_type(objects: list[Manifest]) -> None:
    found = {
        SHOP: Present("", ""),
        QUOTA: Present("other/dev", "ringfence"),
        ("", "LimitRange", "shop", "limits"): Present("", "Helm"),
    }
    names = {m.kind: m for m in objects if m.kind in ("ResourceQuota", "LimitRange")}
    found = {
        SHOP: Present("", ""),
        key_of(names["ResourceQuota"]): Present("other/dev", "ringfence"),
        key_of(names["LimitRange"]): Present("", "Helm"),
    }
    quota, limits = names["ResourceQuota"].id, names["LimitRange"].id
    bad = refusal(objects, cluster(found))
    assert bad.line() == (
        "error: 3 objects exist on the cluster and are not of the stack bootstrap/dev:\n"
        "  Namespace/shop (nobody says whose)\n"
        f"  {limits} (managed by Helm)\n"
        f"  {quota} (of the stack other/dev)\n"
        "nothing has been changed; remove them, or let this stack take them over:\n"
        "  pulumi config set --path 'adopt[0]' 'Namespace/shop'\n"
        f"  pulumi config set --path 'adopt[1]' '{limits}'\n"
        f"  pulumi config set --path 'adopt[2]' '{quota}'"
    )


def test_commands_go_on_from_what_is_adopted_already(objects: list[Manifest]) -> None:
    quota = next(m for m in objects if m.kind == "ResourceQuota")
    bad = refusal(objects, cluster({SHOP: Present("", ""), key_of(quota): Present("", "")}), "Namespace/shop")
    assert "1 object exists on the cluster and is not of" in bad.message
    assert bad.hint is not None
    assert bad.hint.endswith(f"pulumi config set --path 'adopt[1]' '{quota.id}'")


def test_what_is_named_is_adopted(objects: list[Manifest]) -> None:
    terms = settle(objects, cluster({SHOP: Present("", "Helm")}), STACK, ["Namespace/shop"], unprotect=True)
    assert terms == Terms(True, frozenset({SHOP}), frozenset({SHOP}))


def test_a_pattern_names_many(objects: list[Manifest]) -> None:
    found = {key_of(m): Present("", "") for m in objects if m.namespace == "shop" and not patched(m)}
    assert len(found) > 2
    assert settle(objects, cluster(found), STACK, ["*/shop/*"]).adopted == frozenset(found)


def test_a_pattern_is_of_whole_segments(objects: list[Manifest]) -> None:
    refusal(objects, cluster({SHOP: Present("", "")}), "*/shop/*")  # a Namespace lies in none


def test_what_is_adopted_and_ours_by_now_stays_as_it_is(objects: list[Manifest]) -> None:
    """Otherwise the run after an adoption would change what the adoption wrote."""
    first = settle(objects, cluster({SHOP: Present("", "Helm")}), STACK, ["Namespace/shop"])
    second = settle(objects, cluster({SHOP: Present(STACK, "ringfence")}), STACK, ["Namespace/shop"])
    assert first == second


def test_what_is_named_and_does_not_exist_is_made_on_the_same_terms(objects: list[Manifest]) -> None:
    """Otherwise the run after its creation would change it."""
    assert settle(objects, cluster(), STACK, ["Namespace/shop"]) == Terms(adopted=frozenset({SHOP}))


def test_an_adoption_of_nothing_is_an_error(objects: list[Manifest]) -> None:
    assert refusal(objects, cluster(), "Namespace/shopp").line() == (
        'error: adopt: "Namespace/shopp" is no object of this stack; did you mean "Namespace/shop"?'
    )
    assert "is no object of this stack" in refusal(objects, cluster(), "Namespace/kube-system").message


def test_patches_are_never_in_the_way(objects: list[Manifest]) -> None:
    found = {key_of(m): Present("", "") for m in objects if patched(m)}
    assert settle(objects, cluster(found), STACK) == Terms()


def test_a_kind_that_is_not_served_is_one_error(objects: list[Manifest]) -> None:
    kind = ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy")
    number = sum(m.kind == kind[1] for m in objects)
    assert refusal(objects, cluster(unserved=frozenset({kind}))).line() == (
        "error: the API server (Kubernetes 1.36) serves no MutatingAdmissionPolicy of admissionregistration.k8s.io/v1; "
        f"{number} would be made; set kubernetes.version in cluster.yaml to the cluster's, or upgrade the cluster"
    )


def test_a_component_s_kind_that_is_not_served_asks_for_the_component() -> None:
    objects = list(Builder().build(ROOT / "examples" / "zero-trust" / "cluster.yaml"))
    bad = refusal(objects, cluster(unserved=frozenset({("cilium.io/v2", "CiliumNetworkPolicy")})))
    assert bad.hint == "install the component that defines it first, or its definitions alone"


def test_many_refusals_stay_readable() -> None:
    objects = list(Builder().build(ROOT / "examples" / "production" / "cluster.yaml"))
    found = {key_of(m): Present("", "") for m in objects if not patched(m)}
    bad = refusal(objects, cluster(found))
    assert bad.hint is not None
    assert bad.hint.count("pulumi config set") == 20
    assert f"... and {len(found) - 20} more; a pattern such as" in bad.hint


BOUND: Key = ("rbac.authorization.k8s.io", "ClusterRoleBinding", "", "ringfence:auditor")


@pytest.fixture(scope="module")
def production() -> list[Manifest]:
    return list(Builder().build(ROOT / "examples" / "production" / "cluster.yaml"))


def test_a_binding_of_the_same_role_is_taken_up_again(production: list[Manifest]) -> None:
    found = cluster({BOUND: Present(STACK, "ringfence", "ClusterRole/ringfence:auditor")})
    assert settle(production, found, STACK).existing == frozenset({BOUND})


def test_our_binding_of_another_role_is_left_to_be_replaced(production: list[Manifest]) -> None:
    """Pulumi replaces nothing that is to be imported."""
    found = cluster({BOUND: Present(STACK, "ringfence", "ClusterRole/view")})
    assert settle(production, found, STACK).existing == frozenset()


def test_somebody_s_binding_of_another_role_can_not_be_adopted(production: list[Manifest]) -> None:
    bad = refusal(production, cluster({BOUND: Present("", "", "ClusterRole/view")}), "ClusterRoleBinding/*")
    assert bad.line() == (
        "error: ClusterRoleBinding/ringfence:auditor exists and binds ClusterRole/view, and ours "
        "ClusterRole/ringfence:auditor: that can't be changed in place; "
        "delete it, when nobody relies on it; nothing has been changed"
    )
