"""Rules about admission policies and webhooks: each on manifests that break it and on their relatives that don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.documents import Document, dump
from ringfence.errors import RingfenceError
from ringfence.findings import examine
from ringfence.schemas import SchemaStore

Body = dict[str, Any]
STORE = SchemaStore("1.36")
API = "admissionregistration.k8s.io/v1"
PODS = ["pods", "pods/ephemeralcontainers"]


def matching(resources: list[str], group: str = "", operations: tuple[str, ...] = ("CREATE", "UPDATE")) -> Body:
    return {"apiGroups": [group], "apiVersions": ["*"], "operations": list(operations), "resources": resources}


def policy(expression: str = "true", *rules: Body, drop: str = "", **spec: Any) -> Body:
    body: Body = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": list(rules) or [matching(["configmaps"])]},
        "validations": [{"expression": expression}],
        **spec,
    }
    body.pop(drop, None)
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": body}


def binding(policy_name: str = "p", **spec: Any) -> Body:
    body = {"policyName": policy_name, "validationActions": ["Deny", "Audit"], **spec}
    return {"apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"}, "spec": body}


def webhook(*rules: Body, kind: str = "Validating", drop: str = "", **fields: Any) -> Body:
    hook: Body = {
        "name": "hook.example.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "hook", "namespace": "hooks"}},
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "rules": list(rules) or [matching(["configmaps"])],
        **fields,
    }
    hook.pop(drop, None)
    return {"apiVersion": API, "kind": f"{kind}WebhookConfiguration", "metadata": {"name": "w"}, "webhooks": [hook]}


def mutation() -> Body:
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [matching(["pods"])]},
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}],
    }
    return {"apiVersion": API, "kind": "MutatingAdmissionPolicy", "metadata": {"name": "p"}, "spec": spec}


def found(*bodies: Body) -> list[tuple[str, str, str]]:
    """Object, path and message of every finding of the rules; each has a remedy."""
    report = examine([Document("x.yaml", b, dump(b)) for b in bodies], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy for f in report.findings)
    rules = [f for f in report.findings if f.control != "schema"]
    return [(f.object.partition("/")[2], ".".join(map(str, f.path)), f.message) for f in rules]


def messages(*bodies: Body) -> list[str]:
    return [message for _, _, message in found(*bodies)]


def test_a_bound_policy_is_fine() -> None:
    assert found(policy(), binding()) == []


# In force


def test_a_policy_without_a_binding_has_no_effect() -> None:
    assert found(policy()) == [("p", "metadata.name", "no binding beside it: a policy without one has no effect")]
    assert messages(mutation()) == ["no binding beside it: a policy without one has no effect"]


def test_a_binding_needs_its_policy() -> None:
    [_, (name, path, message)] = found(policy(), binding("q"))
    assert (name, path) == ("b", "spec.policyName")
    assert message == "binds ValidatingAdmissionPolicy q, which is not beside it"


def test_a_binding_of_the_other_kind_binds_nothing() -> None:
    assert messages(mutation(), binding()) == [
        "no binding beside it: a policy without one has no effect",
        "binds ValidatingAdmissionPolicy p, which is not beside it",
    ]


def test_deny_and_warn_exclude_each_other() -> None:
    assert found(policy(), binding(validationActions=["Deny", "Warn"])) == [
        ("b", "spec.validationActions", "Deny and Warn together, which the API server refuses")
    ]
    assert found(policy(), binding(validationActions=["Warn", "Audit"])) == []


def test_a_validating_policy_fails_closed() -> None:
    assert found(policy(failurePolicy="Ignore"), binding()) == [
        ("p", "spec.failurePolicy", "failurePolicy Ignore: what the policy can't evaluate is admitted")
    ]


def test_what_happens_on_failure_is_written_down() -> None:
    assert found(policy(drop="failurePolicy"), binding()) == [
        ("p", "spec", "leaves failurePolicy to the API's default")
    ]
    assert found(webhook(drop="failurePolicy")) == [("w", "webhooks.0", "leaves failurePolicy to the API's default")]


PARAMETER = {"apiVersion": "v1", "kind": "ConfigMap"}


def test_a_parameter_can_not_be_removed_to_get_past() -> None:
    reference: Body = {"name": "limits", "namespace": "guards", "parameterNotFoundAction": "Allow"}
    assert found(policy(paramKind=PARAMETER), binding(paramRef=reference)) == [
        ("b", "spec.paramRef", "without its parameter the policy admits everything")
    ]
    assert found(policy(paramKind=PARAMETER), binding(paramRef={**reference, "parameterNotFoundAction": "Deny"})) == []


def test_a_policy_with_a_parameter_is_bound_with_one() -> None:
    assert found(policy(paramKind=PARAMETER), binding()) == [
        ("b", "spec", "p takes a parameter and is bound without one")
    ]
    plain = policy()
    plain["metadata"] = {"name": "q"}
    reference = {"name": "limits", "parameterNotFoundAction": "Deny"}
    second = binding("q")
    second["metadata"] = {"name": "c"}
    assert found(policy(paramKind=PARAMETER), binding(paramRef=reference), plain, second) == []


# What it is asked about

VITAL = "is asked about every resource, leases and token or access reviews among them"


@pytest.mark.parametrize("group", ["*", "coordination.k8s.io", "authorization.k8s.io", "authentication.k8s.io"])
@pytest.mark.parametrize("resource", ["*", "*/*"])
def test_a_guard_is_not_asked_about_leases_and_reviews(group: str, resource: str) -> None:
    rule = matching([resource], group)
    assert found(webhook(rule)) == [("w", "webhooks.0.rules.0.resources", VITAL)]
    assert messages(webhook(rule, kind="Mutating")) == [VITAL]
    assert found(policy("true", rule), binding()) == [("p", "spec.matchConstraints.resourceRules.0.resources", VITAL)]
    assert messages(policy(), binding(matchResources={"resourceRules": [rule]})) == [VITAL]


def test_conditions_may_leave_leases_out() -> None:
    conditions = [{"name": "no-leases", "expression": "request.resource.resource != 'leases'"}]
    rule = matching(["*"], "*")
    assert found(webhook(rule, matchConditions=conditions)) == []
    assert found(policy("true", rule, matchConditions=conditions), binding()) == []
    other = [{"name": "other", "expression": "request.resource.resource != 'pods'"}]
    assert messages(webhook(rule, matchConditions=other)) == [VITAL]


WHOLE = [(g, g) for g in ("apps", "autoscaling", "batch", "policy", "networking.k8s.io")]


@pytest.mark.parametrize(("group", "spelt"), [("", "the core group"), *WHOLE])
def test_a_whole_built_in_group_is_too_much(group: str, spelt: str) -> None:
    message = f"is asked about every resource of {spelt}, those of later versions too"
    assert messages(webhook(matching(["*"], group))) == [message]
    assert messages(policy("true", matching(["*"], group)), binding()) == [message]


@pytest.mark.parametrize("rule", [matching(["widgets"], "*"), matching(["*"], "example.com"), matching(["pods/*"])])
def test_lists_and_groups_of_ones_own_are_fine(rule: Body) -> None:
    assert found(webhook(rule)) == []


def test_a_validating_webhook_fails_closed() -> None:
    assert found(webhook(failurePolicy="Ignore")) == [
        (
            "w",
            "webhooks.0.failurePolicy",
            "failurePolicy Ignore: while its server does not answer, everything is admitted",
        )
    ]
    assert found(webhook(kind="Mutating", failurePolicy="Ignore")) == []


# All containers

EVERY = "variables.all.all(c, c.image.startsWith('registry.example.com/'))"
LISTS = " + ".join(f"object.spec.?{c}.orValue([])" for c in ("containers", "initContainers", "ephemeralContainers"))


def test_a_policy_over_every_container_of_pods() -> None:
    variables = [{"name": "all", "expression": LISTS}]
    assert found(policy(EVERY, matching(PODS), variables=variables), binding()) == []


ONLY = "object.spec.containers.all(c, c.image != '')"
NO_INIT = "looks at containers and not at initContainers"
NO_EPHEMERAL = "looks at containers and not at ephemeralContainers, which kubectl debug adds to running pods"
NO_RESOURCE = "matches pods and not pods/ephemeralcontainers, by which containers are added to running pods"


def test_other_containers_pass_a_policy_that_looks_at_containers() -> None:
    both = [("p", "spec.validations", NO_EPHEMERAL), ("p", "spec.validations", NO_INIT)]
    assert sorted(found(policy(ONLY, matching(PODS)), binding())) == both
    resource = ("p", "spec.matchConstraints.resourceRules", NO_RESOURCE)
    assert sorted(found(policy(ONLY, matching(["pods"])), binding())) == [resource, *both]


@pytest.mark.parametrize("resource", ["pods/ephemeralcontainers", "pods/*", "*/ephemeralcontainers"])
def test_ephemeral_containers_come_by_a_resource_of_their_own(resource: str) -> None:
    variables = [{"name": "all", "expression": LISTS}]
    assert messages(policy(EVERY, matching(["pods"]), variables=variables), binding()) == [NO_RESOURCE]
    assert found(policy(EVERY, matching(["pods", resource]), variables=variables), binding()) == []


KINDS = ["cronjobs", "daemonsets", "deployments", "jobs", "replicasets", "replicationcontrollers", "statefulsets"]


@pytest.mark.parametrize("resource", KINDS)
def test_templates_have_init_containers_and_no_ephemeral_ones(resource: str) -> None:
    template = "object.spec.template.spec.containers.all(c, c.image != '')"
    assert messages(policy(template, matching([resource], "apps")), binding()) == [NO_INIT]


def test_ephemeral_containers_have_no_resources() -> None:
    limits = "object.spec.containers.all(c, has(c.resources.limits))"
    assert messages(policy(limits, matching(["pods"])), binding()) == [NO_INIT]
    both = f"{limits} && object.spec.initContainers.all(c, has(c.resources.limits))"
    assert found(policy(both, matching(["pods"])), binding()) == []


@pytest.mark.parametrize(
    "expression",
    [
        "object.spec.containers.all(c, has(c.readinessProbe))",
        "!has(object.spec.hostNetwork) || !object.spec.hostNetwork",
        "object.metadata.annotations['image'] != ''",
    ],
)
def test_what_only_containers_have_is_looked_for_there(expression: str) -> None:
    assert found(policy(expression, matching(["pods"])), binding()) == []


def test_containers_of_other_kinds_are_not_pods() -> None:
    assert found(policy(ONLY, matching(["widgets"], "example.com")), binding()) == []


# Whoever wrote it


ALL = matching(["*"], "*")


@pytest.mark.parametrize(
    "body",
    [
        policy(ONLY, ALL, drop="failurePolicy"),
        binding("q"),
        webhook(ALL, failurePolicy="Ignore"),
        webhook(drop="failurePolicy"),
    ],
)
def test_kinds_of_other_groups_are_not_judged(body: Body) -> None:
    foreign = {**body, "apiVersion": "example.com/v1"}
    assert examine([Document("x.yaml", foreign, dump(foreign))], STORE).findings == ()


@pytest.mark.parametrize(
    "spec", ["all", {"policyName": 7, "validationActions": "Deny"}, {"validationActions": ["Deny"]}]
)
def test_a_malformed_binding_stops_nothing(spec: Any) -> None:
    body = {"apiVersion": API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "b"}, "spec": spec}
    report = examine([Document("x.yaml", b, dump(b)) for b in (body, policy())], STORE)
    assert {f.control for f in report.findings if f.object.endswith("/b")} == {"schema"}


# Policies from templates, whose strings may be open

PAIR = """\
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: "guard-{{ namespace.name }}", namespace: {{ namespace.name }}}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: ["*"], operations: [CREATE], resources: RESOURCES}
  validations:
  - expression: EXPRESSION
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: "guard-{{ namespace.name }}", namespace: {{ namespace.name }}}
spec: {policyName: NAME, validationActions: [Deny]}
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    root = small(tmp_path / "templates", monkeypatch)

    def built(name: str, expression: str = "'true'", resources: str = "[services]") -> int:
        template = PAIR.replace("RESOURCES", resources).replace("EXPRESSION", expression).replace("NAME", name)
        write_control(root, "demo-guard", {"policy.yaml.j2": template})
        return len(Builder().build(write_cluster(tmp_path), "cluster.yaml").manifests)

    return built


def test_a_pair_by_value(build: Any) -> None:
    assert build('"guard-{{ namespace.name }}"') == 2
    with pytest.raises(RingfenceError, match="binds ValidatingAdmissionPolicy shop, which is not beside it"):
        build("{{ namespace.name }}")


def test_an_expression_with_a_value_in_it_is_read(build: Any) -> None:
    expression = """ "object.spec.containers.all(c, c.image.startsWith('{{ namespace.name }}/'))" """
    with pytest.raises(RingfenceError, match="looks at containers and not at initContainers"):
        build('"guard-{{ namespace.name }}"', expression, "[pods]")
