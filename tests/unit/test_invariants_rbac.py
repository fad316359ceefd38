"""Rules about roles and bindings: each on manifests that break it and on their nearest relatives that don't."""

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
API = "rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
ADMISSION = "admissionregistration.k8s.io"
DEFAULT = {"kubernetes.io/bootstrapping": "rbac-defaults"}


def rule(groups: str, resources: str, verbs: str, *names: str) -> Body:
    limited = {"resourceNames": list(names)} if names else {}
    return {"apiGroups": groups.split(","), "resources": resources.split(","), "verbs": verbs.split(","), **limited}


def cluster_role(*rules: Body, name: str = "r", **labels: str) -> Body:
    metadata: Body = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": API, "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)}


def role(*rules: Body) -> Body:
    metadata = {"name": "r", "namespace": "shop"}
    return {"apiVersion": API, "kind": "Role", "metadata": metadata, "rules": list(rules)}


def binding(ref: str, *subjects: Body, name: str = "b", namespace: str = "", **labels: str) -> Body:
    metadata: Body = {"name": name, **({"namespace": namespace} if namespace else {})}
    if labels:
        metadata["labels"] = labels
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": ref}
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "roleRef": reference, "subjects": list(subjects)}


def group(name: str, kind: str = "Group") -> Body:
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def found(*bodies: Body) -> list[tuple[str, str, str]]:
    """Control, path and message of every finding of the rules; each has a remedy."""
    report = examine([Document("x.yaml", b, dump(b)) for b in bodies], STORE)
    assert report.unanalysed == ()
    assert all(f.remedy for f in report.findings)
    assert not [f for f in report.findings if f.control == "schema"]
    return [(f.control, ".".join(map(str, f.path)), f.message) for f in report.findings]


def controls(*bodies: Body) -> list[str]:
    return [control for control, _, _ in found(*bodies)]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        (rule("apps", "deployments", "*"), "verbs", "grants every verb on deployments of apps"),
        (rule("apps", "*", "get"), "resources", "grants get on every resource of apps"),
        (rule("", "*", "delete"), "resources", "grants delete on every resource of the core group"),
        (rule("", "*", "get"), "resources", "grants get on every resource of the core group, Secrets included"),
        (rule("*", "*", "*"), "resources", "grants every verb on every resource of every API group, Secrets included"),
        (rule("*", "widgets", "get,list"), "apiGroups", "grants get, list on widgets of every API group"),
        (rule("apps", "*/scale", "get"), "resources", "grants get on */scale of apps"),
        ({"nonResourceURLs": ["*"], "verbs": ["get"]}, "nonResourceURLs", "grants get on every URL"),
        ({"nonResourceURLs": ["/*"], "verbs": ["get"]}, "nonResourceURLs", "grants get on every URL"),
        ({"nonResourceURLs": ["/metrics"], "verbs": ["*"]}, "verbs", "grants every verb on /metrics"),
    ],
)
def test_a_wildcard_is_one_finding_that_says_what_it_grants(given: Body, path: str, message: str) -> None:
    expected = [("rbac-no-wildcards", f"rules.0.{path}", message)]
    assert found(cluster_role(given)) == expected
    assert found(role(given)) == expected


def test_what_is_listed_is_no_wildcard() -> None:
    listed = rule("apps,batch", "deployments,jobs,deployments/scale", "get,list,watch,create,update,patch,delete")
    urls = {"nonResourceURLs": ["/healthz", "/healthz/*"], "verbs": ["get"]}
    assert found(cluster_role(listed, urls), role(listed)) == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (rule(GROUP, "clusterroles", "get,bind"), "grants bind on roles"),
        (rule(GROUP, "roles,rolebindings", "escalate,bind"), "grants bind, escalate on roles"),
        (rule("", "users,groups", "impersonate"), "acts with all rights of any of them"),
        (rule("", "serviceaccounts", "impersonate", "ci"), "acts with all rights of those it names"),
        (rule("", "groups", "impersonate"), "impersonate on groups"),
        (rule("", "users", "impersonate"), "impersonate on users"),
        (rule("authentication.k8s.io", "uids", "impersonate"), "impersonate on uids"),
        (rule("authentication.k8s.io", "userextras/scopes", "impersonate"), "impersonate on userextras/scopes"),
    ],
)
def test_escalating_verbs(given: Body, message: str) -> None:
    for body in (cluster_role(given), role(given)):
        [(control, path, text)] = found(body)
        assert (control, path) == ("rbac-no-escalation-verbs", "rules.0.verbs")
        assert message in text


