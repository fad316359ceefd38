"""Okta, Entra, Dex, Google and any other provider: their tokens, judged by API servers that run each preset's rules.

One control plane trusts all five, each with the issuer that its preset gives: the sandbox's own issuer serves their keys
and signs tokens of the shapes that the providers' documentation shows (sources: ringfence/spec/oidc.py). Beside it stand
two API servers, one at profile zero-trust without Google, which names no second factor, and one at stage audit.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from helpers import ROOT, write_cluster

from ringfence import host
from ringfence.build import Builder
from ringfence.documents import dump
from ringfence.probes import kubeconfig
from ringfence.probes.api import Answer, Api, Credential
from ringfence.sandbox import ControlPlane, HostFiles, Tools
from ringfence.sandbox.tokens import Signer

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
HOUR = 3600
CA = (ROOT / "templates/apiserver/apiserver-oidc-structured/cases/dex.pass/cluster.yaml").read_text()
CA = "\n".join(line.strip() for line in CA.partition("certificateAuthority: |\n")[2].splitlines())


class Provider(NamedTuple):
    """An entry of identity.oidc, and a good token's claims."""

    entry: dict[str, Any]
    claims: dict[str, Any]
    name: str  # as the API server calls its holder
    factor: dict[str, Any]  # what takes the second factor away
    groups: bool = True
    username: str = "sub"


