"""Rules about Pod Security labels: each on namespaces that break it and on their nearest relatives that don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.documents import Document, dump
from ringfence.errors import InputError
from ringfence.findings import examine
from ringfence.schemas import SchemaStore

STORE = SchemaStore("1.36")
PREFIX = "pod-security.kubernetes.io/"
PINNED = {"enforce-version": "v1.36", "warn": "restricted"}


def found(levels: dict[str, str], **annotations: str) -> list[tuple[str, str, str]]:
    """Control, label and message of every finding about a namespace with these levels; each has a remedy."""
    metadata: dict[str, Any] = {"name": "shop", "labels": {PREFIX + mode: level for mode, level in levels.items()}}
    if annotations:
        metadata["annotations"] = {f"ringfence/{k}": v for k, v in annotations.items()}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    report = examine([Document("x.yaml", body, dump(body))], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy for f in report.findings)
    return [(f.control, str(f.path[-1]).removeprefix(PREFIX), f.message) for f in report.findings]


@pytest.mark.parametrize("body", [{"name": "a"}, {"name": "a", "labels": {"team": "red"}}])
def test_a_namespace_without_a_level_is_not_judged(body: dict[str, Any]) -> None:
    whole = {"apiVersion": "v1", "kind": "Namespace", "metadata": body}
    assert examine([Document("x.yaml", whole, dump(whole))], STORE).findings == ()


def test_privileged_needs_a_reason() -> None:
    assert found({"enforce": "privileged"}) == [
        ("psa-system-namespaces", "enforce", "admits pods with full access to the host, and nothing says why")
    ]
    assert found({"enforce": "privileged"}, owner="platform") != []
    assert found({"enforce": "privileged"}, reason="the agent loads BPF programs") == []


def test_privileged_needs_neither_a_version_nor_a_warning() -> None:
    assert found({"enforce": "privileged", "enforce-version": "latest", "warn": "privileged"}, reason="host") == []


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_refusing_level_is_pinned(level: str) -> None:
    message = f"enforces {level} in whichever version the cluster has, so an upgrade can refuse pods that ran before"
    floating = {"enforce": level, "warn": "restricted"}
    assert found(floating) == [("psa-version-pin", "enforce", message)]
    assert found({**floating, "enforce-version": "latest"}) == [("psa-version-pin", "enforce-version", message)]
    assert found({**floating, "enforce-version": "v1.36", "warn-version": "latest"}) == []


@pytest.mark.parametrize("mode", ["warn", "audit"])
def test_what_is_refused_is_reported(mode: str) -> None:
    strict = {"enforce": "restricted", **PINNED}
    message = f"{mode} at baseline is looser than enforce at restricted: what is refused goes unreported"
    assert found({**strict, mode: "baseline"}) == [("psa-labels", mode, message)]
    assert found({**strict, mode: "restricted"}) == []
    assert found({**PINNED, "enforce": "baseline", mode: "baseline"}) == []
    assert found({**PINNED, "enforce": "baseline", mode: "privileged"}) != []


def test_a_missing_warning_is_told_apart_from_a_loose_one() -> None:
    message = "unless the cluster's default warns, a Deployment whose pods baseline refuses is applied without a word"
    assert found({"enforce": "baseline", "enforce-version": "v1.36"}) == [("psa-labels", "enforce", message)]
    assert found({"enforce": "baseline", "enforce-version": "v1.36", "warn": "baseline"}) == []


def test_levels_that_do_not_exist_are_left_to_the_api_server() -> None:
    assert found({"enforce": "strict", "warn": "none"}) == []


TEMPLATE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: {{ namespace.name }}
  labels:
    pod-security.kubernetes.io/enforce: {{ LEVEL }}
    pod-security.kubernetes.io/enforce-version: v1.36
    pod-security.kubernetes.io/warn: restricted
"""
LEVEL = {"type": "choice", "choices": ["privileged", "restricted"], "default": "restricted", "description": "A level."}


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    root = small(tmp_path / "templates", monkeypatch)

    def built(level: str, **changes: Any) -> None:
        write_control(root, "demo-ns", {"namespace.yaml.j2": TEMPLATE.replace("LEVEL", level)}, params={"level": LEVEL})
        Builder().build(write_cluster(tmp_path, **changes), "cluster.yaml")

    return built


def test_a_template_can_not_take_the_level_from_a_value(build: Any) -> None:
    with pytest.raises(InputError, match="the enforced level hangs on a value"):
        build("namespace.tier")


def test_a_level_from_a_choice_is_read_by_the_rules(build: Any) -> None:
    build("params.level")
    with pytest.raises(InputError, match="admits pods with full access to the host"):
        build("params.level", controls={"demo-ns": {"params": {"level": "privileged"}, "reason": "a test"}})