@pytest.mark.parametrize(
    "given",
    [
        rule(GROUP, "clusterroles", "get,create,update"),
        rule("apis.kcp.io", "apiexports", "bind"),
        rule("apps", "deployments", "impersonate"),
        rule("", "pods", "impersonate"),
        rule("example.com", "users", "impersonate"),
        rule("authentication.k8s.io", "users", "impersonate:user-info", "ann"),
        rule("apps", "deployments", "impersonate-on:user-info:get"),
    ],
)
def test_verbs_that_escalate_nothing(given: Body) -> None:
    assert found(cluster_role(given)) == []


@pytest.mark.parametrize("given", [rule(GROUP, "*", "escalate"), rule("", "*", "impersonate")])
def test_a_star_of_resources_does_not_hide_the_verb(given: Body) -> None:
    assert sorted(controls(cluster_role(given))) == ["rbac-no-escalation-verbs", "rbac-no-wildcards"]


@pytest.mark.parametrize("verbs", ["get", "list", "watch", "create,get"])
def test_a_cluster_role_that_reads_all_secrets(verbs: str) -> None:
    given = rule("", "configmaps,secrets", verbs)
    [(control, path, message)] = found(cluster_role(given))
    assert (control, path) == ("rbac-secrets-least", "rules.0.resources")
    assert "on all Secrets of every namespace that it is bound in" in message
    assert found(role(given)) == []


@pytest.mark.parametrize(
    "given",
    [rule("", "secrets", "create,delete"), rule("", "secrets", "get", "one"), rule("example.com", "secrets", "get")],
)
def test_a_cluster_role_that_reads_no_secrets_wholesale(given: Body) -> None:
    assert found(cluster_role(given)) == []


@pytest.mark.parametrize(
    ("resource", "verb", "harmless"),
    [
        ("pods/exec", "create", "list"),
        ("pods/exec", "get", "list"),
        ("pods/attach", "create", "list"),
        ("pods/attach", "get", "list"),
        ("pods/portforward", "create", "list"),
        ("pods/portforward", "get", "list"),
        ("pods/ephemeralcontainers", "patch", "get"),
        ("pods/ephemeralcontainers", "update", "get"),
    ],
)
def test_shells_belong_in_a_role_of_one_namespace(resource: str, verb: str, harmless: str) -> None:
    [(control, path, message)] = found(cluster_role(rule("", f"pods,{resource}", verb)))
    assert (control, path) == ("rbac-interactive-access", "rules.0.resources")
    assert message == f"grants {resource} in every namespace that it is bound in, production included"
    assert found(cluster_role(rule("", resource, harmless)), role(rule("", resource, verb))) == []
    assert found(cluster_role(rule("example.com", resource, verb))) == []


def test_the_kubelets_whole_api() -> None:
    assert controls(cluster_role(rule("", "nodes,nodes/proxy", "get"))) == ["kubelet-fine-grained-rbac"]
    assert found(cluster_role(rule("", "nodes,nodes/metrics,nodes/stats", "get"))) == []
    assert found(role(rule("", "nodes/proxy", "get"))) == []  # nodes are in no namespace


def test_minting_credentials() -> None:
    token, named = rule("", "serviceaccounts/token", "create"), rule("", "serviceaccounts/token", "create", "ci")
    assert controls(cluster_role(token)) == controls(role(token)) == controls(cluster_role(named))
    assert controls(role(token)) == ["rbac-credential-minting"]
    assert found(role(named), cluster_role(rule("", "serviceaccounts", "create"))) == []
    assert found(cluster_role(rule("", "serviceaccounts/token", "get"))) == []
    approval = "certificatesigningrequests/approval"
    for verb in ("patch", "update"):
        assert controls(cluster_role(rule("certificates.k8s.io", approval, verb))) == ["rbac-credential-minting"]
    assert found(cluster_role(rule("certificates.k8s.io", approval, "get"))) == []


@pytest.mark.parametrize(
    ("given", "grants"),
    [
        (rule(ADMISSION, "validatingadmissionpolicies", "get,delete"), "delete on validatingadmissionpolicies"),
        *(
            (rule(ADMISSION, f"{kind}{what}", "patch", "one"), f"patch on {kind}{what}")
            for kind in ("mutatingadmissionpolic", "validatingadmissionpolic")
            for what in ("ies", "ybindings")
        ),
        (rule(ADMISSION, "mutatingwebhookconfigurations", "patch"), "patch on mutatingwebhookconfigurations"),
    ],
)
def test_writing_the_guardrails(given: Body, grants: str) -> None:
    [(control, path, message)] = found(cluster_role(given))
    assert (control, path) == ("rbac-guardrail-config", "rules.0.resources")
    assert message.startswith(f"grants {grants}: its holder can switch off or take over admission")


