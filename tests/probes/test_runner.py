"""What a pair comes to: only the probed control's refusal counts, only beside a twin that passes, and nothing stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import build_tree, write_cluster
from probes.stub import Answer, Asked, Stub, refusal, serving

from ringfence.build import Builder, Resolution
from ringfence.probes import Session, run_pairs
from ringfence.verdict import State, Verdict

CONTROL = """\
title: No probes of pods
profile: baseline
stage: {baseline: STAGE}
severity: high
rationale: Something that is long enough to be a rationale of a control in a test.
references: {docs: ["here"]}
params: {level: {type: string, default: high, description: A level.}}
emits:
- {template: thing.yaml.j2, kubernetes: "RANGE", each: EACH}
proof: [api]
"""
THING = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: thing, namespace: kube-system}\n"
BAD = "{verb: create, resource: pods, namespace: <tenant>, base: pod, over: {spec: {hostPID: true}}}"
POLICY = refusal(403, "Forbidden", "ValidatingAdmissionPolicy 'demo-one' denied request: demo-one: not this")
Decide = Callable[[Asked], Answer | None]


def pair(refuse: str = BAD, reason: str = "demo-one: not this", **more: str) -> str:
    lines = [f"name: a pair\n  ring: {more.pop('ring', 'api')}\n  refuse: {refuse}\n  reason: '{reason}'"]
    return f"pairs:\n- {lines[0]}\n" + "".join(f"  {key}: {value}\n" for key, value in more.items())


def resolved(
    folder: Path, probes: str, stage: str = "enforce", emits: str = "", each: str = "cluster", **cluster: Any
) -> Resolution:
    control = CONTROL.replace("STAGE", stage).replace("RANGE", emits).replace("EACH", each)
    build_tree(
        folder / "templates/demo/demo-one", {"control.yaml": control, "thing.yaml.j2": THING, "probes.yaml": probes}
    )
    return Builder([folder / "templates"]).resolve(write_cluster(folder, **cluster))


@contextmanager
def session(stub: Stub) -> Iterator[Session]:
    with serving(stub), Session(stub.access) as one:
        yield one


def verdict(
    folder: Path, probes: str, decide: Decide, patience: float = 0, everywhere: bool = False, **more: Any
) -> tuple[Verdict, Stub]:
    resolution = resolved(folder, probes, **more)
    stub = Stub(decide)
    with session(stub) as one:
        (found,) = run_pairs(one, resolution, ["demo-one"], patience=patience, everywhere=everywhere)
    return found, stub


def bad_pod(asked: Asked) -> bool:
    return asked.path.endswith("/pods") and bool(asked.body["spec"].get("hostPID"))


def test_refused_by_its_control_with_a_twin_that_passes_is_proved(tmp_path: Path) -> None:
    found, stub = verdict(tmp_path, pair(), lambda asked: POLICY if bad_pod(asked) else None)
    assert (found.state, found.stage, found.ring) == (State.PROVED, "enforce", "api")
    assert "demo-one: not this; its twin passed" in found.detail
    pods = [a for a in stub.asked if a.path == "/api/v1/namespaces/shop/pods"]
    assert [bad_pod(a) for a in pods] == [True, False]
    assert all(a.dry for a in pods)


def test_pairs_are_asked_by_their_names_alone(tmp_path: Path) -> None:
    others = pair().partition("pairs:\n")[2].replace("name: a pair", "name: another")
    resolution = resolved(tmp_path, pair() + others)
    stub = Stub(lambda asked: POLICY if bad_pod(asked) else None)
    with session(stub) as one:
        found = run_pairs(one, resolution, ["demo-one"], pairs=["another"])
    assert [v.pair for v in found] == ["another"]
    assert sum(map(bad_pod, stub.asked)) == 1


@pytest.mark.parametrize(
    ("decide", "said"),
    [
        (lambda asked: None, "not refused: 201"),
        (
            lambda asked: refusal(403, "Forbidden", "violates PodSecurity") if bad_pod(asked) else None,
            'refused, and not because of "demo-one: not this": 403 Forbidden: violates PodSecurity',
        ),
        (
            lambda asked: POLICY if asked.path.endswith("/pods") else None,
            "its twin is refused too: 403 Forbidden: ValidatingAdmissionPolicy",
        ),
    ],
    ids=["not refused", "another reason", "twin refused"],
)
def test_anything_else_has_failed(tmp_path: Path, decide: Decide, said: str) -> None:
    found, _ = verdict(tmp_path, pair(), decide)
    assert found.state is State.FAILED
    assert found.detail.startswith(said)


@pytest.mark.parametrize(
    ("each", "everywhere", "open_one", "said"),
    [
        ("namespace", True, "", "; its twin passed; asked in shop, shop-dev, shop-lab"),
        ("namespace", True, "shop-dev", "not refused: 201; asked in shop-dev"),
        ("namespace", False, "shop-dev", "; its twin passed; asked in shop"),
        ("cluster", True, "shop-dev", "; its twin passed; asked in shop"),
    ],
)
def test_what_is_emitted_for_each_namespace_is_asked_in_each(
    tmp_path: Path, each: str, everywhere: bool, open_one: str, said: str
) -> None:
    def decide(asked: Asked) -> Answer | None:
        return POLICY if bad_pod(asked) and f"/{open_one}/" not in asked.path else None

    tenant = {"name": "shop", "owner": "o", "namespaces": ["shop", "shop-dev", "shop-lab"]}
    found, _ = verdict(tmp_path, pair(), decide, everywhere=everywhere, each=each, tenants=[tenant])
    assert found.detail.endswith(said)


def test_a_policy_that_comes_into_force_late_is_waited_for(tmp_path: Path) -> None:
    tries: list[Asked] = []

    def decide(asked: Asked) -> Answer | None:
        if bad_pod(asked):
            tries.append(asked)
            return POLICY if len(tries) > 3 else None
        return None

    found, _ = verdict(tmp_path, pair(), decide, patience=10)
    assert found.state is State.PROVED
    assert len(tries) == 4


def test_what_is_given_is_made_anew_once_policies_are_in_force(tmp_path: Path) -> None:
    """A policy that changes objects as they are made can't have changed what was made before it was there."""
    made: list[str] = []

    def decide(asked: Asked) -> Answer | None:
        if asked.method == "POST" and asked.path.endswith("/configmaps"):
            made.append(asked.body["metadata"]["name"])
        return POLICY if bad_pod(asked) and len(made) > 1 else None

    given = "[{object: {apiVersion: v1, kind: ConfigMap, metadata: {name: <probe>-one}}, namespace: <tenant>}]"
    found, _ = verdict(tmp_path, pair(given=given), decide, patience=0.2)
    assert (found.state, len(set(made))) == (State.PROVED, 2)


