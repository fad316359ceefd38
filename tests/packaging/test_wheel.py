"""The wheel works in a clean environment, with the checkout out of reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


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
