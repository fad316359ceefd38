"""Rules about quotas and limit ranges: each on manifests that break it and on their nearest relatives that don't."""

from __future__ import annotations

from typing import Any

import pytest

from ringfence.documents import Document, dump
from ringfence.findings import examine
from ringfence.schemas import SchemaStore

Body = dict[str, Any]
STORE = SchemaStore("1.36")


def made(kind: str, spec: Body, namespace: str | None = "shop", **annotations: str) -> Body:
    metadata: Body = {"name": "x", **({"namespace": namespace} if namespace else {})}
    if annotations:
        metadata["annotations"] = {f"ringfence/{k}": v for k, v in annotations.items()}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec}


def quota(*keys: str, namespace: str | None = "shop", **spec: Any) -> Body:
    return made("ResourceQuota", {"hard": dict.fromkeys(keys, "4"), **spec}, namespace)


def limits(*items: Body, namespace: str | None = "shop", **annotations: str) -> Body:
    return made("LimitRange", {"limits": [{"type": "Container", **i} for i in items]}, namespace, **annotations)


def found(*bodies: Body) -> list[tuple[str, str, str]]:
    """Object, path and message of every finding; each has a remedy."""
    report = examine([Document("x.yaml", b, dump(b)) for b in bodies], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy and f.control == "quota-limitrange" for f in report.findings)
    return [(f.object, ".".join(map(str, f.path)), f.message) for f in report.findings]


ALL = ("requests.cpu", "requests.memory", "limits.memory", "pods")
DEFAULTS = {"default": {"memory": "1Gi"}, "defaultRequest": {"cpu": "100m"}}


def test_a_quota_without_defaults_names_what_every_pod_must_state() -> None:
    message = "refuses every pod in shop that doesn't state requests.cpu, requests.memory, limits.memory"
    assert found(quota(*ALL)) == [
        ("ResourceQuota/shop/x", "spec.hard.requests.cpu", f"{message}: no LimitRange here gives a default")
    ]
    assert found(quota(*ALL), limits(DEFAULTS)) == []


def test_manifests_without_a_namespace_are_taken_to_share_one() -> None:
    message = "refuses every pod that doesn't state cpu: no LimitRange here gives a default"
    assert [m for _, _, m in found(quota("cpu", namespace=None))] == [message]
    assert found(quota("cpu", namespace=None), limits(DEFAULTS, namespace=None)) == []


def test_defaults_of_another_namespace_do_not_count() -> None:
    assert found(quota(*ALL), limits(DEFAULTS, namespace="other")) != []


@pytest.mark.parametrize("key", ["pods", "requests.storage", "count/secrets", "requests.ephemeral-storage", "services"])
def test_a_quota_on_what_nobody_must_state_needs_no_defaults(key: str) -> None:
    assert found(quota(key)) == []


@pytest.mark.parametrize(
    ("key", "item"),
    [
        ("requests.memory", {"defaultRequest": {"memory": "1Gi"}}),
        ("requests.memory", {"default": {"memory": "1Gi"}}),
        ("requests.memory", {"max": {"memory": "1Gi"}}),
        ("requests.memory", {"min": {"memory": "1Gi"}}),
        ("memory", {"min": {"memory": "1Gi"}}),
        ("limits.memory", {"default": {"memory": "1Gi"}}),
        ("limits.memory", {"max": {"memory": "1Gi"}}),
    ],
)
def test_what_the_api_server_fills_in_counts(key: str, item: Body) -> None:
    assert found(quota(key), limits(item)) == []
    assert found(quota(key.replace("memory", "cpu")), limits(item)) != []


@pytest.mark.parametrize("item", [{"defaultRequest": {"memory": "1Gi"}}, {"min": {"memory": "1Gi"}}])
def test_a_default_request_is_no_default_limit(item: Body) -> None:
    assert found(quota("limits.memory"), limits(item)) != []


def test_limits_of_pods_and_claims_give_containers_nothing() -> None:
    pod = made("LimitRange", {"limits": [{"type": "Pod", "max": {"memory": "1Gi"}}]})
    assert found(quota("limits.memory"), pod) != []


def test_several_limit_ranges_add_up() -> None:
    one, two = limits({"default": {"memory": "1Gi"}}), limits({"defaultRequest": {"cpu": "1"}})
    two["metadata"]["name"] = "y"
    assert found(quota(*ALL), one, two) == []


@pytest.mark.parametrize(
    "scope",
    [
        {"scopes": ["NotBestEffort"]},
        {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}},
    ],
)
def test_a_quota_of_some_pods_is_not_judged(scope: Body) -> None:
    assert found(quota(*ALL, **scope)) == []


THROTTLES = "every container that states no cpu limit, and throttles it even on an idle node"


def test_a_default_cpu_limit_needs_a_reason() -> None:
    both = {"default": {"cpu": "1", "memory": "1Gi"}, "max": {"cpu": "2"}}
    assert found(limits(both)) == [("LimitRange/shop/x", "spec.limits.0.default.cpu", f"limits {THROTTLES}")]
    assert found(limits(both, reason="billed by the limit")) == []
    assert found(limits({**DEFAULTS, "max": {"memory": "2Gi"}})) == []


def test_a_greatest_cpu_limit_is_a_default_one() -> None:
    item = {"max": {"cpu": "2"}}
    path = "spec.limits.1.max.cpu"
    assert found(limits(DEFAULTS, item)) == [("LimitRange/shop/x", path, f"max.cpu is the limit of {THROTTLES}")]


def test_cpu_bounds_of_whole_pods_limit_no_container() -> None:
    assert found(made("LimitRange", {"limits": [{"type": "Pod", "max": {"cpu": "4"}}]})) == []
