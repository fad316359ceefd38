"""Files that lie on a host: as files of the tree, as a table for reviewers, and as a script that puts them in place."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from ringfence.documents import dump
from ringfence.host import install
from ringfence.host.placed import Placed, TreeFile
from ringfence.host.plan import CONTROL_PLANE, WORKER, HostFile, HostPlan, Permission

# Begins the placeholder of key material that a script makes on the host. A file that holds one is put beside its place,
# as <path>.template: the script reads it there and writes the file whole, so nobody ever reads a placeholder for a key.
KEY, TEMPLATE = "<generated-on-host:", ".template"
_BOOT = (
    "# Owners and modes, held at every boot by systemd-tmpfiles (tmpfiles.d(5)); what is not there yet is left alone.\n"
    "# `systemd-tmpfiles --create {path}` holds them now, after whatever makes such files.\n"
)
_BOOT_PATH = "/etc/tmpfiles.d/ringfence.conf"
_TABLE = "# What install.sh puts on a host, and what it holds to an owner and a mode.\n"


def host_files(plan: HostPlan, left_out: Collection[str], placed: Collection[Placed] = ()) -> list[TreeFile]:
    """`host/files/<path>` for every file but those left out, `host/files.yaml` and `host/install.sh`.

    `placed` are the caller's own files, which the table and the script know too.
    """
    files = plan.without(left_out)
    boot = [_at_boot(plan, role) for role in (CONTROL_PLANE, WORKER) if any(role in p.roles for p in plan.permissions)]
    placed = [*placed, *boot]
    made = [TreeFile(f"host/files{f.path}", f.text, (f.source,)) for f in files]
    made += [TreeFile(f"host/{b.source}", b.text, ()) for b in boot]
    if not files and not placed and not plan.permissions:
        return made
    put = sorted([*placed, *(_in_place(f) for f in files)], key=lambda p: (p.path, p.source))
    scripts = [f for f in files if f.run]
    made.append(TreeFile("host/files.yaml", _TABLE + dump(_table(plan, put)), ()))
    made.append(TreeFile("host/install.sh", install.script(plan, put, scripts), ()))
    return made


def _at_boot(plan: HostPlan, role: str) -> Placed:
    """A role's owners and modes for systemd: kubeadm and its like make their files after the script has run."""
    lines = [
        " ".join(("d" if p.create else "z", p.path, p.mode, *_boot_owner(p), "-", "-"))
        for p in plan.permissions
        if role in p.roles
    ]
    text = _BOOT.format(path=_BOOT_PATH) + "".join(f"{line}\n" for line in lines)
    return Placed(f"tmpfiles-{role}.conf", _BOOT_PATH, "0644", "root:root", (role,), text)


def _boot_owner(permission: Permission) -> tuple[str, ...]:
    """User and group as tmpfiles.d(5) has them; one that a host may lack is left, or systemd would drop the line."""
    user, _, group = permission.owner.partition(":")
    return (user, group) if user == "root" else ("-", "-")


def _in_place(file: HostFile) -> Placed:
    keyed = file.content is not None and KEY in file.text
    path = file.path + TEMPLATE if keyed else file.path
    return Placed(f"files{file.path}", path, file.mode, file.owner, file.roles, file.text)


def _table(plan: HostPlan, files: Collection[Placed]) -> dict[str, Any]:
    return {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "HostFiles",
        "files": [
            {
                "path": f.path,
                "mode": f.mode,
                "owner": f.owner,
                "roles": list(f.roles),
                "sha256": sha256(f.text.encode()).hexdigest(),
            }
            for f in files
        ],
        "permissions": [
            {"path": p.path, "mode": p.mode, "owner": p.owner, "roles": list(p.roles)} for p in plan.permissions
        ],
    }
