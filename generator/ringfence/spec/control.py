"""Pydantic model of control.yaml: the metadata of one control. See docs/architecture.md, "A control"."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ringfence.spec.fields import Line, Model

ID = r"^[a-z0-9]+(-[a-z0-9]+)+$"
Profile = Literal["baseline", "restricted", "zero-trust"]
StageName = Literal["off", "audit", "enforce"]
Framework = Literal[
    "cis-kubernetes-1.12",
    "cis-kubernetes-2.1",
    "cis-eks-1.8",
    "cis-gke-1.9",
    "cis-aks-1.8",
    "kubescape",
    "stig-kubernetes-v2r6",
    "nist-800-53r5",
    "nsa-cisa-1.2",
    "attack",
    "microsoft-threat-matrix",
    "owasp-k8s-2025",
    "cve",
    "kep",
    "docs",
]


class ParamDocument(Model):
    """One parameter; `by_profile` values hold for that profile and the stricter ones."""

    type: Literal[
        "string",
        "integer",
        "boolean",
        "strings",
        "integers",
        "mapping",
        "mappings",
        "quantity",
        "duration",
        "cidrs",
        "path",
        "choice",
    ]
    default: Any
    by_profile: dict[Profile, Any] = {}
    floor: Literal["free", "deny", "additive", "subtractive", "at-most", "at-least", "stricter"] = Field(
        default="free",
        description="How an override may move it: deny not at all; additive or subtractive a list; "
        "at-most or at-least a number or quantity; stricter along choices.",
    )
    choices: list[Line] = Field(default=[], description="For type choice, loosest first.")
    minimum: int | None = None
    maximum: int | None = None
    description: Line


Needed = Literal["network.apiServer.addresses", "network.nodeCIDRs", "network.podCIDRs", "network.serviceCIDRs"]


Given = Literal[Needed, "identity.oidc"]


class EmitDocument(Model):
    """One template and the clusters it is for: version and distribution differences are rows, not branches.

    A row with `invariant` instead of `template` emits nothing: that rule keeps the promise.
    """

    template: Annotated[str, Field(pattern=r"^[a-z0-9-]+\.yaml\.j2$")] | None = None
    invariant: Annotated[str, Field(pattern=r"^[a-z_]+$")] | None = Field(
        default=None, description="The rule over the finished tree that keeps the promise where no object can."
    )
    each: Literal["cluster", "namespace", "platform-namespace", "existing-namespace"] = "cluster"
    fragment: bool = Field(default=False, description="Part of an object that several controls write.")
    mode: Literal["own", "patch"] = "own"
    wave: Literal[0, 1, 2, 3, 4, 5] = 2
    plane: Literal["cluster", "host"] = Field(
        default="cluster",
        description="host: flags, files and permissions of a control plane or node; see docs/architecture.md. "
        "A managed cluster has none: `managed` says what its provider does instead.",
    )
    kubernetes: Annotated[str, Field(pattern=r"^((>=|<)1\.[0-9]+)?( <1\.[0-9]+)?$")] = ""
    stages: list[Literal["audit", "enforce"]] = ["audit", "enforce"]
    when: dict[Literal["distribution", "cni", "admission", "mesh", "component"], list[Line]] = {}
    beside: Annotated[str, Field(pattern=ID)] | None = Field(
        default=None,
        description="Only where this other control is enforced, and not in namespaces excepted from it.",
    )
    unless: Annotated[str, Field(pattern=ID)] | None = Field(
        default=None,
        description="Only where this other control is not enforced: enforced, it writes the same in its way.",
    )
    excepted: bool = Field(
        default=False,
        description="For excepted namespaces too, which the template finds in control.excepted_namespaces.",
    )
    needs: list[Needed] = Field(
        default=[], description="Keys of cluster.yaml without which its objects can't be right."
    )
    given: list[Given] = Field(
        default=[], description="Only where cluster.yaml says something under these keys; otherwise it is said why not."
    )
    keys: dict[Line, Line] = Field(default={}, description="Lists that fold with other fragments: path to item key.")


class ManagedDocument(Model):
    """What a provider that owns the control plane does instead of a control of the host plane."""

    by: Line | None = Field(
        default=None,
        description="What keeps the promise there: a setting of the provider's, or an object of this catalogue. "
        "Left out where it is the provider's own affair.",
    )
    statement: Annotated[str, Field(min_length=10, max_length=600)] | None = Field(
        default=None, description="What the provider documents, in our words."
    )
    source: Line | None = Field(default=None, description="Where: document and page title, no address.")
    kept: bool = Field(default=True, description="False: by that statement the promise is not kept.")
    undocumented: bool = Field(
        default=False, description="True: the provider owns it, and no statement was found in its documentation."
    )


Provider = Literal["eks", "gke", "aks", "rke2", "k3s", "talos"]


class ControlDocument(Model):
    """What a control promises, why, with which templates, and how it is proved."""

    title: Line
    profile: Profile = Field(description="The lowest profile that selects it; stricter ones inherit it.")
    stage: dict[Profile, StageName] = Field(
        min_length=1, description="Stage per profile, where it differs from the looser one's."
    )
    floor: StageName = Field(default="off", description="The least stage an override may choose.")
    severity: Literal["low", "medium", "high", "critical"]
    rationale: Annotated[str, Field(min_length=40, max_length=1200)]
    references: dict[Framework, list[Line]] = Field(min_length=1)
    params: dict[Annotated[str, Field(pattern=r"^[a-z][A-Za-z0-9]*$")], ParamDocument] = {}
    emits: list[EmitDocument] = Field(min_length=1)
    requires: list[Annotated[str, Field(pattern=ID)]] = []
    exceptions: Literal["namespaces", "names", "none"] = Field(
        default="namespaces", description="What an exception's scope may list."
    )
    managed: dict[Provider, ManagedDocument] = Field(
        default={},
        description="For a control of the host plane: every provider; a distribution that sees to it itself, too.",
    )
    no_audit_form: Line | None = Field(default=None, description="Why stage audit emits nothing, where it can't emit.")
    proof: list[Literal["render", "api", "engine", "node", "cni", "mesh", "host", "cloud"]] = Field(min_length=1)
