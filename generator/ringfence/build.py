"""The pipeline, whole: read this first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ringfence import bundled
from ringfence.arrange import Folded, arrange
from ringfence.catalog import Catalog, load_catalog
from ringfence.model import PROFILES, Bundle, ResolvedControl
from ringfence.render import Renderer
from ringfence.resolve import resolve
from ringfence.schemas import SchemaStore
from ringfence.spec import Cluster, Profile, read_cluster, read_profile
from ringfence.validate import validate


class Resolution(NamedTuple):
    """What cluster.yaml decides before anything is rendered."""

    cluster: Cluster
    profile: Profile
    controls: tuple[ResolvedControl, ...]


class Builder:
    """Builds clusters; catalogue, compiled templates, structures and schemas are shared between them."""

    def __init__(self, templates: Sequence[Path] = (), cache: Path | None = None) -> None:
        """`templates` are further folders of controls beside the shipped one; `cache` keeps what they compile to."""
        self.catalog: Catalog = load_catalog((bundled.templates(), *templates), cache)
        self._renderer = Renderer(cache)
        self._folded: Folded = {}
        self._profiles: dict[str, Profile] = {}
        self._stores: dict[str, SchemaStore] = {}

    def resolve(self, file: Path, shown: str | None = None) -> Resolution:
        """cluster.yaml → the cluster, its profile and every control decided; `shown` is its name in errors."""
        return self.decide(read_cluster(file, shown), file.parent)

    def decide(self, cluster: Cluster, beside: Path) -> Resolution:
        """A cluster → its profile (one of the user's own lies in the folder `beside`) and every control decided."""
        profile = self._profiles.get(cluster.profile) or read_profile(cluster.profile, beside, cluster.profile_place)
        if cluster.profile in PROFILES:  # a shipped one is the same for all
            self._profiles[cluster.profile] = profile
        return Resolution(cluster, profile, resolve(self.catalog, profile, cluster))

    def objects(self, resolution: Resolution, part: tuple[int, int] = (0, 1)) -> Bundle:
        """Decided controls → validated objects; `part` as in `Renderer.render`."""
        cluster, _, controls = resolution
        manifests = arrange(self._renderer.render(cluster, controls, part), self._folded)
        return validate(cluster, controls, manifests, self.store(cluster.kubernetes))

    def build(self, file: Path, shown: str | None = None) -> Bundle:
        """cluster.yaml → the bundle that every sink takes."""
        return self.objects(self.resolve(file, shown))

    def store(self, kubernetes: str) -> SchemaStore:
        """The schemas of one Kubernetes minor."""
        if kubernetes not in self._stores:
            self._stores[kubernetes] = SchemaStore(kubernetes)
        return self._stores[kubernetes]
