"""The flags that the forms of RKE2, k3s and Talos result in start a real control plane, which then does what they say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cluster.distributions import COMPONENTS, DEFAULTS, host_files, merged, of_rancher, of_talos, tree_of
from helpers import write_cluster

from ringfence.documents import load
from ringfence.errors import ToolError
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api, Credential
from ringfence.sandbox import ControlPlane, Tools

DISTRIBUTIONS = ("rke2", "k3s", "talos")
PROFILES = ("baseline", "restricted", "zero-trust")


def cluster_file(folder: Path, distribution: str, profile: str = "restricted") -> Path:
    return write_cluster(folder, profile=profile, kubernetes={"version": "1.36", "distribution": distribution})


def anonymous(one: ControlPlane) -> dict[str, int]:
    nobody = Api(replace(kubeconfig.read((one.kubeconfig,)), server=one.api.server), Credential())
    codes = {path: nobody.call("GET", path).code for path in ("/livez", "/version")}
    nobody.close()
    return codes


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_form_s_flags_over_the_distribution_s_own_start(tools: Tools, tmp_path: Path, distribution: str) -> None:
    host = host_files(cluster_file(tmp_path / "cluster", distribution), distribution)
    with ControlPlane(host, tmp_path / "state", tools) as one:
        line = Path(f"/proc/{one.api.child.identity.pid}/cmdline").read_text().split("\0")
        names = [word.partition("=")[0] for word in line if word.startswith("--")]
        assert len(names) == len(set(names)), "a flag twice"
        assert "--service-account-extend-token-expiration=false" in line
        assert any(w.startswith("--enable-admission-plugins=") and "NodeRestriction" in w for w in line)
        assert one.api.client.answers("/readyz")
        assert one.api.audit_log is not None
        assert one.api.audit_log.read_text()
        here = {"/livez": 401, "/version": 401} if distribution == "talos" else {"/livez": 200, "/version": 401}
        assert anonymous(one) == here


@pytest.mark.parametrize("distribution", ["rke2", "k3s"])
def test_releases_that_set_what_a_file_replaces_do_not_start(tools: Tools, tmp_path: Path, distribution: str) -> None:
    """The control of the above, and why docs/host-plane.md names the oldest releases."""
    host = host_files(cluster_file(tmp_path / "cluster", distribution), distribution, always=True)
    with pytest.raises(ToolError) as bad, ControlPlane(host, tmp_path / "state", tools):
        pass
    assert "authorization-config" in f"{bad.value.message}{bad.value.hint}"


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_default_stands_beside_the_file_that_replaces_it(tmp_path: Path, distribution: str, profile: str) -> None:
    tree = tree_of(cluster_file(tmp_path, distribution, profile))
    if distribution == "talos":
        given, _ = of_talos(load(tree["controlplane.yaml"], "controlplane.yaml").value)
    else:
        given = of_rancher(load(tree["config.yaml"], "config.yaml").value)
    flags = merged(distribution, given)["kube-apiserver"]
    assert not {"authorization-config", "authorization-mode"} <= flags.keys()
    assert not {"authentication-config", "anonymous-auth"} <= flags.keys()
    assert flags["profiling"] == "false"


def test_the_defaults_say_where_they_are_from() -> None:
    assert DEFAULTS.keys() == set(DISTRIBUTIONS)
    for known in DEFAULTS.values():
        assert known["version"]
        assert known["source"]
        assert known.keys() - {"added"} == {"version", "source", *COMPONENTS}