def test_what_only_nobody_knew_yet_is_not_refused(tmp_path: Path) -> None:
    """The authorizer knows a binding a moment after it was made: until then all is refused, for the reason wanted."""
    reviews: list[str] = []

    def decide(asked: Asked) -> Answer | None:
        if not asked.path.endswith("/subjectaccessreviews"):
            return None
        reviews.append(asked.body["spec"]["resourceAttributes"]["subresource"])
        return 201, {"status": {"allowed": len(reviews) > 2}}  # by a role that grants more than it should

    text = pair(
        "{who: {user: <prefix><probe>}, verb: get, resource: pods/proxy, namespace: <tenant>, by: review}",
        reason='cannot get resource "pods/proxy"',
        given="[{base: clusterrolebinding}]",
        admit="{resource: pods/log}",
    )
    found, _ = verdict(tmp_path, text, decide)
    assert (found.state, found.detail) == (State.FAILED, "not refused: allowed, by a review; asked in shop")
    assert reviews[:4] == ["proxy", "log", "log", "proxy"]
    assert set(reviews[3:]) == {"proxy"}


GONE = BAD.replace("{verb", '{who: {service_account: "<own>/<probe>", deleted: true}, verb')
GIVEN = "[{base: configmap, namespace: <tenant>}]"


@pytest.mark.parametrize(
    ("refuse", "admit", "state", "asked"),
    [(GONE, '{who: {service_account: "<own>/<probe>"}}', State.PROVED, 4), (BAD, "{}", State.FAILED, 2)],
    ids=["made anew", "as it was"],
)
def test_what_passes_at_last_is_asked_again_only_where_it_is_made_anew(
    tmp_path: Path, refuse: str, admit: str, state: State, asked: int
) -> None:
    """The API server may not know at once what a try makes."""
    tries: list[Asked] = []

    def decide(one: Asked) -> Answer | None:
        if bad_pod(one):
            tries.append(one)
            return None if len(tries) in (2, 3) else POLICY
        return None

    found, _ = verdict(tmp_path, pair(refuse, given=GIVEN, admit=admit), decide)
    assert (found.state, len(tries)) == (state, asked)


