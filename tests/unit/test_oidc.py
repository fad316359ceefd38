"""Identity providers: what each preset makes of an entry of identity.oidc, and what is said where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import write_cluster

from ringfence.build import Builder
from ringfence.errors import InputError
from ringfence.invariants.authentication import people_of_the_provider
from ringfence.spec import read_cluster
from ringfence.spec.oidc import Issuer

TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
ENTRIES = {
    "none": {"url": "https://id.example.com"},
    "okta": {"provider": "okta", "url": "https://example.okta.com/oauth2/default"},
    "google": {"provider": "google", "domain": "example.com"},
    "entra": {"provider": "entra", "tenant": TENANT},
    "dex": {"provider": "dex", "url": "https://dex.example.com/dex"},
}
Read = Callable[..., Issuer]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def one(provider: str, **changes: Any) -> Issuer:
        entry = {"audience": "kubernetes", **ENTRIES[provider], **changes}
        return read_cluster(write_cluster(tmp_path, identity={"oidc": [entry]})).issuers[0]

    return one


@pytest.mark.parametrize(
    ("provider", "url", "username", "groups", "factor"),
    [
        ("none", "https://id.example.com", "sub", "groups", ("amr", ("mfa",))),
        ("okta", "https://example.okta.com/oauth2/default", "sub", "groups", ("amr", ("mfa",))),
        ("google", "https://accounts.google.com", "email", "", ("", ())),
        ("entra", f"https://login.microsoftonline.com/{TENANT}/v2.0", "oid", "groups", ("acrs", ("c1",))),
        ("dex", "https://dex.example.com/dex", "sub", "groups", ("", ())),
    ],
)
def test_a_preset_knows_its_tokens(
    read: Read, provider: str, url: str, username: str, groups: str, factor: tuple[str, tuple[str, ...]]
) -> None:
    found = read(provider)
    assert (found.url, found.username_claim, found.groups_claim) == (url, username, groups)
    assert (found.second_factor_claim, found.second_factor_values) == factor
    assert found.prefix == "oidc:"


def test_what_the_user_says_of_claims_stands(read: Read) -> None:
    found = read("okta", usernameClaim="preferred_username", groupsClaim="teams")
    assert (found.username_claim, found.groups_claim) == ("preferred_username", "teams")
    factor = read("google", secondFactor={"claim": "acr", "values": ["phr"]})
    assert (factor.second_factor_claim, factor.second_factor_values) == ("acr", ("phr",))


def test_a_claim_of_claims_is_reached_where_it_may_be_missing(read: Read) -> None:
    factor = {"claim": "federated_claims.connector_id", "values": ["okta"]}
    assert read("dex", secondFactor=factor).second_factor_path == "federated_claims.?connector_id"
    assert read("okta").second_factor_path == "amr"
    assert read("google").second_factor_path == ""


def test_entra_dates_its_tokens_back(read: Read) -> None:
    assert (read("entra").backdated, read("okta").backdated) == (300, 0)


@pytest.mark.parametrize(
    ("provider", "changes", "claims"),
    [
        ("none", {}, {"amr": ["mfa"]}),
        ("none", {"usernameClaim": "email"}, {"amr": ["mfa"], "email": "ringfence-probe@example.com", "email_verified": True}),
        ("google", {"domain": "corp.example.com"}, {"email": "ringfence-probe@corp.example.com", "email_verified": True, "hd": "corp.example.com"}),
        ("entra", {}, {"oid": "ringfence-probe@example.com", "acrs": ["c1"]}),
        ("dex", {"secondFactor": {"claim": "federated_claims.connector_id", "values": ["okta"]}}, {"federated_claims": {"connector_id": "okta"}}),
    ],
)  # fmt: skip
def test_claims_of_a_good_token(read: Read, provider: str, changes: Any, claims: Any) -> None:
    assert read(provider, **changes).good_claims == claims


def test_claims_by_what_they_say(read: Read) -> None:
    google = read("google")
    assert [google.claim(w) for w in ("username", "groups", "domain", "factor", "verified")] == ["email", "", "hd", "", "email_verified"]  # fmt: skip
    factor = {"claim": "federated_claims.connector_id", "values": ["okta"]}
    dex = read("dex", secondFactor=factor)
    assert [dex.claim(w) for w in ("username", "groups", "domain", "factor", "verified")] == ["sub", "groups", "", "federated_claims", ""]  # fmt: skip


@pytest.mark.parametrize("profile", ["baseline", "restricted", "zero-trust"])
def test_without_a_provider_nothing_is_emitted_and_it_is_said_why(tmp_path: Path, profile: str) -> None:
    bundle = Builder().build(write_cluster(tmp_path, profile=profile))
    assert bundle.unemitted["apiserver-oidc-structured"] == "only where cluster.yaml gives identity.oidc"
    assert bundle.unemitted["apiserver-endpoint-private"] == (
        "only where cluster.yaml gives network.nodeCIDRs and network.podCIDRs"
    )


@pytest.mark.parametrize(
    ("provider", "changes", "message"),
    [
        ("none", {"url": "http://id.example.com"}, "does not parse"),
        ("none", {"secondFactor": {"claim": "a.b.c", "values": ["x"]}}, "identity.oidc[0].secondFactor.claim"),
        ("none", {"secondFactor": {"claim": "amr", "values": []}}, "identity.oidc[0].secondFactor.values"),
        ("none", {"certificateAuthority": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "identity.oidc[0].certificateAuthority"),
        ("entra", {"tenant": "example.onmicrosoft.com"}, "identity.oidc[0].tenant"),
        ("google", {"domain": "localhost"}, "identity.oidc[0].domain"),
        ("okta", {"prefix": "system:"}, "would make its groups Kubernetes' own"),
    ],
)  # fmt: skip
def test_what_can_not_be_said_of_a_provider(read: Read, provider: str, changes: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(provider, **changes)
    assert message in caught.value.line()


def configuration(**entry: Any) -> dict[str, Any]:
    issuer = {
        "issuer": {"url": "https://id.example.com"},
        "claimMappings": {"username": {"claim": "sub", "prefix": "oidc:"}},
        **entry,
    }
    return {"kind": "File", "content": {"kind": "AuthenticationConfiguration", "jwt": [issuer]}}  # fmt: skip


@pytest.mark.parametrize("what", ["username", "groups"])
@pytest.mark.parametrize(
    "mapping",
    [
        {"claim": "sub"},
        {"claim": "sub", "prefix": ""},
        {"claim": "sub", "prefix": "system:"},
        {"claim": "sub", "prefix": "kubeadm:"},
    ],
)
def test_a_name_without_a_prefix_of_its_own_is_a_broken_promise(what: str, mapping: Any) -> None:
    (found,) = people_of_the_provider(configuration(claimMappings={what: mapping}))
    assert found.path == ("content", "jwt", 0, "claimMappings", what, "prefix")


def test_rules_that_refuse_everybody_are_a_broken_promise_and_others_are_none() -> None:
    rules = [{"expression": "claims.hd == 'a'"}, {"expression": "false", "message": "no second factor"}]
    (found,) = people_of_the_provider(configuration(claimValidationRules=rules))
    assert found.path[-2:] == (1, "expression")
    assert found.message == "nobody of https://id.example.com could sign in: no second factor"
    assert list(people_of_the_provider(configuration(claimValidationRules=rules[:1]))) == []
    assert list(people_of_the_provider({"kind": "File", "text": "a"})) == []
