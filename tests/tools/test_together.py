"""Tests that share a control plane run in one process; the rest run wherever there is room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from together import CLUSTER, EACH_ITS_OWN, LONG, unit

ROOT = Path(__file__).parents[2]
OURS = "tests/cluster/ours"
LAYOUT = ("tests/cluster/test_mine.py", f"{OURS}/test_one.py", f"{OURS}/test_two.py")


def test_modules_of_a_folder_are_one_unit() -> None:
    assert unit(f"{OURS}/test_x.py::test_x") == unit(f"{OURS}/test_y.py::test_y[a]") == OURS


def test_what_starts_first_is_there() -> None:
    assert [name for name in LONG if not (ROOT / name).exists()] == []
    assert [name for name in LONG if unit(f"{name}::test_x") != name and unit(f"{name}/test_x.py::y") != name] == []
    assert all(name.startswith(CLUSTER) for name in LONG)


def test_a_module_with_a_plane_of_its_own_is_one_unit() -> None:
    assert unit("tests/cluster/test_mutants.py::test_x") == unit("tests/cluster/test_mutants.py::test_y")
    assert unit("tests/cluster/test_mutants.py::test_x") != unit("tests/cluster/test_documents.py::test_x")


@pytest.mark.parametrize("path", [EACH_ITS_OWN, "tests/unit/test_spec.py"])
def test_other_tests_are_units_of_their_own(path: str) -> None:
    assert unit(f"{path}::test_x") != unit(f"{path}::test_y")


def test_xdist_keeps_to_it(tmp_path: Path) -> None:
    """Many tests, three processes: each unit is seen by one of them."""
    body = "import pathlib, os, pytest\n@pytest.mark.parametrize('i', range(8))\n"
    body += "def test_x(i):\n    open(str(pathlib.Path(__file__)) + '.seen', 'a').write(f'{os.getpid()} ')\n"
    for name in LAYOUT:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(body)
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
    assert seen[LAYOUT[1]] == seen[LAYOUT[2]]