def test_another_refusal_at_last_is_a_hiccup_that_is_asked_again(tmp_path: Path) -> None:
    tries: list[Asked] = []

    def decide(one: Asked) -> Answer | None:
        if bad_pod(one):
            tries.append(one)
            return refusal(429, "TooManyRequests", "slow down") if len(tries) == 2 else POLICY
        return None

    found, _ = verdict(tmp_path, pair(given=GIVEN), decide)
    assert (found.state, len(tries)) == (State.PROVED, 3)


def test_a_code_is_what_a_refusal_begins_with(tmp_path: Path) -> None:
    text = pair("{path: /debug/pprof/}", "404", admit="{path: /readyz}")
    answer: dict[str, Any] = {"code": 404, "reason": "NotFound", "said": ""}

    def decide(asked: Asked) -> Answer | None:
        if asked.path == "/debug/pprof/":
            return refusal(answer["code"], answer["reason"], f"no such page {answer['said']}")
        return (200, {}) if asked.path == "/readyz" else None

    (tmp_path / "is").mkdir()
    assert verdict(tmp_path / "is", text, decide)[0].state is State.PROVED
    answer = {"code": 500, "reason": "InternalError", "said": "ringfence-probe-a404ef"}
    (tmp_path / "not").mkdir()
    assert verdict(tmp_path / "not", text, decide)[0].detail.startswith('refused, and not because of "404": 500 Int')


@pytest.mark.parametrize(
    ("code", "message", "state"),
    [
        (400, "Upgrade request required", State.PROVED),
        (404, 'pods "a" not found', State.PROVED),
        (500, 'Internal error occurred: failed calling webhook "w.example.com": no endpoints', State.FAILED),
        (400, 'admission webhook "w.example.com" denied the request: no shells', State.FAILED),
    ],
)
def test_a_stream_that_no_pod_answers_passed_unless_a_webhook_stood_in_its_way(
    tmp_path: Path, code: int, message: str, state: State
) -> None:
    text = pair(
        "{verb: create, resource: pods/exec, namespace: kube-system, name: a}",
        admit="{namespace: <tenant>}",
    )

    def decide(asked: Asked) -> Answer | None:
        if not asked.path.endswith("/exec"):
            return None
        return POLICY if "/kube-system/" in asked.path else refusal(code, "Some", message)

    assert verdict(tmp_path, text, decide)[0].state is state


def test_what_is_given_is_made_by_whom_the_pair_says(tmp_path: Path) -> None:
    text = pair(
        given="[{who: {token: abc}, base: configmap, namespace: <tenant>}, {base: configmap, namespace: <own>}]"
    )
    found, stub = verdict(tmp_path, text, lambda asked: POLICY if bad_pod(asked) else None)
    made = [a.headers.get("Authorization") for a in stub.asked if a.method == "POST" and a.path.endswith("/configmaps")]
    assert (found.state, made) == (State.PROVED, ["Bearer abc", None])
    assert stub.objects == {}


