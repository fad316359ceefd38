"""The Kubernetes provider of a stack, without credentials in the state."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pulumi

from ringfence.errors import InputError
from ringfence.sinks.pulumi.connecting import Connection, resolve
from ringfence.sinks.pulumi.refusal import one_line
from ringfence.sinks.pulumi.settings import connection
from ringfence.sinks.pulumi.source import name_of


class ClusterProvider(pulumi.ProviderResource):
    """The Kubernetes provider of one cluster, with no credentials among its inputs.

    The typed SDK's provider copies $KUBECONFIG into its inputs, so into the state; this one leaves it to the provider's
    own process to find, and names the context. The cluster document's name is its identifier: a changed address
    replaces no object.
    """

    def __init__(self, name: str, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` say which cluster, as for the components."""
        with one_line():
            reached, identifier = connection(args.get("context")), name_of(args)
            self.connection = resolve(reached) if args.get("preflight", True) else reached
        inputs = {
            "clusterIdentifier": identifier,
            "context": self.connection.context,
            "kubeconfig": self.connection.kubeconfig,
            "enableServerSideApply": "true",
        }
        options = pulumi.ResourceOptions(version=version("pulumi-kubernetes"))
        super().__init__(
            "kubernetes",
            name,
            {key: value for key, value in inputs.items() if value is not None},
            pulumi.ResourceOptions.merge(options, opts),
        )


def reached(component: pulumi.Resource, context: str | None) -> Connection:
    """Where a component's objects go, so where what exists has to be looked up.

    Raises InputError when `context` says another cluster, and for a provider of which that can't be known: it might
    take over in silence what nobody has looked for.
    """
    provider = component.get_provider("kubernetes:core/v1:Namespace")
    if provider is None:
        there = resolve(connection())
    elif isinstance(provider, ClusterProvider):
        there = resolve(provider.connection)
    else:
        raise InputError(
            f"{component.pulumi_resource_name}: its kubernetes provider is no ClusterProvider, so what exists on its "
            "cluster can't be looked up",
            hint='give it ResourceOptions(providers=[ClusterProvider(NAME, {..., "context": CONTEXT})]), '
            "or preflight=False, when what exists may be taken over unseen",
        )
    if context is None or context == there.context:
        return there
    raise InputError(
        f'{component.pulumi_resource_name}: context says "{context}", and its objects go to {there}',
        hint="leave context out, and give the component the ClusterProvider of the cluster that is meant"
        if provider
        else f"pulumi config set kubernetes:context {context}, "
        f'or give it ResourceOptions(providers=[ClusterProvider(NAME, {{..., "context": "{context}"}})])',
    )
