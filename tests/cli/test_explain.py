"""`ringfence explain`: which line set it, why, and how to change it."""

from __future__ import annotations

import pytest
from helpers import write_cluster

from ringfence.address import field_path
from ringfence.errors import UsageError


def test_a_control_of_the_catalogue(cli):
    done = cli("explain", "pss-level")
    assert done.code == 0
    assert (
        done.out
        == """\
pss-level: A level for every namespace

Without a label a namespace admits everything | host access *included*, which is too much.

severity    critical, from profile baseline on
stage       baseline: audit, restricted: enforce, zero-trust: enforce; least: off
audit form  the same match set, reported and not refused
exceptions  by namespaces (`scope.namespaces`)
proved by   requests to a real API server, then the rendered objects
requires    ns-owned
references
  CIS Kubernetes Benchmark 1.12: 5.2.1
emits
  namespace.yaml.j2: for each tenant namespace, part of an object that several controls write; wave 1
parameters
  level (choice; can only be made stricter (privileged < baseline < restricted)): Level that is enforced.
    baseline: baseline, restricted: restricted, zero-trust: restricted
  notes (strings; may be set freely): Remarks.
    baseline: [], restricted: [], zero-trust: []
"""
    )


def test_a_control_in_a_cluster_says_who_decided(cli, tmp_path):
    override = {"stage": "enforce", "params": {"level": "restricted"}, "reason": "We can."}
    exception = {
        "name": "old", "control": "pss-level", "owner": "o@example.com", "reason": "Legacy.", "ticket": "T-1",
        "expires": "2027-01-31", "scope": {"namespaces": ["shop"]},
    }  # fmt: skip
    namespaces = [{"name": "t", "owner": "o", "namespaces": ["shop", "pay"]}]
    write_cluster(tmp_path, controls={"pss-level": override}, exceptions=[exception], tenants=namespaces)
    out = cli("explain", "pss-level").out.partition("\n\nin cluster ")[2]
    assert out.startswith("test (profile=baseline)\n  stage: enforce, by override (cluster.yaml:")
    assert ": We can.\n" in out
    assert "  level: restricted, by override (cluster.yaml:" in out
    assert "  notes: [], by the control's own default (templates/namespaces/pss-level/control.yaml:1:1)\n" in out
    assert "  exception old for shop: Legacy. (o@example.com, T-1, until 2027-01-31; cluster.yaml:" in out
    assert "  writes 1 object\n    Namespace/pay\n" in out
    assert "      level: restricted  # can only be made stricter (privileged < baseline < restricted)\n" in out
    assert "  scope: {namespaces: [<name>]}\n" in out


def test_a_control_that_emits_nothing_says_why(cli, tmp_path):
    write_cluster(tmp_path)
    out = cli("explain", "net-closed").out
    assert "  stage: off, by the control's own default" in out
    assert "  emits nothing: stage off: " in out


def test_a_floor_leaves_no_way_but_exceptions(cli, tmp_path):
    write_cluster(tmp_path)
    assert cli("explain", "ns-owned").out.endswith(
        "its stage can't be lowered (least: enforce); it has no parameters\n"
    )


def test_an_object_line_by_line(cli, shop):
    done = cli("explain", "Namespace/shop", "--cluster", "shop")
    assert (
        done.out
        == """\
Namespace/shop (v1), wave 1 (namespaces)
file      1-namespaces/shop.yaml, below the tree
controls
  ns-owned: Namespaces with an owner (enforce)
  pss-level: A level for every namespace (enforce)

apiVersion: v1                                   # ns-owned/namespace.yaml.j2:2
kind: Namespace                                  # ns-owned/namespace.yaml.j2:3
metadata:                                        # ns-owned/namespace.yaml.j2:4
  name: shop                                     # ns-owned/namespace.yaml.j2:5
  labels:                                        # pss-level/namespace.yaml.j2:6
    app.kubernetes.io/managed-by: ringfence      # ringfence
    example.com/level.of-pods: restricted        # pss-level/namespace.yaml.j2:7
    example.com/level.of-pods-version: v1.36     # pss-level/namespace.yaml.j2:8
    pod-security.kubernetes.io/warn: restricted  # pss-level/namespace.yaml.j2:9
  annotations:                                   # ns-owned/namespace.yaml.j2:6
    ringfence/controls: "ns-owned,pss-level"     # ringfence
    ringfence/owner: "shop@example.com"          # ns-owned/namespace.yaml.j2:7
"""
    )


FIELD = """\
Namespace/shop metadata.labels["example.com/level.of-pods"]
  restricted
set by control pss-level (A level for every namespace), stage enforce
  templates/namespaces/pss-level/namespace.yaml.j2:7
    example.com/level.of-pods: {{ params.level }}
  reads params.level = restricted
other controls of this object: ns-owned
parameters of the control
  level: restricted, by profile restricted (templates/namespaces/pss-level/control.yaml:1:1)
  notes: [], by the control's own default (templates/namespaces/pss-level/control.yaml:1:1)
to change it, in cluster.yaml:
  controls:
    pss-level:
      params:
        level: restricted  # can only be made stricter (privileged < baseline < restricted)
      reason: <why; reviewers read it>
to except something from it, in cluster.yaml:
  exceptions:
  - name: <short-name>
    control: pss-level
    owner: <who answers for it>
    reason: <why>
    ticket: <where it is tracked>
    expires: "<YYYY-MM-DD>"
    scope: {namespaces: [<name>]}
"""


