"""probes.yaml as pairs: a twin says only what differs, and what can't be asked is refused with its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, build_tree

from ringfence.catalog import load_catalog
from ringfence.errors import RingfenceError
from ringfence.probes.pairs import Pair, load_pairs

CONTROL = """\
title: A control
profile: baseline
stage: {baseline: enforce}
severity: high
rationale: Something that is long enough to be a rationale of a control in a test.
references: {docs: ["here"]}
emits:
- {template: thing.yaml.j2}
proof: [api]
"""


def pairs(folder: Path, text: str) -> tuple[Pair, ...]:
    build_tree(folder / "demo/demo-one", {"control.yaml": CONTROL, "thing.yaml.j2": "", "probes.yaml": text})
    return load_pairs(next(iter(load_catalog((folder,)))))


def one(folder: Path, refuse: str, admit: str = "{}") -> tuple[dict[str, Any], dict[str, Any]]:
    text = f"pairs:\n- name: a pair\n  ring: api\n  refuse: {refuse}\n  reason: because\n  admit: {admit}\n"
    (pair,) = pairs(folder, text)
    return dict(pair.refuse), dict(pair.admit)


POD = "verb: create, resource: pods, namespace: <tenant>, base: pod"


def test_a_twin_is_the_same_without_what_was_merged_over(tmp_path: Path) -> None:
    refuse, admit = one(tmp_path, f"{{{POD}, over: {{spec: {{hostPID: true}}}}}}")
    assert refuse["over"] == {"spec": {"hostPID": True}}
    assert admit == {**refuse, "over": {}}


def test_a_twin_says_what_differs(tmp_path: Path) -> None:
    refuse, admit = one(tmp_path, f"{{who: ns-admin, {POD}}}", "{who: admin, namespace: kube-system}")
    assert admit == {**refuse, "who": "admin", "namespace": "kube-system"}


def test_an_object_of_the_twins_own_replaces_the_base(tmp_path: Path) -> None:
    _, admit = one(tmp_path, f"{{{POD}}}", "{object: {kind: Pod}}")
    assert (admit["base"], admit["object"]) == (None, {"kind": "Pod"})


def test_another_channel_takes_over_who_asks_alone(tmp_path: Path) -> None:
    _, admit = one(tmp_path, f"{{who: nobody, {POD}}}", "{path: /livez}")
    assert (admit["who"], admit["path"], admit["verb"], admit["namespace"]) == ("nobody", "/livez", None, None)


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        (
            "{who: nobody}",
            "refuse: it asks for nothing; write verb and resource, path, tls, etcd, kubelet, kubeconfig or discovery",
        ),
        ("{verb: get}", "refuse: verb without resource; add resource: plural[.group]"),
        (f"{{{POD}s}}", 'refuse: there is no base "pods"; did you mean "pod"?'),
        ("{path: /livez, namespace: x}", "refuse: namespace does not go with path; with path go audited, contains, "),
        ("{path: /livez, who: <nobody>}", "unknown placeholder <nobody>; docs/verify.md lists them"),
    ],
)
def test_what_cant_be_asked_is_one_error_with_its_place(tmp_path: Path, refuse: str, said: str) -> None:
    with pytest.raises(RingfenceError) as caught:
        one(tmp_path, refuse)
    line = caught.value.line()
    assert re.match(r"templates/demo/demo-one/probes.yaml:[24]:\d+: error: ", line)
    assert said in line


def test_every_shipped_pair_can_be_asked() -> None:
    catalog = load_catalog((ROOT / "templates",))
    assert sum(len(load_pairs(c)) for c in catalog) > 100


def test_a_control_without_probes_has_no_pairs(tmp_path: Path) -> None:
    build_tree(tmp_path / "demo/demo-one", {"control.yaml": CONTROL, "thing.yaml.j2": ""})
    assert load_pairs(next(iter(load_catalog((tmp_path,))))) == ()
