"""What `make docs` makes is fresh, and the documents name every command."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import jsonschema_rs
import pytest
from helpers import ROOT

from ringfence import bundled
from ringfence.catalog import load_catalog
from ringfence.cli.app import COMMANDS
from ringfence.documents import load
from ringfence.reference import FRAMEWORKS, natural, page
from ringfence.spec import judge
from ringfence.spec.control import EmitDocument, Framework, ParamDocument


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tool", ROOT / "tools" / "docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool().main(["--check"]) == 0, capsys.readouterr().err


def test_nothing_else_stands_among_the_schemas() -> None:
    assert {f.name for f in (ROOT / "docs" / "schema").iterdir()} == {f"{k}.json" for k in judge.KINDS}


def test_a_stale_document_is_named_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tool()
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    (tmp_path / "docs" / "schema").mkdir(parents=True)
    assert docs.main(["--check"]) == 4
    assert "docs/controls.md: error: stale; run `make docs`\n" in capsys.readouterr().err
    assert not (tmp_path / "docs" / "controls.md").exists()
    assert docs.main([]) == 0
    assert docs.main(["--check"]) == 0
    assert docs.main(["--chek"]) == 64


@pytest.mark.parametrize("example", sorted(ROOT.glob("examples/*/cluster.yaml")), ids=lambda p: p.parent.name)
def test_examples_fit_the_schema_that_their_first_line_names(example: Path) -> None:
    text = example.read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named, "the first line names no schema"
    schema = (example.parent / named[1]).resolve()
    assert schema == ROOT / "docs" / "schema" / "cluster.json"
    jsonschema_rs.validator_for(json.loads(schema.read_text())).validate(load(text, "cluster.yaml").value)


def test_every_command_is_in_usage() -> None:
    text = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:\$ )?ringfence (?:-\S+ )*([a-z]+)", text, re.MULTILINE))
    assert named == set(COMMANDS)


def test_every_exit_code_is_in_usage() -> None:
    text = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")
    assert {"0", "1", "3", "4", "5", "6", "64", "65"} <= set(re.findall(r"^\| (\d+) \|", text, re.MULTILINE))


def test_the_page_has_every_control_once_with_all_its_parts() -> None:
    catalog = load_catalog((bundled.templates(),))
    text = page(catalog)
    for control in catalog:
        assert text.count(f"](#{control.id}): ") >= 1
        (section,) = re.findall(rf"^### {control.id}\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
        for part in (
            "| stage |",
            "- Least stage: ",
            "- Audit form: ",
            "- Exceptions: ",
            "- Emits:",
            "- Proved by: ",
            "- References:",
        ):
            assert section.count(part) == 1, part
        for name in control.params:
            assert f"| `{name}` |" in section
            assert f"- `{name}` (" in section


def test_links_of_the_page_lead_somewhere() -> None:
    text = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
    titles = set(re.findall(r"^### (\S+)$", text, re.MULTILINE))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= titles
    for link in re.findall(r"\]\((\.\./[^)]+)\)", text):
        assert (ROOT / "docs" / link).is_file(), link


def test_a_section_word_for_word(tmp_path: Path) -> None:
    folder = tmp_path / "network" / "net-closed"
    folder.mkdir(parents=True)
    (folder / "control.yaml").write_text("""\
title: Deny *everything*
profile: baseline
stage: {baseline: audit, zero-trust: enforce}
severity: high
rationale: Pods accept connections from every other pod | even `a*b` unless a policy selects them.
references: {cis-kubernetes-1.12: ["5.3.2"]}
params:
  ports: {type: integers, default: [80], by_profile: {restricted: []}, floor: subtractive, description: Open ports.}
emits:
- {template: policy.yaml.j2, each: namespace, kubernetes: ">=1.33", when: {cni: [cilium, calico]}}
proof: [cni, api]
""")
    (folder / "policy.yaml.j2").write_text("")
    (folder / "probes.yaml").write_text("""\
pairs:
- name: a pod
  ring: cni
  refuse: {who: pod, verb: connect, resource: tcp}
  reason: timed|out
  admit: {who: pod, verb: connect, resource: tcp}
""")
    assert (
        page(load_catalog((tmp_path,))).partition("## Network\n")[2]
        == r"""
### net-closed

**Deny \*everything\*** (severity high)

Pods accept connections from every other pod \| even `a*b` unless a policy selects them.

| | baseline | restricted | zero-trust |
|---|---|---|---|
| stage | audit | audit | enforce |
| `ports` | `[80]` | `[]` | `[]` |

- `ports` (integers; can only be removed from): Open ports.
- Least stage: off
- Audit form: the same match set, reported and not refused
- Exceptions: by namespaces (`scope.namespaces`)
- Emits:
  - [`policy.yaml.j2`](../templates/network/net-closed/policy.yaml.j2): ROW
- Proved by: traffic through a network plugin, then requests to a real API server
  - a pod: refused because of `timed\|out`; its twin is admitted
- References:
  - CIS Kubernetes Benchmark 1.12: 5.3.2
""".replace("ROW", "for each tenant namespace, Kubernetes \\>=1.33, cni cilium or calico; wave 2")
    )


def test_words_cover_everything_that_a_control_may_say(tmp_path: Path) -> None:
    from ringfence import reference

    assert set(FRAMEWORKS) == set(get_args(Framework))
    assert set(reference._FLOORS) == set(get_args(ParamDocument.model_fields["floor"].annotation))
    assert set(reference._EACH) == set(get_args(EmitDocument.model_fields["each"].annotation))


def test_numbers_sort_as_people_count() -> None:
    assert sorted(["5.10", "AC-12", "5.9", "AC-2", "C-0030"], key=natural) == ["5.9", "5.10", "AC-2", "AC-12", "C-0030"]
