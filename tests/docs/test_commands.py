"""Every command that a document shows is run, as a reader would: block by block, line by line."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from commands import CLUSTER, DOCUMENTS, HOST, INSTALL, PULUMI, RUN, SHOWN_ONLY, blocks, make_workplace
from helpers import ROOT


def commands(document: Path) -> list[str]:
    text = "".join(body for kind, body in blocks(document) if kind == RUN).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    return make_workplace(tmp_path)


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if commands(d)], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_commands_of_a_document_work(document: Path, workplace: Path) -> None:
    env = {**os.environ, "PATH": f"{workplace / 'bin'}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}
    for command in commands(document):
        if command.startswith("make "):
            continue  # test_make_targets_exist
        done = subprocess.run(
            ["/bin/sh", "-ec", command],
            cwd=workplace,
            env=env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_make_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {m for c in commands(document) for m in re.findall(r"\bmake ([a-z-]+)", c)}
    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_block_says_what_it_is(document: Path) -> None:
    kinds = {kind for kind, _ in blocks(document)}
    assert kinds <= {RUN, CLUSTER, PULUMI, HOST, INSTALL, *SHOWN_ONLY}, kinds


def test_readme_sets_up_with_two_commands() -> None:
    assert [c for c in commands(ROOT / "README.md") if c.startswith("make")] == ["make demo", "make test"]


def test_make_demo_shows_a_rendered_tree() -> None:
    if not (ROOT / ".venv").is_dir():
        pytest.skip("there is no .venv: `make test` makes it")
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", "demo"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ".demo/rendered/1-namespaces/boutique.yaml" in done.stdout
    assert "next:" in done.stdout.splitlines()[-1]


def test_cluster_blocks_are_counted() -> None:
    """Commands for a cluster are run by tests/cluster/test_documents.py, on a real one."""
    found = [body for d in DOCUMENTS for kind, body in blocks(d) if kind == CLUSTER]
    assert found
    assert all(any(tool in body for tool in ("kubectl", "pulumi", "ringfence")) for body in found)


def test_install_blocks_are_where_they_are_run() -> None:
    """Commands that install are run by tests/packaging/test_wheel.py, which knows this document."""
    assert [d.name for d in DOCUMENTS if any(kind == INSTALL for kind, _ in blocks(d))] == ["README.md"]


def test_host_blocks_are_where_they_are_run() -> None:
    """Commands for a host's shell are run by tests/cluster/test_encryption.py, which knows this document."""
    assert [d.name for d in DOCUMENTS if any(kind == HOST for kind, _ in blocks(d))] == ["encryption.md"]
