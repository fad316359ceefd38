"""What a stack's configuration says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi

from ringfence.errors import InputError, nearest, raise_all
from ringfence.sinks.pulumi.connecting import Connection
from ringfence.sinks.pulumi.refusal import one_line

# The keys that stacks/bootstrap/Pulumi.yaml declares, with their types and the arguments that they become. Pulumi
# checks types too, but takes any further key in silence.
KEYS: Mapping[str, tuple[type, str]] = {
    "cluster": (str, "cluster"),
    "adopt": (list, "adopt"),
    "unprotect": (bool, "unprotect"),
    "asOf": (str, "as_of"),
    "templates": (list, "templates"),
}

_ENTRIES = {"adopt": "Namespace/shop", "templates": "../controls"}  # what an error shows for one of a list


def configured() -> dict[str, Any]:
    """The stack's configuration as arguments of ClusterBootstrap; ends the program naming each key that is wrong."""
    with one_line():
        return _arguments(pulumi.get_project(), _everything())


def _arguments(project: str, configuration: Mapping[str, str]) -> dict[str, Any]:
    given = {k.partition(":")[2]: v for k, v in configuration.items() if k.partition(":")[0] == project}
    problems = [_unknown(project, key) for key in given if key not in KEYS]
    arguments: dict[str, Any] = {}
    for key, (type_, argument) in KEYS.items():
        if given.get(key):  # a text that is declared and left alone is empty
            arguments[argument], found = _typed(key, given[key], type_)
            problems.extend(found)
    if "cluster" not in arguments:
        hint = "pulumi config set cluster path/to/cluster.yaml"
        problems.append(InputError("the stack does not say which cluster", hint=hint))
    raise_all(problems)
    return arguments


def _everything() -> dict[str, str]:
    from pulumi.runtime.config import CONFIG, get_config_env

    return {**get_config_env(), **CONFIG.get()}


def _unknown(project: str, key: str) -> InputError:
    fits = nearest(key, KEYS)
    return InputError(f"{project}:{key} is no key of this stack", hint=f"{fits} `pulumi config rm {key}` removes it")


def _typed(key: str, text: str, type_: type) -> tuple[Any, list[InputError]]:
    """A value as its key wants it; Pulumi hands over every value as text, structures as JSON."""
    if type_ is str:
        return text, []
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, type_) and not (isinstance(value, list) and any(not isinstance(v, str) for v in value)):
        return value, []
    wanted = {list: "a list of texts", bool: "true or false"}[type_]
    example = {list: f"--path '{key}[0]' {_ENTRIES.get(key)}", bool: f"{key} true"}[type_]
    return None, [InputError(f"{key}: wants {wanted}", hint=f"such as: pulumi config set {example}")]


def connection(context: str | None = None) -> Connection:
    """How the stack reaches its cluster: `kubernetes:context` and `kubernetes:kubeconfig`, else as kubectl does."""
    config = pulumi.Config("kubernetes")
    kubeconfig = config.get("kubeconfig")
    if kubeconfig and ("\n" in kubeconfig or "apiVersion" in kubeconfig):
        raise InputError(
            "kubernetes:kubeconfig holds a kubeconfig itself, which would lie in Pulumi's state",
            hint="pulumi config rm kubernetes:kubeconfig; then name a file: export KUBECONFIG=PATH",
        )
    if named := config.get("cluster"):
        raise InputError(
            f"kubernetes:cluster names {named}, which the provider would take in place of the context's cluster",
            hint="pulumi config rm kubernetes:cluster; then name a context: pulumi config set kubernetes:context NAME",
        )
    return Connection(context or config.get("context"), kubeconfig or None)