@pytest.mark.parametrize(
    "given",
    [
        rule(ADMISSION, "validatingadmissionpolicies,validatingwebhookconfigurations", "get,list,watch"),
        rule(ADMISSION, "validatingwebhookconfigurations", "patch", "my-own"),
    ],
)
def test_reading_the_guardrails_and_keeping_ones_own_webhook(given: Body) -> None:
    assert found(cluster_role(given)) == []


def test_a_role_that_extends_the_built_in_ones() -> None:
    label = f"{GROUP}/aggregate-to-"
    pods = rule("", "pods", "get")
    assert found(cluster_role(pods, **{f"{label}edit": "true"})) == [
        (
            "rbac-no-aggregation",
            f"metadata.labels.{label}edit",
            "adds its rules to edit, for everybody who is bound to that in any namespace",
        )
    ]
    for built_in in ("admin", "view"):
        assert controls(cluster_role(pods, **{f"{label}{built_in}": "true"})) == ["rbac-no-aggregation"]
    for harmless in ({f"{label}edit": "false"}, {f"{label}ops": "true"}, {"edit": "true"}):
        assert found(cluster_role(pods, **harmless)) == []


def test_what_a_controller_aggregates_is_judged_where_it_is_written() -> None:
    collected = cluster_role(rule("*", "*", "*"))
    collected["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    assert found(collected) == []


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("system:masters", "its members pass every authorization check, bound or not"),
        ("system:authenticated", "that is every user and every pod"),
        ("system:unauthenticated", "that is whoever reaches the API server, without credentials"),
    ],
)
def test_a_binding_to_everybody(name: str, meaning: str) -> None:
    message = f"binds view to {name}: {meaning}"
    expected = [("rbac-no-system-groups", "subjects.1.name", message)]
    assert found(binding("view", group("team"), group(name))) == expected
    assert found(binding("view", group("team"), group(name), namespace="shop")) == expected
    assert found(binding("view", group("team"), group("system:serviceaccounts:shop"))) == []


def test_anonymous_is_a_user() -> None:
    assert controls(binding("view", group("system:anonymous", "User"))) == ["rbac-no-system-groups"]


def test_cluster_admin_is_for_emergencies() -> None:
    [(control, path, message)] = found(binding("cluster-admin", group("ops")))
    assert (control, path) == ("rbac-cluster-admin-guard", "roleRef.name")
    assert message == "binds cluster-admin: full control of the cluster"
    [(_, _, message)] = found(binding("cluster-admin", group("ops"), namespace="shop"))
    assert message == "binds cluster-admin: full control of the namespace, its Secrets, roles and quota"
    assert found(binding("cluster-admin", group("ops"), name="ringfence:break-glass")) == []
    assert found(binding("cluster-admin"), binding("view", group("ops"))) == []
    other = binding("cluster-admin", group("ops"), namespace="shop")
    other["roleRef"]["kind"] = "Role"
    assert found(other) == []


def test_kubeadms_own_binding_with_nobody_else_in_it() -> None:
    name = "kubeadm:cluster-admins"
    assert found(binding("cluster-admin", group(name), name=name)) == []
    assert controls(binding("cluster-admin", group(name), group("ops"), name=name)) == ["rbac-cluster-admin-guard"]
    assert controls(binding("cluster-admin", group(name), name="other")) == ["rbac-cluster-admin-guard"]


def test_kubernetes_defaults_are_nobodys_choice() -> None:
    everything = rule("*", "*", "*")
    assert found(cluster_role(everything, name="cluster-admin", **DEFAULT)) == []
    assert found(cluster_role(everything, name="system:kube-controller-manager", **DEFAULT)) == []
    masters = binding("cluster-admin", group("system:masters"), name="cluster-admin", **DEFAULT)
    assert found(masters) == []
    labels = {**DEFAULT, f"{GROUP}/aggregate-to-edit": "true"}
    assert found(cluster_role(rule("", "pods", "get"), name="system:aggregate-to-edit", **labels)) == []


@pytest.mark.parametrize("name", ["admin", "cluster-admin", "edit", "view", "system:node"])
def test_the_name_of_a_default_excuses_nothing_without_the_label(name: str) -> None:
    assert controls(cluster_role(rule("*", "*", "*"), name=name)) == ["rbac-no-wildcards"]
    assert found(cluster_role(rule("*", "*", "*"), name=name, **DEFAULT)) == []


def test_the_label_of_a_default_excuses_no_other_name() -> None:
    assert controls(cluster_role(rule("*", "*", "*"), name="mine", **DEFAULT)) == ["rbac-no-wildcards"]
    mine = binding("cluster-admin", group("system:masters"), name="mine", **DEFAULT)
    assert sorted(controls(mine)) == ["rbac-cluster-admin-guard", "rbac-no-system-groups"]


