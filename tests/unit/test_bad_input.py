"""Bad input, as a user meets it: the exact text, the exit code, no traceback, and nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from catalogues import NOTE, Command, demo, snapshot_of, write_control
from helpers import build_tree

CLUSTER = """\
apiVersion: ringfence/v1alpha1
kind: Cluster
name: test
profile: baseline
kubernetes: {version: "1.36", distribution: kubeadm}
tenants:
- name: shop
  owner: shop@example.com
  namespaces: [shop]
"""
PARAMS = {
    "level": {
        "type": "choice", "choices": ["low", "mid", "high"], "default": "mid", "floor": "stricter", "description": "A level.",
    },
    "size": {"type": "quantity", "default": "1Gi", "floor": "at-most", "description": "A size."},
    "wait": {"type": "duration", "default": "1h", "floor": "at-most", "description": "A time."},
    "ranges": {"type": "cidrs", "default": ["10.0.0.0/8"], "floor": "additive", "description": "Ranges."},
    "many": {"type": "integers", "default": [1, 2], "floor": "subtractive", "description": "Numbers."},
    "fixed": {"type": "string", "default": "a", "floor": "deny", "description": "Text."},
    "most": {"type": "integer", "default": 5, "minimum": 1, "maximum": 9, "description": "A number."},
    "on": {"type": "boolean", "default": True, "floor": "deny", "description": "A switch."},
}  # fmt: skip
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: tuned
  namespace: {{ namespace.name }}
data:
  level: {{ params.level }}
"""


