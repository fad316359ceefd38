"""Pydantic models of probes.yaml: the request pairs that prove a control. See docs/verify.md, "Writing probes".

What hangs on several keys at once (one request takes one channel, a twin takes over what it leaves out) is told by
`ringfence.probes.pairs`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from ringfence.spec.control import ID, StageName
from ringfence.spec.fields import FULL, SHORT, Group, Line, Model

Ring = Literal["render", "api", "engine", "node", "cni", "mesh", "host", "cloud"]


class Identity(Model):
    """Somebody made for the probe; one of user, rules, service_account, jwt, certificate and token says how."""

    user: Line | None = Field(default=None, description="A user name; comes as a client certificate.")
    groups: list[Group] = Field(default=[], description="Groups of `user`.")
    rules: list[dict[str, Any]] = Field(
        default=[],
        description="RBAC rules, cluster-wide, of a ServiceAccount made for the run: somebody whom RBAC lets do this.",
    )
    service_account: Line | None = Field(
        default=None, description="namespace/name; comes as a token of the TokenRequest API."
    )
    audience: Line | None = Field(default=None, description="Whom the ServiceAccount's token is for; default: the API.")
    deleted: bool = Field(default=False, description="The ServiceAccount is deleted after its token was issued.")
    jwt: dict[str, Any] | None = Field(
        default=None,
        description="Claims that differ from a good token's; null leaves one out. exp, iat in seconds from now.",
    )
    signed_by: Literal["issuer", "stranger"] = Field(default="issuer", description="Whose key signs the JWT.")
    certificate: Literal["foreign-ca", "expired"] | None = Field(
        default=None, description="A client certificate of an administrator that must not be taken."
    )
    token: Line | None = Field(default=None, description="A bearer token, as it is.")


def _shape(value: Any) -> str:
    return SHORT if isinstance(value, str) else FULL


Who = Annotated[Annotated[Line, Tag(SHORT)] | Annotated[Identity, Tag(FULL)], Discriminator(_shape)]
Tls = Literal["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"]


class Handshake(Model):
    """A TLS handshake; refused when the server breaks it off."""

    server: Literal["api", "etcd"] = "api"
    min: Tls = "TLSv1.0"
    max: Tls = "TLSv1.3"
    ciphers: Line | None = Field(default=None, description="Suites offered below TLS 1.3, in OpenSSL's names.")


class EtcdRead(Model):
    """Bytes as etcd holds them. With an object in the request: that object is written first, and its key is read."""

    certificate: Literal["api-server", "none", "cluster-ca", "foreign-ca"] = Field(
        default="api-server", description="The client certificate shown to etcd."
    )
    port: Literal["client", "peer"] = Field(
        default="client", description="peer: where members talk to each other; it tells its version, and no keys."
    )
    key: Line | None = Field(default=None, description="The key; that of the written object by default.")
    contains: Line | None = Field(default=None, description="Admitted when the value holds this; refused when not.")


class Kubelet(Model):
    """A pod's log by a kubelet of ours; refused when it or the API server breaks the handshake off."""

    serving: Literal["cluster-ca", "self-signed"] = Field(default="cluster-ca", description="Who signed what it shows.")
    clients: Literal["cluster-ca", "foreign-ca"] = Field(
        default="cluster-ca", description="The CA by which it knows the API server."
    )


class Kubeconfig(Model):
    """A kubeconfig of a host whose installation's are put away; refused when there is none, or nobody takes it."""

    path: Line


class Discovery(Model):
    """Group-versions that the API server serves; refused when there is none of this stability."""

    stability: Literal["alpha", "beta", "stable"]
    allowed: list[Line] = Field(default=[], description="Group-versions that don't count.")


class Audited(Model):
    """The audit event of the request must hold these fields; refused when it differs."""

    event: dict[str, Any] = Field(default={}, description="Fields that the event must hold.")
    has: list[Literal["requestObject", "responseObject"]] = Field(default=[], description="Bodies it must hold.")
    stage: Literal["RequestReceived", "ResponseComplete"] = Field(
        default="ResponseComplete", description="Of the events that tell of one request, the one of this stage."
    )
    select: dict[str, Any] | None = Field(
        default=None, description="Another event than the request's own: the first later one with these fields."
    )


