"""docs/proof.md is what a run showed, every control of the catalogue is in it, and a page that says more is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import proof as tool
import pytest

from ringfence import bundled
from ringfence.catalog import load_catalog

ROWS = 145  # of the catalogue that the project set out with


@pytest.fixture
def proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(tool, "RUN", tmp_path)
    monkeypatch.setattr(tool, "PAGE", tmp_path / "proof.md")
    for example in tool.EXAMPLES:
        leave(
            tmp_path,
            f"verify-{example}",
            run(("psa-labels", "proved", ""), ("kubelet-tls", "not-provable-here", "node")),
        )
    mutant = {"control": "psa-labels", "kind": "removal", "what": "Namespace/shop", "how": "pair"}
    leave(tmp_path, "mutants", {"mutants": [mutant, {**mutant, "kind": "flip"}], "defaults": []})
    leave(tmp_path, "pod-security", [])
    leave(tmp_path, "kube-bench", {})
    return tool


def leave(folder: Path, name: str, data: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps(data))


def run(*verdicts: tuple[str, str, str]) -> dict[str, Any]:
    rows = [{"control": c, "state": s, "detail": d} for c, s, d in verdicts]
    return {"verdicts": rows, "summary": {"proved": 1, "failed": 0, "not-provable-here": 1}}


def test_every_control_has_a_line_and_what_is_known_of_it(proof: Any, tmp_path: Path) -> None:
    assert proof.main([]) == 0
    text = (tmp_path / "proof.md").read_text()
    for control in load_catalog((bundled.templates(),)):
        assert f"| `{control.id}` | " in text
    assert "| `psa-labels` | proved | 1 pair of requests on zero-trust | 1/1 | 1/1 |\n" in text
    assert "| `kubelet-tls` | not here | a node with a kubelet would show it |  |  |\n" in text
    assert "| `adm-no-latest` | " in text


def test_a_pair_that_could_not_be_asked_makes_a_proof_in_part(proof: Any, tmp_path: Path) -> None:
    asked, unasked = ("psa-labels", "proved", ""), ("psa-labels", "not-provable-here", "no node here")
    leave(tmp_path, "verify-zero-trust", run(asked, unasked))
    assert proof.main([]) == 0
    line = "| `psa-labels` | proved in part | 1 of 2 pairs of requests on zero-trust; no node here | 1/1 | 1/1 |\n"
    assert line in (tmp_path / "proof.md").read_text()


def test_who_notices_a_mutant_is_told_apart(proof: Any, tmp_path: Path) -> None:
    one = {"control": "psa-labels", "kind": "flip", "what": "a", "how": "pair"}
    others = [{**one, "what": "b", "how": "start"}, {**one, "what": "c", "how": ""}, {**one, "kind": "removal"}]
    leave(tmp_path, "mutants", {"mutants": [one, *others], "defaults": []})
    assert proof.main([]) == 0
    text = (tmp_path / "proof.md").read_text()
    assert "| flipped settings that something would notice | 3, and 0 after which" in text
    assert "| … noticed where they are in force | 2, 66.7 % |\n| … … by a pair of their control | 1, 33.3 % |\n" in text
    assert "| … … by a component, which refuses the setting and ends | 1, 33.3 % |\n" in text
    assert "| … noticed by another test, or by nobody | 0, 1 |" in text


def test_a_failed_pair_is_no_proof(proof: Any, tmp_path: Path) -> None:
    leave(tmp_path, "verify-minimal", run(("psa-labels", "failed", "")))
    assert proof.main([]) == 0
    assert (
        "| `psa-labels` | **failed** | see `ringfence verify examples/minimal` | "
        in (tmp_path / "proof.md").read_text()
    )


def test_a_page_that_says_something_else_is_refused(
    proof: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert proof.main(["--check"]) == 4
    assert proof.main([]) == 0
    assert proof.main(["--check"]) == 0
    leave(
        tmp_path,
        "mutants",
        {**json.loads((tmp_path / "mutants.json").read_text()), "defaults": [{"control": "x", "what": "y"}]},
    )
    assert proof.main(["--check"]) == 4
    assert "docs/proof.md: error: not what this run showed; run `make proof`" in capsys.readouterr().err


def test_a_part_of_the_run_that_is_not_there_is_named(
    proof: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mutants.json").unlink()
    assert proof.main([]) == 1
    assert ".proof/mutants.json: error: missing; run `make proof`" in capsys.readouterr().err
    assert not (tmp_path / "proof.md").exists()


def test_the_catalogue_is_what_is_made_and_what_is_not_yet() -> None:
    made = {c.id for c in load_catalog((bundled.templates(),))}
    planned = [id_ for area in tool.listed("docs/catalogue.yaml") for id_ in area["controls"]]
    assert len(planned) == len(set(planned))
    assert made & set(planned) == set(), "these are made now: take them out of docs/catalogue.yaml"
    assert len(made | set(planned)) >= ROWS
