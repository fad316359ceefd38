"""The benchmark runs and says the same objects of everybody; its document is what its results give. No time is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

BENCHMARKS = ROOT / "benchmarks"


def python(code: str) -> str:
    """Run code that can import the benchmark's modules."""
    env = {**os.environ, "PYTHONPATH": str(BENCHMARKS)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return done.stdout


def test_document_and_plot_are_what_the_results_give() -> None:
    code = "import json, report; r = json.load(open('benchmarks/results.json')); print(json.dumps([report.page(r), report.plot(r)]))"
    page, plot = json.loads(python(code))
    for name, text in (("performance.md", page), ("performance.svg", plot)):
        shown = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert shown == text, f"docs/{name} is stale; `python benchmarks/run.py --report` writes it"


def test_smoke_run(tmp_path: Path) -> None:
    code = "import peers; from pathlib import Path; print(peers.find(peers.ENVIRONMENTS, Path('{}')).missing(['helm']))"
    if python(code.format(tmp_path)).strip() != "[]":
        pytest.skip("helm is not installed: `make bench` installs it")
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--quick", "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["sizes"]["baseline"]["100"]
    assert {"ringfence -o -", "ringfence tree", "helm template", "helm template --output-dir"} <= set(rows)
    assert "outputs hold the same" in done.stderr