class Request(Model):
    """One request of a pair, by one channel: verb and resource, path, tls, etcd, kubelet, kubeconfig, or discovery."""

    who: Who | None = Field(
        default=None,
        description="admin (default), administrator, anonymous, nobody, a persona, node:NAME, X as Y, "
        "a ServiceAccount's user name; or a mapping.",
    )
    verb: Line | None = Field(default=None, description="get, list, create, update, patch, delete, connect, ...")
    resource: Line | None = Field(default=None, description="plural[.group][/subresource]")
    namespace: Line | None = Field(default=None, description="<production>, <development>, <tenant>, ... or a name.")
    name: Line | None = Field(default=None, description="Default: the object's.")
    base: Line | None = Field(default=None, description="An object that every control of this cluster admits: pod, ...")
    object: Any = None
    over: dict[str, Any] = Field(default={}, description="Merged over the object: the minimal difference.")
    dry_run: bool | None = Field(default=None, description="Default: true for writes of objects.")
    by: Literal["request", "review"] | None = Field(
        default=None, description="review: a SubjectAccessReview about it in place of the request."
    )
    times: int | None = Field(default=None, ge=1, le=100_000, description="Sent so often; refused when one is.")
    path: Line | None = Field(default=None, description="GET of a URL that is no resource, such as /debug/pprof/.")
    tls: Handshake | None = None
    etcd: EtcdRead | None = None
    discovery: Discovery | None = None
    kubelet: Kubelet | None = None
    kubeconfig: Kubeconfig | None = None
    returns: Any = Field(default=None, description="Fields the answer must hold, else the request counts as refused.")
    method: Literal["GET", "HEAD", "POST"] | None = Field(default=None, description="With path; default: GET.")
    contains: Line | None = Field(default=None, description="Text the answer must hold, else it counts as refused.")
    header: dict[Line, Line] = Field(default={}, description="Response headers, likewise.")
    lifetime: int | None = Field(
        default=None, description="Seconds that the issued token or certificate must live, likewise."
    )
    warned: Line | None = Field(default=None, description="Text that a warning of the answer must hold, likewise.")
    audited: Audited | None = None


class Given(Model):
    """An object that is there while the pair runs."""

    who: Who | None = Field(default=None, description="Who makes it; default: admin.")
    base: Line | None = None
    object: Any = None
    over: dict[str, Any] = {}
    namespace: Line | None = None
    patch: dict[str, Any] = Field(
        default={}, description="Merged into it once it is there: what can't be created, and can come to be."
    )
    terminating: bool = Field(default=False, description="Deleted, and held by a finalizer.")


class Pair(Model):
    """A request that must be refused with this reason, and its minimally different twin that must pass."""

    name: Line
    ring: Ring
    stage: list[StageName] = Field(
        default=["enforce"],
        description="The control's stages at which it holds. At audit the refused twin passes with a warning.",
    )
    params: dict[str, Any] = Field(default={}, description="Only where the control's parameters have these values.")
    including: dict[str, Any] = Field(
        default={}, description="Only where these lists among its parameters have items that hold this."
    )
    when: dict[Literal["distribution", "cni", "admission", "mesh", "component"], list[Line]] = Field(
        default={}, description="Only on clusters with one of these values."
    )
    kubernetes: Annotated[str, Field(pattern=r"^((>=|<)1\.[0-9]+)?( <1\.[0-9]+)?$")] = Field(
        default="", description="Only on these versions, such as >=1.36."
    )
    unless: list[Annotated[str, Field(pattern=ID)]] = Field(
        default=[], description="Only where none of these other controls is enforced: they would refuse both twins."
    )
    given: list[Given] = []
    refuse: Request
    reason: Line = Field(description="What the refusal must say, so that no other control's refusal passes for ours.")
    admit: Request = Field(
        default_factory=Request,
        description="What differs; all else but `over` is as in `refuse`.",
    )


class ProbesDocument(Model):
    """probes.yaml: the pairs that prove a control."""

    pairs: list[Pair] = Field(min_length=1)
