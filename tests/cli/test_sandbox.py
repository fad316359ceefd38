"""`ringfence sandbox`: which sandbox is meant, without one running. What runs is tested in tests/cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.cli.sandbox import _version
from ringfence.sandbox.state import Folder, Record


@pytest.fixture
def kept(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes what ended sandboxes leave; gives the folder that holds them."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    base = tmp_path / "state" / "ringfence" / "sandbox"

    def make(*names: str) -> Path:
        for name in names:
            folder = Folder(base / name)
            folder.claim()
            source = (tmp_path / f"clusters-{name}" / "cluster.yaml").as_posix()
            folder.write(Record(cluster=name, source=source, phase="stopped", ready_once=True))
        return base

    return make


def left(base: Path) -> list[str]:
    return sorted(f.name for f in base.iterdir())


def test_down_without_a_name_ends_the_only_one(cli, kept):
    base = kept("shop")
    done = cli("sandbox", "down")
    assert (done.code, done.err) == (0, "sandbox shop: removed\n")
    assert left(base) == []


def test_down_without_a_name_asks_which_of_several(cli, kept):
    base = kept("shop", "bank")
    done = cli("sandbox", "down")
    assert done.code == 64
    assert done.err == "error: there are 2 sandboxes: bank, shop; name one: `ringfence sandbox down bank`\n"
    assert left(base) == ["bank", "shop"]


def test_down_without_any_is_no_error(cli, kept):
    kept()
    done = cli("sandbox", "down")
    assert (done.code, done.err) == (0, "there is no sandbox to end\n")


@pytest.mark.parametrize("named", ["bank", "clusters-bank/cluster.yaml"])
def test_a_sandbox_outlives_its_cluster_file_and_is_ended_by_either_name(cli, kept, named):
    base = kept("shop", "bank")
    done = cli("sandbox", "down", named)
    assert (done.code, done.err) == (0, "sandbox bank: removed\n")
    assert left(base) == ["shop"]


def test_a_cluster_file_here_is_meant_before_others(cli, kept, tmp_path):
    base = kept("shop")
    write_cluster(tmp_path)
    done = cli("sandbox", "down")
    assert (done.code, done.err) == (0, "sandbox test: there is none\n")
    assert left(base) == ["shop"]


def test_status_says_how_to_start_an_ended_one_again(cli, kept):
    kept("shop")
    done = cli("sandbox", "status")
    assert done.code == 1
    assert "sandbox shop in " in done.err
    assert "ended: `ringfence sandbox up` starts it again" in done.err


@pytest.fixture
def unreadable(kept):
    """Two sandboxes, of which one has a record of another ringfence; it comes first."""
    base = kept("bank", "shop")
    (base / "bank" / "sandbox.json").write_text('{"version": 7}')
    return base


SAID = (
    "{base}/bank/sandbox.json: error: this record of a sandbox is of version 7; this ringfence knows 1; "
    "end it with the ringfence that started it, or remove it: `rm -r {base}/bank`\n"
)


@pytest.mark.parametrize("named", ["shop", "clusters-shop/cluster.yaml"])
def test_an_unreadable_record_is_in_nobody_elses_way(cli, unreadable, named):
    done = cli("sandbox", "down", named)
    assert (done.code, done.err) == (0, "sandbox shop: removed\n")
    assert left(unreadable) == ["bank"]


def test_status_shows_the_others_and_says_which_record_is_unreadable(cli, unreadable):
    done = cli("sandbox", "status")
    assert done.code == 1
    assert f"sandbox shop in {unreadable}/shop: ended" in done.err
    assert done.err.endswith(SAID.format(base=unreadable))
    assert "no sandbox; start one" not in done.err


def test_an_unreadable_record_is_one_error_for_who_names_it(cli, unreadable):
    done = cli("sandbox", "down", "bank")
    assert (done.code, done.err) == (1, SAID.format(base=unreadable))


def test_down_of_somebody_elses_folder_takes_nothing(cli, kept, tmp_path):
    kept()
    (tmp_path / "easy-rsa" / "pki").mkdir(parents=True)
    (tmp_path / "easy-rsa" / "pki" / "ca.key").write_text("mine")
    done = cli("sandbox", "down", "--state", "easy-rsa")
    assert (done.code, done.err) == (0, "sandbox easy-rsa: there is none\n")
    assert (tmp_path / "easy-rsa" / "pki" / "ca.key").read_text() == "mine"


@pytest.mark.parametrize(("distribution", "who"), [("eks", "Amazon EKS"), ("gke", "Google GKE"), ("aks", "Azure AKS")])
def test_up_of_a_managed_cluster_is_one_error(cli, kept, tmp_path, distribution, who):
    base = kept()
    write_cluster(tmp_path, kubernetes={"version": "1.36", "distribution": distribution})
    done = cli("sandbox", "up")
    assert done.code == 65
    assert done.err == (
        f"cluster.yaml: error: test has no host files: {who} runs its control plane; "
        "start a sandbox from a cluster.yaml of another distribution, and apply this tree to it\n"
    )
    assert not base.exists()


def test_up_of_an_unknown_minor_is_one_error(cli, kept, tmp_path):
    write_cluster(tmp_path, kubernetes={"version": "1.31", "distribution": "kubeadm"})
    done = cli("sandbox", "up")
    assert done.code == 65
    assert '"1.31" is not a valid choice; choose one of: 1.32, 1.33' in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("was", "said"),
    [("", "v1.36.4"), ("v1.36.1", "v1.36.4"), ("stable-1.36", "v1.36.4"), ("stable-1.37", "v1.36.4 in place of 1.37")],
)
def test_another_minor_than_the_clusters_is_said(was, said):
    row = {"where": "host/kubeadm.yaml", "what": "kubernetesVersion", "was": was, "now": "v1.36.4", "reason": "x"}
    assert _version(Record(kubernetes="v1.36.4", substitutions=[row])) == said
