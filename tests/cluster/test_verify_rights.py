"""`ringfence verify` by somebody with the printed rules and no others: what fails then fails for a control's sake."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from cluster.applying import Applier
from helpers import ROOT

from ringfence.build import Builder, Resolution
from ringfence.cli.environment import joined
from ringfence.errors import ToolError
from ringfence.probes import Access, KeyPair, Session, kubeconfig, preflight, run_pairs
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.sandbox.identities import Authority
from ringfence.verdict import State

CLUSTER = ROOT / "examples" / "production" / "cluster.yaml"
RBAC = "rbac.authorization.k8s.io"
KNOWN_WITHIN = 15.0  # seconds until the authorizer knows new bindings
WAYS = ("the sandbox", "its kubeconfig alone")  # the second can't make certificates, and asks reviews


class Somebody(NamedTuple):
    """A user of one group, who has been granted what verify asked for."""

    access: Access
    refused: ToolError
    rules: list[dict[str, Any]]


class Bed(NamedTuple):
    """The example in force, and who may verify it by which way."""

    resolution: Resolution
    users: dict[str, Somebody]


@pytest.fixture(scope="module")
def bed(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    folder = tmp_path_factory.mktemp("rights")
    builder = Builder()
    resolution = builder.resolve(CLUSTER)
    with ControlPlane(HostFiles.of_cluster(CLUSTER), folder / "state", tools) as plane:
        alone = kubeconfig.read((plane.kubeconfig,))
        ways = dict(
            zip(WAYS, (joined(plane.folder, plane.record, plane.access, resolution.cluster), alone), strict=True)
        )
        authority = Authority.load(plane.access.ca_cert, plane.access.ca_key)
        admin = Api(alone, None)
        users = {}
        for number, (way, access) in enumerate(ways.items()):
            pair = KeyPair(*authority.client("somebody", [f"group-{number}"]).write(folder, f"user-{number}"))
            users[way] = granted(admin, replace(access, client=pair), resolution, f"group-{number}")
        Applier(admin).apply_all(builder.objects(resolution).manifests)  # afterwards: the tree refuses such roles
        admin.close()
        yield Bed(resolution, users)


def granted(admin: Api, access: Access, resolution: Resolution, group: str) -> Somebody:
    """Ask for the rights, and grant what the error says."""
    with Session(access) as session, pytest.raises(ToolError) as caught:
        preflight.permissions(session, resolution)
    rules = json.loads((caught.value.hint or "").partition("`rules: ")[2].rstrip("`"))
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": group}, "rules": rules}
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": group},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": group},
        "subjects": [{"apiGroup": RBAC, "kind": "Group", "name": group}],
    }
    for plural, body in (("clusterroles", role), ("clusterrolebindings", binding)):
        answer = admin.call("POST", f"/apis/{RBAC}/v1/{plural}", body)
        assert answer.ok, answer.text
    return Somebody(access, caught.value, rules)


@pytest.mark.parametrize("way", WAYS)
def test_the_printed_rules_are_enough_for_a_whole_example(bed: Bed, way: str) -> None:
    user = bed.users[way]
    with Session(user.access) as session:
        limit = time.monotonic() + KNOWN_WITHIN
        while True:
            try:
                preflight.permissions(session, bed.resolution)
                break
            except ToolError:
                if time.monotonic() > limit:
                    raise
                time.sleep(0.5)
        verdicts = run_pairs(session, bed.resolution)
        again = sorted(
            {v.control for v in verdicts if v.state is State.FAILED}
        )  # a busy machine's flood may be too slow
        verdicts = [v for v in verdicts if v.control not in again]
        verdicts += run_pairs(session, bed.resolution, again) if again else []
    failed = [f"{v.control}: {v.pair}: {v.detail}" for v in verdicts if v.state is State.FAILED]
    assert failed == []
    lacking = [f"{v.control}: {v.pair}: {v.detail}" for v in verdicts if v.state is State.NOT_PROVABLE_HERE]
    assert [words for words in lacking if "403" in words or "can't make" in words] == []
    assert sum(v.state is State.PROVED for v in verdicts) > (200 if way == WAYS[0] else 100)


def test_rules_that_the_tree_refuses_are_said_to_be_so(bed: Bed) -> None:
    user = bed.users[WAYS[1]]
    assert {"escalate", "bind"} <= {verb for rule in user.rules for verb in rule["verbs"]}
    hint = "verify as an administrator; or before the tree is in force, which refuses such roles, grant its user a "
    assert (user.refused.hint or "").startswith(hint)
