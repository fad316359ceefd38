"""One cluster is looked at and the same one is written to, or the program ends with one line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from answering import Server, kubeconfig
from helpers import ROOT
from spying import Engine

from ringfence.sinks.pulumi import ClusterProvider, HardenedNamespace

MINIMAL: Any = {"cluster": str(ROOT / "examples" / "minimal" / "cluster.yaml"), "preflight": False}
SHOP: Any = {"cluster": MINIMAL["cluster"], "name": "shop"}


@pytest.fixture
def lab() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def prof(server: Server, lab: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The cluster of the context `prof`; the kubeconfig's own context is `lab`."""
    server.held["/api/v1/namespaces"] = [{"name": "shop"}]
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path, lab.url, "lab", prof=server.url).kubeconfig))
    return server


def namespace(provider: dict[str, Any] | pulumi.ProviderResource | None, **arguments: Any) -> None:
    """`shop`, with a provider or, from arguments, a ClusterProvider."""
    given = ClusterProvider("cluster", {**SHOP, **provider}) if isinstance(provider, dict) else provider
    HardenedNamespace("x", {**SHOP, **arguments}, pulumi.ResourceOptions(provider=given))


def refusal(engine: Engine, provider: dict[str, Any] | None, **arguments: Any) -> str:
    with pytest.raises(pulumi.RunError) as raised:
        engine.run(lambda: namespace(provider, **arguments))
    assert engine.objects == {}
    return str(raised.value)


def test_what_exists_is_looked_up_where_the_provider_goes(engine: Engine, prof: Server, lab: Server) -> None:
    text = refusal(engine, {"context": "prof"})
    assert text.startswith("1 object exists on the cluster and is not of the stack ringfence-bootstrap/dev:\n")
    assert "Namespace/shop (nobody says whose)" in text
    assert lab.asked == []


def test_the_provider_gets_the_context_that_was_looked_at(engine: Engine, prof: Server, lab: Server) -> None:
    engine.run(lambda: namespace({"context": "lab"}, context="lab"))
    assert engine.inputs("cluster")["context"] == "lab"
    assert engine.objects
    assert lab.asked
    assert prof.asked == []


def test_the_only_context_is_named_to_the_provider(engine: Engine, server: Server, tmp_path: Path) -> None:
    pulumi.runtime.set_all_config({"kubernetes:kubeconfig": kubeconfig(tmp_path, server.url).kubeconfig})
    engine.run(lambda: namespace({}))
    assert engine.inputs("cluster")["context"] == "only", "a context that is chosen later changes nothing"


def test_a_context_that_is_not_the_provider_s_is_refused(engine: Engine, prof: Server, lab: Server) -> None:
    assert refusal(engine, {"context": "prof"}, context="lab") == (
        'x: context says "lab", and its objects go to the context prof; '
        "leave context out, and give the component the ClusterProvider of the cluster that is meant"
    )
    assert lab.asked == prof.asked == []


def test_a_context_that_is_not_the_default_provider_s_is_refused(engine: Engine, prof: Server, lab: Server) -> None:
    pulumi.runtime.set_all_config({"kubernetes:context": "prof"})
    assert refusal(engine, None, context="lab") == (
        'x: context says "lab", and its objects go to the context prof; pulumi config set kubernetes:context lab, '
        'or give it ResourceOptions(providers=[ClusterProvider(NAME, {..., "context": "lab"})])'
    )


def test_the_default_provider_s_own_choice_is_no_choice(engine: Engine, prof: Server) -> None:
    """It would take the kubeconfig's current context, whatever `context` says."""
    assert "has several contexts, and the stack names none; it has lab, prof" in refusal(engine, None, context="prof")


@pytest.mark.parametrize("where", ["provider", "providers", "parent"])
def test_a_provider_that_may_go_anywhere_is_refused(engine: Engine, prof: Server, lab: Server, where: str) -> None:
    def program() -> None:
        other = pulumi.ProviderResource("kubernetes", "eks", {"kubeconfig": "of a cluster that is yet to be made"})
        options = pulumi.ResourceOptions(provider=other) if where == "provider" else pulumi.ResourceOptions()
        if where == "providers":
            options.providers = [other]
        if where == "parent":
            options.parent = pulumi.ComponentResource("a:b:C", "outer", None, pulumi.ResourceOptions(providers=[other]))
        HardenedNamespace("x", SHOP, options)

    with pytest.raises(pulumi.RunError) as raised:
        engine.run(program)
    assert str(raised.value) == (
        "x: its kubernetes provider is no ClusterProvider, so what exists on its cluster can't be looked up; "
        'give it ResourceOptions(providers=[ClusterProvider(NAME, {..., "context": CONTEXT})]), '
        "or preflight=False, when what exists may be taken over unseen"
    )
    assert engine.objects == {}
    assert lab.asked == prof.asked == []


def test_without_the_look_up_any_provider_will_do(engine: Engine, prof: Server, lab: Server) -> None:
    engine.run(lambda: namespace(pulumi.ProviderResource("kubernetes", "eks", {}), preflight=False))
    assert engine.objects
    assert lab.asked == prof.asked == []


def test_a_cluster_other_than_the_context_s_is_refused(engine: Engine, prof: Server) -> None:
    pulumi.runtime.set_all_config({"kubernetes:context": "prof", "kubernetes:cluster": "lab"})
    assert refusal(engine, None) == (
        "kubernetes:cluster names lab, which the provider would take in place of the context's cluster; "
        "pulumi config rm kubernetes:cluster; then name a context: pulumi config set kubernetes:context NAME"
    )


def test_a_pod_without_a_token_is_one_line(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "9")
    assert refusal(engine, {}) == (
        "there is no kubeconfig, and this pod has no credentials: Service token file does not exist.; "
        "name a kubeconfig: export KUBECONFIG=PATH; or give the pod its ServiceAccount's token"
    )
    assert "can't use the kubeconfig" in refusal(engine, {"context": "prof"}), "a pod has no contexts"


def test_the_provider_has_an_identity_and_no_credentials(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    pulumi.runtime.set_all_config({"kubernetes:context": "prod"})
    engine.run(lambda: ClusterProvider("cluster", MINIMAL))
    assert engine.inputs("cluster") == {
        "clusterIdentifier": "minimal",
        "context": "prod",
        "enableServerSideApply": "true",
    }


def test_a_kubeconfig_itself_is_never_taken(engine: Engine) -> None:
    pulumi.runtime.set_all_config({"kubernetes:kubeconfig": "apiVersion: v1\nkind: Config\n"})
    with pytest.raises(pulumi.RunError) as raised:
        engine.run(lambda: ClusterProvider("cluster", MINIMAL))
    assert str(raised.value) == (
        "kubernetes:kubeconfig holds a kubeconfig itself, which would lie in Pulumi's state; "
        "pulumi config rm kubernetes:kubeconfig; then name a file: export KUBECONFIG=PATH"
    )
