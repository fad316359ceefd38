"""Which mutants of the host plane share an API server."""

from __future__ import annotations

from typing import Any

from cluster.hostkilling import API, Batch, batches
from cluster.mutants import FLIP, REMOVAL, Mutant


def mutant(control: str, what: str = "", kind: str = FLIP, **further: Any) -> Mutant:
    return Mutant(control, kind, what or control, component=API, **further)


def controls(found: list[Batch]) -> list[list[str]]:
    return sorted(sorted(m.control for m in one.mutants) for one in found)


def test_those_of_different_controls_share_one_three_at_most() -> None:
    assert controls(batches([mutant(c) for c in "abcd"])) == [["a", "b", "c"], ["d"]]


def test_those_of_one_control_or_flag_or_file_don_t() -> None:
    assert len(batches([mutant("a", "one"), mutant("a", "two")])) == 2
    assert len(batches([mutant("a", flags={"f": "1"}), mutant("b", flags={"f": "2"})])) == 2
    assert len(batches([mutant("a", files={"/f": "1"}), mutant("b", files={"/f": "2"})])) == 2


def test_those_that_turn_pod_security_off_and_those_of_its_configuration_don_t() -> None:
    off = mutant("a", "kube-apiserver with --disable-admission-plugins=PodSecurity", flags={"f": "PodSecurity"})
    assert len(batches([off, mutant("psa-cluster-default", files={"/f": "1"})])) == 2


def test_those_of_controls_that_look_into_the_log_don_t() -> None:
    found = batches(
        [mutant(c) for c in ("audit-policy", "psa-cluster-default", "a")],
        hearing={"audit-policy", "psa-cluster-default"},
    )
    assert sorted(map(len, controls(found))) == [1, 2]
    assert ["audit-policy", "psa-cluster-default"] not in controls(found)


def test_those_of_a_policy_that_can_be_told_apart_count_as_one() -> None:
    rules = [mutant("audit-policy", f"rule {i}", files={"/policy": {"kind": "Policy"}}) for i in range(3)]
    told = Batch((rules[0], rules[1]), {str(rules[0]): ["x"], str(rules[1]): ["y"]}, {"/policy": "both"})
    found = batches([*rules, mutant("a"), mutant("b")], [told])
    assert sorted(len(one.mutants) for one in found) == [1, 4], "the third, which no request meets, goes alone"
    (joint,) = (one for one in found if len(one.mutants) == 4)
    assert (joint.pairs, joint.files) == (told.pairs, told.files)
    assert told in joint.parts, "where the others keep the server from starting, these still go together"


def test_what_probably_doesn_t_start_goes_alone() -> None:
    policy = {"/policy": {"kind": "Policy", "rules": []}}
    ending = [
        mutant("a", kind=REMOVAL, flags={"audit-policy-file": None}),
        mutant("b", kind=REMOVAL, files={"/c": {"kind": "EncryptionConfiguration"}}, gone={"resources": []}),
        mutant("c", kind=REMOVAL, files=policy, gone={"level": "Metadata"}),
    ]
    going_on = [mutant("d", kind=REMOVAL, files=policy, gone={"verbs": ["get"]}), mutant("e", flags={"x": "y"})]
    assert controls(batches([*ending, *going_on])) == [["a"], ["b"], ["c"], ["d", "e"]]
