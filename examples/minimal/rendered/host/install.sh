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
put() { # mode owner path
  mkdir -p "$root$(dirname "$3")"
  cp "$here/files$3" "$root$3.ringfence-new"
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
if [ "$role" = control-plane ]; then
  put 0600 root:root /etc/kubernetes/ringfence/authentication.yaml
fi
