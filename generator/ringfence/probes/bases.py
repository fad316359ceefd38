"""Objects that every control of every profile admits, in any tenant's namespace, with placeholders still in them.

Probes start from them: what a probe then changes is the one thing that its control may refuse. A control that asks
more of workloads says so here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {"app.kubernetes.io/name": "probe"}
_RBAC = "rbac.authorization.k8s.io"
_LEVELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
_CONTAINER = {
    "name": "probe",
    "image": "<registry>probe@sha256:" + "0" * 64,
    "imagePullPolicy": "Always",
    "resources": {
        "requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"},
        "limits": {"memory": "16Mi", "ephemeral-storage": "16Mi"},
    },
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
    "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
    "livenessProbe": {"httpGet": {"path": "/live", "port": 8080}},
}
_POD = {
    "serviceAccountName": "<serviceaccount>",
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "fsGroup": 10001,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [_CONTAINER],
}
_ROUTE = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "probe", "port": {"number": 80}}}}


def _object(api_version: str, kind: str, labels: Mapping[str, str] = _LABELS, **body: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "<probe>", "labels": labels}, **body}


def _workload(api_version: str, kind: str, **more: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": _LABELS}, "spec": _POD}
    return _object(api_version, kind, spec={"selector": {"matchLabels": _LABELS}, "template": template, **more})


_JOB = {"template": {"metadata": {"labels": _LABELS}, "spec": {**_POD, "restartPolicy": "Never"}}}
_RULES = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
_BOUND: dict[str, Any] = {
    "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "view"},
    "subjects": [{"apiGroup": _RBAC, "kind": "User", "name": "<prefix><probe>"}],
}

BASES: Mapping[str, Mapping[str, Any]] = {
    "pod": _object("v1", "Pod", spec=_POD),
    "deployment": _workload("apps/v1", "Deployment", replicas=1),
    "statefulset": _workload("apps/v1", "StatefulSet", serviceName="probe"),
    "daemonset": _workload("apps/v1", "DaemonSet"),
    "replicaset": _workload("apps/v1", "ReplicaSet"),
    "replicationcontroller": _workload("v1", "ReplicationController", selector=_LABELS),
    "job": _object("batch/v1", "Job", spec=_JOB),
    "cronjob": _object("batch/v1", "CronJob", spec={"schedule": "0 3 * * *", "jobTemplate": {"spec": _JOB}}),
    "service": _object("v1", "Service", spec={"type": "ClusterIP", "selector": _LABELS, "ports": [{"port": 80}]}),
    "configmap": _object("v1", "ConfigMap", data={"probe": "true"}),
    "secret": _object("v1", "Secret", type="Opaque", stringData={"probe": "true"}),
    "serviceaccount": _object("v1", "ServiceAccount", automountServiceAccountToken=False),
    "persistentvolumeclaim": _object(
        "v1",
        "PersistentVolumeClaim",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    ),
    "namespace": _object("v1", "Namespace", _LEVELS),
    "role": _object(f"{_RBAC}/v1", "Role", rules=_RULES),
    "clusterrole": _object(f"{_RBAC}/v1", "ClusterRole", rules=_RULES),
    "rolebinding": _object(f"{_RBAC}/v1", "RoleBinding", **_BOUND),
    "clusterrolebinding": _object(f"{_RBAC}/v1", "ClusterRoleBinding", **_BOUND),
    "event": _object(
        "v1",
        "Event",
        involvedObject={"apiVersion": "v1", "kind": "Pod", "name": "probe", "namespace": "<namespace>"},
        reason="Probe",
        message="ringfence verify",
        type="Normal",
    ),
    "lease": _object("coordination.k8s.io/v1", "Lease", spec={"holderIdentity": "probe"}),
    "ingress": _object(
        "networking.k8s.io/v1",
        "Ingress",
        spec={
            "tls": [{"hosts": ["probe.example.com"], "secretName": "probe-tls"}],
            "rules": [{"host": "probe.example.com", "http": {"paths": [_ROUTE]}}],
        },
    ),
    "networkpolicy": _object(
        "networking.k8s.io/v1", "NetworkPolicy", spec={"podSelector": {}, "policyTypes": ["Ingress"]}
    ),
    "node": _object("v1", "Node"),
    "csr": _object(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        spec={
            "request": "<csr>",
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
            "expirationSeconds": 600,
        },
    ),
}
