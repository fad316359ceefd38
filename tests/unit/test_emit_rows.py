"""Rows of `emits` that wait for another control, that need a fact, and that an invariant replaces."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from catalogues import CONFIG_MAP, small, write_control
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import InputError, RingfenceError
from ringfence.invariants.rules import MODULES
from ringfence.model import Bundle

BESIDE = [{"template": "configmap.yaml.j2", "each": "namespace", "beside": "demo-base"}]
TENANTS = [{"name": "shop", "owner": "shop@example.com", "namespaces": ["shop", "legacy"]}]
ONLY_SHOP = CONFIG_MAP.replace("apiVersion", '{% if namespace.name == "shop" %}\napiVersion', 1) + "{% endif %}\n"
Build = Callable[..., Bundle]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a cluster from a catalogue of two controls: one with these rows of `emits`, and demo-base."""
    root = small(tmp_path / "templates", monkeypatch)
    write_control(root, "demo-base", {"configmap.yaml.j2": CONFIG_MAP.replace("settings", "base")})

    def built(emits: list[dict[str, Any]], template: str = CONFIG_MAP, **changes: Any) -> Bundle:
        write_control(root, "demo-more", {"configmap.yaml.j2": template}, emits=emits)
        return Builder().build(write_cluster(tmp_path, **{"tenants": TENANTS, **changes}), "cluster.yaml")

    return built


def names(bundle: Bundle) -> set[str]:
    return {m.id for m in bundle if m.name == "settings"}


def override(stage: str) -> dict[str, Any]:
    return {"demo-base": {"stage": stage, "reason": "a test"}}


def test_a_row_beside_an_enforced_control_is_rendered(build: Build) -> None:
    assert names(build(BESIDE)) == {"ConfigMap/shop/settings", "ConfigMap/legacy/settings"}


@pytest.mark.parametrize("stage", ["off", "audit"])
def test_a_row_waits_for_the_control_it_is_beside_and_the_bundle_says_so(build: Build, stage: str) -> None:
    bundle = build(BESIDE, controls=override(stage))
    assert names(bundle) == set()
    assert bundle.unemitted["demo-more"].startswith(f"only where demo-base is enforced; it is {stage}: override (")
    assert bundle.unemitted["demo-more"].endswith("cluster.yaml:16:5): a test")


def test_exceptions_of_the_other_control_hold_for_the_row(build: Build) -> None:
    exception = {"name": "a", "control": "demo-base", "owner": "a", "reason": "b", "ticket": "c",
                 "expires": "2030-01-01", "scope": {"namespaces": ["legacy"]}}  # fmt: skip
    assert names(build(BESIDE, exceptions=[exception])) == {"ConfigMap/shop/settings"}


def test_a_row_unless_another_control_is_enforced_steps_back_and_the_bundle_says_so(build: Build) -> None:
    rows = [{"template": "configmap.yaml.j2", "each": "namespace", "unless": "demo-base"}]
    assert names(build(rows, controls=override("audit"))) == {"ConfigMap/shop/settings", "ConfigMap/legacy/settings"}
    bundle = build(rows)
    assert names(bundle) == set()
    assert bundle.unemitted["demo-more"] == "demo-base is enforced, and writes this in its way"


def test_a_row_that_lacks_a_fact_is_one_error_that_names_the_key(build: Build) -> None:
    needs = [{"template": "configmap.yaml.j2", "each": "namespace", "needs": ["network.nodeCIDRs"]}]
    with pytest.raises(InputError) as caught:
        build(needs)
    assert caught.value.line() == (
        'cluster.yaml: error: demo-more can\'t be written for namespace "shop" without network.nodeCIDRs; '
        "set network.nodeCIDRs, or set the control off with a reason"
    )


def test_the_fact_is_needed_only_where_there_is_something_to_write(build: Build) -> None:
    needs = [{"template": "configmap.yaml.j2", "each": "namespace", "needs": ["network.nodeCIDRs"]}]
    assert names(build(needs, CONFIG_MAP.join(["{% if false %}\n", "{% endif %}\n"]))) == set()
    with pytest.raises(InputError, match='namespace "shop"'):
        build(needs, ONLY_SHOP, tenants=[{**TENANTS[0], "namespaces": ["legacy", "shop"]}])
    assert names(build(needs, ONLY_SHOP, network={"nodeCIDRs": ["10.0.0.0/16"]})) == {"ConfigMap/shop/settings"}


def test_a_row_for_the_cluster_that_lacks_a_fact_names_no_namespace(build: Build) -> None:
    template = CONFIG_MAP.replace("{{ namespace.name }}", "kube-system").replace("{{ namespace.owner }}", "nobody")
    with pytest.raises(InputError, match=r"demo-more can't be written without network\.podCIDRs"):
        build([{"template": "configmap.yaml.j2", "needs": ["network.podCIDRs"]}], template)


def test_an_invariant_in_place_of_a_template_is_named_where_nothing_is_emitted(build: Build) -> None:
    row = {"invariant": "open_metadata", "beside": "demo-base"}
    assert build([row]).unemitted["demo-more"] == "no object: the invariant open_metadata keeps it"
    assert build([row], controls=override("off")).unemitted["demo-more"].startswith("only where demo-base is enforced")


REFUSED = [
    ({}, "a row of emits needs a template or an invariant, and not both"),
    ({"template": "configmap.yaml.j2", "invariant": "open_metadata"}, "and not both"),
    ({"template": "absent.yaml.j2"}, 'emits "absent.yaml.j2", which is not in its folder'),
    ({"template": "configmap.yaml.j2", "beside": "demo-bass"}, 'emits beside "demo-bass", which is no control'),
    ({"template": "configmap.yaml.j2", "unless": "demo-bass"}, 'emits unless "demo-bass", which is no control'),
    ({"template": "configmap.yaml.j2", "needs": ["network.nodeCIDR"]}, 'did you mean "network.nodeCIDRs"?'),
]


@pytest.mark.parametrize(("row", "message"), REFUSED)
def test_a_row_that_makes_no_sense_is_refused(build: Build, row: dict[str, Any], message: str) -> None:
    with pytest.raises(RingfenceError) as caught:
        build([row])
    assert message in caught.value.line()


def test_every_invariant_that_a_control_names_exists_and_is_its_own() -> None:
    rules = {
        rule.check.__name__: rule.control
        for module in MODULES
        for rule in import_module(f"ringfence.invariants.{module}").RULES
    }
    named = [(c.id, e.invariant) for c in Builder().catalog for e in c.emits if e.invariant]
    assert named
    assert [(id_, name) for id_, name in named if rules.get(name) != id_] == []
