"""The table of substitutions: what it changes, and that nothing else may differ."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import Any

import pytest
from helpers import ROOT

from ringfence.errors import InputError
from ringfence.sandbox.serving import changed, read_flags
from ringfence.sandbox.substitutions import (
    TABLE,
    Setting,
    differing_fields,
    differing_flags,
    socket_name,
    substitute_document,
    substitute_flags,
)

SETTING = Setting(
    "/state/root",
    "v1.36.4",
    ports={
        "issuer": 1,
        "etcd": 2,
        "etcd-peer": 3,
        "etcd-metrics": 4,
        "kube-apiserver": 5,
        "kube-controller-manager": 6,
        "kube-scheduler": 7,
    },
    issuer_ca="-----BEGIN CERTIFICATE-----\n",
    sockets="/run/s",
)
API = "kube-apiserver"
FLAGS = [
    ("secure-port", "6443"),
    ("etcd-servers", "https://127.0.0.1:2379"),
    ("client-ca-file", "/etc/kubernetes/pki/ca.crt"),
    ("service-account-issuer", "https://one"),
    ("service-account-issuer", "https://two"),
    ("etcd-prefix", "/registry"),
    ("profiling", "false"),
]


def authentication() -> dict[str, Any]:
    issuers = [{"issuer": {"url": f"https://{n}.example.com", "audiences": ["kubernetes"]}} for n in ("a", "b")]
    return {"kind": "AuthenticationConfiguration", "anonymous": {"enabled": False}, "jwt": issuers}


def test_flags_get_loopback_ports_and_paths_and_keep_everything_else() -> None:
    assert substitute_flags(API, FLAGS, SETTING) == [
        ("secure-port", "5"),
        ("etcd-servers", "https://127.0.0.1:2"),
        ("client-ca-file", "/state/root/etc/kubernetes/pki/ca.crt"),
        ("service-account-issuer", "https://one"),
        ("service-account-issuer", "https://two"),
        ("etcd-prefix", "/registry"),
        ("profiling", "false"),
        ("bind-address", "127.0.0.1"),
    ]


def test_every_difference_comes_with_its_reason() -> None:
    found = differing_flags(API, FLAGS, substitute_flags(API, FLAGS, SETTING), SETTING)
    assert [a.what for a in found] == ["--secure-port", "--etcd-servers", "--client-ca-file", "--bind-address"]
    assert all(a.reason for a in found)
    assert (found[0].was, found[0].now) == ("6443", "5")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"profiling": "true"}, "--profiling would run as 'true' where the host files give 'false'"),
        ({"profiling": None}, "--profiling would run as 'nothing' where the host files give 'false'"),
        ({"anonymous-auth": "true"}, "--anonymous-auth would run as 'true' where the host files give 'nothing'"),
        ({"bind-address": "0.0.0.0"}, "--bind-address would run as '0.0.0.0'"),  # noqa: S104
        ({"secure-port": "6"}, "--secure-port would run as '6'"),
        ({"client-ca-file": "/etc/other.crt"}, "--client-ca-file would run as '/etc/other.crt'"),
        (
            {"service-account-issuer": "https://one"},
            "'https://one' where the host files give 'https://one, https://two'",
        ),
    ],
)
def test_a_flag_that_differs_without_a_substitution_is_refused(change: dict[str, str | None], message: str) -> None:
    real = changed(substitute_flags(API, FLAGS, SETTING), change)
    with pytest.raises(InputError, match=re.escape(message)):
        differing_flags(API, FLAGS, real, SETTING)


def test_flags_are_compared_as_they_stand_on_the_command_line() -> None:
    line = [API, *(f"--{n}={v}" for n, v in FLAGS)]
    assert read_flags(line) == FLAGS


def test_each_issuer_is_discovered_at_a_url_of_its_own() -> None:
    was, now = authentication(), authentication()
    substitute_document(now, SETTING)
    found = [entry["issuer"] for entry in now["jwt"]]
    assert [i["discoveryURL"] for i in found] == [
        "https://127.0.0.1:1/0/.well-known/openid-configuration",
        "https://127.0.0.1:1/1/.well-known/openid-configuration",
    ]
    assert [i["url"] for i in found] == ["https://a.example.com", "https://b.example.com"]
    assert {a.what for a in differing_fields("f", was, now, SETTING)} == {
        f"jwt[{i}].issuer.{field}" for i in (0, 1) for field in ("discoveryURL", "certificateAuthority")
    }


@pytest.mark.parametrize(
    "tamper",
    [
        lambda d: d["jwt"][0]["issuer"].update(audiences=["other"]),
        lambda d: d["jwt"][0]["issuer"].update(discoveryURL="https://elsewhere"),
        lambda d: d["anonymous"].update(enabled=True),
        lambda d: d.pop("anonymous"),
        lambda d: d["jwt"].pop(),
        lambda d: d["jwt"][0].update(claimMappings={}),
    ],
)
def test_a_field_that_differs_without_a_substitution_is_refused(tamper: Any) -> None:
    was, now = authentication(), authentication()
    substitute_document(now, SETTING)
    assert differing_fields("f", was, now, SETTING)
    tamper(now)
    with pytest.raises(InputError, match="would run as"):
        differing_fields("f", was, now, SETTING)


def test_paths_inside_files_are_below_the_folder_that_stands_for_the_host() -> None:
    document = {
        "kind": "AdmissionConfiguration",
        "plugins": [
            {"name": "EventRateLimit", "path": "/etc/kubernetes/ringfence/limits.yaml"},
            {"name": "PodSecurity", "configuration": {"kind": "PodSecurityConfiguration"}},
        ],
    }
    was = copy.deepcopy(document)
    substitute_document(document, SETTING)
    assert document["plugins"][0]["path"] == "/state/root/etc/kubernetes/ringfence/limits.yaml"
    assert [a.what for a in differing_fields("f", was, document, SETTING)] == ["plugins[0].path"]


def test_a_kms_endpoint_becomes_a_short_socket() -> None:
    endpoint = "unix:///var/run/a-folder-with-quite-a-long-name/of-a-vendor/kms-plugin.sock"
    document = {"kind": "EncryptionConfiguration", "resources": [{"providers": [{"kms": {"endpoint": endpoint}}]}]}
    substitute_document(document, SETTING)
    here = document["resources"][0]["providers"][0]["kms"]["endpoint"]
    assert here == f"unix:///run/s/{socket_name(endpoint)}"
    assert len(socket_name(endpoint)) < 32


def test_a_document_that_the_table_does_not_know_stays_as_it_is() -> None:
    policy = {"kind": "Policy", "rules": [{"level": "None", "nonResourceURLs": ["/etc/kubernetes/pki"]}]}
    was = copy.deepcopy(policy)
    substitute_document(policy, SETTING)
    assert policy == was


def test_the_table_stands_in_the_document() -> None:
    text = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    table = text[text.index("| where | what | becomes | because |") :].split("\n\n")[0].splitlines()[2:]
    assert table == [f"| `{s.where}` | `{s.what}` | `{s.form}` | {s.reason} |" for s in TABLE]


def test_another_setting_gives_another_form() -> None:
    """A second API server reads below a root of its own; the first one's paths are a difference there."""
    other = replace(SETTING, root="/state/variants/1")
    with pytest.raises(InputError, match="client-ca-file"):
        differing_flags(API, FLAGS, substitute_flags(API, FLAGS, SETTING), other)
