"""`pulumi up` with the real engine: it converges in one run, applies what was reviewed and nothing else, and gives way when told to.

Every example lives through the same steps on a control plane made of its own host files (tests/cluster/lifecycle.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cluster import fields
from cluster.lifecycle import EXAMPLES, Life
from helpers import ROOT

of_every_example = pytest.mark.parametrize("example", EXAMPLES)
Lives = Callable[[str], Life]


def versions(bodies: dict[str, Any]) -> dict[str, str]:
    return {name: body["metadata"]["resourceVersion"] for name, body in bodies.items() if body}


@of_every_example
def test_one_run_converges(life: Lives, example: str) -> None:
    seen = life(example)
    assert [name for name, body in seen.held.items() if body is None] == []
    assert seen.first.counts.keys() == {"created"}
    assert seen.first.counts["created"] > len(seen.tree), "components, the provider and the stack itself count too"


@of_every_example
def test_a_second_run_changes_nothing(life: Lives, example: str) -> None:
    seen = life(example)
    assert seen.preview["changeSummary"] == {"same": seen.first.counts["created"]}
    assert seen.second.counts == {"unchanged": seen.first.counts["created"]}
    assert versions(seen.unchanged) == versions(seen.held), "nothing was written to the API server"


@of_every_example
def test_every_field_of_the_tree_is_what_the_api_server_holds(life: Lives, example: str) -> None:
    seen = life(example)
    assert {n: found for n, b in seen.tree.items() if (found := list(fields.lacking(b, seen.held[n])))} == {}


@of_every_example
def test_every_further_field_is_a_known_one(life: Lives, example: str) -> None:
    seen, listed = life(example), fields.read_list()
    found = [(name, f) for name, body in seen.tree.items() for f in fields.further(body, seen.held[name])]
    unknown = [f"{n}: {f.path} = {f.value!r}" for n, f in found if not fields.explained(listed, n.split("/")[0], f)]
    assert unknown == [], f"what {fields.LIST.name} doesn't explain"


def test_every_line_about_further_fields_is_needed(life: Lives) -> None:
    listed = fields.read_list()
    used = {
        fields.explained(listed, name.split("/")[0], found)
        for seen in map(life, EXAMPLES)
        for name, body in seen.tree.items()
        for found in fields.further(body, seen.held[name])
    }
    assert fields.lines(listed) - used == set()


@of_every_example
def test_the_api_server_finds_no_mistake_in_any_policy(life: Lives, example: str) -> None:
    """It checks the types of each expression against the kinds that the policy matches, after it has admitted it."""
    policies = {n: b for n, b in life(example).back.items() if n.startswith("ValidatingAdmissionPolicy/")}
    assert policies
    assert {n: found for n, b in policies.items() if b and (found := b["status"]["typeChecking"])} == {}


@of_every_example
def test_no_credential_gets_into_the_state(life: Lives, example: str) -> None:
    seen = life(example)
    assert len(seen.credentials) > 50
    assert [c for c in seen.credentials if c in seen.state] == []
    assert "PRIVATE KEY" not in seen.state
    assert "clusterIdentifier" in seen.state, "it is the state that was searched"


@of_every_example
def test_what_the_stack_says_is_what_was_rendered(life: Lives, example: str) -> None:
    seen, folder = life(example).outputs, ROOT / "examples" / example
    files = {f.relative_to(folder / "rendered").as_posix(): f for f in (folder / "rendered" / "host").rglob("*")}
    assert seen["hostFiles"] == {n: f.read_text(encoding="utf-8") for n, f in files.items() if f.is_file()}
    assert seen["namespaces"]
    assert seen["profile"] == {"minimal": "baseline", "production": "restricted"}.get(example, example)


@of_every_example
def test_destroy_without_the_key_is_refused_and_leaves_all_as_it_is(life: Lives, example: str) -> None:
    seen = life(example)
    assert seen.refused.code != 0
    assert "is protected" in seen.refused.text
    assert versions(seen.kept) == versions(seen.unchanged)


@of_every_example
def test_the_key_itself_changes_nothing_on_the_cluster(life: Lives, example: str) -> None:
    seen = life(example)
    assert seen.lifted.counts == seen.second.counts
    assert versions(seen.lifted_held) == versions(seen.unchanged)


@of_every_example
def test_destroy_with_the_key_takes_what_is_ours_and_leaves_what_belongs_to_others_hardened(
    life: Lives, example: str
) -> None:
    seen = life(example)
    there = {name: body for name, body in seen.left.items() if body}
    in_our_namespaces = {n for n in seen.patched if seen.left[n] is None}
    assert there.keys() == seen.patched - in_our_namespaces
    assert {n.split("/")[0] for n in in_our_namespaces} <= {"ServiceAccount"}
    assert "Namespace/kube-system" in there
    assert {n: found for n, b in there.items() if (found := list(fields.lacking(seen.tree[n], b)))} == {}


@of_every_example
def test_up_after_destroy_makes_the_same_again(life: Lives, example: str) -> None:
    seen = life(example)
    assert seen.again.counts == seen.first.counts
    assert {n: found for n, b in seen.tree.items() if (found := list(fields.lacking(b, seen.back[n])))} == {}
