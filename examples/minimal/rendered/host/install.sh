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
if [ "$role" = control-plane ]; then
  folder 0700 root:root /var/lib/etcd
  folder 0700 root:root /var/log/kubernetes/audit
  put 0600 root:root /etc/kubernetes/ringfence/admission.yaml files/etc/kubernetes/ringfence/admission.yaml
  put 0600 root:root /etc/kubernetes/ringfence/audit-policy.yaml files/etc/kubernetes/ringfence/audit-policy.yaml
  put 0600 root:root /etc/kubernetes/ringfence/authentication.yaml files/etc/kubernetes/ringfence/authentication.yaml
  put 0600 root:root /etc/kubernetes/ringfence/authorization.yaml files/etc/kubernetes/ringfence/authorization.yaml
  put 0600 root:root /etc/kubernetes/ringfence/encryption.yaml.template files/etc/kubernetes/ringfence/encryption.yaml
  put 0644 root:root /etc/tmpfiles.d/ringfence.conf tmpfiles-control-plane.conf
  put 0700 root:root /usr/local/sbin/ringfence-encryption-keys files/usr/local/sbin/ringfence-encryption-keys
  put 0700 root:root /usr/local/sbin/ringfence-rotate-encryption files/usr/local/sbin/ringfence-rotate-encryption
  put 0700 root:root /usr/local/sbin/ringfence-seal-admin files/usr/local/sbin/ringfence-seal-admin
  hold 0700 root:root /etc/cni/net.d
  hold 0600 root:root '/etc/cni/net.d/*'
  hold 0600 root:root /etc/kubernetes/admin.conf
  hold 0600 root:root /etc/kubernetes/controller-manager.conf
  hold 0600 root:root /etc/kubernetes/kubelet.conf
  hold 0700 root:root /etc/kubernetes/manifests
  hold 0600 root:root '/etc/kubernetes/manifests/*.yaml'
  hold 0755 root:root /etc/kubernetes/pki
  hold 0644 root:root '/etc/kubernetes/pki/*.crt'
  hold 0600 root:root '/etc/kubernetes/pki/*.key'
  hold 0644 root:root /etc/kubernetes/pki/ca.crt
  hold 0755 root:root /etc/kubernetes/pki/etcd
  hold 0644 root:root '/etc/kubernetes/pki/etcd/*.crt'
  hold 0600 root:root '/etc/kubernetes/pki/etcd/*.key'
  hold 0644 root:root /etc/kubernetes/pki/sa.pub
  hold 0600 root:root /etc/kubernetes/scheduler.conf
  hold 0600 root:root /etc/kubernetes/super-admin.conf
  hold 0600 root:root /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
  hold 0600 root:root /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf
  hold 0600 root:root /var/lib/kubelet/config.yaml
  hold 0600 root:root '/var/lib/kubelet/pki/*.key'
  hold 0600 root:root '/var/lib/kubelet/pki/*.pem'
fi
if [ "$role" = worker ]; then
  put 0644 root:root /etc/tmpfiles.d/ringfence.conf tmpfiles-worker.conf
  hold 0600 root:root /etc/kubernetes/kubelet.conf
  hold 0644 root:root /etc/kubernetes/pki/ca.crt
  hold 0600 root:root /etc/systemd/system/kubelet.service.d/10-kubeadm.conf
  hold 0600 root:root /usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf
  hold 0600 root:root /var/lib/kubelet/config.yaml
  hold 0600 root:root '/var/lib/kubelet/pki/*.key'
  hold 0600 root:root '/var/lib/kubelet/pki/*.pem'
fi
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
[ "$role" != control-plane ] || RINGFENCE_ROOT="$root" sh "$root"/usr/local/sbin/ringfence-encryption-keys || code=$?
[ -z "$todo" ] || { echo "this host goes on as before until you run:" && printf %s "$todo" | sort -u; }
exit "$code"
