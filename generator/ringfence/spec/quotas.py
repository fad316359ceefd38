"""What a quota called small, medium or large is, in the keys of `CustomQuota`."""

from __future__ import annotations

from typing import Any

QUOTA_SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "requestsCpu": "2", "requestsMemory": "4Gi", "limitsMemory": "8Gi", "pods": 20,
        "persistentVolumeClaims": 5, "requestsStorage": "50Gi", "services": 10, "loadBalancers": 0,
        "secrets": 30, "configMaps": 30,
    },
    "medium": {
        "requestsCpu": "8", "requestsMemory": "16Gi", "limitsMemory": "32Gi", "pods": 60,
        "persistentVolumeClaims": 15, "requestsStorage": "200Gi", "services": 30, "loadBalancers": 0,
        "secrets": 80, "configMaps": 80,
    },
    "large": {
        "requestsCpu": "32", "requestsMemory": "64Gi", "limitsMemory": "128Gi", "pods": 250,
        "persistentVolumeClaims": 50, "requestsStorage": "1Ti", "services": 100, "loadBalancers": 0,
        "secrets": 250, "configMaps": 250,
    },
}  # fmt: skip
