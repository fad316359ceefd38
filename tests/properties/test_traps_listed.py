"""tests/traps.yaml: every trap of this milestone has a line, and every test that a line names is there."""

from __future__ import annotations

import subprocess
import sys

import yaml
from helpers import ROOT

ROWS = yaml.safe_load((ROOT / "tests" / "traps.yaml").read_text())
NUMBERS = {6, *range(10, 16), *range(17, 21), 42, 43, 46, 47}


def test_every_trap_has_a_line_that_shows_it() -> None:
    assert {row["trap"] for row in ROWS} == NUMBERS
    for row in ROWS:
        assert row.keys() in ({"trap", "title", "test"}, {"trap", "title", "ring", "why"}), row
    assert [row["trap"] for row in ROWS] == sorted(row["trap"] for row in ROWS)


def test_every_test_of_a_line_is_collected() -> None:
    named = {row["test"] for row in ROWS if "test" in row}
    files = sorted({test.partition("::")[0] for test in named})
    line = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    found = {text.partition("[")[0] for text in done.stdout.splitlines()}
    assert named <= found, done.stdout[-2000:] + done.stderr[-2000:]
