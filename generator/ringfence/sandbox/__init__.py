"""A disposable control plane on loopback that runs a cluster's generated host files.

    with ControlPlane(HostFiles.of_cluster(Path("cluster.yaml")), tmp_path / "state", find_tools(os.environ)) as plane:
        plane.kubeconfig, plane.access

kubeadm's own phases turn the files into certificates and command lines; `substitutions` is the whole list of what
then differs on a developer's machine. What starts and ends here dies with its owner: nothing is left after a kill.
"""

from ringfence.sandbox.binaries import Tools, find_tools
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.plane import ControlPlane
from ringfence.sandbox.state import Access, Folder

__all__ = ["Access", "ControlPlane", "Folder", "HostFiles", "Tools", "find_tools"]
