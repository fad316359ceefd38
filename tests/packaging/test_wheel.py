"""The wheel works in a clean environment, with the checkout out of reach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from commands import INSTALL, blocks, build_wheel, installing
from helpers import ROOT

from ringfence import __version__

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of an environment that holds the wheel and its dependencies, as locked."""
    home = tmp_path_factory.mktemp("clean") / "env"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, capture_output=True)
    bin_ = home / "bin"
    constraints = ["-c", str(ROOT / "requirements.lock")]
    if UV:
        command = [UV, "pip", "install", "-q", "--python", str(bin_ / "python"), *constraints, str(wheel)]
    else:
        command = [str(bin_ / "python"), "-m", "pip", "install", "-q", *constraints, str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return bin_


def run(bin_: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(arguments, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_wheel_holds_templates_profiles_and_schemas_but_no_cases(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    content = [n for n in names if n.startswith("ringfence/_content/")]
    assert {n.split("/")[2] for n in content} == {"templates", "profiles", "schema"}
    assert not [n for n in names if "/cases/" in n]
    assert {n.split("/")[0] for n in names if not n.startswith("ringfence-")} == {"ringfence"}
    controls = {f.parent.name for f in (ROOT / "templates").glob("*/*/control.yaml")}
    assert {n.split("/")[4] for n in content if n.endswith("/control.yaml")} == controls


def test_installed_wheel_renders_the_minimal_example_as_committed(installed: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples/minimal/cluster.yaml", tmp_path)
    done = run(installed, str(installed / "ringfence"), "render", "cluster.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    golden = ROOT / "examples/minimal/rendered"
    for file in golden.rglob("*.yaml"):
        assert (tmp_path / "rendered" / file.relative_to(golden)).read_bytes() == file.read_bytes()


def test_what_the_readme_says_installs_it(wheel: Path, tmp_path: Path) -> None:
    checkout, home = tmp_path / "checkout", tmp_path / "home"
    (checkout / "dist").mkdir(parents=True)
    home.mkdir()
    shutil.copy(wheel, checkout / "dist")
    (script,) = (body for kind, body in blocks(ROOT / "README.md") if kind == INSTALL)
    done = subprocess.run(
        ["/bin/sh", "-ec", f"{script}\ncommand -v ringfence\nringfence version"],
        cwd=checkout,
        env=installing(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"\n{home}/.ringfence/bin/ringfence\nringfence {__version__}, Python " in done.stdout


def test_nothing_is_taken_from_an_index_under_our_name(wheel: Path) -> None:
    """It isn't published: whoever took the name there would run with the rights of who installs it."""
    for requirements in sorted((ROOT / "stacks").glob("*/requirements.txt")):
        lines = [line for line in requirements.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert lines == [f"./{wheel.name}[pulumi,cluster]"], requirements
    told = [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md"), *(ROOT / "generator").rglob("*.py")]
    assert [f for f in told if re.search(r"pip install\W+ringfence\b(?!-)", f.read_text(encoding="utf-8"))] == []


def test_importing_ringfence_loads_neither_pulumi_nor_copier(installed: Path, tmp_path: Path) -> None:
    code = "import sys, ringfence, ringfence.build, ringfence.cli; print([m for m in ('pulumi', 'copier') if m in sys.modules])"
    done = run(installed, str(installed / "python"), "-c", code, cwd=tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_checkout_imports_neither_pulumi_nor_copier_though_both_are_installed(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys, ringfence, ringfence.build, ringfence.cli\n"
        "print([m for m in ('pulumi', 'copier') if not u.find_spec(m)], "
        "[m for m in ('pulumi', 'copier') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "generator")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[] []", done.stdout + done.stderr
