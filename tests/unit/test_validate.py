"""Arranged objects → Bundle: schemas, names, invariants, and a word on every control that emits nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import CONFIG_MAP, small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import Errors, RingfenceError
from ringfence.model import Bundle

POLICY = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: a\n  namespace: {{ namespace.name }}\nspec:\n  podSelector: {}\n"


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return small(tmp_path / "catalogue", monkeypatch)


def build(folder: Path, **changes: Any) -> Bundle:
    return Builder().build(write_cluster(folder, **changes), "cluster.yaml")


def refused(folder: Path, **changes: Any) -> str:
    with pytest.raises(RingfenceError) as caught:
        build(folder, **changes)
    assert caught.value.exit_code == 65
    return caught.value.line()


def test_a_bundle_finds_its_objects(catalogue: Path, tmp_path: Path) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": CONFIG_MAP})
    bundle = build(tmp_path)
    assert [m.id for m in bundle] == ["ConfigMap/shop/settings"]
    found = bundle.find("configmap/SHOP/settings")
    assert found is not None
    assert found.body["data"] == {"owner": "shop@example.com"}
    assert bundle.find("ConfigMap/settings") is None


def test_every_object_and_every_problem_is_named_with_its_line(catalogue: Path, tmp_path: Path) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": POLICY + "  policyTypes: [In]\n  wrong: 1\n  ingres: []\n"})
    write_control(
        catalogue,
        "demo-two",
        {
            "x.yaml.j2": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  namespace: {{ namespace.name }}\ndata: []\n"
        },
    )
    assert refused(tmp_path).splitlines() == [
        'templates/demo/demo-one/x.yaml.j2:8:1: error: NetworkPolicy/shop/a: spec.policyTypes.0: "In" is not one of "Ingress", "Egress"',
        'templates/demo/demo-one/x.yaml.j2:9:1: error: NetworkPolicy/shop/a: spec.wrong: unknown field "wrong"',
        'templates/demo/demo-one/x.yaml.j2:10:1: error: NetworkPolicy/shop/a: spec.ingres: unknown field "ingres"; did you mean "ingress"?',
        "templates/demo/demo-two/x.yaml.j2:6:1: error: ConfigMap/shop/b: data: expected object, got array",
    ]


def test_a_string_under_an_enum_is_checked_for_every_object(catalogue: Path, tmp_path: Path) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": POLICY + "  policyTypes: [{{ namespace.owner }}]\n"})
    tenants = [
        {"name": o.lower(), "owner": o, "namespaces": [o.lower()]} for o in ("Egress", "Nobody", "Ingress", "Nothing")
    ]
    told = refused(tmp_path, tenants=tenants).splitlines()
    assert [line.split(": ")[2] for line in told] == ["NetworkPolicy/nobody/a", "NetworkPolicy/nothing/a"]
    assert len(list(build(tmp_path, tenants=tenants[:1]))) == 1


NAMES = [
    ("a.b-c", True),
    ("a:b", False),
    ("A", False),
    ("-a", False),
    ("a" * 253, True),
    ("a" * 254, False),
    ("a_b", False),
    ("a b", False),
]


@pytest.mark.parametrize(("name", "valid"), NAMES)
def test_names(catalogue: Path, tmp_path: Path, name: str, valid: bool) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": CONFIG_MAP.replace("settings", f'"{name}"')})
    if valid:
        assert len(list(build(tmp_path))) == 1
    else:
        assert (
            f'ConfigMap: "{name[:80]}" is no valid name; names are lower-case letters, digits, dashes and dots'
            in refused(tmp_path)
        )


ROLE = 'apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: "{name}"\n  namespace: {{{{ namespace.name }}}}\nrules: []\n'


@pytest.mark.parametrize(
    ("name", "valid"), [("ringfence:Viewer", True), ("a/b", False), ("a%b", False), ("a b", False)]
)
def test_names_of_roles_may_hold_colons(catalogue: Path, tmp_path: Path, name: str, valid: bool) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": ROLE.format(name=name)})
    if valid:
        assert len(list(build(tmp_path))) == 1
    else:
        assert "is no valid name" in refused(tmp_path)


def test_a_kind_of_another_version_names_the_versions_that_have_it(catalogue: Path, tmp_path: Path) -> None:
    template = "apiVersion: resource.k8s.io/v1\nkind: DeviceClass\nmetadata:\n  name: a\nspec: {}\n"
    write_control(catalogue, "demo-one", {"x.yaml.j2": template}, emits=[{"template": "x.yaml.j2"}])
    assert refused(tmp_path, kubernetes={"version": "1.32"}) == (
        "templates/demo/demo-one/x.yaml.j2:1:1: error: resource.k8s.io/v1 DeviceClass does not exist in Kubernetes 1.32; it does in"
        " 1.34, 1.35, 1.36, 1.37"
    )


def test_a_broken_promise_names_its_control_and_line(catalogue: Path, tmp_path: Path) -> None:
    write_control(catalogue, "demo-one", {"x.yaml.j2": POLICY + "  ingress:\n  - from: []\n"})
    assert refused(tmp_path) == (
        "templates/demo/demo-one/x.yaml.j2:9:1: error: NetworkPolicy/shop/a: an empty from allows everything"
        " (net-default-deny-ingress); leave from out, or list what is meant"
    )


def test_promises_are_asked_only_of_objects_that_are_what_they_say(catalogue: Path, tmp_path: Path) -> None:
    """A rule reads fields by the schema; what breaks the schema is reported as that, and never as a bug."""
    for number, spec in enumerate(
        (
            "  ingress: 5\n", "  ingress: [5]\n", "  ingress:\n  - from: 5\n", "  ingress:\n  - from: [5]\n", "  egress:\n  - ports: [{endPort: a, port: 1}]\n",
            "  ingress:\n  - ports: [{endPort: {{ namespace.owner }}, port: 1}]\n", "  policyTypes: {}\n",
            "  ingress:\n  - from: [{namespaceSelector: {matchExpressions: {}}}]\n".replace("{}}}]", "{} } }]"),
        )
    ):  # fmt: skip
        write_control(
            catalogue, f"demo-c{number}", {"x.yaml.j2": (POLICY + spec).replace("name: a\n", f"name: a{number}\n", 1)}
        )
    with pytest.raises(Errors) as caught:
        build(tmp_path)
    told = {e.message.split(":")[0] for e in caught.value.errors}
    assert told == {f"NetworkPolicy/shop/a{n}" for n in range(8)}


def test_a_control_that_emits_nothing_says_why(catalogue: Path, tmp_path: Path) -> None:
    write_control(
        catalogue, "demo-off", {"x.yaml.j2": CONFIG_MAP}, profile="restricted", stage={"restricted": "enforce"}
    )
    emits = [{"template": "x.yaml.j2", "each": "namespace", "stages": ["enforce"]}]
    write_control(
        catalogue,
        "demo-audit",
        {"x.yaml.j2": CONFIG_MAP},
        stage={"baseline": "audit"},
        emits=emits,
        no_audit_form="it is or it is not.",
    )
    write_control(
        catalogue,
        "demo-else",
        {"x.yaml.j2": CONFIG_MAP},
        emits=[{"template": "x.yaml.j2", "when": {"cni": ["cilium"]}}],
    )
    found = build(tmp_path).unemitted
    assert found["demo-off"].startswith("stage off: default (templates/demo/demo-off/control.yaml:1:1)")
    assert found["demo-audit"] == "no audit form: it is or it is not."
    assert found.keys() == {"demo-off", "demo-audit", "demo-else"}


def test_a_namespace_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: ../../outside\n"
    emits = [{"template": "configmap.yaml.j2"}]
    write_control(small(tmp_path / "c", monkeypatch), "demo-out", {"configmap.yaml.j2": outside}, emits=emits)
    with pytest.raises(RingfenceError, match="is no valid namespace"):
        Builder().build(write_cluster(tmp_path))
