"""The programs of the rig: the Go modules beside this folder, what is built from each, and what that costs.

A family is one folder `tools/<name>/` with go.mod and go.sum; go.mod pins the version. Tags and stamps are those of
each project's own release build, without the commit and the date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CORE, JUDGES = "core", "judges"
TIERS = (CORE, JUDGES)


@dataclass(frozen=True)
class Binary:
    """A program; `seconds` is what it took on two cores after those before it, with an empty build cache."""

    name: str
    package: str = "."  # the family's own main.go
    seconds: int = field(default=30, repr=False)

    @property
    def file(self) -> str:
        """Its name on disk."""
        return self.name


@dataclass(frozen=True)
class Copy:
    """A file or folder that a module brings along: `members` of it (all when empty)."""

    name: str
    module: str
    source: str
    members: tuple[str, ...] = ()
    pinned_in: str = ""  # another family, whose go.mod pins the module
    called: str = ""  # on disk, where that isn't its name

    @property
    def file(self) -> str:
        """Its name on disk."""
        return self.called or self.name


@dataclass(frozen=True)
class Embeds:
    """Files of a module that its program embeds: copied to `embed/`; `stamped` gets the version set in it."""

    source: str
    files: tuple[str, ...]
    stamped: str


@dataclass(frozen=True)
class Family:
    """One Go module. Its `repr` is part of the cache's key, so what only estimates is left out of it."""

    name: str
    tier: str
    module: str  # whose version is the family's
    parts: tuple[Binary | Copy, ...]
    release: str = ""  # where the module's version isn't the release's
    tags: str = ""
    stamps: tuple[str, ...] = ()  # -X of the linker; {version} v1.2.3, {number} 1.2.3, {major} 1, {minor} 2
    embeds: Embeds | None = None
    cache_gb: float = field(default=0.3, repr=False)  # what Go's build cache grows by
    modules_gb: float = field(default=0.1, repr=False)  # what Go's module cache grows by

    def version(self, root: Path = HERE) -> str:
        """The release, as go.mod pins it: v1.2.3."""
        return self.release or pinned(self.name, self.module, root)

    def version_of(self, part: Binary | Copy, root: Path = HERE) -> str:
        """The release that a part comes from, which for what is copied is its module's."""
        return pinned(part.pinned_in or self.name, part.module, root) if isinstance(part, Copy) else self.version(root)

    def ldflags(self, root: Path = HERE) -> str:
        """What the linker is told: no symbol tables, and the version."""
        version = self.version(root)
        number = version.removeprefix("v")
        major, minor, *_ = number.split(".")
        stamps = (stamp.format(version=version, number=number, major=major, minor=minor) for stamp in self.stamps)
        return " ".join(["-s -w", *(f"-X {stamp}" for stamp in stamps)])


def pinned(family: str, module: str, root: Path = HERE) -> str:
    """The version of a module in a family's go.mod, a replacement first; raises LookupError when it is not there."""
    text = (root / family / "go.mod").read_text(encoding="utf-8")
    patterns = (rf"{re.escape(module)} => \S+ (v\S+)", rf"{re.escape(module)} (v\S+)")
    lines = (re.search(rf"^(?:require |replace )?\s*{pattern}", text, re.MULTILINE) for pattern in patterns)
    found = next(filter(None, lines), None)
    if not found:
        raise LookupError(f"tools/{family}/go.mod requires no {module}")
    return found[1]


_KUBE_STAMPS = tuple(
    f"{package}.{variable}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for variable in (
        "gitVersion={version}",
        "gitMajor={major}",
        "gitMinor={minor}",
        "gitTreeState=clean",
        "gitCommit=unknown",
        "buildDate=1970-01-01T00:00:00Z",
    )
)

ETCD = Family(
    "etcd",
    CORE,
    module="go.etcd.io/etcd/server/v3",
    cache_gb=0.9,
    modules_gb=0.2,
    parts=(
        Binary("etcd", "go.etcd.io/etcd/server/v3", 30),
        Binary("etcdctl", "go.etcd.io/etcd/etcdctl/v3", 4),
    ),
)

