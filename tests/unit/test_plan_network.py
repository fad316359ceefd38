"""Plans that open a namespace: NetworkPolicies that go, get narrower, or let everything through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plansteps import found, step, write

DENY = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
INGRESS = {"podSelector": {}, "policyTypes": ["Ingress"]}
WEB = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"], "ingress": [{}]}
NARROW = {"podSelector": {"matchLabels": {"a": "b"}}, "policyTypes": ["Ingress", "Egress"]}
OPENED = "no other policy closes ingress and egress of every pod in shop"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def test_the_only_policy_that_selects_a_namespace(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "web", "shop", spec=WEB),
    )
    assert found(file) == [
        (
            "NetworkPolicy/shop/deny",
            "the plan deletes it: no other policy closes ingress and egress of every pod in shop",
        )
    ]


def test_another_policy_that_selects_it_closes_it_too(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "all", "shop", spec=DENY),
    )
    assert found(write(tmp_path, gone, stays)) == []


def test_a_policy_in_another_namespace_closes_nothing_here(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "all", "cards", spec=DENY),
    )
    assert len(found(write(tmp_path, gone, stays))) == 1


def test_directions_are_counted_apart(tmp_path: Path) -> None:
    gone, stays = (
        step("delete", "NetworkPolicy", "deny", "shop", spec=DENY),
        step("same", "NetworkPolicy", "in", "shop", spec=INGRESS),
    )
    ((_, message),) = found(write(tmp_path, gone, stays))
    assert message.endswith("no other policy closes egress of every pod in shop")


def test_a_policy_that_is_made_in_the_same_plan_counts(tmp_path: Path) -> None:
    gone, made = (
        step("delete", "NetworkPolicy", "old", "shop", spec=DENY),
        step("create", "NetworkPolicy", "new", "shop", spec=DENY),
    )
    assert found(write(tmp_path, gone, made)) == []


def test_types_are_those_that_the_api_defaults_to(tmp_path: Path) -> None:
    """Without policyTypes a policy is for ingress, and for egress when it has such rules (NetworkPolicySpec)."""
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec={"podSelector": {}})
    ((_, message),) = found(write(tmp_path, gone))
    assert message.endswith("closes ingress of every pod in shop")


def test_policies_go_unsaid_with_their_namespace(tmp_path: Path) -> None:
    file = write(
        tmp_path, step("delete", "Namespace", "shop"), step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    )
    assert [o for o, _ in found(file)] == ["Namespace/shop"]


def test_a_plan_that_hides_what_stays_says_so(tmp_path: Path) -> None:
    file = write(tmp_path, step("delete", "NetworkPolicy", "deny", "shop", spec=DENY), summary={"same": 40})
    ((_, message),) = found(file)
    assert "as far as the plan shows" in message


def test_a_policy_that_the_same_plan_narrows_closes_nothing(tmp_path: Path) -> None:
    gone = step("delete", "NetworkPolicy", "a", "shop", spec=DENY)
    narrowed = step("update", "NetworkPolicy", "b", "shop", was=DENY, spec=NARROW)
    assert found(write(tmp_path, gone, narrowed)) == [
        ("NetworkPolicy/shop/a", f"the plan deletes it: {OPENED}"),
        ("NetworkPolicy/shop/b", f"the plan updates it: {OPENED}"),
    ]


def test_narrowing_the_only_policy_is_what_its_deletion_is(tmp_path: Path) -> None:
    narrowed = step("update", "NetworkPolicy", "deny", "shop", was=DENY, spec=NARROW)
    assert found(write(tmp_path, narrowed)) == [("NetworkPolicy/shop/deny", f"the plan updates it: {OPENED}")]
    assert found(write(tmp_path, narrowed), "NetworkPolicy/shop/deny") == []
    assert found(write(tmp_path, narrowed, step("same", "NetworkPolicy", "all", "shop", spec=DENY))) == []


def test_a_policy_that_is_widened_closes_from_then_on(tmp_path: Path) -> None:
    gone = step("delete", "NetworkPolicy", "a", "shop", spec=DENY)
    widened = step("update", "NetworkPolicy", "b", "shop", was=NARROW, spec=DENY)
    assert found(write(tmp_path, gone, widened)) == []


def test_a_direction_that_an_update_drops(tmp_path: Path) -> None:
    dropped = step("update", "NetworkPolicy", "deny", "shop", was=DENY, spec=INGRESS)
    ((_, message),) = found(write(tmp_path, dropped))
    assert message == "the plan updates it: no other policy closes egress of every pod in shop"


@pytest.mark.parametrize(
    "rules",
    [
        {"ingress": [{}], "egress": [{}]},
        {"ingress": [{"from": []}], "egress": [{"to": [], "ports": []}]},
        {
            "ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
            "egress": [{"ports": [{"port": 53}]}, {"to": [{"ipBlock": {"cidr": "::/0"}}]}],
        },
    ],
)
def test_a_policy_that_lets_everything_through_closes_nothing(tmp_path: Path, rules: dict[str, Any]) -> None:
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    made = step("create", "NetworkPolicy", "open", "shop", spec={**DENY, **rules})
    assert ("NetworkPolicy/shop/deny", f"the plan deletes it: {OPENED}") in found(write(tmp_path, gone, made))


@pytest.mark.parametrize(
    "rules",
    [
        {"ingress": [{"from": [{"podSelector": {}}]}], "egress": [{"ports": [{"port": 53}]}]},
        {"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]}]},
    ],
)
def test_a_policy_that_lets_something_through_closes_the_rest(tmp_path: Path, rules: dict[str, Any]) -> None:
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    assert found(write(tmp_path, gone, step("create", "NetworkPolicy", "some", "shop", spec={**DENY, **rules}))) == []


def test_a_policy_that_opens_what_others_close_is_a_finding(tmp_path: Path) -> None:
    stays = step("same", "NetworkPolicy", "deny", "shop", spec=DENY)
    made = step("create", "NetworkPolicy", "open", "shop", spec={**INGRESS, "ingress": [{}]})
    assert found(write(tmp_path, stays, made)) == [
        ("NetworkPolicy/shop/open", "the plan creates it: it opens ingress of every pod in shop")
    ]
    assert found(write(tmp_path, made)) == [], "nothing closed it before"


@pytest.mark.parametrize(
    "spec",
    [
        UNKNOWN,
        {**DENY, "podSelector": UNKNOWN},
        {**DENY, "ingress": UNKNOWN},
        {**DENY, "egress": [{"to": [{"ipBlock": {"cidr": UNKNOWN}}]}]},
        {**DENY, "ingress": "[secret]"},
    ],
)
def test_what_only_the_run_will_know_closes_nothing(tmp_path: Path, spec: Any) -> None:
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    made = step("create", "NetworkPolicy", "all", "shop", spec=spec)
    assert len(found(write(tmp_path, gone, made))) == 1


def test_a_patch_of_the_namespace_that_goes_hides_no_policy(tmp_path: Path) -> None:
    patch = step("delete", "NamespacePatch", "kube-system")
    gone = step("delete", "NetworkPolicy", "deny", "kube-system", spec=DENY)
    left = found(write(tmp_path, patch, gone), "Namespace/kube-system")
    assert [o for o, _ in left] == ["NetworkPolicy/kube-system/deny"]


@pytest.mark.parametrize("op", ["replace", "delete"])
def test_a_namespace_that_is_made_anew_hides_no_policy(tmp_path: Path, op: str) -> None:
    steps = [step(op, "Namespace", "shop"), step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)]
    if op == "delete":
        steps.append(step("create", "Namespace", "shop", logical="renamed"))
    assert [o for o, _ in found(write(tmp_path, *steps), "Namespace/shop")] == ["NetworkPolicy/shop/deny"]


def test_a_namespace_of_the_same_name_on_another_cluster_is_another(tmp_path: Path) -> None:
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    there = step("same", "NetworkPolicy", "deny", "shop", spec=DENY, provider="other", logical="other")
    assert len(found(write(tmp_path, gone, there))) == 1
    namespace = step("delete", "Namespace", "shop", provider="other", logical="other")
    assert len(found(write(tmp_path, gone, namespace), "Namespace/shop")) == 1


def test_another_version_of_the_default_provider_is_the_same_cluster(tmp_path: Path) -> None:
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY, provider="default_4_25_0")
    stays = step("same", "NetworkPolicy", "all", "shop", spec=DENY, provider="default_4_34_2")
    assert found(write(tmp_path, gone, stays)) == []


def test_the_refresh_of_a_policy_that_goes_keeps_nothing(tmp_path: Path) -> None:
    """`destroy --refresh` has two steps for each resource."""
    steps = [step(op, "NetworkPolicy", "deny", "shop", spec=DENY) for op in ("refresh", "delete")]
    assert [o for o, _ in found(write(tmp_path, *steps))] == ["NetworkPolicy/shop/deny"]
    steps += [step(op, "Namespace", "shop") for op in ("refresh", "delete")]
    assert [o for o, _ in found(write(tmp_path, *steps))] == ["Namespace/shop"]


def test_a_plan_that_shows_what_stays_is_sure(tmp_path: Path) -> None:
    """Other resources are among the unchanged that the summary counts, such as the stack itself."""
    stack = {"op": "same", "urn": "urn:pulumi:dev::bootstrap::pulumi:pulumi:Stack::bootstrap-dev"}
    gone = step("delete", "NetworkPolicy", "deny", "shop", spec=DENY)
    assert found(write(tmp_path, stack, gone)) == [("NetworkPolicy/shop/deny", f"the plan deletes it: {OPENED}")]
