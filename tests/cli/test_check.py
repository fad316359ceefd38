"""`ringfence check`: true findings at the right lines, nothing passed over, the gate, the forms of output."""

from __future__ import annotations

import io
import json
import sys
import time

import jsonschema_rs
import pytest
from helpers import ROOT, build_tree

from ringfence.findings import examine
from ringfence.invariants import Violation, rules
from ringfence.model import Severity
from ringfence.schemas import SUPPORTED, SchemaStore

SECRET = """\
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: shop
stringData:
  password: hunter2
"""
MISSPELT = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, creationTimestamp: null}
spec:
  containers:
  - name: web
    image: registry.example.com/web@sha256:0
    securityContext:
      readOnlyRootFileSystem: true
"""
FINE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: fine}\ndata: {a: b}\n"
UNKNOWN = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"


def test_a_finding_names_file_line_control_and_remedy(cli, tmp_path):
    build_tree(tmp_path, {"m/secret.yaml": SECRET})
    done = cli("check", "m")
    assert done == (
        3,
        "critical sec-iac-state: keep a reference: External Secrets, Vault or Sealed Secrets\n"
        "  m/secret.yaml:6:1: Secret/shop/db stringData: a Secret with contents in the tree\n"
        "\n"
        "1 object in 1 file, Kubernetes 1.37: 1 critical; 1 at or over the gate (--fail-on medium)\n",
        "",
    )


def test_an_unknown_field_is_a_finding_and_a_null_is_none(cli, tmp_path):
    build_tree(tmp_path, {"pod.yaml": MISSPELT})
    done = cli("check", "pod.yaml")
    assert done.code == 3
    assert 'high schema: did you mean "readOnlyRootFilesystem"?\n' in done.out
    where = "pod.yaml:9:7: Pod/shop/web spec.containers[0].securityContext.readOnlyRootFileSystem: "
    assert f'  {where}unknown field "readOnlyRootFileSystem"\n' in done.out


def test_the_worst_comes_first_and_the_summary_last(cli, tmp_path):
    build_tree(tmp_path, {"m/a.yaml": MISSPELT, "m/b.yaml": SECRET})
    lines = cli("check", "m").out.splitlines()
    assert [line.split()[0] for line in lines if line and not line.startswith(" ")] == ["critical", "high", "2"]


@pytest.mark.parametrize(("gate", "code"), [("low", 3), ("medium", 3), ("high", 3), ("critical", 0), ("never", 0)])
def test_the_gate_decides(cli, tmp_path, gate, code):
    build_tree(tmp_path, {"pod.yaml": MISSPELT})
    assert cli("check", "pod.yaml", "--fail-on", gate).code == code


def test_the_default_gate_is_medium_and_named(cli, tmp_path):
    build_tree(tmp_path, {"a.yaml": FINE})
    assert cli("check", "a.yaml") == (
        0, "1 object in 1 file, Kubernetes 1.37: no findings; 0 at or over the gate (--fail-on medium)\n", "",
    )  # fmt: skip


def test_lists_are_unwrapped_with_their_own_lines(cli, tmp_path):
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(
        f"- {line}" if i == 0 else f"  {line}" for i, line in enumerate(SECRET.splitlines(keepends=True))
    )
    build_tree(tmp_path, {"list.yaml": text + "- null\n"})
    done = cli("check", "list.yaml")
    assert "  list.yaml:9:3: Secret/shop/db stringData: " in done.out
    assert "1 object in 1 file" in done.out


def test_what_has_no_schema_is_listed_and_fails_only_under_strict(cli, tmp_path):
    build_tree(tmp_path, {"m/w.yaml": UNKNOWN, "m/values.yaml": "replicas: 2\n", "m/empty.yaml": "# nothing\n"})
    done = cli("check", "m")
    assert done.code == 0
    assert "not analysed: no schema of example.com/v1 Widget here\n  m/w.yaml:1:1: Widget/w\n" in done.out
    missing = "not analysed: no Kubernetes object: apiVersion, kind or metadata is missing"
    assert f"{missing}\n  m/values.yaml:1:1: document\n" in done.out
    assert "; 2 not analysed; " in done.out
    assert cli("check", "m", "--strict").code == 6


def test_a_kind_that_kubernetes_no_longer_serves_is_a_finding(cli, tmp_path):
    old = "apiVersion: {}\nkind: {}\nmetadata: {{name: x}}\n---\n"
    build_tree(tmp_path, {"old.yaml": old.format("extensions/v1beta1", "Deployment")})
    done = cli("check", "old.yaml")
    assert done.code == 3
    assert "high schema: Deployment is served as apps/v1\n" in done.out
    assert "old.yaml:1:1: Deployment/x apiVersion: extensions/v1beta1 Deployment is no kind" in done.out


def test_the_version_decides_what_exists(cli, tmp_path):
    new = [
        k for k in ("1.36", "1.37") if SchemaStore(k).kind("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy")
    ]
    body = "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicy\nmetadata: {name: x}\n"
    build_tree(tmp_path, {"a.yaml": body})
    old = cli("check", "a.yaml", "--kubernetes", SUPPORTED[0])
    assert f"does not exist in Kubernetes {SUPPORTED[0]}" in old.out
    assert "does not exist" not in cli("check", "a.yaml", "--kubernetes", new[-1]).out


def test_configuration_of_tools_is_no_object(cli, tmp_path):
    kustomize = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n"
    ours = "apiVersion: ringfence/v1alpha1\nkind: Cluster\nname: x\n"
    build_tree(tmp_path, {"m/kustomization.yaml": kustomize, "m/cluster.yaml": ours})
    done = cli("check", "m", "--strict")
    assert (done.code, done.out.partition(",")[0]) == (0, "0 objects in 2 files")


def test_stdin(cli, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SECRET.encode())))
    assert "  <stdin>:6:1: Secret/shop/db stringData: " in cli("check", "-").out


def test_an_unreadable_file_is_an_error_and_the_others_are_still_checked(cli, tmp_path):
    build_tree(tmp_path, {"m/bad.yaml": "a: [\n", "m/helm.yaml": "name: {{ .Values.x }}\n", "m/secret.yaml": SECRET})
    done = cli("check", "m", "gone.yaml")
    assert done.code == 65
    assert "1 critical" in done.out
    lines = done.err.splitlines()
    assert lines[0] == "gone.yaml: error: can't read the file: no such file or directory"
    assert lines[1].startswith("m/bad.yaml:2:1: error: not YAML")
    assert lines[2].startswith("m/helm.yaml:1:")
    assert lines[2].endswith(
        "; this looks like a Helm template: check what it gives, `helm template CHART | ringfence check -`"
    )


def test_nothing_to_check_is_said(cli, tmp_path):
    assert cli("check") == (64, "", "error: nothing to check; name files, folders, or - for stdin\n")
    (tmp_path / "m").mkdir()
    assert cli("check", "m") == (65, "", "m: error: no YAML file below this folder\n")


def test_hidden_files_are_left_out(cli, tmp_path):
    build_tree(tmp_path, {"m/.git/x.yaml": SECRET, "m/.x.yaml": SECRET, "m/a.yaml": FINE})
    assert cli("check", "m").code == 0


def test_a_malformed_object_is_not_analysed_and_hides_no_other(cli, tmp_path):
    policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: net, namespace: shop}\nspec: 7\n"
    build_tree(tmp_path, {"m.yaml": f"{policy}---\n{SECRET}"})
    done = cli("check", "m.yaml")
    assert "m.yaml:4:1: NetworkPolicy/shop/net spec: expected object, got integer" in done.out
    assert (
        "not analysed: too malformed for the rules (AttributeError)\n  m.yaml:1:1: NetworkPolicy/shop/net\n" in done.out
    )
    assert "m.yaml:11:1: Secret/shop/db stringData" in done.out


def test_rules_about_many_objects_survive_a_malformed_one(monkeypatch):
    from ringfence import findings
    from ringfence.documents import load_all

    def count(manifests):
        for m in manifests:
            yield m, Violation(("data",), "seen", str(len(m.body["data"])))

    monkeypatch.setattr(findings, "set_rules", lambda: (rules.SetRule("c-seen", Severity.LOW, count),))
    monkeypatch.setattr(findings, "object_rules", tuple)
    report = examine(load_all(f"{FINE}---\n{FINE.replace('{a: b}', '7')}", "x", "kubectl"), SchemaStore("1.36"))
    assert [(f.control, f.place.line) for f in report.findings if f.control == "c-seen"] == [("c-seen", 4)]
    assert [u.reason for u in report.unanalysed] == ["too malformed for the rules (TypeError)"]


def test_a_broken_rule_is_not_blamed_on_the_input(monkeypatch):
    from ringfence import findings
    from ringfence.documents import load_all

    def broken(manifests):
        raise KeyError(len(manifests))
        yield

    monkeypatch.setattr(findings, "set_rules", lambda: (rules.SetRule("c-broken", Severity.LOW, broken),))
    with pytest.raises(KeyError):
        examine(load_all(FINE, "x", "kubectl"), SchemaStore("1.36"))


def test_json_follows_its_schema(cli, tmp_path):
    build_tree(tmp_path, {"m/a.yaml": MISSPELT, "m/b.yaml": f"{SECRET}---\n{UNKNOWN}"})
    done = cli("check", "m", "-o", "json")
    data = json.loads(done.out)
    schema = json.loads((ROOT / "docs" / "schema" / "findings.json").read_text())
    jsonschema_rs.validator_for(schema).validate(data)
    assert data["summary"] == {
        "files": 2, "objects": 3, "findings": {"critical": 1, "high": 1, "medium": 0, "low": 0},
        "notAnalysed": 1, "gate": "medium", "atOrOverGate": 2,
    }  # fmt: skip
    assert data["findings"][1] == {
        "control": "sec-iac-state",
        "severity": "critical",
        "object": "Secret/shop/db",
        "field": "stringData",
        "message": "a Secret with contents in the tree",
        "remedy": "keep a reference: External Secrets, Vault or Sealed Secrets",
        "file": "m/b.yaml",
        "line": 6,
        "column": 1,
        "origin": None,
    }
    reason = "no schema of example.com/v1 Widget here"
    place = {"file": "m/b.yaml", "line": 9, "column": 1}
    assert data["notAnalysed"] == [{"object": "Widget/w", "reason": reason, **place}]


def test_a_tree_is_judged_by_its_own_version_and_names_the_template(cli, shop):
    assert ", Kubernetes 1.36: no findings" in cli("check", "shop/rendered").out
    file = shop / "rendered" / "1-namespaces" / "shop.yaml"
    file.write_text(file.read_text().replace("  labels:\n", "  labels: 7\n  lables:\n"))
    done = cli("check", "shop/rendered/1-namespaces")
    origin = "(from templates/namespaces/pss-level/namespace.yaml.j2:6)"
    assert f"Namespace/shop metadata.labels: expected object, got integer {origin}\n" in done.out


def test_several_versions_in_one_call(cli, shop, tmp_path):
    build_tree(tmp_path, {"x.yaml": FINE})
    assert "3 objects in 3 files, Kubernetes 1.36, 1.37: " in cli("check", "shop/rendered", "x.yaml").out


def test_positions_of_a_file_with_many_documents_are_read_once(cli, tmp_path):
    build_tree(tmp_path, {"big.yaml": "---\n".join(SECRET.replace("name: db", f"name: db{i}") for i in range(2000))})
    start = time.process_time()
    done = cli("check", "big.yaml", "-o", "json")
    assert time.process_time() - start < 15  # a second; 2,000 readings of the file would be many minutes
    assert [f["line"] for f in json.loads(done.out)["findings"]] == [6 + 8 * i for i in range(2000)]