@pytest.mark.parametrize(
    "spelling",
    [
        "Namespace/shop:metadata.labels.example.com/level.of-pods",
        "namespace/shop.metadata.labels.example.com/level.of-pods",
        'Namespace/shop:metadata.labels["example.com/level.of-pods"]',
    ],
)
def test_a_field_however_it_is_spelt(cli, shop, spelling):
    assert cli("explain", spelling, "--cluster", "shop/cluster.yaml").out == FIELD


def test_a_line_of_the_tree_is_its_field(cli, shop):
    lines = (shop / "rendered/1-namespaces/shop.yaml").read_text().splitlines()
    number = next(i for i, line in enumerate(lines, 1) if "example.com" in line)
    assert cli("explain", f"shop/rendered/1-namespaces/shop.yaml:{number}").out == FIELD
    assert cli("explain", f"shop/rendered/1-namespaces/shop.yaml:{number}:7").out == FIELD


def test_a_line_before_any_object(cli, shop):
    done = cli("explain", "shop/rendered/1-namespaces/shop.yaml:1")
    assert (done.code, done.err) == (64, "error: shop/rendered/1-namespaces/shop.yaml:1 is before the first object\n")


def test_a_line_of_a_stale_tree(cli, shop):
    write_cluster(shop, profile="baseline")
    done = cli("explain", "shop/rendered/2-guards/shop/network.yaml:5")
    assert done.code == 65
    assert "NetworkPolicy/shop/default-deny stands here and test does not render it; the tree is stale" in done.err


def test_a_line_of_a_file_in_no_tree(cli, shop):
    done = cli("explain", "shop/cluster.yaml:1")
    assert (done.code, done.err.partition(";")[0]) == (64, "error: shop/cluster.yaml is in no rendered tree")


def test_what_ringfence_adds_says_so(cli, shop):
    done = cli("explain", "Namespace/shop:metadata.annotations.ringfence/controls", "--cluster", "shop")
    assert "added by ringfence to every object" in done.out


def test_a_field_reads_facts_of_the_cluster(cli, shop):
    done = cli("explain", "Namespace/shop:metadata.annotations.ringfence/owner", "--cluster", "shop")
    assert "  reads namespace.owner = shop@example.com\n" in done.out


def test_the_namespace_may_be_left_out_while_unique(cli, tmp_path):
    write_cluster(tmp_path, profile="restricted")
    assert cli("explain", "NetworkPolicy/default-deny:spec.policyTypes[0]").out.startswith(
        "NetworkPolicy/shop/default-deny spec.policyTypes[0]\n  Ingress\n"
    )
    write_cluster(tmp_path, profile="restricted", tenants=[{"name": "t", "owner": "o", "namespaces": ["a", "b"]}])
    done = cli("explain", "NetworkPolicy/default-deny")
    hint = "choose one of: NetworkPolicy/a/default-deny, NetworkPolicy/b/default-deny"
    assert (done.code, done.err) == (64, f'error: "NetworkPolicy/default-deny" names 2 objects; {hint}\n')


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("pss-levl", 'there is no control "pss-levl"; did you mean "pss-level"?'),
        ("Namespace/shopp", 'there is no object "Namespace/shopp" in test; did you mean "Namespace/shop"?'),
        ("Namespace/shp", 'there is no object "Namespace/shp" in test; did you mean "Namespace/shop"?'),
        ("Namespace/shop:metadata.lables", 'there is no field "lables" in metadata; did you mean "labels"?'),
        ("Namespace/shop:metadata.name[0]", 'there is no field "[0]" in metadata.name'),
    ],
)
def test_what_is_unknown_has_a_nearest(cli, shop, what, line):
    assert cli("explain", what, "--cluster", "shop") == (64, "", f"error: {line}\n")


def test_an_object_needs_a_cluster(cli):
    done = cli("explain", "Namespace/shop")
    line = 'error: "Namespace/shop" is an object, and there is no cluster.yaml here; name it with --cluster FILE\n'
    assert (done.code, done.err) == (64, line)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("a.b", ("a.b",)),
        ("a.b.c[1].d", ("a.b", "c", 1, "d")),
        ("a.b.c.0", ("a.b", "c", 0)),
        ("a.x", ("a", "x")),
        ('["a.b"].c[0]', ("a.b", "c", 0)),
    ],
)
def test_field_paths(text, path):
    assert field_path({"a": {"x": 1}, "a.b": {"c": [1, {"d": 2}]}}, text) == path


@pytest.mark.parametrize("text", ["b", "a.b.c[2]", "a.b.c[x]", "a.x.y", '["b"]', "a.xx"])
def test_field_paths_that_lead_nowhere(text):
    with pytest.raises(UsageError):
        field_path({"a": {"x": 1}, "a.b": {"c": [1, {"d": 2}]}}, text)
