"""Pulumi's mocks, and a monitor that sees what they hide: dependencies, protection, aliases, imports, equal names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.runtime import mocks


class Recorder(mocks.Mocks):
    """Answers every registration with its own inputs and a made-up id."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return (f"{args.name}-id" if args.custom else "", dict(args.inputs))

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"nothing here calls {args.token}")


class Spy(mocks.MockMonitor):
    """Keeps every registration request with the URN it got."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.requests: list[tuple[str, Any]] = []

    def RegisterResource(self, request: Any) -> Any:
        answer = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.requests.append((answer.urn, request))
        return answer


class Engine:
    """One stack under mocks: run a program, then ask what it registered."""

    def __init__(self) -> None:
        self._spy = Spy(Recorder())
        pulumi.runtime.set_mocks(self._spy.mocks, "ringfence-bootstrap", "dev", preview=False, monitor=self._spy)
        pulumi.runtime.set_all_config({})

    def run(self, program: Callable[[], object]) -> None:
        """Run a program to its end; raises what it raises, and every failed registration."""

        def body() -> None:
            program()

        pulumi.runtime.test(body)()

    @property
    def urns(self) -> list[str]:
        return [urn for urn, _ in self._spy.requests]

    @property
    def objects(self) -> dict[str, Any]:
        """Requests for Kubernetes objects, by logical name."""
        return {r.name: r for _, r in self._spy.requests if r.type.startswith("kubernetes:")}

    @property
    def components(self) -> dict[str, str]:
        """Types of components, by name."""
        return {r.name: r.type for _, r in self._spy.requests if not r.custom}

    def urn(self, name: str) -> str:
        return next(urn for urn, r in self._spy.requests if r.name == name)

    def inputs(self, name: str) -> dict[str, Any]:
        """What a resource was registered with, its numbers as the manifest has them."""
        _, request = next(pair for pair in self._spy.requests if pair[1].name == name)
        found: dict[str, Any] = whole(pulumi.runtime.rpc.deserialize_properties(request.object))
        return found


def whole(value: Any) -> Any:
    """Doubles that are whole numbers as integers: every number travels through Pulumi as a double."""
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [whole(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
