"""Tests that share a control plane run in one process; the rest run wherever there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from together import EACH_ITS_OWN, SHARED, unit

LAYOUT = {
    "tests/cluster/test_mine.py": "plane",
    "tests/cluster/test_ours.py": SHARED,
    "tests/cluster/test_too.py": SHARED,
}


def test_modules_with_the_shared_plane_are_one_unit() -> None:
    assert (
        unit("tests/cluster/test_sandbox.py::test_x") == unit("tests/cluster/test_custom_kinds.py::test_y[a]") == SHARED
    )


def test_a_module_with_a_plane_of_its_own_is_one_unit() -> None:
    assert unit("tests/cluster/test_mutants.py::test_x") == unit("tests/cluster/test_mutants.py::test_y")
    assert unit("tests/cluster/test_mutants.py::test_x") != unit("tests/cluster/test_documents.py::test_x")


@pytest.mark.parametrize("path", [EACH_ITS_OWN, "tests/unit/test_spec.py"])
def test_other_tests_are_units_of_their_own(path: str) -> None:
    assert unit(f"{path}::test_x") != unit(f"{path}::test_y")


def test_xdist_keeps_to_it(tmp_path: Path) -> None:
    """Many tests, three processes: each unit is seen by one of them."""
    for name, fixture in LAYOUT.items():
        body = "import pathlib, os, pytest\n@pytest.fixture\ndef FIXTURE(): return 1\n"
        body += "@pytest.mark.parametrize('i', range(8))\ndef test_x(FIXTURE, i):\n    open(str(pathlib.Path(__file__)) + '.seen', 'a').write(f'{os.getpid()} ')\n"
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body.replace("FIXTURE", fixture))
    here = Path(__file__).parents[1]
    for name in ("conftest.py", "together.py"):
        (tmp_path / "tests" / name).write_text((here / name).read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = tests\naddopts = --import-mode=importlib\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "3", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "24 passed" in done.stdout, done.stdout + done.stderr
    seen = {n: set((tmp_path / f"{n}.seen").read_text().split()) for n in LAYOUT}
    assert [len(s) for s in seen.values()] == [1, 1, 1]
    assert seen["tests/cluster/test_ours.py"] == seen["tests/cluster/test_too.py"]
