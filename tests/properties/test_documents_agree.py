"""The JSON Schema that judges a document and the pydantic model that words the refusal give one verdict."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from helpers import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from strategies import TEXTS, clusters

from ringfence.documents import dump, load
from ringfence.errors import RingfenceError
from ringfence.spec import judge

PROFILE = {
    "apiVersion": "ringfence/v1alpha1", "kind": "Profile", "name": "mine", "title": "Mine", "posture": "Ours", "extends": "baseline",
    "controls": {"psa-labels": {"stage": "audit", "params": {"level": "baseline"}, "reason": "why"}},
}  # fmt: skip
FULL: dict[str, Any] = {
    "apiVersion": "ringfence/v1alpha1", "kind": "Cluster", "name": "full", "profile": "baseline",
    "kubernetes": {"version": "1.36", "distribution": "eks"},
    "network": {
        "cni": "calico", "dns": {"mode": "custom", "addresses": ["10.0.0.10"], "port": 53},
        "apiServer": {"addresses": ["10.0.0.1"], "port": 443}, "podCIDRs": ["10.1.0.0/16"], "serviceCIDRs": ["10.2.0.0/16"],
        "nodeCIDRs": ["10.0.0.0/16"], "ipFamilies": ["IPv4"],
    },
    "identity": {
        "oidc": [{"url": "https://id.example.com/a", "audience": "k", "usernameClaim": "sub", "groupsClaim": "groups", "prefix": "oidc:"}],
        "groups": {"platformAdmin": ["oidc:a"], "auditor": ["b"], "breakGlass": ["c"]},
    },
    "images": {
        "registries": ["registry.example.com:5000/team/"],
        "signers": [{"name": "ci", "images": ["a/"], "issuer": "https://id.example.com", "subject": "s", "publicKeyFile": "k.pem"}],
    },
    "components": {
        "mesh": "none", "secrets": ["vault"], "admission": "native", "runtime": ["falco"],
        "monitoring": {"namespace": "monitoring", "podLabels": {"app.kubernetes.io/name": "prometheus"}},
        "ingressControllers": [{"namespace": "ingress", "podLabels": {"a": "b"}}],
    },
    "delivery": {
        "layout": "flux", "files": "object", "path": "clusters/a", "flux": {"kind": "Bucket", "name": "n", "namespace": "f"},
        "argocd": {"repoURL": "u", "revision": "main", "project": "default"},
    },
    "tenants": [
        {
            "name": "t", "owner": "o", "tier": "production", "quota": {"pods": 5, "requestsCpu": "500m"},
            "groups": {"nsAdmin": ["a"], "developer": [], "viewer": [], "ciDeployer": []},
            "namespaces": ["one", {"name": "two", "tier": None, "quota": {"secrets": 2}, "apiAccess": True, "ingress": False, "metricsPorts": [80]}],
        }
    ],
    "controls": {"psa-labels": {"stage": "audit", "params": {"level": "baseline"}, "reason": "why"}},
    "exceptions": [
        {"name": "e", "control": "psa-labels", "owner": "o", "reason": "r", "ticket": "t", "expires": "2030-01-01", "scope": {"namespaces": ["one"], "names": []}}
    ],
}  # fmt: skip


@cache
def starts(kind: str) -> list[Any]:
    """Valid documents to start from."""
    if kind == "cluster":
        files = sorted(ROOT.glob("examples/*/cluster.yaml"))
        return [FULL, *(load(f.read_bytes(), f.name).value for f in files)]
    if kind == "profile":
        return [PROFILE, *(load(f.read_bytes(), f.name).value for f in sorted((ROOT / "profiles").glob("*.yaml")))]
    name = {"control": "control.yaml", "probes": "probes.yaml"}[kind]
    return [load(f.read_bytes(), f.name).value for f in sorted(ROOT.glob(f"templates/*/*/{name}"))]


@cache
def words(kind: str) -> list[str]:
    """Keys that documents of this kind have somewhere."""
    return sorted({k for d in starts(kind) for c in containers(d) if isinstance(c, dict) for k in c})


@cache
def schema(kind: str) -> Any:
    """The validator that runs, from the committed schema."""
    return judge._judge(kind)[1]  # the verdict under test


def model_accepts(kind: str, value: Any) -> bool:
    try:
        judge.model(kind).model_validate(copy.deepcopy(value))
    except ValidationError:
        return False
    return True


def containers(value: Any) -> Iterator[Any]:
    """Every mapping and list of a document."""
    if isinstance(value, (dict, list)):
        yield value
        for child in value.values() if isinstance(value, dict) else value:
            yield from containers(child)


# What the reader can give: no integral floats, which it refuses.
EDGES: list[Any] = [
    None, True, False, 0, 1, -1, 53, 65_535, 65_536, 10_000, 10_001, 2**53, 10**19, 0.5, "", " ", "a", "A", "a\nb", "a\r", "\n", "\u2028", "\ufeff",
    "\u0085", "\xa0", "x" * 63, "x" * 64, "x" * 250, "x" * 251, "x" * 500, "x" * 501, "é" * 500, "-a", "a-", "a.b", "a/b", "a/", "/a", "../a", "10.0.0.0/8",
    "::/0", "10.0.0.1", "500m", "5Gi", "5gi", "1.5", "2026-01-01", "2026-1-1", "https://a", "https://a/", "http://a", "https://", "https://a b", "oidc:",
    "small", "IPv4", "1.36", "audit", "production", [], ["a"], ["a", "a"], [1], [None], [[]], {}, {"a": 1}, {"name": "a"}, {"pods": 1}, {"\0full": 1},
    {"full": 1}, {"short": 1}, {"": 1}, "\ud7ff", "\U0001f600", "٣", "١.٣٦", "ａ", "K",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, kind: str) -> Any:
    """A valid document after one or two changes: a key deleted, renamed or added, a value retyped or at a boundary."""
    document = copy.deepcopy(draw(st.sampled_from(starts(kind))))
    for _ in range(draw(st.integers(1, 2))):
        place = draw(st.sampled_from(list(containers(document))))
        value = copy.deepcopy(draw(st.one_of(st.sampled_from(EDGES), TEXTS)))
        if isinstance(place, list):
            place.insert(draw(st.integers(0, len(place))), value)
            continue
        change = draw(st.sampled_from(["delete", "rename", "add", "retype", "retype", "retype"]))
        key = draw(st.sampled_from(sorted(place))) if place else None
        if key is None or change == "add":
            place[draw(st.one_of(TEXTS, st.sampled_from(words(kind))))] = value
        elif change == "delete":
            del place[key]
        elif change == "rename":
            place[key + draw(st.sampled_from(["s", "_", "X"]))] = place.pop(key)
        else:
            place[key] = value
    return document


def agree(kind: str, value: Any) -> None:
    assert schema(kind)(value) is model_accepts(kind, value)


@pytest.mark.parametrize("kind", ["cluster", "profile", "control", "probes"])
def test_valid_documents_are_valid_to_both(kind: str) -> None:
    for value in starts(kind):
        assert schema(kind)(value)
        assert model_accepts(kind, value)


@pytest.mark.parametrize("kind", ["cluster", "profile", "control", "probes"])
@settings(max_examples=150)
@given(data=st.data())
def test_mutated_documents_get_one_verdict(kind: str, data: Any) -> None:
    agree(kind, data.draw(mutated(kind)))


@settings(max_examples=15)
@given(document=clusters())
def test_generated_clusters_are_valid_to_both(document: dict[str, Any]) -> None:
    assert schema("cluster")(document)
    assert model_accepts("cluster", document)


@settings(max_examples=40)
@given(data=st.data())
def test_defaults_are_filled_in_as_the_models_do(data: Any) -> None:
    document = data.draw(st.one_of(clusters(), mutated("cluster")))
    if not schema("cluster")(document):
        return
    text = dump(document)
    filled = judge.judge(load(text, "cluster.yaml"), "cluster")
    modelled = judge.model("cluster").model_validate(load(text, "cluster.yaml").value).model_dump()
    for free in ("controls", "exceptions"):  # read entry by entry
        filled.pop(free)
        modelled.pop(free)
    assert filled == modelled


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(child, (*path, key))


@pytest.mark.parametrize("path", list(places(FULL))[1:], ids=lambda p: ".".join(map(str, p)))
def test_every_edge_at_every_place(path: tuple[Any, ...]) -> None:
    for edge in EDGES:
        document = copy.deepcopy(FULL)
        here = document
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = copy.deepcopy(edge)
        agree("cluster", document)


@settings(max_examples=60)
@given(document=mutated("cluster"))
def test_a_refusal_is_worded_and_placed(document: Any) -> None:
    """Whatever is refused, each line names a place in the file; none is a bug."""
    text = dump(document)
    try:
        read = load(text, "cluster.yaml")
    except RingfenceError:
        return  # NUL in a key, and such
    try:
        judge.judge(read, "cluster")
    except RingfenceError as bad:
        for line in bad.line().split("\n"):
            assert line.startswith("cluster.yaml:"), line
            assert "not a valid cluster document" not in line
            row, column = (int(n) for n in line.split(":")[1:3])
            assert 1 <= row <= text.count("\n") + 1
            assert column >= 1


def test_the_committed_schemas_are_those_of_the_models() -> None:
    for kind in judge.KINDS:
        file = Path(ROOT / "docs" / "schema" / f"{kind}.json")
        assert load_json(file) == judge.json_schema(kind), f"{file.name} is stale: `make docs` refreshes it"
        jsonschema_rs.meta.validate(load_json(file))


def load_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
