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
  RINGFENCE_ROOT="$root" sh "$root"/usr/local/sbin/ringfence-encryption-keys
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
