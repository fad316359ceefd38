"""The pipeline, whole: read this first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ringfence import bundled
from ringfence.arrange import arrange
from ringfence.catalog import Catalog, load_catalog
from ringfence.errors import Place
from ringfence.model import Bundle, ResolvedControl
from ringfence.render import Renderer
from ringfence.resolve import resolve
from ringfence.schemas import SchemaStore
from ringfence.spec import Cluster, read_cluster, read_profile
from ringfence.validate import validate


class Builder:
    """Builds clusters; catalogue, compiled templates and schemas are shared between them."""

    def __init__(self, templates: Sequence[Path] = (), cache: Path | None = None) -> None:
        """`templates` are further folders of controls beside the shipped one."""
        self.catalog: Catalog = load_catalog((bundled.templates(), *templates))
        self._renderer = Renderer(cache)

    def resolve(self, file: Path, shown: str | None = None) -> tuple[Cluster, tuple[ResolvedControl, ...]]:
        """cluster.yaml → the cluster and every control decided."""
        cluster = read_cluster(file, shown)
        profile = read_profile(cluster.profile, file.parent, Place(cluster.file))
        return cluster, resolve(self.catalog, profile, cluster)

    def objects(
        self, cluster: Cluster, controls: tuple[ResolvedControl, ...], part: tuple[int, int] = (0, 1)
    ) -> Bundle:
        """Decided controls → validated objects; `part` as in `Renderer.render`."""
        fragments = self._renderer.render(cluster, controls, part)
        manifests = arrange(fragments)
        return validate(cluster, controls, manifests, _store(cluster.kubernetes))

    def build(self, file: Path, shown: str | None = None) -> Bundle:
        """cluster.yaml → the bundle that every sink takes."""
        return self.objects(*self.resolve(file, shown))


@cache
def _store(kubernetes: str) -> SchemaStore:
    return SchemaStore(kubernetes)
