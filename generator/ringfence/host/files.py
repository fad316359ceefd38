"""Files that lie on a host: as files of the tree, as a table for reviewers, and as a script that puts them in place.

The script takes the role of the host. RINGFENCE_ROOT puts everything below another folder, for images and tests;
it sets owners when root runs it.
"""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256
from shlex import quote
from typing import Any, NamedTuple

from ringfence.documents import dump
from ringfence.host.plan import CONTROL_PLANE, WORKER, HostFile, HostPlan


class TreeFile(NamedTuple):
    """A file of the tree, and the host objects that it comes from."""

    path: str  # below the tree
    text: str
    sources: tuple[str, ...]


class Placed(NamedTuple):
    """A file of the folder `host/` that the script puts somewhere else than its name says."""

    source: str  # below host/
    path: str  # on the host
    mode: str
    owner: str
    roles: tuple[str, ...]
    text: str


# Begins the placeholder of key material that a script makes on the host. A file that holds one is put beside its place,
# as <path>.template: the script reads it there and writes the file whole, so nobody ever reads a placeholder for a key.
KEY, TEMPLATE = "<generated-on-host:", ".template"
_BOOT = (
    "# Owners and modes, held at every boot by systemd-tmpfiles (tmpfiles.d(5)); what is not there yet is left alone.\n"
    "# `systemd-tmpfiles --create {path}` holds them now, after whatever makes such files.\n"
)
_BOOT_PATH = "/etc/tmpfiles.d/ringfence.conf"
_TABLE = "# What install.sh puts on a host, and what it holds to an owner and a mode.\n"
_SCRIPT = """\
#!/bin/sh
# Puts this folder's files on a host, each with its owner and mode. Run it as root: install.sh control-plane|worker
# RINGFENCE_ROOT=/some/folder installs below that folder; owners are set when root runs it.
set -eu
umask 077
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=${RINGFENCE_ROOT:-}
role=${1:-}
case $role in
control-plane | worker) ;;
*)
  echo "usage: install.sh control-plane|worker" >&2
  exit 64
  ;;
esac
owned() { # owner path
  if [ "$(id -u)" = 0 ]; then chown "$1" "$2"; fi
}
put() { # mode owner path source
  mkdir -p "$root$(dirname "$3")"
  cp "$here/$4" "$root$3.ringfence-new"
  chmod "$1" "$root$3.ringfence-new"
  owned "$2" "$root$3.ringfence-new"
  mv -f "$root$3.ringfence-new" "$root$3"
}
folder() { # mode owner path
  mkdir -p "$root$3"
  chmod "$1" "$root$3"
  owned "$2" "$root$3"
}
hold() { # mode owner path, where it exists
  for found in "$root"$3; do # the pattern is meant to expand
    [ -e "$found" ] || continue
    chmod "$1" "$found"
    owned "$2" "$found"
  done
}
"""
_KNOWN = """\
known() { # account that is to own files: it must be there before anything is written
  if [ "$(id -u)" = 0 ] && ! id -u "$1" >/dev/null 2>&1; then
    echo "install.sh: error: files are to belong to $1, and this host has no such account; make it:" >&2
    echo "  useradd --system --user-group --no-create-home --shell /sbin/nologin $1" >&2
    exit 1
  fi
}
"""


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
    made.append(TreeFile("host/install.sh", _script(plan, put, scripts), ()))
    return made


def _at_boot(plan: HostPlan, role: str) -> Placed:
    """A role's owners and modes for systemd: kubeadm and its like make their files after the script has run."""
    lines = [
        " ".join(("d" if p.create else "z", p.path, p.mode, *p.owner.split(":"), "-", "-"))
        for p in plan.permissions
        if role in p.roles
    ]
    text = _BOOT.format(path=_BOOT_PATH) + "".join(f"{line}\n" for line in lines)
    return Placed(f"tmpfiles-{role}.conf", _BOOT_PATH, "0644", "root:root", (role,), text)


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


def _script(plan: HostPlan, files: Collection[Placed], scripts: Collection[HostFile]) -> str:
    blocks = []
    for role in (CONTROL_PLANE, WORKER):
        held = [p for p in plan.permissions if role in p.roles]
        put = [f for f in files if role in f.roles]
        owners = {p.owner for p in held} | {f.owner for f in put}
        accounts = sorted({owner.partition(":")[0] for owner in owners} - {"root"})
        inside = [f"known {account}" for account in accounts]
        inside += [f"folder {p.mode} {p.owner} {quote(p.path)}" for p in held if p.create]
        inside += [f"put {f.mode} {f.owner} {quote(f.path)} {quote(f.source)}" for f in put]
        inside += [f'RINGFENCE_ROOT="$root" sh "$root"{quote(f.path)}' for f in scripts if role in f.roles]
        inside += [f"hold {p.mode} {p.owner} {quote(p.path)}" for p in held if not p.create]
        if inside:
            blocks.append(f'if [ "$role" = {role} ]; then\n' + "".join(f"  {line}\n" for line in inside) + "fi\n")
    functions = _SCRIPT + (_KNOWN if any("  known " in block for block in blocks) else "")
    return functions + "".join(blocks)
