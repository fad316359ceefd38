"""`ringfence check --plan`: the gate, the forms of its output, and options that don't go together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Cli

URN = "urn:pulumi:dev::bootstrap::ringfence:index:HardenedNamespace$kubernetes:core/v1:Namespace::shop/namespace-shop"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """A plan that deletes one namespace."""
    state = {"inputs": {"metadata": {"name": "shop"}}}
    document = {"steps": [{"op": "delete", "urn": URN, "oldState": state}], "changeSummary": {"delete": 1}}
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(document, indent=4), encoding="utf-8")
    return file


def test_a_plan_that_deletes_a_namespace_is_refused(cli: Cli, plan: Path) -> None:
    done = cli("check", "--plan", "plan.json")
    assert done.code == 3
    assert done.out == (
        "critical plan: keep it, or say that it may go: --allow-delete Namespace/shop\n"
        "  plan.json:5:20: Namespace/shop: the plan deletes it: everything in the namespace goes with it\n"
        "\n"
        "1 object in 1 file: 1 critical; 1 at or over the gate (--fail-on medium)\n"
    )


def test_what_is_allowed_passes(cli: Cli, plan: Path) -> None:
    done = cli("check", "--plan", "plan.json", "--allow-delete", "Namespace/shop")
    assert (done.code, done.out) == (0, "1 object in 1 file: no findings; 0 at or over the gate (--fail-on medium)\n")


def test_json(cli: Cli, plan: Path) -> None:
    done = cli("check", "--plan", "plan.json", "-o", "json")
    assert done.code == 3
    (finding,) = json.loads(done.out)["findings"]
    assert (finding["control"], finding["object"], finding["line"]) == ("plan", "Namespace/shop", 5)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (
            ["--allow-delete", "Namespace/shop"],
            64,
            "error: --allow-delete is about a plan; name the plan with --plan FILE",
        ),
        (
            ["--plan", "plan.json", "tree"],
            64,
            "error: --plan takes no manifests; check them by themselves: ringfence check PATH",
        ),
        (
            ["--plan", "plan.json", "--allow-delete", "Namespace/other"],
            64,
            "error: --allow-delete: the plan neither deletes, replaces nor weakens Namespace/other; "
            'did you mean "Namespace/shop"?',
        ),
        (
            ["--plan", "none.json"],
            65,
            "none.json: error: can't read the plan: no such file or directory; "
            "write one with `pulumi preview --json --show-sames > plan.json`",
        ),
    ],
)
def test_what_can_not_be_meant(cli: Cli, plan: Path, arguments: list[str], code: int, error: str) -> None:
    done = cli("check", *arguments)
    assert (done.code, done.out, done.err) == (code, "", error + "\n")
