"""Every Hypothesis strategy of the suite, and the one profile it runs under."""

from __future__ import annotations

import os
import re
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

settings.register_profile(
    "ringfence",
    max_examples=int(os.environ.get("RINGFENCE_EXAMPLES", "60")),
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ringfence")
UNSHRUNK = (
    Phase.explicit,
    Phase.reuse,
    Phase.generate,
)  # where an example costs a render, a failure is not made smaller

NASTY = (
    "yes", "no", "on", "off", "y", "n", "Y", "NO", "~", "null", "Null", "true", "False", "", " ", "  a", "a ",
    "1", "-1", "0", "01", "017", "0o17", "0x1F", "0b11", "1_000", "1e3", "1E-3", "1.", ".5", "1.0", "+1", ".inf", ".nan",
    "12:30:45", "2026-11-24", "2026-11-24T10:00:00Z", "=", "<<", "a: b", "a:", ": b", "# c", "a # c", "*a", "&a",
    "!!python/object/apply:os.system", "!t", "%TAG", "@a", "`a", "'", '"', "\\", "\\n", "'a", '"a', "- a", "-", "?", "? a",
    "[", "]", "{", "}", "[a]", "{a: b}", ",", "|", ">", "|-", ">-", "---", "...", "--- a", "a\n---\nb: c", "\n...\n",
    "a\nb", "a\r\nb", "\r", "\n", "\n\n", "a\n", "a\n\n", "\na", "a \nb", " a\nb", "\ta", "a\tb\nc", "a\n b\n", "#\n", "\t",
    "{{7*7}}", "{% raw %}", "{# x #}", "${x}", "%s", "%(a)s", "%%", "$(id)", "</script>", "x\u2028y", "x\u2029y",
    "x\u0085y", "\x7f", "\x80", "\xa0", "\ufeff", "\ufeffx", "\ufffe", "\uffff", "\x01", "\x1b[31m", "\x08", "\U0001f600",
    "\U0010ffff", "e\u0301", "\u202eabc", "\ue0000\ue001", "\ue00099\ue001", "\ue0021\ue003", "\ue000", "\ue001\ue000",
    "\ue002\ue003", "a\ue0001\ue001b", "a" * 2_000, "a b " * 400, "-" * 200,
)  # fmt: skip

# What YAML can carry: no surrogates, and no NUL, which reading refuses.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.one_of(st.sampled_from(NASTY), st.text(CHARACTERS, max_size=30))
KEYS = TEXTS.filter(lambda text: len(text) < 1_000)  # longer ones are no simple keys to YAML
LINES = TEXTS.filter(lambda t: 0 < len(t) <= 500 and not set(t) & {"\r", "\n"})
_BLANK = re.compile("[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]")
WORDS = TEXTS.map(lambda t: _BLANK.sub("", t)[:250]).filter(bool)
FLOATS = st.decimals(min_value=-1_000, max_value=1_000, places=3).map(float).filter(lambda f: not f.is_integer())
SCALARS = st.one_of(TEXTS, st.integers(-(2**53), 2**53), st.booleans(), st.none(), FLOATS)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)
DOCUMENTS = st.one_of(st.dictionaries(KEYS, TREES, min_size=1, max_size=5), st.lists(TREES, min_size=1, max_size=5))

LABELS = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,20}[A-Za-z0-9])?)?", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
QUANTITIES = st.tuples(st.integers(1, 4096), st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi"])).map(
    lambda pair: f"{pair[0]}{pair[1]}"
)


def _tenants() -> st.SearchStrategy[list[dict[str, Any]]]:
    names = st.lists(NAMES.map(lambda n: f"t-{n}"), min_size=1, max_size=6, unique=True)
    full = st.fixed_dictionaries(
        {},
        optional={
            "tier": st.sampled_from(["production", "staging", "development", "untrusted"]),
            "quota": st.one_of(
                st.sampled_from(["small", "medium", "large"]),
                st.fixed_dictionaries({}, optional={"requestsCpu": QUANTITIES, "pods": st.integers(1, 10_000)}),
            ),
            "apiAccess": st.booleans(),
            "ingress": st.booleans(),
            "metricsPorts": st.lists(st.integers(1, 65_535), max_size=3, unique=True),
        },
    )
    groups = st.lists(WORDS, max_size=2, unique=True)
    people = st.fixed_dictionaries({}, optional=dict.fromkeys(["nsAdmin", "developer", "viewer", "ciDeployer"], groups))

    @st.composite
    def build(draw: st.DrawFn) -> list[dict[str, Any]]:
        tenants: list[dict[str, Any]] = []
        for name in draw(names):
            spaces: list[Any] = []
            for number in range(draw(st.integers(1, 3))):
                space = f"{name}-{number}"
                spaces.append(space if draw(st.booleans()) else {"name": space, **draw(full)})
            tenants.append({"name": name, "owner": draw(LINES), "namespaces": spaces, "groups": draw(people)})
        return tenants

    return build()


@st.composite
def clusters(draw: st.DrawFn) -> dict[str, Any]:
    """Valid cluster documents: any profile, version, distribution, network, components and tenants."""
    families = draw(st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"]]))
    ranges = [r for f in families for r in ({"IPv4": "10.1.0.0/16", "IPv6": "fd00:1::/48"}[f],)]
    addresses = [{"IPv4": "10.0.0.11", "IPv6": "fd00::11"}[f] for f in families]
    network = {
        "cni": draw(st.sampled_from(["cilium", "calico", "antrea", "canal", "kindnet"])),
        "dns": draw(st.sampled_from([{}, {"port": 5353}, {"mode": "custom", "addresses": addresses}])),
        "apiServer": {"addresses": addresses, "port": draw(st.sampled_from([443, 6443]))},
        "podCIDRs": ranges,
        "serviceCIDRs": ranges,
        "nodeCIDRs": ranges,
        "ipFamilies": families,
    }
    components = {
        "secrets": draw(st.lists(st.sampled_from(["external-secrets", "vault", "sealed-secrets"]), unique=True)),
        "runtime": draw(st.lists(st.sampled_from(["falco", "tetragon"]), unique=True)),
        "monitoring": draw(st.sampled_from([None, {"namespace": "monitoring", "podLabels": {"app": draw(LABELS)}}])),
        "ingressControllers": draw(st.sampled_from([[], [{"namespace": "ingress", "podLabels": {}}]])),
    }
    people = st.lists(WORDS, max_size=2, unique=True)
    groups = {key: draw(people) for key in ("platformAdmin", "auditor", "breakGlass")}
    return {
        "apiVersion": "ringfence/v1alpha1",
        "kind": "Cluster",
        "name": draw(NAMES),
        "profile": draw(st.sampled_from(["baseline", "restricted", "zero-trust"])),
        "kubernetes": {
            "version": draw(st.sampled_from(["1.32", "1.33", "1.34", "1.35", "1.36", "1.37"])),
            "distribution": draw(st.sampled_from(["kubeadm", "rke2", "k3s", "talos", "eks", "gke", "aks", "generic"])),
        },
        "network": network,
        "identity": {"groups": groups},
        "components": components,
        "tenants": draw(_tenants()),
    }
