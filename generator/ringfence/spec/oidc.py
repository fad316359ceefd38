"""Identity providers: what each one's tokens hold, and what may not be said of one.

Sources: Okta developer docs, "Create claims" and "Identity tokens" (amr, an hour exactly, groups by a claim of the
app); Google Identity, "OpenID Connect" (hd, email_verified, no groups, neither amr nor acr); Microsoft identity
platform, "ID token claims" and "Optional claims" (oid, groups by id, acrs; no amr in v2.0); Dex, "Custom scopes,
claims and client features" (federated_claims by the scope federated:id); RFC 8176 (values of amr).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ringfence.documents import Document, Path
from ringfence.errors import InputError, RingfenceError

_GOOGLE = "https://accounts.google.com"
_ENTRA = "https://login.microsoftonline.com"
_USERNAME = {"google": "email", "entra": "oid"}
_SECOND_FACTOR = {
    "none": ("amr", ("mfa",)),
    "okta": ("amr", ("mfa",)),
    "entra": ("acrs", ("c1",)),  # an authentication context that a Conditional Access policy ties to a second factor
}
# Entra dates iat five minutes before it signs: its hour lasts 3900 s from iat to exp.
_BACKDATED = {"entra": 300}
_OKTA_URL = re.compile(r"https://[a-z0-9.-]+(/oauth2/[A-Za-z0-9]+)?\Z")
# Prefixes by which somebody of a provider would be somebody of Kubernetes' own, or of the installer's.
RESERVED_PREFIXES = ("system:", "kubeadm:")
_ONCE = {
    "issuer": "the API server takes an issuer once",
    "prefix": "give each provider its own, or one could name the other's people",
}


@dataclass(frozen=True, slots=True)
class Issuer:
    """One identity provider with everything decided."""

    provider: str
    url: str
    audience: str
    prefix: str
    username_claim: str
    groups_claim: str  # empty where its tokens hold no groups
    domain: str  # empty where it does not matter
    second_factor_claim: str  # empty where its tokens don't say
    second_factor_values: tuple[str, ...]
    backdated: int  # seconds from the moment a token is signed back to its iat
    certificate_authority: str  # PEM; empty for the system's

    @property
    def second_factor_path(self) -> str:
        """The claim of the second factor as CEL selects it where it may be missing, behind `claims.?`."""
        return ".?".join(self.second_factor_claim.split("."))

    @property
    def good_claims(self) -> Mapping[str, Any]:
        """Claims of a token that every rule admits, but iss, aud, sub, iat and exp."""
        claims: dict[str, Any] = {}
        if self.username_claim != "sub":
            claims[self.username_claim] = f"ringfence-probe@{self.domain or 'example.com'}"
        if self.username_claim == "email":
            claims["email_verified"] = True
        if self.domain:
            claims["hd"] = self.domain
        if self.second_factor_claim:
            outer, _, inner = self.second_factor_claim.partition(".")
            value = self.second_factor_values[0]
            claims[outer] = {inner: value} if inner else [value]
        return claims

    def claim(self, what: str) -> str:
        """The claim that says who (`username`, `groups`), from which `domain`, by what `factor`; empty for none.

        `verified` is the claim that says so of the address, where people are called by it.
        """
        return {
            "username": self.username_claim,
            "groups": self.groups_claim,
            "domain": "hd" if self.domain else "",
            "factor": self.second_factor_claim.partition(".")[0],
            "verified": "email_verified" if self.username_claim == "email" else "",
        }[what]


def issuer(entry: Mapping[str, Any]) -> Issuer:
    """The provider that an entry of identity.oidc describes; `problems` has found nothing wrong with it."""
    provider = entry["provider"]
    claim, values = _SECOND_FACTOR.get(provider, ("", ()))
    if given := entry["secondFactor"]:
        claim, values = given["claim"], tuple(given["values"])
    return Issuer(
        provider=provider,
        url=_url(entry),
        audience=entry["audience"],
        prefix=entry["prefix"],
        username_claim=entry["usernameClaim"] or _USERNAME.get(provider, "sub"),
        groups_claim="" if provider == "google" else entry["groupsClaim"] or "groups",
        domain=entry["domain"] or "",
        second_factor_claim=claim,
        second_factor_values=values,
        backdated=_BACKDATED.get(provider, 0),
        certificate_authority=entry["certificateAuthority"] or "",
    )


def _url(entry: Mapping[str, Any]) -> str:
    if entry["provider"] == "google":
        return _GOOGLE
    if entry["provider"] == "entra":
        return f"{_ENTRA}/{entry['tenant']}/v2.0"
    return str(entry["url"])


def problems(entries: Sequence[Mapping[str, Any]], document: Document) -> list[RingfenceError]:
    """What no schema can say of identity.oidc: keys that its provider needs or knows better, and what must differ."""
    errors: list[RingfenceError] = []
    urls: dict[str, Path] = {}
    prefixes: dict[str, Path] = {}
    for number, entry in enumerate(entries):
        here: Path = ("identity", "oidc", number)
        found = [*_key_problems(entry), *_prefix_problems(entry)]
        for key, message, hint in found:
            at = (*here, key) if entry.get(key) is not None else here
            errors.append(InputError(f"identity.oidc[{number}]: {message}", place=document.place(at), hint=hint))
        if found:
            continue
        for what, value, seen in (("issuer", _url(entry), urls), ("prefix", entry["prefix"], prefixes)):
            if value in seen:
                first = document.place(seen[value]).line
                message = f'identity.oidc[{number}]: {what} "{value}" is given twice'
                hint = f"it stands first on line {first}; {_ONCE[what]}"
                errors.append(InputError(message, place=document.place(here), hint=hint))
            seen.setdefault(value, here)
    return errors


_Problem = tuple[str, str, str]  # key, message, hint


def _key_problems(entry: Mapping[str, Any]) -> Iterator[_Problem]:
    provider, url = entry["provider"], entry["url"]
    if provider == "entra":
        if not entry["tenant"]:
            yield "provider", "provider entra needs tenant", "add the directory (tenant) id; its issuer follows from it"
        elif url and url != _url(entry):
            yield "url", f'"{url}" is not the v2.0 issuer of that tenant', f"leave url out: it is {_url(entry)}"
    elif provider == "google":
        if not entry["domain"]:
            yield "provider", "provider google needs domain", "add the Workspace domain, or anybody's account is taken"
        if url and url != _GOOGLE:
            yield "url", f'"{url}" is not Google\'s issuer', f"leave url out: it is {_GOOGLE}"
        if entry["groupsClaim"]:
            yield "groupsClaim", "Google's ID tokens hold no groups", "leave it out, or put Dex in front for groups"
    elif not url:
        yield "provider", f"provider {provider} needs url", "add the issuer URL, as it stands in iss of its tokens"
    elif provider == "okta" and not _OKTA_URL.match(url):
        hint = "write https://ORG.okta.com, or https://ORG.okta.com/oauth2/ID for a custom authorization server"
        yield "url", f'"{url}" is no issuer of Okta\'s', hint
    for key, owner in (("tenant", "entra"), ("domain", "google")):
        if entry[key] and provider != owner:
            yield key, f"{key} is for provider {owner}", f"leave it out, or set provider: {owner}"


def _prefix_problems(entry: Mapping[str, Any]) -> Iterator[_Problem]:
    if entry["prefix"] in RESERVED_PREFIXES:
        message = f'prefix "{entry["prefix"]}" would make its groups Kubernetes\' own'
        yield "prefix", message, 'choose another, such as "oidc:"'
