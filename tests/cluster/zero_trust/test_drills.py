"""What somebody does on a host one day, done below a copy of a sandbox's host, and looked at by its API server."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cluster.aging import Aged
from helpers import ROOT

from ringfence.build import Builder
from ringfence.model import ResolvedControl
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
SEAL = "usr/local/sbin/ringfence-seal-admin"
ADMINS = {"system:masters", "kubeadm:cluster-admins"}


def groups(file: Path) -> set[str]:
    """Of whoever a kubeconfig makes one, as the API server says."""
    api = Api(kubeconfig.read((file,)), None)
    try:
        answer = api.call("POST", REVIEW, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
    finally:
        api.close()
    assert answer.ok, answer.text
    return set(answer.data["status"]["userInfo"]["groups"])


@pytest.fixture
def host(control_plane: ControlPlane, tmp_path: Path) -> Path:
    """A copy of the host's file system."""
    for part in ("etc", "usr"):
        shutil.copytree(control_plane.folder.root / part, tmp_path / part)
    return tmp_path


def seal(host: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": "/usr/bin:/bin", "RINGFENCE_ROOT": str(host)}
    return subprocess.run(["sh", host / SEAL, *words], env=env, capture_output=True, text=True, check=False)


def kubeconfigs(host: Path) -> dict[str, set[str]]:
    return {f.name: groups(f) for f in sorted((host / "etc/kubernetes").glob("*.conf"))}


def test_a_sealed_host_has_no_kubeconfig_of_an_administrator(host: Path) -> None:
    before = kubeconfigs(host)
    assert "system:masters" in before["super-admin.conf"]
    assert "kubeadm:cluster-admins" in before["admin.conf"]
    done = seal(host)
    assert done.returncode == 0, done.stderr
    after = kubeconfigs(host)
    assert after.keys() >= {"controller-manager.conf", "scheduler.conf"}, "which still work"
    assert [name for name, found in after.items() if found & ADMINS] == []


def test_what_was_sealed_opens_the_cluster_again(host: Path) -> None:
    assert seal(host).returncode == 0
    escrow = host / "root/ringfence-escrow"
    assert {f.name: f.stat().st_mode & 0o777 for f in escrow.iterdir()} == {
        "admin.conf": 0o600,
        "super-admin.conf": 0o600,
    }
    assert escrow.stat().st_mode & 0o777 == 0o700
    assert "system:masters" in groups(escrow / "super-admin.conf")


def test_the_report_names_what_is_not_sealed_and_moves_nothing(host: Path) -> None:
    told = seal(host, "--report")
    assert (told.returncode, told.stderr) == (3, "not sealed: super-admin.conf admin.conf\n")
    assert (host / "etc/kubernetes/admin.conf").is_file()
    assert seal(host).returncode == 0
    assert seal(host, "--report").returncode == 0


def test_a_second_administrators_kubeconfig_does_not_overwrite_the_first_in_escrow(host: Path) -> None:
    assert seal(host).returncode == 0
    (host / "etc/kubernetes/admin.conf").write_text("another\n")
    done = seal(host)
    assert done.returncode == 1
    assert done.stderr == f"{host}/root/ringfence-escrow/admin.conf is there already: take it off the host first\n"
    assert (host / "etc/kubernetes/admin.conf").read_text() == "another\n", "nothing is moved"


@pytest.mark.parametrize(
    ("flags", "old", "many"),
    [
        ({}, "", ""),
        ({"audit-log-maxage": None}, "is too old, and is kept", ""),
        ({"audit-log-maxbackup": None}, "", "files are kept, not"),
        ({"audit-log-maxage": "1"}, "is not too old, and is dropped", ""),
    ],
    ids=["as generated", "without an age", "without a number", "a day"],
)
def test_audit_files_are_kept_as_long_and_as_many_as_is_said(
    control_plane: ControlPlane, flags: dict[str, str | None], old: str, many: str
) -> None:
    params = next(c.params for c in _controls() if c.id == "audit-retention")
    aged = Aged("/var/log/kubernetes/audit/audit.log", params["days"], params["files"])
    for files, wrong in ((aged.old(), old), (aged.many(), many)):
        with control_plane.second_apiserver(flags, files) as one:
            assert one.audit_log is not None
            found = aged.wrong(one.audit_log)
            assert wrong in found if wrong else found == ""


def _controls() -> tuple[ResolvedControl, ...]:
    return Builder().resolve(ROOT / "examples" / "zero-trust" / "cluster.yaml").controls
