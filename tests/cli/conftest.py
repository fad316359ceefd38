"""A small catalogue of its own for the command line's tests, and the command line called in process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from helpers import build_tree, write_cluster

from ringfence import bundled
from ringfence.cli import app


class Done(NamedTuple):
    """What one call left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]

CATALOGUE = {
    "namespaces/ns-owned/control.yaml": """\
title: Namespaces with an owner
profile: baseline
stage: {baseline: enforce}
floor: enforce
severity: medium
rationale: A namespace that nobody owns is one that nobody closes, so each carries its owner.
references: {cis-kubernetes-1.12: ["5.6.10", "5.6.2"], attack: [T1610]}
emits:
- {template: namespace.yaml.j2, each: namespace, wave: 1}
exceptions: none
no_audit_form: a namespace exists or does not.
proof: [api]
""",
    "namespaces/ns-owned/namespace.yaml.j2": """\
{# The namespace. #}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ namespace.name }}
  annotations:
    ringfence/owner: {{ namespace.owner }}
""",
    "namespaces/pss-level/control.yaml": """\
title: A level for every namespace
profile: baseline
stage: {baseline: audit, restricted: enforce}
severity: critical
rationale: Without a label a namespace admits everything | host access *included*, which is too much.
references: {cis-kubernetes-1.12: ["5.2.1"]}
params:
  level:
    type: choice
    choices: [privileged, baseline, restricted]
    default: baseline
    by_profile: {restricted: restricted}
    floor: stricter
    description: Level that is enforced.
  notes: {type: strings, default: [], description: Remarks.}
emits:
- {template: namespace.yaml.j2, each: namespace, wave: 1, fragment: true}
requires: [ns-owned]
proof: [api, render]
""",
    "namespaces/pss-level/namespace.yaml.j2": """\
{# The label. #}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ namespace.name }}
  labels:
    example.com/level.of-pods: {{ params.level }}
    example.com/level.of-pods-version: v1.36
    pod-security.kubernetes.io/warn: restricted
""",
    "network/net-closed/control.yaml": """\
title: Deny ingress by default
profile: restricted
stage: {restricted: enforce}
severity: high
rationale: Pods accept connections from every other pod of the cluster unless a policy selects them.
references: {cis-kubernetes-1.12: ["5.3.2"]}
emits:
- {template: networkpolicy.yaml.j2, each: namespace}
no_audit_form: a policy drops a flow or does not.
proof: [cni]
""",
    "network/net-closed/networkpolicy.yaml.j2": """\
{# Closes. #}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: {{ namespace.name }}
spec:
  podSelector: {}
  policyTypes: [Ingress]
""",
    "network/net-closed/probes.yaml": """\
pairs:
- name: a pod of another namespace
  ring: cni
  refuse: {who: pod, verb: connect, resource: tcp, namespace: other}
  reason: timed out
  admit: {who: pod, verb: connect, resource: tcp, namespace: shop}
""",
}


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tree(tmp_path_factory.mktemp("content") / "templates", CATALOGUE)


@pytest.fixture
def catalogue(small: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped catalogue replaced by the small one."""
    monkeypatch.setattr(bundled, "templates", lambda: small)
    return small


@pytest.fixture
def cli(
    catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Cli]:
    """`cli("check", "x.yaml")`, run in an empty folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))

    def call(*arguments: str) -> Done:
        code = app.run(list(arguments))
        out, err = capsys.readouterr()
        return Done(code, out, err)

    yield call
    gc.enable()  # commands switch it off for their short life


@pytest.fixture
def shop(cli: Cli, tmp_path: Path) -> Path:
    """A rendered cluster in the folder `shop`."""
    write_cluster(tmp_path / "shop", profile="restricted")
    done = cli("render", "shop")
    assert done.code == 0, done.err
    return tmp_path / "shop"
