"""install.sh: a script that puts the tree's files on a host of a role.

It notes what it put, so that a file which the tree no longer has goes with the next run; nothing else is ever taken
away. Below RINGFENCE_ROOT, for images and tests, it loads nothing and leaves owners other than root to the host.
"""

from __future__ import annotations

from collections.abc import Collection
from shlex import quote

from ringfence.host.placed import Placed
from ringfence.host.plan import CONTROL_PLANE, WORKER, HostFile, HostPlan

_BEGIN = """\
#!/bin/sh
# Puts this folder's files on a host, each with its owner and mode. Run it as root: install.sh control-plane|worker
# What an earlier run put and this folder no longer has, it takes away; what a running host can load, it loads.
# RINGFENCE_ROOT=/some/folder installs below that folder and loads nothing; owners are set when root runs it.
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
list=$root/var/lib/ringfence/installed # .ROLE: the files that were put
code=0
todo=
lacking=
say() { echo "install.sh: $1" >&2; }
parents() { (umask 022 && mkdir -p "$(dirname "$1")"); } # others read /etc, whatever is put there
booted() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null; }
owned() { # owner path
  [ "$(id -u)" = 0 ] || return 0
  account=${1%%:*}
  if [ "$account" != root ]; then
    [ -z "$root" ] || return 0 # its number is the host's affair
    if ! id -u "$account" >/dev/null 2>&1; then
      [ "$account" = "$lacking" ] || say "this host has no account $account; what would be its own keeps its owner"
      lacking=$account
      return 0
    fi
  fi
  chown "$1" "$2"
}
later() { # command, for a running host
  [ -n "$root" ] || todo="$todo  $1
"
}
renew() { # path of a changed file, whose unit may be running
  case $1 in
  /etc/systemd/system/*.d/*)
    unit=$(basename "$(dirname "$1")" .d)
    if booted && systemctl is-active --quiet "$unit"; then later "systemctl restart $unit"; fi
    ;;
  esac
}
put() { # mode owner path source
  grep -qsxF "$3" "$list.$role" || echo "$3" >>"$list.$role"
  echo "$3" >>"$list.$role.new"
  parents "$root$3"
  cp "$here/$4" "$root$3.ringfence-new"
  chmod "$1" "$root$3.ringfence-new"
  owned "$2" "$root$3.ringfence-new"
  if ! cmp -s "$root$3.ringfence-new" "$root$3"; then
    renew "$3"
    case $3 in *.nft) [ ! -e "$root$3" ] || later "nft -f $3" ;; esac
  fi
  mv -f "$root$3.ringfence-new" "$root$3"
}
folder() { # mode owner path
  parents "$root$3"
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
parents "$list.$role"
: >>"$list.$role"
: >"$list.$role.new"
"""
_END = """\
other=control-plane
[ "$role" = worker ] || other=worker
while read -r path; do
  # A template's file holds keys that a script of this host made.
  ! grep -qsxF -e "$path" -e "$path.template" "$list.$role.new" "$list.$other" || continue
  [ -e "$root$path" ] || continue
  if grep -qsF "$path" "$root"/etc/kubernetes/manifests/*.yaml; then
    echo "$path is named by a static pod still, and stays; run this again once kubeadm has written its manifest anew"
    echo "$path" >>"$list.$role.new"
    continue
  fi
  echo "$path is not of this role any more, and is taken away"
  renew "$path"
  case $path in *.nft) later "nft $(grep '^delete table ' "$root$path")" ;; esac
  rm -f "$root$path"
done <"$list.$role"
mv -f "$list.$role.new" "$list.$role"
if [ -z "$root" ]; then
  for settings in $(grep '^/etc/sysctl.d/' "$list.$role"); do
    sysctl -q -p "$settings" || { say "the kernel did not take all of $settings"; code=1; }
  done
  if booted; then systemctl daemon-reload; fi
fi
"""
_LAST = """\
[ -z "$todo" ] || { echo "this host goes on as before until you run:" && printf %s "$todo" | sort -u; }
exit "$code"
"""


def script(plan: HostPlan, files: Collection[Placed], scripts: Collection[HostFile]) -> str:
    """install.sh of a plan; what refuses among `scripts` comes last, and its exit code is the script's."""
    blocks = []
    for role in (CONTROL_PLANE, WORKER):
        held = [p for p in plan.permissions if role in p.roles]
        inside = [f"folder {p.mode} {p.owner} {quote(p.path)}" for p in held if p.create]
        inside += [f"put {f.mode} {f.owner} {quote(f.path)} {quote(f.source)}" for f in files if role in f.roles]
        inside += [f"hold {p.mode} {p.owner} {quote(p.path)}" for p in held if not p.create]
        if inside:
            blocks.append(f'if [ "$role" = {role} ]; then\n' + "".join(f"  {line}\n" for line in inside) + "fi\n")
    run = [
        f'[ "$role" != {role} ] || RINGFENCE_ROOT="$root" sh "$root"{quote(f.path)} || code=$?\n'
        for f in scripts
        for role in f.roles
    ]
    return _BEGIN + "".join(blocks) + _END + "".join(run) + _LAST