PROVIDERS = {
    "okta": Provider(
        {"provider": "okta", "url": "https://example.okta.com/oauth2/default", "audience": "0oaoiuhhch8VRtBnC0h7"},
        {
            **{"iss": "https://example.okta.com/oauth2/default", "aud": "0oaoiuhhch8VRtBnC0h7", "ver": 1},
            **{"sub": "00uid4BxXw6I6TV4m0g3", "idp": "00ok1u7AsAkrwdZL3z0g3", "amr": ["pwd", "otp", "mfa"]},
            **{"groups": ["Everyone", "developers"], "jti": "ID.4eAWJOCMB3SX8XewDfVR", "email": "jane@example.com"},
        },
        "okta:00uid4BxXw6I6TV4m0g3",
        {"amr": ["pwd"]},
    ),
    "entra": Provider(
        {"provider": "entra", "tenant": TENANT, "audience": "6cb04018-a3f5-46a7-b995-940c78f5aef3"},
        {
            **{"iss": f"https://login.microsoftonline.com/{TENANT}/v2.0", "tid": TENANT, "ver": "2.0"},
            **{"aud": "6cb04018-a3f5-46a7-b995-940c78f5aef3", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474"},
            **{"sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "acrs": ["c1", "p1"], "groups": ["0760b6cf-170e"]},
            **{"iat": -300, "nbf": -300},
        },
        "entra:690222be-ff1a-4d56-abd1-7e4f7d38e474",
        {"acrs": ["p1"]},
        username="oid",
    ),
    "dex": Provider(
        {
            **{"provider": "dex", "url": "https://dex.example.com/dex", "audience": "kubernetes"},
            **{
                "certificateAuthority": CA,
                "secondFactor": {"claim": "federated_claims.connector_id", "values": ["okta"]},
            },
        },
        {
            **{"iss": "https://dex.example.com/dex", "aud": "kubernetes", "sub": "CgcyMzQyNzQ5EgZnaXRodWI"},
            **{"at_hash": "s2rmRgNVyqQqHjpNPeNRSQ", "groups": ["team"], "email_verified": True, "name": "Jane"},
            **{"federated_claims": {"connector_id": "okta", "user_id": "2342749"}},
        },
        "dex:CgcyMzQyNzQ5EgZnaXRodWI",
        {"federated_claims": {"connector_id": "github", "user_id": "2342749"}},
    ),
    "any": Provider(
        {
            "url": "https://id.example.com",
            "audience": "kubernetes",
            "secondFactor": {"claim": "acr", "values": ["phr"]},
        },
        {"iss": "https://id.example.com", "aud": ["kubernetes", "other"], "sub": "jane", "acr": "phr", "groups": ["a"]},
        "any:jane",
        {"acr": "0"},
    ),
    "google": Provider(
        {"provider": "google", "domain": "example.com", "audience": "1234567890-abc.apps.googleusercontent.com"},
        {
            **{"iss": "https://accounts.google.com", "azp": "1234567890-abc.apps.googleusercontent.com"},
            **{"aud": "1234567890-abc.apps.googleusercontent.com", "sub": "110169484474386276334", "hd": "example.com"},
            **{"email": "jane@example.com", "email_verified": True, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q"},
        },
        "google:jane@example.com",
        {},
        groups=False,
        username="email",
    ),
}
WITH_FACTOR = [name for name, one in PROVIDERS.items() if one.factor]
WITH_GROUPS = [name for name, one in PROVIDERS.items() if one.groups]


def cluster(folder: Path, profile: str, names: list[str], stage: str = "enforce") -> Path:
    oidc = [{**PROVIDERS[n].entry, "prefix": f"{n}:"} for n in names]
    control = {"stage": stage, "reason": "to see what would be refused"}
    folder.mkdir()
    return write_cluster(
        folder,
        profile=profile,
        identity={"oidc": oidc},
        controls={"apiserver-oidc-structured": control} if stage == "audit" else {},
    )


def authentication(file: Path) -> dict[str, str]:
    """Path and text of the AuthenticationConfiguration that a cluster.yaml gives."""
    (found,) = (f for f in host.plan(Builder().build(file)).files if f.name == "authentication")
    return {found.path: dump(found.content)}


class Judges(NamedTuple):
    """Three API servers by their kubeconfigs, and who signs."""

    restricted: Path
    zero_trust: Path
    audit: Path
    signer: Signer

    def ask(self, judge: str, provider: str, changes: Mapping[str, Any], signer: Signer | None = None) -> Answer:
        """Who the API server takes the holder of a good token, but for `changes`, to be; times are seconds from now."""
        claims = {"iat": 0, "nbf": 0, "exp": HOUR, **PROVIDERS[provider].claims, **changes}
        now = int(time.time())
        for moment in ("iat", "nbf", "exp"):
            claims[moment] += now
        token = (signer or self.signer).token({k: v for k, v in claims.items() if v is not None})
        api = Api(kubeconfig.read((getattr(self, judge),)), Credential(bearer=token))
        try:
            return api.call("POST", REVIEW, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"})
        finally:
            api.close()

    def user(self, judge: str, provider: str, **changes: Any) -> dict[str, Any]:
        answer = self.ask(judge, provider, changes)
        assert answer.ok, answer.text
        found: dict[str, Any] = answer.data["status"]["userInfo"]
        return found

    def refused(self, judge: str, provider: str, **changes: Any) -> bool:
        return self.ask(judge, provider, changes).code == 401


@pytest.fixture(scope="module")
def judges(tools: Tools, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judges]:
    folder = tmp_path_factory.mktemp("presets")
    everybody = list(PROVIDERS)
    first = cluster(folder / "restricted", "restricted", everybody)
    second = authentication(cluster(folder / "zero-trust", "zero-trust", WITH_FACTOR))
    third = authentication(cluster(folder / "audit", "restricted", everybody, "audit"))
    with ControlPlane(HostFiles.of_cluster(first), folder / "state", tools) as plane:
        strict, lax = plane.second_apiserver(files=second), plane.second_apiserver(files=third)
        made = Judges(plane.kubeconfig, strict.kubeconfig, lax.kubeconfig, Signer.load(plane.access.issuer_key))
        limit = time.monotonic() + 20  # the API server fetches an issuer's keys after it is ready
        for judge in ("restricted", "zero_trust", "audit"):
            while made.refused(judge, "okta") and time.monotonic() < limit:
                time.sleep(0.2)
        yield made


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_token_is_taken_under_the_providers_prefix(judges: Judges, provider: str) -> None:
    user = judges.user("restricted", provider)
    assert user["username"] == PROVIDERS[provider].name
    mine = [f"{provider}:{g}" for g in PROVIDERS[provider].claims.get("groups", ())]
    assert user["groups"] == [*mine, "system:authenticated"]


@pytest.mark.parametrize("provider", WITH_FACTOR)
def test_a_good_token_names_a_second_factor_where_one_is_asked_for(judges: Judges, provider: str) -> None:
    assert judges.user("zero_trust", provider)["username"] == PROVIDERS[provider].name


@pytest.mark.parametrize("provider", WITH_FACTOR)
def test_a_token_without_a_second_factor_is_refused_where_one_is_asked_for(judges: Judges, provider: str) -> None:
    claim = next(iter(PROVIDERS[provider].factor))
    assert judges.refused("zero_trust", provider, **PROVIDERS[provider].factor)
    assert judges.refused("zero_trust", provider, **{claim: None})
    assert judges.refused("zero_trust", provider, **{claim: ""})
    assert judges.user("restricted", provider, **{claim: None}), "its twin, where none is asked for"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_for_somebody_else_is_refused(judges: Judges, provider: str) -> None:
    assert judges.refused("restricted", provider, aud="somebody-else")
    assert judges.refused("restricted", provider, aud=None)
    assert judges.refused("restricted", provider, iss="https://elsewhere.example.com")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_of_another_time_is_refused(judges: Judges, provider: str) -> None:
    assert judges.refused("restricted", provider, iat=-2 * HOUR, nbf=-2 * HOUR, exp=-120), "it has ended"
    assert judges.refused("restricted", provider, nbf=HOUR), "it has not begun"
    assert judges.refused("restricted", provider, exp=24 * HOUR), "it lives longer than twelve hours"


@pytest.mark.parametrize("provider", WITH_FACTOR)
def test_an_hour_is_the_longest_life_at_zero_trust(judges: Judges, provider: str) -> None:
    longer = PROVIDERS[provider].claims.get("iat", 0) + HOUR + 301
    assert judges.refused("zero_trust", provider, exp=longer)
    assert judges.user("restricted", provider, exp=longer)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_token_that_somebody_else_signed_is_refused(judges: Judges, provider: str) -> None:
    assert judges.ask("restricted", provider, {}, signer=Signer.create()).code == 401


@pytest.mark.parametrize("provider", WITH_GROUPS)
def test_a_group_of_kubernetes_own_is_refused(judges: Judges, provider: str) -> None:
    assert judges.refused("restricted", provider, groups=["developers", "system:masters"])
    assert judges.refused("restricted", provider, groups="system:masters")
    assert f"{provider}:masters" in judges.user("restricted", provider, groups=["masters"])["groups"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_user_of_kubernetes_own_is_refused(judges: Judges, provider: str) -> None:
    claim = PROVIDERS[provider].username
    assert judges.refused("restricted", provider, **{claim: "system:kube-scheduler"})
    assert judges.user("restricted", provider, **{claim: "kube-scheduler"})["username"] == f"{provider}:kube-scheduler"


def test_google_accounts_of_other_organisations_and_unverified_addresses_are_refused(judges: Judges) -> None:
    assert judges.refused("restricted", "google", hd="example.org")
    assert judges.refused("restricted", "google", hd=None), "a consumer's account"
    assert judges.refused("restricted", "google", email_verified=False)
    assert judges.refused("restricted", "google", email_verified=None)


def test_google_groups_that_a_token_claims_count_for_nothing(judges: Judges) -> None:
    assert judges.user("restricted", "google", groups=["system:masters"])["groups"] == ["system:authenticated"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_at_audit_a_token_that_lives_too_long_is_taken_and_told_of(judges: Judges, provider: str) -> None:
    told = judges.user("audit", provider, exp=24 * HOUR)["extra"]["ringfence/would-refuse"]
    assert told == ["apiserver-oidc-structured: the token lives longer than 43200 s"]
    assert "ringfence/would-refuse" not in judges.user("audit", provider).get("extra", {})


@pytest.mark.parametrize("provider", PROVIDERS)
def test_at_audit_what_is_no_matter_of_degree_is_refused_all_the_same(judges: Judges, provider: str) -> None:
    claim = PROVIDERS[provider].username
    assert judges.refused("audit", provider, **{claim: "system:kube-scheduler"})
    assert judges.refused("audit", provider, aud="somebody-else")
