"""`ringfence list`."""

from __future__ import annotations

import json

import pytest
from helpers import write_cluster

from ringfence.cli.choices import choices

EXCEPTION = {
    "name": "old-shop", "control": "net-closed", "owner": "shop@example.com", "reason": "Legacy.",
    "ticket": "SHOP-1", "expires": "2027-01-31", "scope": {"namespaces": ["shop"]},
}  # fmt: skip


def rows(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_controls_are_the_default(cli):
    assert cli("list").out == (
        "id          profile     severity  baseline  restricted  zero-trust  title\n"
        "net-closed  restricted  high      off       enforce     enforce     Deny ingress by default\n"
        "ns-owned    baseline    medium    enforce   enforce     enforce     Namespaces with an owner\n"
        "pss-level   baseline    critical  audit     enforce     enforce     A level for every namespace\n"
    )
    assert cli("list", "controls").out == cli("list").out


def test_stages_under_a_profile_and_in_a_cluster(cli, tmp_path):
    stages = {r["id"]: r["stage"] for r in rows(cli("list", "controls", "--profile", "baseline", "-o", "json"))}
    assert stages == {"net-closed": "off", "ns-owned": "enforce", "pss-level": "audit"}
    write_cluster(tmp_path, controls={"pss-level": {"stage": "off", "reason": "Later."}})
    stages = {r["id"]: r["stage"] for r in rows(cli("list", "--cluster", "cluster.yaml", "-o", "json"))}
    assert stages == {"net-closed": "off", "ns-owned": "enforce", "pss-level": "off"}


def test_profile_and_cluster_exclude_each_other(cli):
    assert cli("list", "--profile", "baseline", "--cluster", "x").code == 64


def test_profiles(cli):
    found = rows(cli("list", "profiles", "-o", "json"))
    assert [(r["profile"], r["enforce"], r["audit"]) for r in found] == [
        ("baseline", 1, 1), ("restricted", 3, 0), ("zero-trust", 3, 0),
    ]  # fmt: skip
    assert all(r["title"] and r["posture"] for r in found)


def test_frameworks(cli):
    found = {r["framework"]: r for r in rows(cli("list", "frameworks", "-o", "json"))}
    assert found["cis-kubernetes-1.12"] == {
        "framework": "cis-kubernetes-1.12", "title": "CIS Kubernetes Benchmark 1.12", "numbers": 4, "controls": 3,
    }  # fmt: skip
    assert found["kep"]["numbers"] == 0


def test_a_framework_in_natural_order(cli):
    assert cli("list", "framework", "cis-kubernetes-1.12", "--profile", "baseline").out == (
        "number  control     stage    title\n"
        "5.2.1   pss-level   audit    A level for every namespace\n"
        "5.3.2   net-closed  off      Deny ingress by default\n"
        "5.6.2   ns-owned    enforce  Namespaces with an owner\n"
        "5.6.10  ns-owned    enforce  Namespaces with an owner\n"
    )
    assert cli("list", "framework", "kep") == (0, "", "no framework\n")
    done = cli("list", "framework", "attak")
    assert (done.code, done.err) == (64, 'error: unknown framework "attak"; did you mean "attack"?\n')


def test_components(cli, tmp_path):
    found = {r["component"]: r for r in rows(cli("list", "components", "-o", "json"))}
    assert found["falco"] == {
        "component": "falco", "kind": "runtime", "namespaces": ["falco (pss=privileged)"], "controls": [],
    }  # fmt: skip
    for kind in ("mesh", "admission", "secrets", "runtime"):
        assert set(choices("components", kind)) - {"none", "native"} <= set(found)
    write_cluster(tmp_path, components={"runtime": ["falco"]})
    found = {r["component"]: r for r in rows(cli("list", "components", "--cluster", ".", "-o", "json"))}
    assert (found["falco"]["chosen"], found["tetragon"]["chosen"]) == ("yes", "no")


def test_exceptions(cli, tmp_path):
    write_cluster(tmp_path, profile="restricted", exceptions=[EXCEPTION])
    (row,) = rows(cli("list", "exceptions", "--as-of", "2027-01-01", "-o", "json"))
    assert row == {
        "name": "old-shop", "control": "net-closed", "owner": "shop@example.com", "expires": "2027-01-31",
        "daysLeft": 30, "scope": ["shop"], "ticket": "SHOP-1", "reason": "Legacy.",
    }  # fmt: skip
    (row,) = rows(cli("list", "exceptions", "--cluster", "cluster.yaml", "--as-of", "2027-02-02", "-o", "json"))
    assert row["daysLeft"] == -2


def test_exceptions_need_a_cluster(cli):
    line = "error: list exceptions needs a cluster; name it with --cluster FILE\n"
    assert cli("list", "exceptions") == (64, "", line)


@pytest.mark.parametrize("what", ["controls", "profiles", "frameworks", "components"])
def test_json_without_rows_is_a_list(cli, what):
    assert isinstance(rows(cli("list", what, "-o", "json")), list)
    assert cli("list", "framework", "kep", "-o", "json").out == "[]\n"
