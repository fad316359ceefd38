"""The components for programs in TypeScript, Go, YAML and the rest: `pulumi package add` makes an SDK from here."""

from pulumi.provider.experimental import component_provider_host

from ringfence import __version__
from ringfence.sinks.pulumi import ClusterBaseline, ClusterBootstrap, HardenedNamespace

if __name__ == "__main__":
    component_provider_host([ClusterBaseline, ClusterBootstrap, HardenedNamespace], "ringfence", version=__version__)
