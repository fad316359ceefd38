"""What programs in other languages see of the components."""

from __future__ import annotations

from helpers import golden
from pluginschema import GOLDEN, canonical
from pulumi.provider.experimental.component import ComponentProvider

from ringfence import __version__
from ringfence.sinks.pulumi import ClusterBaseline, ClusterBootstrap, HardenedNamespace


def test_the_plugin_s_schema_is_the_golden_one() -> None:
    """A change here changes every generated SDK: arguments are added, never renamed or made required."""
    components = [ClusterBaseline, ClusterBootstrap, HardenedNamespace]
    golden(GOLDEN, canonical(ComponentProvider(components, "ringfence", version=__version__).schema))
