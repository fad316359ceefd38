"""Certificates and tokens, judged by OpenSSL and by hand; the issuer, over TLS."""

from __future__ import annotations

import base64
import datetime
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ringfence.sandbox import serving, surroundings
from ringfence.sandbox.hostfiles import HostFiles
from ringfence.sandbox.identities import Authority
from ringfence.sandbox.ports import choose
from ringfence.sandbox.processes import Child, environment
from ringfence.sandbox.readiness import listens, wait
from ringfence.sandbox.state import Folder
from ringfence.sandbox.tokens import Signer


def verified(tmp_path: Path, authority: Authority, cert: str) -> bool:
    (tmp_path / "ca.crt").write_text(authority.pem)
    (tmp_path / "leaf.crt").write_text(cert)
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.crt", "leaf.crt"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_a_client_certificate_carries_user_and_groups_and_is_short_lived(tmp_path: Path) -> None:
    authority = Authority.create("kubernetes")
    made = authority.client("alice", ["team", "oidc:auditors"])
    cert = x509.load_pem_x509_certificate(made.cert.encode())
    assert [a.value for a in cert.subject] == ["team", "oidc:auditors", "alice"]
    assert cert.not_valid_after_utc - datetime.datetime.now(datetime.UTC) < datetime.timedelta(hours=1)
    assert verified(tmp_path, authority, made.cert)


def test_an_ended_one_and_a_foreign_one_are_no_good(tmp_path: Path) -> None:
    authority, foreign = Authority.create("kubernetes"), Authority.create("kubernetes")
    assert not verified(tmp_path, authority, authority.client("alice", ended=True).cert)
    assert not verified(tmp_path, authority, foreign.client("alice").cert)
    assert verified(tmp_path, foreign, foreign.client("alice").cert)


def test_an_authority_comes_back_from_its_files(tmp_path: Path) -> None:
    authority = Authority.create("kubernetes")
    (tmp_path / "c").write_text(authority.pem)
    (tmp_path / "k").write_text(authority.key_pem)
    made = Authority.load(tmp_path / "c", tmp_path / "k").client("bob")
    assert verified(tmp_path, authority, made.cert)
    cert, key = made.write(tmp_path / "out", "bob")
    assert (cert.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o600, 0o600)


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_is_signed_by_the_published_key(tmp_path: Path) -> None:
    signer = Signer.create()
    (tmp_path / "key.pem").write_text(signer.pem)
    token = Signer.load(tmp_path / "key.pem").token({"sub": "alice", "groups": ["a"]}, lifetime=60)
    head, body, signature = token.split(".")
    public = signer.jwks()["keys"][0]
    x, y = (int.from_bytes(decode(public[c]), "big") for c in "xy")
    raw = decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(der, f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))  # raises when it is not
    claims = json.loads(decode(body))
    assert json.loads(decode(head)) == {"alg": "ES256", "typ": "JWT", "kid": public["kid"]}
    assert claims["exp"] - claims["iat"] == 60
    assert claims["sub"] == "alice"


def test_an_ended_token_has_been_valid_once() -> None:
    claims = json.loads(decode(Signer.create().token({}, lifetime=-60).split(".")[1]))
    assert claims["nbf"] < claims["exp"]
    assert claims["exp"] < datetime.datetime.now(datetime.UTC).timestamp()


def test_claims_may_be_given_whole() -> None:
    assert json.loads(decode(Signer.create().token({"exp": 1, "iat": 0}).split(".")[1]))["exp"] == 1


AUTHENTICATION = """\
kind: AuthenticationConfiguration
jwt:
- issuer: {url: "https://a.example.com", audiences: [kubernetes]}
- issuer: {url: "https://b.example.com", audiences: [kubernetes]}
"""


def test_the_issuer_publishes_each_issuer_and_nothing_else(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "state")
    folder.claim()
    surroundings.make(folder)
    host = HostFiles("x", {"files/etc/authentication.yaml": AUTHENTICATION})
    port = choose({}, ["issuer"])["issuer"]
    child = Child("issuer", surroundings.issuer_command(folder, host, port), folder.log("issuer"))
    child.start(environment(folder.path))
    context = ssl.create_default_context(cadata=surroundings.issuer_ca(folder))

    def get(path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}{path}", context=context, timeout=5) as answer:
            found: dict[str, object] = json.loads(answer.read())
        return found

    try:
        wait(child, listens(port), 1e12)
        found = [get(f"/{i}/.well-known/openid-configuration") for i in (0, 1)]
        assert [d["issuer"] for d in found] == [i.url for i in serving.issuers(host)]
        keys = get(re.sub(r"^https://[^/]+", "", str(found[1]["jwks_uri"])))
        assert keys == Signer.load(folder / "issuer" / "key.pem").jwks()
        for path in ("/", "/key.pem", "/../key.pem", "/0"):
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                get(path)
            refused.value.close()
    finally:
        child.stop(0)
