"""The host plane of a bundle: from neutral settings to the files that a distribution's hosts take."""

from ringfence.host.forms import FOLDER, forms
from ringfence.host.placed import TreeFile
from ringfence.host.plan import HostFile, HostPlan, Permission, plan
from ringfence.host.provider import provider_rows

__all__ = ["FOLDER", "HostFile", "HostPlan", "Permission", "TreeFile", "forms", "plan", "provider_rows"]
