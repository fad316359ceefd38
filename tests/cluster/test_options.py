"""What no example turns on: its pairs on a control plane that does, and no pair of the host plane that is asked nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.applying import Applier
from cluster.bed import Bed
from cluster.hostkilling import kill_settings
from cluster.hostmutants import of_host_plane
from cluster.killing import kill_objects
from cluster.mutants import REMOVAL, of_cluster_plane
from helpers import ROOT, write_cluster

from ringfence.build import Builder
from ringfence.probes import Session, run_pairs
from ringfence.probes.runner import planned
from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.verdict import State, Verdict

OPTIONS: dict[str, dict[str, Any]] = {
    "apiserver-admission-core": {"params": {"podNodeSelector": True, "podTolerationRestriction": True}},
    "apiserver-anon-health-only": {"params": {"paths": []}},
    "apiserver-no-human-x509": {"stage": "enforce"},
    "apiserver-pki": {"params": {"kubelets": "cluster-ca"}},
    "apiserver-static-guardrails": {"stage": "enforce"},
    "apiserver-tls": {"params": {"suites": "fips"}},
    "audit-policy": {"params": {"bodies": "changes"}},
    "kcm-per-controller-identity": {"stage": "enforce"},  # which it is anyway, beside the next
    "sa-no-legacy-secrets": {"stage": "audit"},
    "psa-exemptions": {"params": {"bootstrap": "labelled"}},
}
DOMAINS = ("apiserver", "audit", "controlplane")
# Asked on no kubeadm cluster of the version that is built here, or by no example of ours.
ELSEWHERE = {
    "apiserver-deny-external-ips: an external address for a Service that is there, where the control plane is a provider's",
    "apiserver-deny-external-ips: an external address is reported",
    "apiserver-deny-external-ips: an external address, where the control plane is a provider's",
    "apiserver-image-cred-recheck: a pod that would take the image as it lies there, where kubelets check nothing",
}


def cluster(folder: Path) -> Path:
    controls = {name: {**one, "reason": "a test"} for name, one in OPTIONS.items()}
    return write_cluster(folder, profile="restricted", controls=controls)


@pytest.fixture(scope="module")
def bed(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("options")
    file = cluster(folder)
    builder = Builder()
    resolution = builder.resolve(file)
    with ControlPlane(HostFiles.of_cluster(file), folder / "state", tools) as plane:
        made = Bed(plane, resolution, builder.objects(resolution))
        with Session(made.access) as session:
            Applier(session.admin).apply_all(made.bundle)
        yield made


@pytest.fixture(scope="module")
def verdicts(bed: Bed) -> list[Verdict]:
    with Session(bed.access) as session:
        return run_pairs(session, bed.resolution, list(OPTIONS))


@pytest.mark.parametrize("control", OPTIONS)
def test_an_option_is_proved_where_it_is_taken(verdicts: list[Verdict], control: str) -> None:
    found = [v for v in verdicts if v.control == control and v.state is not State.NOT_APPLICABLE]
    assert [(v.pair, v.detail) for v in found if v.state is not State.PROVED] == []
    assert found


def test_what_changes_nothing_at_zero_trust_is_noticed_here(bed: Bed) -> None:
    flags = ("service-account-extend-token-expiration", "service-account-private-key-file")
    removals = [m for c in bed.resolution.controls for m in of_host_plane(bed.bundle, c) if m.kind == REMOVAL]
    mutants = [m for m in removals if any(f" without --{flag}=" in m.what for flag in flags)]
    assert len(mutants) == len(flags)
    assert [str(r.mutant) for r in kill_settings(bed, mutants) if not r.killed] == []


def test_what_another_control_hides_at_zero_trust_is_noticed_here(bed: Bed) -> None:
    control = next(c for c in bed.resolution.controls if c.id == "sa-default-no-automount")
    found = of_cluster_plane(bed.resolution, bed.bundle, control)
    mutant = next(m for m in found if m.what == "ServiceAccount/shop/default gone")
    (result,) = kill_objects(bed, [mutant])
    assert "gets no token: not refused" in result.by


def test_every_pair_of_the_host_plane_is_asked_somewhere(tmp_path: Path) -> None:
    files = [
        cluster(tmp_path),
        *(ROOT / "examples" / n / "cluster.yaml" for n in ("minimal", "production", "zero-trust")),
    ]
    asked, known = set(), set()
    for resolution in map(Builder().resolve, files):
        domains = {c.id: c.control.domain for c in resolution.controls}
        for pair, state, _ in planned(resolution):
            if pair and pair.ring == "api" and domains[pair.control] in DOMAINS:
                known.add(f"{pair.control}: {pair.name}")
                asked |= {f"{pair.control}: {pair.name}"} if state is None else set()
    assert sorted(known - asked - ELSEWHERE) == []
