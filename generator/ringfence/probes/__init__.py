"""Pairs of requests that show, on a running cluster, what each control refuses and what it lets through."""

from __future__ import annotations

from ringfence.probes import kubeconfig, leftovers, preflight
from ringfence.probes.access import Access, Etcd, Issuer, KeyPair
from ringfence.probes.runner import PATIENCE, run_pairs
from ringfence.probes.session import Session

__all__ = [
    "PATIENCE",
    "Access",
    "Etcd",
    "Issuer",
    "KeyPair",
    "Session",
    "kubeconfig",
    "leftovers",
    "preflight",
    "run_pairs",
]