def test_at_audit_the_reason_is_a_warning(tmp_path: Path) -> None:
    text = pair(stage="[audit]")
    said = {"Warning": "299 - \"Validation failed for 'demo-one': demo-one: not this\""}
    found, _ = verdict(tmp_path, text, lambda a: (201, a.body, said) if bad_pod(a) else None, stage="audit")
    assert found.state is State.PROVED
    assert found.detail.startswith("warned: ")


def test_at_audit_a_refusal_has_failed(tmp_path: Path) -> None:
    found, _ = verdict(
        tmp_path, pair(stage="[audit]"), lambda a: POLICY if bad_pod(a) else None, stage="audit"
    )  # fmt: skip
    assert found.detail.startswith("refused at stage audit: 403")


def test_a_pair_that_nothing_here_can_ask_says_what_would(tmp_path: Path) -> None:
    text = pair("{who: 'node:a', verb: get, resource: pods, namespace: <tenant>, name: x}", reason="is not allowed")
    found, _ = verdict(tmp_path, text, lambda asked: None)
    assert found.state is State.NOT_PROVABLE_HERE
    assert found.detail == "only a sandbox can make a certificate for the user system:node:a"


def test_what_rbac_refuses_is_asked_by_reviews_with_explicit_groups(tmp_path: Path) -> None:
    text = pair(
        "{who: ns-admin, verb: list, resource: configmaps, namespace: kube-system}",
        reason='cannot list resource "configmaps"',
        admit="{namespace: <tenant>}",
    )
    specs: list[Any] = []

    def decide(asked: Asked) -> Answer | None:
        if not asked.path.endswith("/subjectaccessreviews"):
            return None
        specs.append(asked.body["spec"])
        return 201, {"status": {"allowed": asked.body["spec"]["resourceAttributes"]["namespace"] == "shop"}}

    tenant = {"name": "shop", "owner": "o", "namespaces": ["shop"], "groups": {"nsAdmin": ["oidc:admins"]}}
    found, stub = verdict(tmp_path, text, decide, tenants=[tenant])
    assert found.state is State.PROVED, found.detail
    assert [s["groups"] for s in specs] == [["oidc:admins", "system:authenticated"]] * 2
    assert not [a for a in stub.asked if "Impersonate-Group" in a.headers or "Impersonate-User" in a.headers]


@pytest.mark.parametrize(
    ("text", "more", "state", "why"),
    [
        (pair(ring="cni"), {}, State.NOT_PROVABLE_HERE, "ring cni: a cluster whose network plugin enforces policies"),
        (pair(params="{level: low}"), {}, State.NOT_APPLICABLE, "for level: low; here it is high"),
        (pair(including="{level: [{users: [nobody]}]}"), {}, State.NOT_APPLICABLE, "for level with [{'users': ['nobody']}]"),
        (pair(stage="[audit]"), {}, State.NOT_APPLICABLE, "for stage audit; here it is at enforce"),
        (pair(when="{cni: [cilium]}"), {}, State.NOT_APPLICABLE, "for cni cilium"),
        (pair(kubernetes='">=1.99"'), {}, State.NOT_APPLICABLE, "for Kubernetes >=1.99"),
        (pair(unless="[rbac-personas]"), {}, State.NOT_APPLICABLE, "rbac-personas is enforced here, and refuses both twins"),
        (pair(), {"stage": '"off"'}, State.NOT_APPLICABLE, "its stage is off: "),
        (pair(), {"emits": ">=1.99"}, State.NOT_APPLICABLE, "it emits nothing on kubeadm with Kubernetes 1.36"),
        (pair(BAD.replace("<tenant>", "<staging>")), {}, State.NOT_APPLICABLE, "cluster.yaml has no namespace of tier staging"),
        (pair("{kubelet: {}}"), {}, State.NOT_PROVABLE_HERE, "only a sandbox has the cluster's CA key"),
    ],
)  # fmt: skip
def test_what_is_not_asked_says_why(tmp_path: Path, text: str, more: dict[str, Any], state: State, why: str) -> None:
    found, stub = verdict(tmp_path, text, lambda asked: None, **more)
    assert found.state is state
    assert found.detail.startswith(why)
    assert not [a for a in stub.asked if a.path.endswith("/pods")]