@pytest.fixture
def ringfence(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    catalogue = demo(tmp_path / "catalogue", monkeypatch)
    write_control(catalogue, "demo-tuned", {"configmap.yaml.j2": TEMPLATE}, params=PARAMS, floor="audit")
    work = tmp_path / "work"
    work.mkdir()
    return Command(work, capsys, monkeypatch)


def changed(old: str, new: str) -> str:
    """The cluster with one text replaced; an empty `old` appends."""
    assert old in CLUSTER
    return CLUSTER.replace(old, new, 1) if old else CLUSTER + new


def refused(ringfence: Command, text: str | bytes, code: int = 65) -> str:
    """What rendering says; it may write nothing."""
    file = Path("cluster.yaml")
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = snapshot_of(Path())
    outcome = ringfence("render")
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    assert snapshot_of(Path()) == before
    assert [f.name for f in Path().iterdir() if f.name not in ("cluster.yaml", ".cache")] == []
    assert "Traceback" not in outcome.err
    return outcome.err


def test_the_cluster_that_the_others_break_is_fine(ringfence: Command) -> None:
    Path("cluster.yaml").write_text(CLUSTER)
    assert ringfence("render").code == 0
    assert sorted(snapshot_of(Path())) == [
        "cluster.yaml",
        "rendered/2-guards/kube-system/demo.yaml",
        "rendered/2-guards/shop/demo.yaml",
        "rendered/ringfence.index",
        "ringfence.lock",
    ]


NAME_HINT = "use lower-case letters, digits and dashes, at most 63, starting and ending with a letter or digit"
DOCUMENT = [
    # unknown keys, at any depth
    ("", "tennants: []\n", '10:1: error: unknown key "tennants"; did you mean "tenants"?'),
    ("", "full: 1\n", '10:1: error: unknown key "full"; `ringfence schema cluster` lists them'),
    ("", "short: 1\n", '10:1: error: unknown key "short"; `ringfence schema cluster` lists them'),
    ("", "network: {dns: {prot: 53}}\n", '10:17: error: unknown key "prot" in network.dns; did you mean "port"?'),
    ("[shop]", "[{name: shop, ingres: true}]",
     '9:29: error: unknown key "ingres" in tenants[0].namespaces[0]; did you mean "ingress"?'),
    ("[shop]", "[{name: shop, quota: {podz: 1}}]",
     '9:37: error: unknown key "podz" in tenants[0].namespaces[0].quota; did you mean "pods"?'),
    ("", "controls: {demo-each: {reason: r, stages: audit}}\n",
     '10:35: error: unknown key "stages" in controls.demo-each; did you mean "stage"?'),
    ("", "identity: {groups: {admin: [a]}}\n",
     '10:21: error: unknown key "admin" in identity.groups; choose one of: auditor, breakGlass, platformAdmin'),
    # missing keys, at the mapping that lacks them
    ("  owner: shop@example.com\n", "",
     "7:3: error: missing key \"owner\" in tenants[0]; add `owner:` (Who answers for it: a team's mailbox or chat channel)"),
    ("name: test\n", "", '1:1: error: missing key "name"; add `name:` (DNS-1123 label: lower-case letters, digits and '
     "dashes, at most 63)"),
    ("", "controls:\n  demo-each:\n    stage: audit\n",
     '11:3: error: missing key "reason" in controls.demo-each; add `reason:` (Why; reviewers read it)'),
    # wrong types
    ("shop@example.com", "5", '8:3: error: tenants[0].owner: expected string, got 5; quote it: "5"'),
    ("shop@example.com", "true", '8:3: error: tenants[0].owner: expected string, got true; quote it: "true"'),
    ("shop@example.com", "[a]", "8:3: error: tenants[0].owner: expected string, got a list"),
    ("name: test", "name:", "3:1: error: name: expected string, got null; write a value, or remove the key"),
    ("[shop]", "shop", '9:3: error: tenants[0].namespaces: expected list, got "shop"; write ["shop"]'),
    ("[shop]", "[5]", "9:16: error: tenants[0].namespaces[0]: expected string or mapping, got 5; quote it: \"5\""),
    ("[shop]", "[[a]]", "9:16: error: tenants[0].namespaces[0]: expected string or mapping, got a list"),
    ("[shop]", "[{name: a, quota: 7}]",
     "9:26: error: tenants[0].namespaces[0].quota: expected string or mapping, got 7; quote it: \"7\""),
    ("", "controls: [a]\n", "10:1: error: controls: expected mapping, got a list; write keys and values"),
    ("", "delivery: {flux: yes please}\n",
     '10:12: error: delivery.flux: expected mapping, got "yes please"; its keys: kind, name, namespace'),
    ("", 'network: {apiServer: {port: "443"}}\n',
     '10:23: error: network.apiServer.port: expected integer, got "443"; remove the quotes'),
    ("", "components: {monitoring: {podLabels: {a: 1}}}\n",
     '10:39: error: components.monitoring.podLabels.a: expected string, got 1; quote it: "1"'),
    ("", "components: {monitoring: {podLabels: {a b: c}}}\n",
     '10:39: error: components.monitoring.podLabels: "a b" is not a valid key; write a label such as app or example.com/app'),
    ("", "components: {monitoring: {podLabels: {a: b c}}}\n", '10:39: error: components.monitoring.podLabels.a: "b c" does not '
     "parse; use at most 63 letters, digits, dashes, dots and underscores, with a letter or digit at both ends"),
    ("[shop]", "[{name: a, ingress: 1}]",
     "9:26: error: tenants[0].namespaces[0].ingress: expected true or false, got 1"),
    # choices, bounds and patterns
    ("kubeadm", "kubadm", '5:31: error: kubernetes.distribution: "kubadm" is not a valid choice; did you mean "kubeadm"?'),
    ('"1.36"', "1.36", '5:14: error: kubernetes.version: 1.36 is not a valid choice; quote it: "1.36"'),
    ('"1.36"', "1.30", '5:23: error: 1.30 is a number, and loses its zeros; quote it: "1.30", or write 1.3'),
    ('"1.36"', '"1.31"', '5:14: error: kubernetes.version: "1.31" is not a valid choice; choose one of: 1.32, 1.33, 1.34,'
     " 1.35, 1.36, 1.37"),
    ("[shop]", "[{name: a, quota: huge}]", '9:26: error: tenants[0].namespaces[0].quota: "huge" is not a valid choice; '
     "choose one of: large, medium, small"),
    ("[shop]", "[]", "9:3: error: tenants[0].namespaces: it has 0 items; write at least 1"),
    ("shop@example.com", '""', "8:3: error: tenants[0].owner: it has 0 characters; write at least 1"),
    ("shop@example.com", "x" * 501, "8:3: error: tenants[0].owner: it has 501 characters; write at most 500"),
    ("shop@example.com", r'"a\nb"', r'8:3: error: tenants[0].owner: "a\nb" does not parse; write it on one line'),
    ("", "network: {dns: {port: 0}}\n", "10:17: error: network.dns.port: 0 is out of range; write at least 1"),
    ("", "network: {dns: {port: 65536}}\n", "10:17: error: network.dns.port: 65536 is out of range; write at most 65535"),
    ("name: shop", "name: Shop_", f'7:3: error: tenants[0].name: "Shop_" does not parse; {NAME_HINT}'),
    ("", "network: {podCIDRs: [ten]}\n", '10:22: error: network.podCIDRs[0]: "ten" does not parse; write an address and a '
     "prefix length, such as 10.0.0.0/16"),
    ("", "network: {podCIDRs: [10.0.0.0/33]}\n",
     '10:22: error: network.podCIDRs: "10.0.0.0/33" does not parse; write it such as 10.0.0.0/16 or fd00::/48'),
    ("", "network: {nodeCIDRs: [10.0.0.1/8]}\n",
     '10:23: error: network.nodeCIDRs: "10.0.0.1/8" has host bits set; write 10.0.0.0/8'),
    ("", 'network: {podCIDRs: ["fd00::/48"]}\n', '10:22: error: network.podCIDRs: "fd00::/48" is IPv6, which '
     "network.ipFamilies does not list; add IPv6 to network.ipFamilies"),
    ("", "network: {apiServer: {addresses: [1.2.3]}}\n",
     '10:35: error: network.apiServer.addresses: "1.2.3" does not parse; write it such as 10.0.0.1 or fd00::1'),
    ("", "network: {cni: flannel}\n", "10:11: error: network.cni: flannel accepts NetworkPolicies and enforces none; choose one "
     "that enforces them, such as calico, cilium or canal (flannel with calico's policies)"),
    ("", "network: {dns: {mode: custom}}\n", "10:17: error: network.dns: mode custom needs addresses; list the resolvers under "
     "network.dns.addresses"),
    ("[shop]", "[{name: a, quota: {requestsCpu: 2 cores}}]", '9:34: error: tenants[0].namespaces[0].quota.requestsCpu: '
     '"2 cores" does not parse; write a quantity such as "500m", "2" or 4Gi'),
    ("", "images: {registries: [docker.io]}\n",
     '10:23: error: images.registries[0]: "docker.io" does not parse; end it with a slash: "docker.io/"'),
    ("", "images: {registries: [Docker.io/]}\n", '10:23: error: images.registries[0]: "Docker.io/" does not parse; write a '
     "host in lower case, perhaps a path, and a slash, such as registry.example.com/team/"),
    ("", 'images: {registries: ["a\\nb: c"]}\n', '10:23: error: images.registries[0]: "a\\nb: c" does not parse; write a '
     "host in lower case, perhaps a path, and a slash, such as registry.example.com/team/"),
    ("", "identity: {oidc: [{url: 'http://a', audience: b}]}\n",
     '10:20: error: identity.oidc[0].url: "http://a" does not parse; write an https URL without query, fragment or user name'),
    ("", "identity: {groups: {auditor: [a b]}}\n",
     '10:31: error: identity.groups.auditor[0]: "a b" does not parse; leave out white space and control characters'),
    ("", "delivery: {layout: flux, path: /abs, flux: {name: a}}\n",
     '10:26: error: delivery.path: "/abs" does not parse; write a relative path such as clusters/production'),
    # names
    ("[shop]", "[shop, cart, shop]", '9:28: error: namespace "shop" is listed twice; it stands first on line 9'),
    ("", "- {name: shop, owner: o, namespaces: [cart]}\n",
     '10:4: error: tenant "shop" is listed twice; it stands first on line 7'),
    ("[shop]", "[default]", '9:16: error: namespace "default" is reserved by Kubernetes; choose another name'),
    ("[shop]", "[kube-mine]", '9:16: error: namespace "kube-mine" is reserved by Kubernetes; choose another name'),
    ("[shop]", "[calico-system]\nnetwork: {cni: calico}", '9:16: error: namespace "calico-system" is reserved by the platform; choose another name'),
    # profile, controls, parameters, floors
    ("baseline", "restrictd", '4:1: error: unknown profile "restrictd"; did you mean "restricted"?'),
    ("", "controls: {demo-eech: {reason: r}}\n", '10:12: error: unknown control "demo-eech"; did you mean "demo-each"?'),
    ("", "controls: {demo-tuned: {reason: r, params: {levle: high}}}\n",
     '10:45: error: control "demo-tuned" has no parameter "levle"; did you mean "level"?'),
    ("", "controls: {demo-each: {reason: r, params: {level: high}}}\n",
     '10:44: error: control "demo-each" has no parameter "level"; see `ringfence explain demo-each`'),
    ("", "controls: {demo-tuned: {reason: r, stage: off}}\n",
     "10:43: error: YAML readers disagree on the plain scalar off; quote it: \"off\", or write false"),
    ("", 'controls: {demo-tuned: {reason: r, stage: "off"}}\n', '10:36: error: demo-tuned: stage "off" is under its floor '
     '"audit"; write an exception with the narrowest scope instead'),
    ("", "delivery: {layout: flux, path: a}\n", "10:12: error: delivery: layout flux needs flux; add delivery.flux"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line"), DOCUMENT, ids=lambda value: ascii(value)[:48])
def test_document(ringfence: Command, old: str, new: str, line: str) -> None:
    assert refused(ringfence, changed(old, new)) == f"cluster.yaml:{line}\n"


PARAMETERS = [
    ("level: low", 'level: this would loosen the profile\'s "mid"; you can only choose mid or high'),
    ("level: max", 'level: "max" is not a valid choice; choose one of: low, mid, high'),
    ("level: 5", 'level: expected a string, got integer 5; quote it: "5"'),
    ("size: 2Gi", 'size: this would loosen the profile\'s "1Gi"; you can only lower it'),
    ("size: 2 Gi", 'size: expected a quantity, got string "2 Gi"; write a quantity such as "500m", "2" or 4Gi'),
    ("size: 2", 'size: expected a quantity, got integer 2; quote it: "2"'),
    ("wait: 61m", 'wait: this would loosen the profile\'s "1h"; you can only lower it'),
    ("wait: 1 hour", 'wait: expected a duration, got string "1 hour"; write a duration such as 30m or 4h'),
    ("ranges: [10.0.0.0/8, 10.0.0.0/99]", "ranges: expected a list of address ranges, got a list; write ranges such as "
     "10.0.0.0/16"),
    ("ranges: []", 'ranges: this would loosen the profile\'s ["10.0.0.0/8"]; you can only add to it'),
    ("many: [1, 3]", "many: this would loosen the profile's [1, 2]; you can only remove from it"),
    ("fixed: b", 'fixed: this would loosen the profile\'s "a"; it can\'t be set'),
    ('"on": false', "on: this would loosen the profile's true; it can't be set"),
    ('"on": 1', "on: expected true or false, got integer 1"),
    ("most: 0", "most: 0 is out of range; write at least 1"),
    ("most: 10", "most: 10 is out of range; write at most 9"),
    ("most: true", "most: expected an integer, got true"),
]  # fmt: skip


@pytest.mark.parametrize(("param", "line"), PARAMETERS, ids=lambda value: value[:40])
def test_parameter(ringfence: Command, param: str, line: str) -> None:
    text = CLUSTER + f"controls:\n  demo-tuned:\n    reason: r\n    params:\n      {param}\n"
    assert refused(ringfence, text) == f"cluster.yaml:14:7: error: demo-tuned.{line}\n"


EXCEPTION = """\
exceptions:
- name: late
  control: demo-each
  owner: ann
  reason: because
  ticket: T-1
  expires: "2026-01-31"
  scope: {namespaces: [shop]}
"""
EXCEPTIONS = [
    ("[shop]", "[shopp]", 5, '17:3: error: exception "late" matches nothing: there is no namespace "shopp"; did you mean "shop"?'),
    ("demo-each", "demo-once", 65,
     '17:3: error: exception "late": control "demo-once" can\'t be excepted by namespaces; this control takes none'),
    ("namespaces: [shop]", "names: [shop]", 65,
     '17:3: error: exception "late": control "demo-each" can\'t be excepted by names; list namespaces only'),
    ("{namespaces: [shop]}", "{}", 65, '17:3: error: exception "late" has an empty scope; list the namespaces or the names it '
     "covers"),
    ("demo-each", "demo-eech", 65, '12:3: error: unknown control "demo-eech"; did you mean "demo-each"?'),
    ('"2026-01-31"', '"2026-02-30"', 65,
     '16:3: error: exception "late": "2026-02-30" is no date; write a date as "YYYY-MM-DD"'),
    ('"2026-01-31"', "tomorrow", 65,
     '16:3: error: exceptions[0].expires: "tomorrow" does not parse; write a date as "YYYY-MM-DD"'),
    ("  ticket: T-1\n", "", 65, '11:3: error: missing key "ticket" in exceptions[0]; add `ticket:`'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "code", "line"), EXCEPTIONS, ids=lambda value: str(value)[:40])
def test_exception(ringfence: Command, old: str, new: str, code: int, line: str) -> None:
    assert refused(ringfence, CLUSTER + EXCEPTION.replace(old, new), code) == f"cluster.yaml:{line}\n"


def test_exception_for_a_control_that_is_off_matches_nothing(ringfence: Command) -> None:
    off = 'controls: {demo-each: {stage: "off", reason: r}}\n'
    line = (
        'cluster.yaml:13:3: error: exception "late" matches nothing: control "demo-each" is off; remove the exception\n'
    )
    assert refused(ringfence, CLUSTER + off + EXCEPTION, 5) == line


def test_expired_exception_fails_the_build_and_changes_no_byte(ringfence: Command) -> None:
    Path("cluster.yaml").write_text(CLUSTER + EXCEPTION)
    assert ringfence("render", "--as-of", "2026-01-31").code == 0
    before = snapshot_of(Path())
    line = (
        'cluster.yaml:16:3: error: exception "late" of ann expired on 2026-01-31; fix the cause (T-1) and remove it, or '
        "renew it with a new date\n"
    )
    for arguments in ((), ("--check",)):
        outcome = ringfence("-q", "render", "--as-of", "2026-02-01", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (5, "", line)
        assert snapshot_of(Path()) == before


def test_a_stale_tree_and_an_expired_exception_are_both_reported(ringfence: Command) -> None:
    Path("cluster.yaml").write_text(CLUSTER + EXCEPTION)
    ringfence("render", "--as-of", "2026-01-31")
    Path("rendered/extra").write_text("x")
    outcome = ringfence("-q", "render", "--as-of", "2026-02-01", "--check")
    assert outcome.code == 5
    assert [line.split(": error: ")[-1].split(";")[0] for line in outcome.err.splitlines()] == [
        "error: rendered is stale: 1 unknown (extra)",
        'exception "late" of ann expired on 2026-01-31',
    ]


def test_all_errors_of_a_stage_are_reported_at_once_in_order(ringfence: Command) -> None:
    text = changed("kubeadm", "kubadm").replace("owner:", "ownr:").replace("[shop]", "[5]") + "extra: 1\n"
    assert refused(ringfence, text).splitlines() == [
        'cluster.yaml:5:31: error: kubernetes.distribution: "kubadm" is not a valid choice; did you mean "kubeadm"?',
        'cluster.yaml:7:3: error: missing key "owner" in tenants[0]; add `owner:` (Who answers for it: a team\'s mailbox or'
        " chat channel)",
        'cluster.yaml:8:3: error: unknown key "ownr" in tenants[0]; did you mean "owner"?',
        'cluster.yaml:9:16: error: tenants[0].namespaces[0]: expected string or mapping, got 5; quote it: "5"',
        'cluster.yaml:10:1: error: unknown key "extra"; `ringfence schema cluster` lists them',
    ]
    text = CLUSTER + 'controls: {a-b: {reason: r}, demo-tuned: {reason: r, stage: "off", params: {x: 1, level: low}}}\n'
    assert refused(ringfence, text).splitlines() == [
        'cluster.yaml:10:12: error: unknown control "a-b"; choose one of: demo-each, demo-once, demo-tuned',
        'cluster.yaml:10:54: error: demo-tuned: stage "off" is under its floor "audit"; write an exception with the'
        " narrowest scope instead",
        'cluster.yaml:10:77: error: control "demo-tuned" has no parameter "x"; choose one of: fixed, level, many, most, on,'
        " ranges, size, wait",
        'cluster.yaml:10:83: error: demo-tuned.level: this would loosen the profile\'s "mid"; you can only choose mid or high',
    ]


def test_every_cluster_is_reported_and_the_others_are_written(ringfence: Command) -> None:
    build_tree(Path(), {"a/cluster.yaml": "kind: [\n", "b/cluster.yaml": CLUSTER, "c/cluster.yaml": "b: yes\n"})
    outcome = ringfence("-q", "render")
    assert outcome.code == 65
    assert [line.split(": ")[0] for line in outcome.err.splitlines()] == ["a/cluster.yaml:2:1", "c/cluster.yaml:1:4"]
    assert Path("b/rendered/ringfence.index").is_file()
    assert not Path("a/rendered").exists()
    assert not Path("a/ringfence.lock").exists()


def test_two_clusters_of_one_name_do_not_share_a_tree(ringfence: Command) -> None:
    build_tree(Path(), {"a/cluster.yaml": CLUSTER, "b/cluster.yaml": CLUSTER})
    outcome = ringfence("-q", "render", "-o", "out")
    assert outcome.code == 65
    assert outcome.err == (
        'b/cluster.yaml: error: cluster "test" and that of a/cluster.yaml would write one tree, out/test; give each cluster '
        "a name of its own, or render them one by one\n"
    )


YAML = [
    ("a: 1\na: 2\n", '2:1: error: duplicate key "a"; remove one of the two'),
    (
        "a: !!python/name:os.system x\n",
        "1:4: error: tag 'tag:yaml.org,2002:python/name:os.system' is not allowed; remove the tag",
    ),
    (b"kind: Cl\0uster\n", "1:9: error: NUL byte; save the file as UTF-8 text"),
    (b"x" * 50_000_000, " error: the file has 50,000,000 bytes; the limit is 16,777,216; split it into several files"),
    ("[" * 10_000, "1:65: error: nested deeper than 64 levels; flatten the document"),
    ("- " * 10_000, "1:129: error: nested deeper than 64 levels; flatten the document"),
    (
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)),
        "7:8: error: aliases expand to more than 2,000,000 values; write the values out",
    ),
    ("- a\n", " "),
    ("", "1:1: error: 0 documents in one file, expected one; write the document"),
]


@pytest.mark.parametrize(("text", "line"), YAML, ids=lambda value: ascii(value[:30]))
def test_yaml(ringfence: Command, text: str | bytes, line: str) -> None:
    if line == " ":
        line = (
            "1:1: error: the document: expected mapping, got a list; its keys: apiVersion, kind, name, profile, kubernetes,"
            " network, identity, images, components, delivery, tenants, controls, exceptions"
        )
    assert refused(ringfence, text) == f"cluster.yaml:{line}\n"


def test_missing_file_and_empty_folder(ringfence: Command) -> None:
    assert ringfence("render", "none.yaml") == (
        65, "", "none.yaml: error: can't read the file: no such file or directory; write one with `ringfence init`\n",
    )  # fmt: skip
    Path("empty").mkdir()
    assert ringfence("render", "empty") == (
        65, "", "empty: error: no cluster.yaml below this folder; write one with `ringfence init`\n",
    )  # fmt: skip


def test_debug_alone_shows_a_traceback(ringfence: Command) -> None:
    Path("cluster.yaml").write_text("a: yes\n")
    assert "Traceback" not in ringfence("render").err
    assert "Traceback" in ringfence("--debug", "render").err


TEMPLATES = [
    # what a template refers to
    ("kind: {{ nothing }}\n", "1:1: error: template: 'nothing' is undefined; the context is `cluster`, `params`, `control` and,"
     " per namespace, `namespace`"),
    ("kind: X\nmetadata:\n  name: {{ namespace.nam }}\n", "3:1: error: template: 'ringfence.spec.tenants.Namespace object' has no"
     " attribute 'nam'; the context is `cluster`, `params`, `control` and, per namespace, `namespace`"),
    ("a: {{ namespace }}\nkind: A\napiVersion: v1\nmetadata: {name: a, namespace: x}\n", "1:1: error: Namespace can't be a field;"
     " pass a text, a number within 2^53, true or false, a list or a mapping"),
    # what it may do
    ("{% macro m() %}{% endmacro %}\n", "1:1: error: template: macro is not allowed; templates lay out values: use for, if, set"
     " and filters"),
    ("{% include 'x' %}\n", "1:1: error: template: include is not allowed; templates lay out values: use for, if, set and filters"),
    ("\n{{ namespace.name.upper() }}\n", "2:1: error: template: call is not allowed; templates lay out values: use for, if, set"
     " and filters"),
    ("a: {{ 'x' | upper }}\n", "1:1: error: template: unknown filter \"upper\"; filters: "),
    ("a: b\nc: }}\n", "2:1: error: template: leftover }}; open the brace, write a space between the two, or wrap foreign ones in"
     " {% raw %}"),
    ("a: {{ b\n", "1:1: error: template: unexpected end of template, expected 'end of print statement'."),
    ("a: \ue000\n", "1:1: error: private-use character in a template; remove it"),
    # what it gives
    ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [\n", "5:1: error: not YAML: did not find expected node content; check"
     " the indentation, quotes and brackets here and just before"),
    ("- a\n", "1:1: error: the template gives no mapping; write apiVersion, kind and metadata"),
    ("kind: A\nmetadata: {name: a}\n", "1:1: error: apiVersion must be literal text; write it out in the template"),
    ("apiVersion: v1\nkind: {{ namespace.name }}\nmetadata: {name: a}\n", "2:1: error: kind must be literal text; write it out in"
     " the template"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: 5\n", "4:3: error: metadata.name must be a string; every object has one"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  namespace: [a]\n", "5:3: error: metadata.namespace must be a string; leave"
     " it out where there is none"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: a\n  labels: []\n", "5:3: error: metadata.labels must be a mapping; leave it out"
     " where there is none"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: a\ndata:\n  x: null\n", "6:3: error: a field is null; leave it out, or write {}"
     " or []"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: a\ndata:\n  {{ namespace.name }}: b\n", "6:3: error: a key can't be a value;"
     " pass the whole mapping as one value"),
    ("apiVersion: v1\nkind: A\nmetadata:\n  name: a{{ namespace.quota }}\n", "4:3: error: dict inside text; only strings and"
     " integers can stand inside text"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n", "1:1: error: ConfigMap has no namespace, but the template renders"
     " once a namespace; set metadata.namespace, or `each: cluster` in control.yaml"),
    ("apiVersion: v1\nkind: ConfigMapp\nmetadata:\n  name: a\n  namespace: shop\n", "1:1: error: v1 ConfigMapp is no kind that"
     ' ringfence has a schema for; did you mean "ConfigMap"?'),
    ("apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata:\n  name: a\n  namespace: shop\n", "1:1: error: extensions/v1beta1"
     " Ingress is no kind that ringfence has a schema for; Ingress is served as networking.k8s.io/v1"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  namespace: shop\nbinary: 1\n", "6:1: error: ConfigMap/shop/a: binary:"
     ' unknown field "binary"; did you mean "binaryData"?'),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: A_b\n  namespace: shop\n", '4:1: error: ConfigMap: "A_b" is no valid'
     " name; names are lower-case letters, digits, dashes and dots"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "line"), TEMPLATES, ids=lambda value: ascii(value)[-48:])
def test_template(ringfence: Command, tmp_path: Path, template: str, line: str) -> None:
    write_control(tmp_path / "more", "extra-one", {"configmap.yaml.j2": template})
    Path("cluster.yaml").write_text(CLUSTER)
    outcome = ringfence("render", "--templates", str(tmp_path / "more"))
    assert (outcome.code, outcome.out) == (65, "")
    assert outcome.err.startswith(f"templates/demo/extra-one/configmap.yaml.j2:{line}")
    assert outcome.err.endswith("\n" if line.endswith("filters: ") else f"{line}\n")
    assert sorted(snapshot_of(Path())) == ["cluster.yaml"]


def test_errors_of_several_templates_are_reported_at_once(ringfence: Command, tmp_path: Path) -> None:
    for id_ in ("extra-one", "extra-two"):
        write_control(tmp_path / "more", id_, {"x.yaml.j2": "{{ nothing }}\n", "y.yaml.j2": "a: }}\n"})
    Path("cluster.yaml").write_text(CLUSTER)
    outcome = ringfence("render", "--templates", str(tmp_path / "more"))
    assert [line.split(" error: ")[0] for line in outcome.err.splitlines()] == [
        f"templates/demo/{id_}/{name}.yaml.j2:1:1:" for id_ in ("extra-one", "extra-two") for name in "xy"
    ]


OBJECT = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: {{ namespace.name }}
data:
  owner: somebody else
"""


def test_two_whole_objects_of_one_name(ringfence: Command, tmp_path: Path) -> None:
    write_control(tmp_path / "more", "extra-one", {"configmap.yaml.j2": OBJECT})
    Path("cluster.yaml").write_text(CLUSTER)
    assert ringfence("render", "--templates", str(tmp_path / "more")) == (
        65,
        "",
        "templates/demo/extra-one/configmap.yaml.j2:3:1: error: two controls emit ConfigMap shop/settings: demo-each and"
        " extra-one; mark one of them `fragment: true` in its control.yaml, or rename it\n",
    )


def test_two_controls_that_set_one_field_differently(ringfence: Command, tmp_path: Path) -> None:
    fragment = [{"template": "configmap.yaml.j2", "each": "namespace", "fragment": True}]
    write_control(tmp_path / "more", "extra-one", {"configmap.yaml.j2": OBJECT}, emits=fragment)
    Path("cluster.yaml").write_text(CLUSTER)
    assert ringfence("render", "--templates", str(tmp_path / "more")) == (
        65,
        "",
        "templates/demo/demo-each/configmap.yaml.j2:7:1: error: demo-each and extra-one set data.owner of ConfigMap"
        ' shop/settings differently: "shop@example.com" and "somebody else"; only one control may set a field\n',
    )


CONTROLS = [
    ({"requires": ["demo-none"]}, 'requires "demo-none", which is no control; did you mean "demo-once"?'),
    ({"emits": [{"template": "gone.yaml.j2"}]}, 'emits "gone.yaml.j2", which is not in its folder'),
    ({"profile": "restricted", "stage": {"zero-trust": "enforce"}}, 'stage lacks its lowest profile "restricted"'),
    ({"profile": "restricted", "stage": {"baseline": "audit", "restricted": "enforce"}},
     'stage selects it below its lowest profile "restricted"'),
    ({"stage": {"baseline": "enforce", "restricted": "audit"}}, "its stage loosens from a profile to a stricter one"),
    ({"emits": [{"template": "configmap.yaml.j2", "each": "namespace", "stages": ["enforce"]}]},
     "no template serves stage audit; add one, or say why in `no_audit_form`"),
    ({"params": {"a": {**NOTE["note"], "default": 5}}}, "params.a: default: expected a string, got integer 5"),
    ({"params": {"a": {**NOTE["note"], "floor": "at-most"}}}, "params.a: floor at-most has no meaning for type string"),
    ({"params": {"a": {**NOTE["note"], "type": "choice"}}}, "params.a: type choice needs choices"),
    ({"params": {"a": {"type": "integer", "default": 2, "floor": "at-most", "by_profile": {"restricted": 3}, "description": "d"}}},
     "params.a: by_profile.restricted loosens the value of the looser profile"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "line"), CONTROLS, ids=lambda value: str(value)[:48])
def test_control(ringfence: Command, tmp_path: Path, fields: dict[str, Any], line: str) -> None:
    write_control(tmp_path / "more", "extra-one", {"configmap.yaml.j2": TEMPLATE}, **fields)
    Path("cluster.yaml").write_text(CLUSTER)
    outcome = ringfence("render", "--templates", str(tmp_path / "more"))
    assert outcome == (65, "", f"templates/demo/extra-one/control.yaml:1:1: error: {line}\n")
    assert sorted(snapshot_of(Path())) == ["cluster.yaml"]


def test_index_that_names_a_path_outside_its_directory(ringfence: Command) -> None:
    build_tree(Path(), {"cluster.yaml": CLUSTER, "precious.txt": "keep me"})
    ringfence("render")
    index = Path("rendered/ringfence.index")
    sound = index.read_text()
    row = '  "{}": {{"sha256": "", "objects": {{}}}},\n'
    for path in (
        "../precious.txt",
        "/etc/passwd",
        "a/../../precious.txt",
        ".",
        "ringfence.index",
        "C:x",
        "a\\\\b",
        "a//b",
    ):
        index.write_text(sound.replace('"files": {\n', '"files": {\n' + row.format(path)))
        before = snapshot_of(Path())
        assert ringfence("render") == (
            65,
            "",
            f'rendered/ringfence.index:3:3: error: the index names "{path}", which is no file of its directory; restore the'
            " index from version control, or remove the tree and render again\n",
        )
        assert snapshot_of(Path()) == before


def test_lock_of_another_installation(ringfence: Command) -> None:
    Path("cluster.yaml").write_text(CLUSTER)
    ringfence("render")
    lock = Path("ringfence.lock")
    lock.write_text(lock.read_text().replace("templates: ", "templates: x"))
    before = snapshot_of(Path())
    assert ringfence("render") == (
        4, "", "ringfence.lock:6:1: error: the lock pins other templates; render with --update-lock and review what changes\n",
    )  # fmt: skip
    assert snapshot_of(Path()) == before


def test_a_profile_of_ones_own(ringfence: Command) -> None:
    profile = "apiVersion: ringfence/v1alpha1\nkind: Profile\nname: mine\ntitle: t\nposture: p\n"
    build_tree(Path(), {"cluster.yaml": CLUSTER.replace("baseline", "ours/mine"), "ours/mine.yaml": profile})
    lonely = ringfence("render")
    assert lonely == (
        65, "", "ours/mine.yaml:1:1: error: the profile stands on no shipped profile; add `extends: baseline`, restricted or"
        " zero-trust\n",
    )  # fmt: skip
    Path("ours/mine.yaml").write_text(
        f"{profile}extends: baseline\ncontrols: {{demo-tuned: {{params: {{level: low}}}}}}\n"
    )
    assert ringfence("render").err == (
        'ours/mine.yaml:7:12: error: control "demo-tuned" is set without a reason; add `reason:` so that reviewers know why\n'
    )
    Path("ours/mine.yaml").write_text(
        f"{profile}extends: baseline\ncontrols: {{demo-tuned: {{reason: r, params: {{level: low}}}}}}\n"
    )
    assert ringfence("render").err == (
        'ours/mine.yaml:7:45: error: demo-tuned.level: this would loosen the profile\'s "mid"; you can only choose mid or high\n'
    )