FOREIGN = [
    cluster_role(rule("*", "*", "*"), **{f"{GROUP}/aggregate-to-edit": "true"}),
    binding("cluster-admin", group("system:masters")),
    {"apiVersion": "", "kind": "Role", "metadata": {"name": "r"}, "rules": "all"},
]


@pytest.mark.parametrize("body", FOREIGN)
def test_kinds_of_other_groups_are_not_judged(body: Body) -> None:
    foreign = {**body, "apiVersion": "iam.example.com/v1"}
    assert examine([Document("x.yaml", foreign, dump(foreign))], STORE).findings == ()


def test_a_role_too_malformed_to_judge_is_listed() -> None:
    body = cluster_role({"apiGroups": "*", "resources": ["pods"], "verbs": ["get"]})
    report = examine([Document("x.yaml", body, dump(body))], STORE)
    assert [u.object for u in report.unanalysed] == ["ClusterRole/r"]


# What may not come from cluster.yaml

ROLE = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r, namespace: {{ namespace.name }}}
rules:
- apiGroups: [GROUP]
  resources: [RESOURCE]
  verbs: [VERB]
"""
BINDING = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: {{ namespace.name }}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ROLE}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: {{ namespace.owner }}}
"""


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    root = small(tmp_path / "templates", monkeypatch)

    def built(template: str, **changes: Any) -> int:
        write_control(root, "demo-rbac", {"rbac.yaml.j2": template})
        return len(Builder().build(write_cluster(tmp_path, **changes), "cluster.yaml").manifests)

    return built


@pytest.mark.parametrize("place", ["GROUP", "RESOURCE", "VERB"])
@pytest.mark.parametrize("value", ["{{ namespace.owner }}", '"x-{{ namespace.owner }}"'])
def test_a_grant_can_not_hang_on_a_value(build: Any, place: str, value: str) -> None:
    literal = {"GROUP": "apps", "RESOURCE": "deployments", "VERB": "get"}
    template = ROLE
    for name, text in literal.items():
        template = template.replace(name, value if name == place else text)
    with pytest.raises(RingfenceError, match="hang on a value"):
        build(template)


def test_a_url_can_not_hang_on_a_value(build: Any) -> None:
    template = ROLE.replace("apiGroups: [GROUP]", "nonResourceURLs: [PATH]").replace("  resources: [RESOURCE]\n", "")
    with pytest.raises(RingfenceError, match="nonResourceURLs hang on a value"):
        build(template.replace("VERB", "get").replace("PATH", '"/{{ namespace.owner }}"'))


def test_a_label_that_aggregates_can_not_hang_on_a_value(build: Any) -> None:
    labels = 'labels: {rbac.authorization.k8s.io/aggregate-to-edit: "{{ namespace.owner }}"} }'
    template = ROLE.replace("namespace: {{ namespace.name }}}", f"namespace: {{{{ namespace.name }}}}, {labels}")
    with pytest.raises(RingfenceError, match="adds its rules to edit"):
        build(template.replace("GROUP", "apps").replace("RESOURCE", "deployments").replace("VERB", "get"))


def test_a_grant_that_is_written_out(build: Any) -> None:
    assert build(ROLE.replace("GROUP", "apps").replace("RESOURCE", "deployments").replace("VERB", "get")) == 1


@pytest.mark.parametrize("value", ["{{ namespace.owner }}", '"x-{{ namespace.owner }}"'])
def test_a_bound_role_can_not_hang_on_a_value(build: Any, value: str) -> None:
    with pytest.raises(RingfenceError, match="the role's name hangs on a value"):
        build(BINDING.replace("ROLE", value))
    assert build(BINDING.replace("ROLE", "view")) == 1


def test_the_kind_of_a_bound_role_can_not_hang_on_a_value(build: Any) -> None:
    tenants = [{"name": "shop", "owner": "ClusterRole", "namespaces": ["shop"]}]
    template = BINDING.replace("ROLE", "view").replace("kind: ClusterRole,", "kind: {{ namespace.owner }},")
    with pytest.raises(RingfenceError, match="the role's kind hangs on a value"):
        build(template, tenants=tenants)


def test_a_subject_from_cluster_yaml_is_looked_at(build: Any) -> None:
    tenants = [
        {"name": "shop", "owner": "shop-team", "namespaces": ["shop"]},
        {"name": "open", "owner": "system:authenticated", "namespaces": ["open"]},
    ]
    with pytest.raises(RingfenceError, match="RoleBinding/open/b: binds view to system:authenticated"):
        build(BINDING.replace("ROLE", "view"), tenants=tenants)
    assert build(BINDING.replace("ROLE", "view"), tenants=tenants[:1]) == 1
