"""Arguments and configuration that can't be meant: one line that says what to type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from helpers import ROOT, write_cluster
from spying import Engine

from ringfence.sinks.pulumi import ClusterBootstrap, HardenedNamespace, configured

MINIMAL: Any = {"cluster": str(ROOT / "examples" / "minimal" / "cluster.yaml"), "preflight": False}


def refusal(engine: Engine, arguments: Any, component: Any = ClusterBootstrap) -> str:
    with pytest.raises(pulumi.RunError) as raised:
        engine.run(lambda: component("x", arguments))
    return str(raised.value)


def test_nothing_says_which_cluster(engine: Engine) -> None:
    assert refusal(engine, {}) == (
        "nothing given; one thing says which cluster this is; "
        "give cluster (the path of a cluster.yaml) or document (its content)"
    )


def test_two_things_say_which_cluster(engine: Engine) -> None:
    assert refusal(engine, {**MINIMAL, "document": {}}).startswith("cluster and document given; one thing says")


def test_an_unknown_argument_names_the_nearest(engine: Engine) -> None:
    assert refusal(engine, {**MINIMAL, "unprotected": True}) == (
        '"unprotected" is no argument of this component; did you mean "unprotect"?'
    )


def test_an_output_can_not_decide_which_objects_there_are(engine: Engine) -> None:
    late: Any = {"document": {"name": pulumi.Output.from_input("later")}, "preflight": False}
    assert refusal(engine, late) == (
        "document.name decides which objects there are, so it can't wait for another resource's output; "
        "give it as a plain value, or from the stack's configuration"
    )


def test_a_namespace_that_no_tenant_has(engine: Engine) -> None:
    assert refusal(engine, {**MINIMAL, "name": "shopp"}, HardenedNamespace) == (
        'no tenant of cluster "minimal" has a namespace "shopp"; did you mean "shop"?'
    )


def test_a_cluster_document_that_is_wrong_is_named_with_its_place(engine: Engine, tmp_path: Path) -> None:
    file = write_cluster(tmp_path, profil="baseline")
    text = refusal(engine, {"cluster": str(file), "preflight": False})
    assert "cluster.yaml:" in text
    assert 'did you mean "profile"?' in text


def test_a_missing_cluster_file(engine: Engine, tmp_path: Path) -> None:
    text = refusal(engine, {"cluster": str(tmp_path / "none.yaml"), "preflight": False})
    assert text.endswith("can't read the file: no such file or directory; write one with `ringfence init`")


def test_an_expired_exception_stops_the_stack_as_it_stops_a_render(engine: Engine) -> None:
    late = {
        "cluster": str(ROOT / "examples" / "zero-trust" / "cluster.yaml"),
        "preflight": False,
        "as_of": "2027-01-01",
    }
    assert 'exception "reports-legacy-images" of ledger-team@example.com expired on 2026-12-20' in refusal(engine, late)


@pytest.mark.parametrize("typo", ["2O26-12-31", "31.12.2026", "tomorrow", "2026-13-01"])
def test_a_date_that_is_none_is_refused(engine: Engine, typo: str) -> None:
    """As text it might come before every last day, and no exception would ever expire."""
    late = {"cluster": str(ROOT / "examples" / "zero-trust" / "cluster.yaml"), "preflight": False, "as_of": typo}
    assert refusal(engine, late) == f'asOf: "{typo}" is no date; write it as YYYY-MM-DD'


def test_numbers_of_a_document_that_came_through_pulumi_are_whole_again(engine: Engine, tmp_path: Path) -> None:
    from ringfence.documents import load_all

    example = ROOT / "examples" / "production" / "cluster.yaml"
    document = load_all(example.read_bytes(), "cluster.yaml")[0].value
    document["network"]["apiServer"]["port"] = 6443.0
    engine.run(lambda: ClusterBootstrap("x", {"document": document, "preflight": False, "as_of": "2026-01-01"}))
    assert engine.objects


def configure(**values: str) -> None:
    pulumi.runtime.set_all_config({f"ringfence-bootstrap:{k}": v for k, v in values.items()})


def test_configuration_becomes_arguments(engine: Engine) -> None:
    configure(
        cluster="c.yaml", adopt='["Namespace/shop"]', unprotect="true", asOf="2026-01-01", templates='["../house"]'
    )
    assert configured() == {
        "cluster": "c.yaml",
        "adopt": ["Namespace/shop"],
        "unprotect": True,
        "as_of": "2026-01-01",
        "templates": ["../house"],
    }


def test_a_declared_text_that_is_empty_is_left_out(engine: Engine) -> None:
    configure(cluster="c.yaml", asOf="")
    assert configured() == {"cluster": "c.yaml"}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {},
            "the stack does not say which cluster; pulumi config set cluster path/to/cluster.yaml",
        ),
        (
            {"cluster": "c", "unprotekt": "true"},
            'ringfence-bootstrap:unprotekt is no key of this stack; did you mean "unprotect"? '
            "`pulumi config rm unprotekt` removes it",
        ),
        (
            {"cluster": "c", "unprotect": "yes"},
            "unprotect: wants true or false; such as: pulumi config set unprotect true",
        ),
        (
            {"cluster": "c", "adopt": "Namespace/shop"},
            "adopt: wants a list of texts; such as: pulumi config set --path 'adopt[0]' Namespace/shop",
        ),
        (
            {"cluster": "c", "templates": "house"},
            "templates: wants a list of texts; such as: pulumi config set --path 'templates[0]' ../controls",
        ),
        (
            {"cluster": "c", "adopt": "[1]"},
            "adopt: wants a list of texts; such as: pulumi config set --path 'adopt[0]' Namespace/shop",
        ),
    ],
)
def test_configuration_that_is_wrong_is_one_line(engine: Engine, values: dict[str, str], text: str) -> None:
    configure(**values)
    with pytest.raises(pulumi.RunError) as raised:
        configured()
    assert str(raised.value) == text


def test_every_key_that_pulumi_yaml_declares_is_understood_and_none_is_missing() -> None:
    from ringfence.documents import load
    from ringfence.sinks.pulumi.settings import KEYS

    declared = load((ROOT / "stacks" / "bootstrap" / "Pulumi.yaml").read_bytes(), "Pulumi.yaml").value["config"]
    assert set(declared) == set(KEYS)
    types = {"string": str, "array": list, "boolean": bool}
    assert {k: types[v["type"]] for k, v in declared.items()} == {k: t for k, (t, _) in KEYS.items()}
