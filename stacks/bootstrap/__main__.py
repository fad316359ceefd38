"""Hardens one cluster: every object that `ringfence render` writes for its cluster.yaml, applied by `pulumi up`."""

import pulumi

from ringfence.sinks.pulumi import ClusterBootstrap, ClusterProvider, configured

arguments = configured()
bootstrap = ClusterBootstrap(
    "bootstrap",
    arguments,
    pulumi.ResourceOptions(providers=[ClusterProvider("cluster", arguments)]),
)

pulumi.export("profile", bootstrap.profile)
pulumi.export("generatorVersion", bootstrap.generator_version)
pulumi.export("modelDigest", bootstrap.model_digest)
pulumi.export("namespaces", bootstrap.namespaces)
pulumi.export("hostFiles", bootstrap.host_files)
