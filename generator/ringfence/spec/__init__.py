"""The user's documents: cluster.yaml and profiles, read strictly, as facts that templates can use."""

from ringfence.spec.facts import Cluster, Exemption, Override
from ringfence.spec.profile import Profile, read_profile
from ringfence.spec.read import read_cluster
from ringfence.spec.tenants import Namespace, Tenant

__all__ = ["Cluster", "Exemption", "Namespace", "Override", "Profile", "Tenant", "read_cluster", "read_profile"]
