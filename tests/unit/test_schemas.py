"""The committed schemas and what `ringfence.schemas` says with them."""

from __future__ import annotations

import copy
import hashlib
import importlib.util
import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ringfence.schemas import DATA, SUPPORTED, Problem, SchemaStore, read

ROOT = Path(__file__).resolve().parents[2]
NASTY = (
    "",
    " ",
    "Deny",
    "null",
    "0",
    "10.0.0.0/8",
    "a" * 10_000,
    "\n- x: y",
    "{{ }}",
    "é\u2028\U0001f600",
    "\x00",
    "~",
)

Body = dict[str, Any]


def made(api_version: str, kind: str, **fields: Any) -> Body:
    """Return an object with a name."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", "labels": {"team": "red"}}, **fields}


RBAC = "rbac.authorization.k8s.io"
SAMPLES = [
    made("v1", "Namespace"),
    made("v1", "Secret", type="Opaque", stringData={"a": "b"}, data={"c": "ZA=="}),
    made("v1", "ResourceQuota", spec={"hard": {"pods": "10", "limits.cpu": 4}, "scopes": ["BestEffort"]}),
    made(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        spec={
            "podSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
            "policyTypes": ["Ingress"],
            "ingress": [
                {"ports": [{"port": "http", "protocol": "TCP"}], "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
            ],
        },
    ),
    made(
        f"{RBAC}/v1",
        "RoleBinding",
        roleRef={"apiGroup": RBAC, "kind": "Role", "name": "reader"},
        subjects=[{"kind": "Group", "apiGroup": RBAC, "name": "team"}],
    ),
    made(
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicy",
        spec={
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
                ]
            },
            "validations": [{"expression": "true", "message": "no", "reason": "Forbidden"}],
        },
    ),
    made(
        "apps/v1",
        "Deployment",
        spec={
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {
                    "containers": [
                        {
                            "name": "c",
                            "image": "i",
                            "ports": [{"containerPort": 1, "protocol": "TCP"}],
                            "resources": {"limits": {"memory": "1Gi"}},
                            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                        }
                    ]
                },
            },
        },
    ),
    made("security.istio.io/v1", "PeerAuthentication", spec={"mtls": {"mode": "STRICT"}}),
    made(
        "security.istio.io/v1",
        "AuthorizationPolicy",
        spec={"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["a"]}}]}]},
    ),
    made(
        "cilium.io/v2",
        "CiliumNetworkPolicy",
        spec={
            "endpointSelector": {},
            "egress": [{"toFQDNs": [{"matchName": "a.example"}]}, {"toCIDR": ["10.0.0.0/8"]}],
        },
    ),
    made(
        "external-secrets.io/v1",
        "ExternalSecret",
        spec={"secretStoreRef": {"name": "s", "kind": "SecretStore"}, "dataFrom": [{"extract": {"key": "k"}}]},
    ),
    made(
        "policies.kyverno.io/v1",
        "ValidatingPolicy",
        spec={"validations": [{"expression": "true", "message": "m"}], "validationActions": ["Deny"]},
    ),
    made(
        "templates.gatekeeper.sh/v1",
        "ConstraintTemplate",
        spec={"crd": {"spec": {"names": {"kind": "K"}}}, "targets": [{"target": "t", "rego": "package a"}]},
    ),
    made(
        "argoproj.io/v1alpha1",
        "Application",
        spec={"project": "p", "destination": {"server": "s"}, "source": {"repoURL": "u", "helm": {"values": "v"}}},
    ),
]
IDS = [f"{body['apiVersion']}/{body['kind']}" for body in SAMPLES]


@pytest.fixture
def store() -> SchemaStore:
    return SchemaStore("1.36")


def problems(store: SchemaStore, body: Mapping[str, Any]) -> list[Problem]:
    schema = store.kind(body["apiVersion"], body["kind"])
    assert schema is not None
    found = schema.problems(body)
    assert schema.is_valid(body) == (not found)
    assert found == sorted(found, key=Problem.order)
    return found


def changed(body: Body, path: tuple[str | int, ...], value: Any) -> Body:
    """Return a copy with one value set; the value `...` deletes."""
    out = copy.deepcopy(body)
    at: Any = out
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return out


def strings(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the places of an object's strings."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from strings(child, (*path, key))


POLICY, BINDING = SAMPLES[3], SAMPLES[4]
WRONG = [
    (POLICY, ("spec", "policyTypez"), ["Egress"], 'unknown field "policyTypez"', 'did you mean "policyTypes"?'),
    (POLICY, ("metadata", "label"), {}, 'unknown field "label"', 'did you mean "labels"?'),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "zzz"), 1, 'unknown field "zzz"', None),
    (POLICY, ("spec", "policyTypes"), "Egress", "expected array, got string", None),
    (POLICY, ("spec", "policyTypes", 0), "egress", '"egress" is not one of "Ingress", "Egress"',
     'did you mean "Egress"?'),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "endPort"), "1", "expected integer, got string", None),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "endPort"), 2**31, "2147483648 is more than 2147483647", None),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "port"), None, "expected integer or string, got null", None),
    (POLICY, ("kind",), "NetPol", None, None),
    (BINDING, ("roleRef", "kind"), "Clusterrole", '"Clusterrole" is not one of "ClusterRole", "Role"',
     'did you mean "ClusterRole"?'),
    (SAMPLES[1], ("data", "c"), "not base64!", None, None),
    (SAMPLES[9], ("spec", "egress", 1, "toCIDR", 0), "10.0.0.0/33", None, None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "path", "value", "message", "hint"), WRONG)
def test_a_wrong_value_is_refused_at_its_place(
    store: SchemaStore, body: Body, path: tuple[str | int, ...], value: Any, message: str | None, hint: str | None
) -> None:
    schema = store.kind(body["apiVersion"], body["kind"])
    assert schema is not None
    found = schema.problems(changed(body, path, value))
    assert [problem.path for problem in found] == [path]
    assert not schema.is_valid(changed(body, path, value))
    if message is not None:
        assert (found[0].message, found[0].hint) == (message, hint)


MISSING = [
    (POLICY, ("metadata", "name"), ("metadata",)),
    (POLICY, ("metadata",), ()),
    (BINDING, ("roleRef",), ()),
    (BINDING, ("subjects", 0, "name"), ("subjects", 0)),
    (SAMPLES[7], ("metadata", "name"), ("metadata",)),
]


@pytest.mark.parametrize(("body", "path", "parent"), MISSING)
def test_a_missing_field_is_named_at_its_parent(
    store: SchemaStore, body: Body, path: tuple[str | int, ...], parent: tuple[str | int, ...]
) -> None:
    assert problems(store, changed(body, path, ...)) == [Problem(parent, f'missing required field "{path[-1]}"')]


def test_several_problems_come_in_the_order_of_their_places(store: SchemaStore) -> None:
    subjects = [{"kind": "User", "name": "a"} for _ in range(11)]
    subjects[2]["zz"] = subjects[10]["zz"] = ""
    body = {**BINDING, "subjects": subjects, "aa": 1, "roleRef": {"apiGroup": RBAC, "kind": "Role", "nam": 1}}
    assert [(problem.path, problem.message) for problem in problems(store, body)] == [
        (("aa",), 'unknown field "aa"'),
        (("roleRef",), 'missing required field "name"'),
        (("roleRef", "nam"), 'unknown field "nam"'),
        (("subjects", 2, "zz"), 'unknown field "zz"'),
        (("subjects", 10, "zz"), 'unknown field "zz"'),
    ]


def test_alternatives_are_explained_by_the_nearest(store: SchemaStore) -> None:
    body = made("security.istio.io/v1", "RequestAuthentication", spec={"targetRef": {"kind": "a", "name": "b"}})
    assert problems(store, body) == []
    both = made(
        "networking.istio.io/v1", "VirtualService", spec={"http": [{"match": [{"uri": {"exact": "/", "prefix": "/"}}]}]}
    )
    assert [problem.message for problem in problems(store, both)] == [
        "fits more than one of the allowed forms, of which exactly one is allowed"
    ]


def test_what_json_cannot_carry_is_a_problem_not_a_crash(store: SchemaStore) -> None:
    class Token(str):
        __slots__ = ()

    assert (
        problems(store, changed(POLICY, ("metadata", "labels"), {1: "a"}))[0].message == "expected string keys, got 1"
    )
    found = problems(store, changed(POLICY, ("metadata", "name"), Token("x")))
    assert found == [Problem(("metadata", "name"), "expected a JSON value, got Token")]
    assert problems(store, types.MappingProxyType(POLICY)) == []


@pytest.mark.parametrize("body", SAMPLES, ids=IDS)
def test_samples_are_valid_and_their_free_strings_are_free(store: SchemaStore, body: Body) -> None:
    schema = store.kind(body["apiVersion"], body["kind"])
    assert schema is not None
    assert problems(store, body) == []
    for path in strings(body):
        if schema.is_free_string(path):
            for text in NASTY:
                assert schema.is_valid(changed(body, path, text)), (path, text)


@pytest.mark.parametrize("body", SAMPLES, ids=IDS)
def test_free_strings_do_not_change_the_verdict_on_a_wrong_object(store: SchemaStore, body: Body) -> None:
    schema = store.kind(body["apiVersion"], body["kind"])
    assert schema is not None
    wrong = {**body, "surprise": 1}
    for path in filter(schema.is_free_string, strings(body)):
        assert [schema.problems(changed(wrong, path, text)) for text in NASTY] == [schema.problems(wrong)] * len(NASTY)


FREE = [
    (POLICY, ("metadata", "name"), True),
    (POLICY, ("metadata", "namespace"), True),
    (POLICY, ("metadata", "labels", "any/key"), True),
    (POLICY, ("spec", "podSelector", "matchLabels", "app"), True),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "port"), True),  # an integer or any string
    (POLICY, ("spec", "policyTypes", 0), False),
    (POLICY, ("spec", "ingress", 0, "ports", 0, "protocol"), False),
    (POLICY, ("spec", "podSelector"), False),
    (POLICY, ("spec", "nowhere"), False),
    (POLICY, ("spec", 0), False),
    (POLICY, ("kind",), False),
    (POLICY, ("metadata", "creationTimestamp"), False),
    (BINDING, ("subjects", 0, "name"), True),
    (BINDING, ("subjects", 7, "namespace"), True),
    (BINDING, ("subjects", 0, "kind"), False),
    (BINDING, ("roleRef", "name"), True),
    (SAMPLES[1], ("data", "c"), False),
    (SAMPLES[1], ("stringData", "c"), True),
    (SAMPLES[2], ("spec", "hard", "pods"), False),
    (SAMPLES[7], ("metadata", "name"), True),
    (SAMPLES[7], ("spec", "mtls", "mode"), False),
]


@pytest.mark.parametrize(("body", "path", "free"), FREE)
def test_free_strings(store: SchemaStore, body: Body, path: tuple[str | int, ...], free: bool) -> None:
    schema = store.kind(body["apiVersion"], body["kind"])
    assert schema is not None
    assert schema.is_free_string(path) is free


@pytest.mark.parametrize("minor", SUPPORTED)
def test_every_kind_compiles_and_wants_a_whole_object(minor: str) -> None:
    store = SchemaStore(minor)
    groups = read("index.json")["crds"] if minor == SUPPORTED[0] else {}
    keys = [*read(f"kubernetes/{minor}.json")["kinds"], *(key for names in groups.values() for key in names)]
    for key in keys:
        api_version, _, kind = key.rpartition("/")
        missing = {problem.message for problem in problems(store, {"apiVersion": api_version, "kind": kind, "zz": 1})}
        assert 'unknown field "zz"' in missing, key
        if not api_version.startswith(("authentication.", "authorization.")):
            assert 'missing required field "metadata"' in missing, key


def test_a_kind_exists_from_its_version_on() -> None:
    key = ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy")
    assert SchemaStore("1.35").kind(*key) is None
    assert SchemaStore("1.36").kind(*key) is not None
    assert SchemaStore("1.36").versions_of(*key) == ("1.36", "1.37")
    assert SchemaStore("1.36").versions_of("v1", "Namespace") == SUPPORTED
    assert SchemaStore("1.36").versions_of("v1", "Nonesuch") == ()


def test_the_store_knows_its_kinds(store: SchemaStore) -> None:
    assert store.versions_with_kind("NetworkPolicy") == ["networking.k8s.io/v1", "projectcalico.org/v3"]
    assert "admissionregistration.k8s.io/v1" in store.versions_with_kind("MutatingAdmissionPolicy")
    assert store.kind("v1", "NamespaceList") is None
    assert store.kind("../kubernetes/1.36", "x") is None
    assert store.kind("v1", "Pod") is store.kind("v1", "Pod")
    istio, builtin = store.kind("security.istio.io/v1", "PeerAuthentication"), store.kind("v1", "Pod")
    assert istio is not None
    assert builtin is not None
    assert (istio.namespaced, builtin.namespaced) == (True, None)
    with pytest.raises(ValueError, match=r"1\.31 is not supported: choose from 1\.32"):
        SchemaStore("1.31")


def test_digests_are_those_of_the_files() -> None:
    rows = {row[66:]: row[:64] for row in (DATA / "DIGESTS").read_text(encoding="ascii").splitlines()}
    files = {path.relative_to(DATA).as_posix(): path.read_bytes() for path in DATA.rglob("*.json")}
    assert rows == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert len({SchemaStore(minor).digest() for minor in SUPPORTED}) == len(SUPPORTED)


def test_importing_and_opening_a_store_does_not_load_the_validator() -> None:
    code = "import sys; from ringfence.schemas import SchemaStore; SchemaStore('1.36').kind('v1', 'Pod')\n"
    code += "assert 'jsonschema_rs' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT / "generator")})


def test_the_committed_builtin_schemas_are_those_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("kubernetes_validate") is None:
        pytest.skip("kubernetes-validate is not installed: pip install kubernetes-validate==1.37.0 and run this again")
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    spec = importlib.util.spec_from_file_location("schemas_tool", ROOT / "tools" / "schemas.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name, text in tool.builtin_files().items():
        assert text == (DATA / name).read_text(encoding="utf-8"), f"{name} is stale: run make schemas"
