"""`ringfence doctor`, `version` and `schema`."""

from __future__ import annotations

import json

import pytest
from helpers import ROOT, build_tree, write_cluster

from ringfence import __version__, bundled
from ringfence.cli.schema import KINDS
from ringfence.spec import judge


def states(done):
    return {r["check"]: (r["state"], r["found"]) for r in json.loads(done.out)}


def test_a_sound_cluster(cli, shop):
    done = cli("doctor", "shop", "-o", "json")
    found = states(done)
    assert done.code == 0, done.out
    assert found["content"][1].endswith(", 3 controls")
    assert found["cluster"] == ("ok", "shop/cluster.yaml: test, profile=restricted, Kubernetes 1.36")
    assert found["lock"] == ("ok", "shop/ringfence.lock")
    assert found["tree"] == ("ok", "shop/rendered: up to date, 2 objects")
    assert {"python", "yaml", "cache", "kubectl", "helm", "pulumi", "git", "extra pulumi"} <= set(found)


def test_without_a_cluster_it_only_notes(cli):
    done = cli("doctor")
    assert done.code == 0
    assert "cluster         note   no cluster.yaml here; write one with `ringfence init`\n" in done.out


def test_missing_tools_are_notes(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = states(cli("doctor", "-o", "json"))
    assert found["kubectl"] == ("note", "not found; needed to apply a tree by hand")


def test_no_private_cache_folder_is_a_note(cli, tmp_path):
    build_tree(tmp_path, {".cache": ""})
    assert states(cli("doctor", "-o", "json"))["cache"][0] == "note"


def test_an_unrendered_cluster(cli, tmp_path):
    write_cluster(tmp_path)
    found = states(cli("doctor", "-o", "json"))
    assert (found["lock"][0], found["tree"][0]) == ("note", "note")


def test_a_stale_tree_and_an_old_schema(cli, shop):
    (shop / "rendered/1-namespaces/shop.yaml").write_text("")
    (shop / "cluster.schema.json").write_text("{}")
    done = cli("doctor", "shop", "-o", "json")
    found = states(done)
    assert done.code == 4
    assert found["tree"] == ("fail", "shop/rendered is stale; `ringfence render shop/cluster.yaml`")
    assert found["schema"][0] == "note"
    (shop / "cluster.schema.json").write_bytes(bundled.document_schema("cluster").read_bytes())
    assert states(cli("doctor", "shop", "-o", "json"))["schema"] == ("ok", "shop/cluster.schema.json")


def test_a_lock_that_does_not_fit(cli, shop):
    lock = shop / "ringfence.lock"
    lock.write_text(
        lock.read_text().replace(f"generator: {__version__}", "generator: 0.0.1").replace(f'"{__version__}"', '"0.0.1"')
    )
    done = cli("doctor", "shop", "-o", "json")
    assert (done.code, states(done)["lock"][0]) == (4, "fail")


def test_an_invalid_cluster(cli, tmp_path):
    write_cluster(tmp_path, profile="bogus")
    done = cli("doctor", "-o", "json")
    assert (done.code, states(done)["cluster"][0]) == (65, "fail")
    assert 'unknown profile "bogus"' in states(done)["cluster"][1]


@pytest.mark.parametrize(
    ("as_of", "code", "state", "text"),
    [
        ("2026-12-31", 0, "ok", "1 with more than 30 days left"),
        ("2027-01-01", 0, "note", "old of o@example.com ends on 2027-01-31, in 30 days (T-1)"),
        ("2027-01-31", 0, "note", "old of o@example.com ends on 2027-01-31, in 0 days (T-1)"),
        ("2027-02-01", 5, "fail", 'exception "old" of o@example.com expired on 2027-01-31'),
    ],
)
def test_exceptions_before_and_after_their_last_day(cli, tmp_path, as_of, code, state, text):
    exception = {
        "name": "old", "control": "net-closed", "owner": "o@example.com", "reason": "Legacy.", "ticket": "T-1",
        "expires": "2027-01-31", "scope": {"namespaces": ["shop"]},
    }  # fmt: skip
    write_cluster(tmp_path, profile="restricted", exceptions=[exception])
    done = cli("doctor", "--as-of", as_of, "-o", "json")
    found = states(done)
    assert done.code == code
    assert any(s == state and text in f for k, (s, f) in found.items() if k.startswith("exception"))


def test_a_broken_installation(cli, catalogue, tmp_path, monkeypatch):
    broken = build_tree(tmp_path / "broken", {"a/b-c/control.yaml": "title: x\n"})
    monkeypatch.setattr(bundled, "templates", lambda: broken)
    write_cluster(tmp_path)
    done = cli("doctor", "-o", "json")
    found = states(done)
    assert (done.code, found["content"][0], "cluster" in found) == (65, "fail", False)


def test_version(cli):
    assert cli("version").out.startswith(f"ringfence {__version__}, Python 3.")
    data = json.loads(cli("version", "-o", "json").out)
    assert set(data) == {"ringfence", "python", "kubernetes", "profiles", "controls"}
    assert (data["ringfence"], data["controls"]) == (__version__, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_schema(cli, kind):
    done = cli("schema", kind)
    assert (done.code, done.out) == (0, (ROOT / "docs" / "schema" / f"{kind}.json").read_text())


def test_every_document_has_its_schema(cli):
    assert KINDS == judge.KINDS
    assert cli("schema").out == cli("schema", "cluster").out
