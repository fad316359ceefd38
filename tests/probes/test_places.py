"""Namespaces by role: of the right tier, not excepted, and of a tenant whose groups the pair asks as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.probes.places import NotApplicable, Places, substitute
from ringfence.spec import Cluster, read_cluster

SHOP = {
    "name": "shop",
    "owner": "shop@example.com",
    "groups": {"nsAdmin": ["oidc:shop-admins"], "developer": ["oidc:shop-devs"]},
    "namespaces": ["shop", {"name": "shop-dev", "tier": "development"}],
}
BANK = {"name": "bank", "owner": "bank@example.com", "namespaces": ["bank", {"name": "bank-lab", "tier": "untrusted"}]}


def cluster(folder: Path, *tenants: dict[str, Any], **changes: Any) -> Cluster:
    return read_cluster(write_cluster(folder, tenants=list(tenants or (BANK, SHOP)), **changes))


def request(namespace: str | None = None, who: str | None = None, **more: Any) -> dict[str, Any]:
    return {"who": who, "namespace": namespace, **more}


def chosen(found: Cluster, *requests: dict[str, Any], excepted: tuple[str, ...] = ()) -> Places:
    return Places(found, requests, frozenset(excepted))


def test_a_tier_names_the_first_such_namespace(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<production>"), request("<untrusted>"))
    assert (places.namespace("production"), places.namespace("untrusted")) == ("bank", "bank-lab")


def test_all_roles_are_of_one_tenant_where_one_has_them(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<production>"), request("<nonproduction>"))
    assert places.namespaces == {"shop", "shop-dev"}


def test_a_persona_asks_where_its_tenant_names_its_group(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<tenant>", "ns-admin"))
    assert places.namespace("tenant") == "shop"
    assert places.groups("ns-admin", "shop") == ("oidc:shop-admins",)


def test_a_persona_is_a_stranger_in_another_tenants_namespace(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<other>", "ns-admin"), request("<tenant>", "ns-admin"))
    assert (places.namespace("tenant"), places.namespace("other")) == ("shop", "bank")
    assert places.groups("ns-admin", "bank") == ("oidc:shop-admins",)


def test_nobody_is_asked_in_an_excepted_namespace_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match=r"^kube-system is excepted from this control$"):
        chosen(cluster(tmp_path), request("kube-system"), excepted=("kube-system",))
    twin = request("kube-system")
    assert chosen(cluster(tmp_path), request("<production>"), twin, excepted=("kube-system",)).namespaces == {"bank"}


def test_an_excepted_namespace_is_never_chosen(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<production>"), excepted=("bank",))
    assert places.namespace("production") == "shop"


def test_everywhere_is_each_namespace_of_the_one_role(tmp_path: Path) -> None:
    found = cluster(tmp_path)
    one = chosen(found, request("<tenant>"), excepted=("bank-lab",)).everywhere()
    assert [p.namespaces for p in one] == [{"bank"}, {"shop"}, {"shop-dev"}]
    asked_by = chosen(found, request("<tenant>", "ns-admin")).everywhere()
    assert [p.namespaces for p in asked_by] == [{"shop"}, {"shop-dev"}]
    two = chosen(found, request("<production>"), request("<nonproduction>")).everywhere()
    assert [p.namespaces for p in two] == [{"shop", "shop-dev"}]
    assert [p.namespaces for p in chosen(found, request("kube-system")).everywhere()] == [frozenset()]


@pytest.mark.parametrize(
    ("asked", "excepted", "why"),
    [
        (request("<staging>"), (), "cluster.yaml has no namespace of tier staging"),
        (request("<development>"), ("shop-dev",), "every namespace of tier development is excepted from this control"),
        (request("<tenant>", "viewer"), (), "no tenant with a namespace names a group for viewer"),
        (request(None, "auditor"), (), "cluster.yaml names no group for auditor"),
    ],
)
def test_a_pair_without_a_place_says_why(
    tmp_path: Path, asked: dict[str, Any], excepted: tuple[str, ...], why: str
) -> None:
    with pytest.raises(NotApplicable, match=f"^{why}$"):
        chosen(cluster(tmp_path), asked, excepted=excepted)


def test_one_tenant_has_no_other(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable, match="one tenant"):
        chosen(cluster(tmp_path, SHOP), request("<other>"))


def test_a_group_that_nobody_named(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path), request("<tenant>"))
    with pytest.raises(NotApplicable, match="names no group for break glass"):
        places.fixed("group", "break-glass")


def test_placeholders_anywhere(tmp_path: Path) -> None:
    places = chosen(cluster(tmp_path, images={"registries": ["r.example/x/"]}), request("<tenant>"))

    def fill(name: str, argument: str) -> Any:
        return {"params": 3600}.get(name, places.fixed(name, argument))

    value = {"<tenant>-x": ["<registry>app", {"n": "<params.max>", "v": "v<version>", "s": "of <params.max> s"}]}
    assert substitute(value, fill) == {"bank-x": ["r.example/x/app", {"n": 3600, "v": "v1.36", "s": "of 3600 s"}]}