KUBE = Family(
    "kube",
    CORE,
    module="k8s.io/kubernetes",
    cache_gb=3.2,
    modules_gb=0.8,
    tags="selinux,notest,grpcnotrace",
    stamps=_KUBE_STAMPS,
    parts=(
        Binary("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 285),
        Binary("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 78),
        Binary("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", 6),
        Binary("kubeadm", "k8s.io/kubernetes/cmd/kubeadm", 83),
        Copy(  # pods that Pod Security must admit and refuse, by the release of the standard
            "pod-security-fixtures",
            module="k8s.io/pod-security-admission",
            source="test/testdata",
            members=tuple(f"{level}/v1.{minor}" for level in ("baseline", "restricted") for minor in (32, 33, 34, 35)),
        ),
    ),
)

PULUMI = Family(
    "pulumi",
    CORE,
    module="github.com/pulumi/pulumi/pkg/v3",
    cache_gb=1.1,
    modules_gb=0.6,
    stamps=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",),
    parts=(Binary("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", 272),),
)

PROVIDER = Family(
    "pulumi-kubernetes",
    CORE,
    module="github.com/pulumi/pulumi-kubernetes/provider/v4",
    cache_gb=3.6,
    modules_gb=1.2,
    release="v4.25.0",
    stamps=("github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version={number}",),
    embeds=Embeds(
        source="cmd/pulumi-resource-kubernetes",
        files=("schema.json", "terraform-mapping.json"),
        stamped="schema.json",
    ),
    parts=(Binary("pulumi-resource-kubernetes", seconds=526),),
)

LANGUAGE_HOST = Family(
    "pulumi-language-python",
    CORE,
    module="github.com/pulumi/pulumi/sdk/v3",
    cache_gb=0.2,
    modules_gb=0.1,
    stamps=("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}",),
    parts=(
        Binary("pulumi-language-python", "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python", 19),
        Copy(  # the host looks for it beside itself; the engine's release, not the host's, knows today's SDK
            "pulumi-language-python-exec",
            module="github.com/pulumi/pulumi/sdk/v3",
            source="python/cmd/pulumi-language-python-exec",
            pinned_in="pulumi",
        ),
    ),
)

YAML_HOST = Family(  # for programs in YAML; the hosts of TypeScript and Go can't be built from their modules alone
    "pulumi-yaml",
    JUDGES,
    module="github.com/pulumi/pulumi-yaml",
    cache_gb=0.5,
    modules_gb=0.3,
    stamps=("github.com/pulumi/pulumi-yaml/pkg/version.Version={version}",),
    parts=(Binary("pulumi-language-yaml", "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml", 90),),
)

KUBE_BENCH = Family(
    "kube-bench",
    JUDGES,
    module="github.com/aquasecurity/kube-bench",
    cache_gb=0.8,
    modules_gb=0.6,
    parts=(
        Binary("kube-bench", "github.com/aquasecurity/kube-bench", 93),
        Copy("kube-bench-cfg", module="github.com/aquasecurity/kube-bench", source="cfg", called="cfg"),
    ),
)

TALOS = Family(
    "talos",
    JUDGES,
    module="github.com/siderolabs/talos/pkg/machinery",
    parts=(Binary("talos-validate", seconds=30),),
)

KMS_PLUGIN = Family("kms-plugin", JUDGES, module="k8s.io/kms", parts=(Binary("kms-plugin", seconds=10),))

KUBECONFORM = Family(
    "kubeconform",
    JUDGES,
    module="github.com/yannh/kubeconform",
    parts=(Binary("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", 3),),
)

KUBE_SCORE = Family(
    "kube-score",
    JUDGES,
    module="github.com/zegl/kube-score",
    parts=(Binary("kube-score", "github.com/zegl/kube-score/cmd/kube-score", 22),),
)

# in the order of building: what the first ones compile, the later ones find in the build cache
FAMILIES = (
    ETCD,
    KUBE,
    PULUMI,
    PROVIDER,
    LANGUAGE_HOST,
    YAML_HOST,
    KMS_PLUGIN,
    TALOS,
    KUBECONFORM,
    KUBE_SCORE,
    KUBE_BENCH,
)
