"""kube-bench's opinion of the real processes and files of examples/zero-trust, and of control planes that nobody hardened.

The benchmark's own configuration, unmodified. Targets are those of a control plane; a sandbox runs no kubelet, so the
checks of nodes have nothing to look at, and policies are manual.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers import ROOT

from ringfence.build import Builder
from ringfence.errors import ToolError
from ringfence.sandbox import find_tools
from ringfence.sandbox.binaries import cache

ZERO_TRUST = ROOT / "examples" / "zero-trust" / "cluster.yaml"
PROOF = ROOT / ".proof"
PLANES = {"zero-trust": str(ZERO_TRUST), "kubeadm's defaults": "kubeadm", "bare processes": "bare"}
EXPLAINED = {row["check"]: row for row in yaml.safe_load(Path(__file__).with_name("kube_bench.yaml").read_text())}


@pytest.fixture(scope="module")
def judged(tools: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Control plane → check → PASS, FAIL or WARN."""
    program, cfg = kube_bench()
    env = {
        k: v for k, v in os.environ.items() if k != "COLUMNS"
    }  # to which ps, by which it finds flags, cuts its lines
    found = {}
    for name, what in PLANES.items():
        state = tmp_path_factory.mktemp("bench") / "state"
        line = [sys.executable, str(Path(__file__).with_name("bench.py")), str(state), str(program), str(cfg), what]
        alone = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc"]
        done = subprocess.run([*alone, *line], env=env, capture_output=True, text=True, check=False)
        if "unshare failed" in done.stderr:
            pytest.skip(f"this machine makes no namespaces for its users: {done.stderr.strip()}")
        assert done.returncode == 0, done.stderr
        groups = [group for control in json.loads(done.stdout)["Controls"] for group in control["tests"]]
        found[name] = {one["test_number"]: one["status"] for group in groups for one in group["results"]}
    record(found)
    return found


def kube_bench() -> tuple[Path, Path]:
    """The program, and the benchmark's configuration."""
    if not shutil.which("unshare"):
        pytest.skip("kube-bench looks at every process, and unshare (util-linux), which keeps it apart, is not here")
    try:
        program = find_tools(os.environ, ("kube-bench",))["kube-bench"]
        return program, Path(json.loads((cache(os.environ) / "tools.json").read_bytes())["kube-bench-cfg"]["path"])
    except (ToolError, OSError, KeyError):
        pytest.skip("kube-bench and its configuration are not here: `make tools` builds them")


def record(found: dict[str, dict[str, str]]) -> None:
    states = ("PASS", "FAIL", "WARN")
    counts = {
        name: {state.lower(): sum(one == state for one in checks.values()) for state in states}
        for name, checks in found.items()
    }
    PROOF.mkdir(exist_ok=True)
    (PROOF / "kube-bench.json").write_text(json.dumps(counts, indent=1) + "\n")


def claimed() -> set[str]:
    """Checks that an enforced control of the example refers to."""
    return {
        check
        for control in Builder().resolve(ZERO_TRUST).controls
        if control.stage.name == "ENFORCE"
        for check in control.control.references.get("cis-kubernetes-1.12", ())
    }


def test_what_does_not_pass_is_explained(judged: dict[str, dict[str, str]]) -> None:
    short = {check: state for check, state in judged["zero-trust"].items() if state != "PASS"}
    assert short == {check: row["state"] for check, row in EXPLAINED.items()}


def test_no_claimed_check_fails_but_where_a_file_replaces_the_flag(judged: dict[str, dict[str, str]]) -> None:
    failed = {check for check, state in judged["zero-trust"].items() if state == "FAIL"}
    for check in failed & claimed():
        assert "(trap 18)" in EXPLAINED[check]["reason"]
        assert EXPLAINED[check]["proved_by"]


def test_the_controls_claim_most_of_what_is_judged(judged: dict[str, dict[str, str]]) -> None:
    passed = {check for check, state in judged["zero-trust"].items() if state == "PASS"}
    assert len(passed & claimed()) >= 50


def test_the_judge_tells_a_plain_control_plane(judged: dict[str, dict[str, str]]) -> None:
    """The control of the judge: processes without hardening fail, of which kubeadm's own defaults mend a part."""
    fails = {name: sum(state == "FAIL" for state in checks.values()) for name, checks in judged.items()}
    assert fails["bare processes"] >= 34
    assert fails["bare processes"] > fails["kubeadm's defaults"] > fails["zero-trust"]