def test_a_request_that_makes_objects_each_time_is_not_made_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = "{service_account: '<own>/<probe>', deleted: true}"
    text = pair(f"{{who: {who}, verb: list, resource: configmaps, namespace: <own>}}", reason="401")
    resolution, stub = resolved(tmp_path, text), Stub()
    with session(stub) as one:
        (found,) = run_pairs(one, resolution, ["demo-one"], patience=0, settling=0.3)
    assert found.state is State.FAILED
    assert 1 < len([a for a in stub.asked if a.path.endswith("/configmaps")]) < 10


def test_what_a_try_made_does_not_stand_in_the_way_of_the_next(tmp_path: Path) -> None:
    text = pair("{verb: create, resource: configmaps, namespace: <own>, base: configmap, dry_run: false}")

    def decide(asked: Asked) -> Answer | None:
        taken = asked.method == "POST" and f"{asked.path}/{asked.body['metadata']['name']}" in stub.objects
        return refusal(409, "AlreadyExists", "it is there") if taken else None

    resolution, stub = resolved(tmp_path, text), Stub(decide)
    with session(stub) as one:
        (found,) = run_pairs(one, resolution, ["demo-one"], patience=0, settling=0.3)
    assert found.detail == "not refused: 201"


def test_a_warning_is_held_to(tmp_path: Path) -> None:
    text = pair(
        "{verb: create, resource: configmaps, namespace: <tenant>, base: configmap, warned: careful}",
        reason="warned: of nothing",
        admit="{base: configmap, over: {data: {loud: 'yes'}}}",
    )
    said = {"Warning": '299 - "be careful"'}
    found, _ = verdict(
        tmp_path, text, lambda a: (201, a.body, said) if a.body and "loud" in a.body.get("data", ()) else None
    )
    assert found.state is State.PROVED, found.detail


RULES = "{who: {rules: [{apiGroups: [''], resources: [configmaps], verbs: [create]}]}, verb: create, resource: configmaps, namespace: <tenant>, base: configmap}"


def test_somebody_with_rules_is_a_service_account_of_the_run(tmp_path: Path) -> None:
    def decide(asked: Asked) -> Answer | None:
        ours = asked.headers.get("Authorization") == "Bearer a-token"
        return POLICY if ours and asked.path.endswith("/configmaps") else None

    found, stub = verdict(tmp_path, pair(RULES, admit="{who: admin}"), decide)
    assert found.state is State.PROVED, found.detail
    made = [a for a in stub.asked if a.method == "POST" and not a.dry and a.body.get("metadata", {}).get("labels")]
    assert [a.body["kind"] for a in made] == ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    assert len({a.body["metadata"]["labels"]["ringfence/probe"] for a in made}) == 1
    assert stub.objects == {}


@pytest.mark.parametrize(
    ("groups", "state", "said"),
    [
        (["kubeadm:cluster-admins"], State.PROVED, "its twin passed"),
        (["admins"], State.PROVED, "its twin passed"),
        (
            ["somebodies"],
            State.NOT_PROVABLE_HERE,
            "the stub is in none of the groups system:masters, kubeadm:cluster-admins, admins",
        ),
    ],
)
def test_only_an_administrator_of_the_platform_stands_for_one(
    tmp_path: Path, groups: list[str], state: State, said: str
) -> None:
    def decide(asked: Asked) -> Answer | None:
        if asked.path.endswith("/selfsubjectreviews"):
            return 201, {"status": {"userInfo": {"groups": groups}}}
        return POLICY if asked.body and asked.body.get("spec", {}).get("hostPID") else None

    identity = {"groups": {"platformAdmin": ["admins"]}}
    found, _ = verdict(tmp_path, pair(admit="{who: administrator}"), decide, identity=identity)
    assert found.state is state
    assert said in found.detail


