"""What goes wrong around `pulumi up`, with the real engine: one clear error or a recovery, and nothing is lost.

One stack lives through most of it (tests/cluster/story.py); the rest never gets as far as an object.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from catalogues import Command
from cluster.applying import Applier
from cluster.engine import Done, Engine
from cluster.story import FOREIGN, STACK, Story, Telling, document, present, remove, uids

from ringfence import __version__
from ringfence.probes import kubeconfig
from ringfence.probes.api import Api
from ringfence.sandbox import ControlPlane
from ringfence.sandbox.identities import Authority

GRANTS = {"ClusterRole", "ClusterRoleBinding", "PriorityClass", "Role", "RoleBinding"}


@pytest.fixture(scope="module")
def story(pulumi_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("story")
    api = Api(kubeconfig.read((pulumi_plane.kubeconfig,)), None)
    cluster = Applier(api)
    try:
        yield Telling(Engine(folder / "engine", pulumi_plane.kubeconfig), cluster, folder).tell()
    finally:
        remove(cluster, *FOREIGN[:1], *FOREIGN[3:])  # the others go with their namespace
        api.close()


# ------------------------------------------------------------------------------------------------ what others made


def test_what_others_made_is_refused_by_one_error_with_what_to_type(story: Story) -> None:
    assert story.refused.code != 0
    assert (
        f"error: 2 objects exist on the cluster and are not of the stack {STACK}:\n"
        "      Namespace/shop (nobody says whose)\n"
        "      ClusterRole/ringfence:viewer (nobody says whose)\n"
        "    nothing has been changed; remove them, or let this stack take them over:\n"
        "      pulumi config set --path 'adopt[0]' 'Namespace/shop'\n"
        "      pulumi config set --path 'adopt[1]' 'ClusterRole/ringfence:viewer'\n"
    ) in story.refused.out
    assert "error: error:" not in story.refused.out
    assert "Traceback" not in story.refused.text


def test_a_refusal_changes_nothing(story: Story) -> None:
    assert story.untouched == {}


def test_what_is_adopted_is_ours_and_keeps_what_others_put_there(story: Story) -> None:
    namespace, account = story.adopted["Namespace/shop"], story.adopted["ServiceAccount/shop/default"]
    role = story.adopted["ClusterRole/ringfence:viewer"]
    assert namespace
    assert account
    assert role
    assert namespace["metadata"]["annotations"]["ringfence/stack"] == STACK
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline", "it was privileged"
    assert namespace["metadata"]["labels"]["team"] == "blue"
    assert account["automountServiceAccountToken"] is False, "of the account only this field is ours"
    assert account["imagePullSecrets"] == [{"name": "theirs"}]
    assert role["rules"] != FOREIGN[3]["rules"]
    theirs = {"Namespace/shop", "ServiceAccount/shop/default", "ClusterRole/ringfence:viewer", "ConfigMap/shop/theirs"}
    before, after = uids(story.killed_with), uids(story.adopted)
    assert {n: before[n] for n in theirs} == {n: after[n] for n in theirs}


def test_the_run_after_an_adoption_changes_nothing(story: Story) -> None:
    assert story.settled["changeSummary"].keys() == {"same"}


def test_destroy_leaves_an_adopted_namespace_with_what_is_in_it(story: Story) -> None:
    left = present(story.left)
    assert {"Namespace/shop", "ConfigMap/shop/theirs", "ServiceAccount/shop/default"} <= left
    assert "Namespace/stall" not in left
    assert {n for n in left if n.startswith(("NetworkPolicy/", "ResourceQuota/", "Validating", "Mutating"))} == set()
    assert uids(story.left)["ConfigMap/shop/theirs"] == uids(story.untouched or story.adopted)["ConfigMap/shop/theirs"]


# ------------------------------------------------------------------------------------------------ two runs, a killed one


def test_a_second_run_at_the_same_time_is_refused_by_one_error(story: Story) -> None:
    assert story.second.code != 0
    assert "error: the stack is currently locked by 1 lock(s)" in story.second.text
    assert story.second.counts == {}


def test_after_a_kill_the_lock_says_what_to_type(story: Story) -> None:
    assert story.locked.code != 0
    assert "delete the lock file with `pulumi cancel`" in story.locked.text


def test_after_a_kill_and_cancel_one_run_recovers(story: Story) -> None:
    there = present(story.killed_with)
    everything = present(story.adopted)
    assert there < everything, "it was killed half-way"
    assert all(story.adopted.values())
    before, after = uids(story.killed_with), uids(story.adopted)
    assert {n: after[n] for n in there} == before, "what was there already was not made again"


def test_a_state_whose_attributes_a_kill_cut_off_is_read_without_them(story: Story) -> None:
    assert story.cut_off.code != 0
    assert "failed to load checkpoint: EOF" in story.cut_off.text
    assert story.put_right.counts.keys() == {"unchanged"}
    assert uids(story.after_cut_off) == uids(story.adopted)


# ------------------------------------------------------------------------------------------------ destroy without the key


def test_even_a_forced_destroy_keeps_namespaces_and_guards(story: Story) -> None:
    assert story.forced.code != 0
    gone = present(story.adopted) - present(story.after_forced)
    assert {n.split("/")[0] for n in gone} <= GRANTS
    assert story.mended.counts["created"] >= len(gone)


# ------------------------------------------------------------------------------------------------ other states


def test_a_state_of_an_older_ringfence_is_taken_over_without_making_anything_again(story: Story) -> None:
    before, after = uids(story.after_forced), uids(story.after_older)
    assert {n: after.get(n) for n in before} == before, "none of what was there was made again"
    assert story.older.counts.keys() <= {"unchanged", "updated"}
    assert story.version == __version__


def test_without_its_state_a_stack_finds_its_objects_again(story: Story) -> None:
    assert uids(story.after_lost) == uids(story.after_older)
    assert story.lost.counts["imported"] > 40
    assert story.found["changeSummary"].keys() == {"same"}


# ------------------------------------------------------------------------------------------------ check --plan


def test_a_plan_that_the_protection_stops_is_no_plan(story: Story, tmp_path: Path, command: Command) -> None:
    (tmp_path / "plan.json").write_text(story.protected_plan, encoding="utf-8")
    done = command("check", "--plan", str(tmp_path / "plan.json"))
    assert done.code == 65
    assert "the preview failed: " in done.err
    assert "because it is protected" in done.err


def test_a_real_plan_that_deletes_a_namespace_is_refused_until_it_is_named(
    story: Story, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "plan.json").write_text(story.plan, encoding="utf-8")
    done = command("check", "--plan", str(tmp_path / "plan.json"), "-o", "json")
    assert done.code == 3
    found = {f["object"]: f["message"] for f in json.loads(done.out)["findings"]}
    assert "Namespace/stall" in found
    assert all("stall" in name for name in found)
    named = [part for name in found for part in ("--allow-delete", name)]
    assert command("check", "--plan", str(tmp_path / "plan.json"), *named).code == 0


# ------------------------------------------------------------------------------------------------ no way to the cluster


@pytest.fixture(scope="module")
def stack(pulumi_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("unreached")
    engine = Engine(folder / "engine", pulumi_plane.kubeconfig)
    engine.configure("cluster", str(document(folder, "shop")))
    return engine


@pytest.fixture
def config(pulumi_plane: ControlPlane) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(pulumi_plane.kubeconfig.read_text(encoding="utf-8"))
    return found


def refusal(stack: Engine, config: dict[str, Any], folder: Path) -> str:
    """The error of a preview with that kubeconfig; there is one alone, and no traceback."""
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = stack.run("preview", ok=False, env={"KUBECONFIG": str(file)})
    return only_error(done)


def only_error(done: Done) -> str:
    assert done.code != 0
    assert "Traceback" not in done.text
    _, _, diagnostics = done.out.partition("Diagnostics:")
    errors = [line.strip() for line in diagnostics.splitlines() if line.strip().startswith("error: ")]
    # the older language host adds that the program has ended, and the engine that the preview has
    ours = [e for e in errors if "an unhandled error occurred" not in e and "preview failed" not in e]
    assert len(ours) == 1, done.text
    return ours[0].removeprefix("error: ")


def test_an_unreachable_api_server(stack: Engine, config: dict[str, Any], tmp_path: Path) -> None:
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    text = refusal(stack, config, tmp_path)
    assert text.startswith("can't reach the API server https://127.0.0.1:9 (context ")
    assert text.endswith("start it, or choose another with `pulumi config set kubernetes:context NAME`")


def test_an_api_server_that_is_too_old(stack: Engine, config: dict[str, Any], tmp_path: Path) -> None:
    class Old(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"major": "1", "minor": "27"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Old)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{server.server_port}"}
        text = refusal(stack, config, tmp_path)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "is Kubernetes 1.27; ringfence knows 1." in text
    assert text.endswith("; upgrade the cluster")


def test_an_expired_client_certificate(
    stack: Engine, config: dict[str, Any], pulumi_plane: ControlPlane, tmp_path: Path
) -> None:
    authority = Authority.load(pulumi_plane.access.ca_cert, pulumi_plane.access.ca_key)
    cert, key = authority.client("late", ["kubeadm:cluster-admins"], ended=True).write(tmp_path, "late")
    config["users"][0]["user"] = {"client-certificate": str(cert), "client-key": str(key)}
    text = refusal(stack, config, tmp_path)
    assert "refuses the client certificate: it expired on " in text
    assert text.endswith("; renew the kubeconfig")


def test_several_contexts_and_none_named(stack: Engine, config: dict[str, Any], tmp_path: Path) -> None:
    config["contexts"] = [{**config["contexts"][0], "name": name} for name in ("prod", "lab")]
    config["current-context"] = "prod"
    text = refusal(stack, config, tmp_path)
    assert "has several contexts, and the stack names none; it has prod, lab" in text
    assert text.endswith("; choose one: pulumi config set kubernetes:context NAME")


def test_a_wrong_passphrase(stack: Engine, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("another one", encoding="utf-8")
    done = stack.run("preview", ok=False, env={"PULUMI_CONFIG_PASSPHRASE_FILE": str(tmp_path / "other")})
    assert done.code != 0
    assert "incorrect passphrase" in done.text
    assert "Resources:" not in done.out
