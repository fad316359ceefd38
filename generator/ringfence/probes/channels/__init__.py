"""How a request goes: one module a channel, each with `perform(scene, request) -> Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ringfence.probes.channels import discovery, etcd, handshake, kubeconfigs, kubelet, objects, review, url
from ringfence.probes.outcome import Outcome
from ringfence.probes.pairs import Request, channel
from ringfence.probes.scene import Scene
from ringfence.verdict import readable

_CHANNELS: Mapping[str, Callable[[Scene, Request], Outcome]] = {
    "verb": objects.perform,
    "path": url.perform,
    "tls": handshake.perform,
    "discovery": discovery.perform,
    "etcd": etcd.perform,
    "kubelet": kubelet.perform,
    "kubeconfig": kubeconfigs.perform,
}


def perform(scene: Scene, request: Request) -> Outcome:
    """Make a request by its channel. Raises Unprovable when this environment can't."""
    found = channel(request)
    reviewed = found == "verb" and (request["by"] == "review" or _only_askable(scene, request))
    outcome = review.perform(scene, request) if reviewed else _CHANNELS[found](scene, request)
    return outcome._replace(text=readable(outcome.text))  # headers and fields that were returned may be in it


def _only_askable(scene: Scene, request: Request) -> bool:
    """Is this about RBAC alone, by somebody who can't be had here? Then a review answers it as well."""
    actor = scene.actor(request)
    return scene.about_rbac and actor.api is None and actor.user is not None
