"""Ways into ringfence other than its own stack: `pulumi new`, the component plugin, programs in other languages."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from cluster.engine import Engine
from cluster.story import document
from helpers import ROOT
from pluginschema import GOLDEN, canonical

from ringfence.errors import ToolError
from ringfence.sandbox import ControlPlane
from ringfence.sandbox.binaries import find_tools

IN_YAML = """\
name: in-yaml
runtime: yaml
resources:
  stall:
    type: ringfence:HardenedNamespace
    properties:
      name: stall
      owner: stall-team@example.com
      profile: restricted
      kubernetes: "1.36"
      distribution: kubeadm
      unprotect: true
outputs:
  namespace: ${stall.namespaceName}
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """stacks/plugin as a program, as Pulumi starts one; `pulumi package add` would first install it from its index."""
    program = tmp_path / "bin" / "pulumi-resource-ringfence"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/stacks/plugin/__main__.py "$@"\n')
    program.chmod(0o755)
    return program


def host(name: str) -> Path:
    """The program that runs programs of one language; without it the test says that it doesn't run."""
    try:
        return find_tools(os.environ, [name])[name]
    except ToolError:
        pytest.skip(f"{name} is not here: `make tools` builds it")


def test_the_engine_gets_the_golden_schema_from_the_plugin(pulumi: None, plugin: Path, tmp_path: Path) -> None:
    engine = Engine(tmp_path / "engine", tmp_path / "no-cluster")
    done = engine.run("package", "get-schema", str(plugin))
    assert canonical(done.out) == GOLDEN.read_text(encoding="utf-8")


def test_a_program_in_yaml_hardens_a_namespace(plugin: Path, pulumi_plane: ControlPlane, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (program / "Pulumi.yaml").write_text(IN_YAML, encoding="utf-8")
    first = os.pathsep.join((str(plugin.parent), str(host("pulumi-language-yaml").parent)))
    engine = Engine(tmp_path / "engine", pulumi_plane.kubeconfig, program, first)
    engine.up()
    assert engine.outputs() == {"namespace": "stall"}
    made = {r["type"].rpartition(":")[2] for r in engine.state()}
    assert {"Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "ServiceAccountPatch"} <= made
    assert engine.preview()["changeSummary"].keys() == {"same"}
    engine.destroy()


@pytest.mark.parametrize("language", ["nodejs", "go"], ids=["typescript", "go"])
def test_a_program_in_another_language_hardens_a_namespace(language: str) -> None:
    pytest.skip(
        f"pulumi-language-{language} is no Go module that can be built from its own files, and what Pulumi installs it "
        "with needs a network: no program in that language has been run; the schema that its SDK is made from is tested"
    )


def test_pulumi_new_makes_a_stack_that_runs(pulumi: None, pulumi_plane: ControlPlane, tmp_path: Path) -> None:
    maker = Engine(tmp_path / "maker", pulumi_plane.kubeconfig)
    made = tmp_path / "made"
    made.mkdir()
    template = ROOT / "stacks" / "bootstrap"
    arguments = ("--generate-only", "--yes", "--name", "hardening", "--description", "ours", "--dir", str(made))
    said = maker.run("new", str(template), *arguments)
    assert "Copy ringfence's wheel beside requirements.txt, which says where it comes from" in said.out
    assert {f.name for f in made.iterdir()} == {f.name for f in template.iterdir()} - {"__pycache__"}

    engine = Engine(tmp_path / "engine", pulumi_plane.kubeconfig, made)
    shutil.copy(document(tmp_path / "doc", "shop"), engine.project / "cluster.yaml")
    plan = engine.preview()
    assert plan["changeSummary"].keys() == {"create"}
    stack_file = engine.project / "Pulumi.dev.yaml"
    example = (made / "Pulumi.example.yaml").read_text(encoding="utf-8")
    stack_file.write_text(f"{stack_file.read_text(encoding='utf-8')}\n{example}", encoding="utf-8")
    config = json.loads(engine.run("config", "--json").out)
    given = {k for k, v in config.items() if v["value"] not in ("", "false", "[]") and not k.startswith("pulumi:")}
    assert given == {"hardening:adopt", "hardening:cluster", "kubernetes:context"}
    assert any("::hardening::" in step["urn"] for step in plan["steps"])
