"""What the audit log of a real API server says of each profile's policy: every event, and no secret at all.

Markers are put wherever a credential could travel. An API server of its own writes each log, so every byte of it is looked at.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.documents import dump
from ringfence.sandbox import ControlPlane, HostFiles
from ringfence.sandbox.apiserver import ApiServer

POLICY = "/etc/kubernetes/ringfence/audit-policy.yaml"
NAMESPACE = "/api/v1/namespaces/default"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
BODIES = {"baseline": "Metadata", "restricted": "Metadata", "zero-trust": "RequestResponse"}  # of changes to access


class Trail:
    """An API server that logs by one profile's policy."""

    def __init__(self, profile: str, one: ApiServer) -> None:
        assert one.audit_log
        self.profile, self.one, self.log = profile, one, one.audit_log
        self.name = f"audit-{secrets.token_hex(4)}"
        self._markers: dict[str, str] = {}

    def marker(self, what: str) -> str:
        """A text that must not be in the log."""
        return self._markers.setdefault(what, secrets.token_hex(12))

    def keep_out(self, what: str, text: str) -> None:
        self._markers[what] = text

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        _, answer = self.one.client.request(method, path, body)
        return json.loads(answer)

    def kubectl(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = ["kubectl", "--kubeconfig", str(self.one.kubeconfig), *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)

    def events(self, verb: str, resource: str, subresource: str | None = None) -> list[dict[str, Any]]:
        """Of what this trail did; waits for the first, since an answer may come before its event is written."""
        limit = time.monotonic() + 10
        while True:
            found = [e for e in self._all() if e["verb"] == verb and self._is(e, resource, subresource)]
            if found or time.monotonic() > limit:
                return found
            time.sleep(0.1)

    def _all(self) -> Iterator[dict[str, Any]]:
        yield from (json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n"))

    def _is(self, event: dict[str, Any], resource: str, subresource: str | None) -> bool:
        about = event.get("objectRef", {})
        return about.get("resource") == resource and about.get("subresource") == subresource

    def found(self) -> list[str]:
        """Whose marker lies in the log, as it is or in base64."""
        log = self.log.read_bytes()
        forms = {what: (m.encode(), base64.b64encode(m.encode())) for what, m in self._markers.items()}
        return [what for what, both in forms.items() if any(form in log for form in both)]


def policy(folder: Path, profile: str) -> str:
    return HostFiles.of_cluster(write_cluster(folder, profile=profile)).files[POLICY]


@pytest.fixture(scope="module", params=BODIES)
def trail(request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path_factory: Any) -> Iterator[Trail]:
    text = policy(tmp_path_factory.mktemp("audit"), request.param)
    with control_plane.second_apiserver(files={POLICY: text}) as one:
        yield Trail(request.param, one)


def objects(trail: Trail, kind: str, what: str) -> dict[str, Any]:
    text = {"stringData": {"text": trail.marker(what)}} if kind == "Secret" else {"data": {"text": trail.marker(what)}}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": trail.name}, **text}


@pytest.mark.parametrize("kind", ["Secret", "ConfigMap"])
def test_whatever_is_done_with_a_secret_is_logged_and_never_what_it_says(trail: Trail, kind: str) -> None:
    plural = f"{kind.lower()}s"
    path = f"{NAMESPACE}/{plural}"
    one = f"{path}/{trail.name}"
    assert trail.ask("POST", path, objects(trail, kind, f"{kind} created"))["kind"] == kind
    assert trail.ask("GET", one)["kind"] == kind
    assert trail.ask("GET", path)["kind"] == f"{kind}List"
    assert trail.ask("PUT", one, objects(trail, kind, f"{kind} replaced"))["kind"] == kind
    patch = {"stringData" if kind == "Secret" else "data": {"more": trail.marker(f"{kind} patched")}}
    done = trail.kubectl("patch", plural, trail.name, "-n", "default", "--type", "merge", "-p", json.dumps(patch))
    assert done.returncode == 0, done.stderr
    for how in ([], ["--server-side", "--force-conflicts"]):
        text = dump(objects(trail, kind, f"{kind} applied {how}"))
        done = trail.kubectl("apply", "-n", "default", *how, "-f", "-", stdin=text)
        assert done.returncode == 0, done.stderr
    bad = {**objects(trail, kind, f"{kind} refused"), "data": {"text": [trail.marker(f"{kind} refused")]}}
    assert trail.ask("POST", path, bad)["code"] == 400
    assert trail.ask("DELETE", one).get("code", 200) == 200

    for verb in ("create", "get", "list", "update", "patch", "delete"):
        found = trail.events(verb, plural)
        assert found, f"{verb} is not logged"
        assert {(e["level"], "requestObject" in e, "responseObject" in e) for e in found} == {
            ("Metadata", False, False)
        }
    assert trail.found() == []


def test_a_token_is_logged_as_asked_for_and_is_not_in_the_log(trail: Trail) -> None:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = trail.ask("POST", f"{NAMESPACE}/serviceaccounts/default/token", body)["status"]["token"]
    trail.keep_out("a token", token)
    trail.keep_out("a token's signature", token.rpartition(".")[2])
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
    reviews = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert trail.ask("POST", reviews, {**review, "spec": {"token": token}})["status"]["authenticated"] is True
    trail.ask("POST", reviews, {**review, "spec": {"token": trail.marker("a stranger's token")}})
    used = ["kubectl", "--kubeconfig", "/dev/null", "--server", trail.one.server, "--insecure-skip-tls-verify"]
    subprocess.run([*used, "--token", token, "get", "pods"], capture_output=True, check=False, timeout=60)

    asked = trail.events("create", "serviceaccounts", "token")
    reviewed = trail.events("create", "tokenreviews")
    used_by = [e for e in trail.events("list", "pods") if e["user"]["username"].endswith(":default:default")]
    assert used_by, "whoever used the token is in the log"
    for event in (*asked, *reviewed):
        assert (event["level"], "requestObject" in event, "responseObject" in event) == ("Metadata", False, False)
    assert len(reviewed) >= 2
    assert trail.found() == []


def test_a_command_in_a_pod_is_logged_by_who_and_where(trail: Trail) -> None:
    trail.ask("POST", f"{NAMESPACE}/pods/{trail.name}/exec?command=id&stdin=true", {"stdin": trail.marker("exec")})
    binding = {"apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "none"}}
    meta = {"name": trail.name, "annotations": {"example.com/text": trail.marker("a binding")}}
    trail.ask("POST", f"{NAMESPACE}/pods/{trail.name}/binding", {**binding, "metadata": meta})
    found = trail.events("create", "pods", "exec")  # when it began, and when it ended
    assert {e["level"] for e in found} == {"Metadata"}
    assert all(e["user"]["username"] and e["objectRef"]["name"] == trail.name for e in found)
    assert "command=id" in found[0]["requestURI"], "the command is in the URL, so in the log: no place for a password"
    assert trail.events("create", "pods", "binding")[0]["level"] == "Metadata"
    assert trail.found() == []


def test_changes_of_roles_are_logged_as_the_profile_says(trail: Trail) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": trail.name},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }
    assert trail.ask("POST", f"{RBAC}/roles", role)["kind"] == "Role"
    assert trail.ask("GET", f"{RBAC}/roles/{trail.name}")["kind"] == "Role"
    trail.ask("DELETE", f"{RBAC}/roles/{trail.name}")
    level = BODIES[trail.profile]
    for verb in ("create", "delete"):
        (event,) = trail.events(verb, "roles")
        assert (event["level"], "responseObject" in event) == (level, level == "RequestResponse")
    assert trail.events("get", "roles")[0]["level"] == "Metadata", "reading changes nothing"


def test_the_search_finds_what_a_careless_policy_logs(control_plane: ControlPlane) -> None:
    """The control of these tests: markers do come to light in a log that holds bodies."""
    careless = dump({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]})
    with control_plane.second_apiserver(files={POLICY: careless}) as one:
        trail = Trail("careless", one)
        for kind in ("Secret", "ConfigMap"):
            path = f"{NAMESPACE}/{kind.lower()}s"
            assert trail.ask("POST", path, objects(trail, kind, kind))["kind"] == kind
            trail.ask("DELETE", f"{path}/{trail.name}")
        assert trail.events("create", "configmaps")
        assert trail.found() == ["Secret", "ConfigMap"]