def test_a_fixture_that_is_refused_proves_nothing(tmp_path: Path) -> None:
    found, _ = verdict(
        tmp_path,
        pair(RULES),
        lambda a: refusal(403, "Forbidden", "no namespaces") if a.path == "/api/v1/namespaces" else None,
    )
    assert found.state is State.NOT_PROVABLE_HERE
    assert "can't make Namespace ringfence-probe-" in found.detail


def test_what_is_written_is_taken_away(tmp_path: Path) -> None:
    text = pair(
        "{verb: create, resource: configmaps, namespace: <tenant>, base: configmap, dry_run: false, over: {data: {x: bad}}}"
    )
    found, stub = verdict(
        tmp_path, text, lambda a: POLICY if a.body and a.body.get("data") == {"probe": "true", "x": "bad"} else None
    )
    assert found.state is State.PROVED, found.detail
    assert [a.method for a in stub.asked if "/configmaps" in a.path] == ["POST", "POST", "DELETE"]
    assert stub.objects == {}


@pytest.mark.parametrize("bad", [KeyboardInterrupt, RuntimeError])
def test_nothing_stays_after_an_interrupt(tmp_path: Path, bad: type[BaseException]) -> None:
    resolution = resolved(tmp_path, pair(RULES, given="[{base: configmap, namespace: <own>}]"))

    def interrupt(_: Verdict) -> None:
        assert stub.objects
        raise bad

    stub = Stub()
    with pytest.raises(bad), session(stub) as one:
        run_pairs(one, resolution, ["demo-one"], patience=0, seen=interrupt)
    assert stub.objects == {}


def test_what_would_not_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ringfence.errors import ToolError
    from ringfence.probes import fixtures

    monkeypatch.setattr(fixtures, "_GONE_WITHIN", 0.1)
    stub = Stub(lambda a: (200, {}) if a.method == "DELETE" else None)
    with pytest.raises(ToolError, match="of this run is still there"), session(stub) as one:
        one.fixtures.namespace()


@pytest.mark.parametrize(
    ("refuse", "admit", "reason"),
    [
        ("{discovery: {stability: alpha, allowed: [internal.apiserver.k8s.io/v1alpha1]}}", "{discovery: {stability: alpha}}", "serves no alpha group-version"),
        ("{path: /metrics, contains: a secret}", "{contains: a number}", "the answer holds no"),
        ("{path: /metrics, header: {X-Ours: other}}", "{header: {X-Ours: mine}}", "header X-Ours: mine"),
        ("{verb: create, resource: pods, namespace: <tenant>, base: pod, returns: {spec: {hostPID: true}}}", "{over: {spec: {hostPID: true}}}", "returned no spec.hostPID"),
    ],
)  # fmt: skip
def test_other_channels_and_what_answers_are_held_to(tmp_path: Path, refuse: str, admit: str, reason: str) -> None:
    found, _ = verdict(
        tmp_path,
        pair(refuse, reason, admit=admit),
        lambda a: (200, {"a number": 1}, {"X-Ours": "mine"}) if a.path == "/metrics" else None,
    )
    assert found.state is State.PROVED, found.detail


def test_a_burst_is_refused_when_one_of_it_is(tmp_path: Path) -> None:
    sent: list[Asked] = []

    def decide(asked: Asked) -> Answer | None:
        if not asked.path.endswith("/configmaps"):
            return None
        sent.append(asked)
        return refusal(429, "TooManyRequests", "limit reached") if len(sent) == 5 else None

    burst = "{verb: create, resource: configmaps, namespace: <own>, base: configmap, dry_run: false, times: 40}"
    found, _ = verdict(tmp_path, pair(burst, "limit reached", admit="{times: 1}"), decide)
    assert found.state is State.PROVED, found.detail
    assert 6 <= len(sent) < 20  # eight at once, none after the refusal, and the twin
    assert len({a.body["metadata"]["name"] for a in sent}) == len(sent)
