"""The Kubernetes provider of a stack, without credentials in the state."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import pulumi

from ringfence.sinks.pulumi.refusal import one_line
from ringfence.sinks.pulumi.settings import connection
from ringfence.sinks.pulumi.source import name_of


class ClusterProvider(pulumi.ProviderResource):
    """The Kubernetes provider of one cluster, with no credentials among its inputs.

    The typed SDK's provider copies $KUBECONFIG into its inputs, so into the state; this one leaves it to the provider's
    own process to find. The cluster document's name is its identifier: a changed address replaces no object.
    """

    def __init__(self, name: str, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """`args` say which cluster, as for the components."""
        with one_line():
            reached, identifier = connection(args.get("context")), name_of(args)
        inputs = {
            "clusterIdentifier": identifier,
            "context": reached.context,
            "kubeconfig": reached.kubeconfig,
            "enableServerSideApply": "true",
        }
        options = pulumi.ResourceOptions(version=version("pulumi-kubernetes"))
        super().__init__(
            "kubernetes",
            name,
            {key: value for key, value in inputs.items() if value is not None},
            pulumi.ResourceOptions.merge(options, opts),
        )
