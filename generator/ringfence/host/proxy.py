"""kube-proxy where it is started with flags: fields of KubeProxyConfiguration as the flags of the same meaning.

With `--config`, kube-proxy ignores its other flags, those of the distribution too; so the fields go as flags.
Source: kube-proxy's command line reference; k8s.io/kubernetes cmd/kube-proxy/app/options.go.
"""

from __future__ import annotations

from typing import Any

from ringfence.host.owned import Owned
from ringfence.host.plan import HostPlan, flag_text

FLAGS = {  # dotted field of KubeProxyConfiguration -> flag
    "bindAddressHardFail": "bind-address-hard-fail",
    "enableProfiling": "profiling",
    "healthzBindAddress": "healthz-bind-address",
    "iptables.localhostNodePorts": "iptables-localhost-nodeports",
    "metricsBindAddress": "metrics-bind-address",
    "mode": "proxy-mode",
    "nodePortAddresses": "nodeport-addresses",
}
_NO_FLAG = "kube-proxy has no flag for this field, and the distribution starts it with flags"


def flags(plan: HostPlan, rows: list[Owned]) -> dict[str, str]:
    """Flags for what the plan's file says; a field without one is added to `rows`."""
    file = plan.file("kube-proxy")
    found: dict[str, str] = {}
    for field, value in _leaves(file.content or {} if file else {}):
        if field in FLAGS:
            found[FLAGS[field]] = flag_text(FLAGS[field], value)
        elif field not in ("apiVersion", "kind"):
            rows.append(Owned("kube-proxy", field, flag_text(field, value), _NO_FLAG))
    return found


def _leaves(content: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(content, dict):
        return [leaf for k, v in content.items() for leaf in _leaves(v, f"{path}.{k}" if path else k)]
    return [(path, content)]
