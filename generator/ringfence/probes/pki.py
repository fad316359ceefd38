"""Certificates, certificate requests and JWTs made for a run; the only importer of `cryptography` here."""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ringfence.probes.access import Issuer, KeyPair

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_HOUR = datetime.timedelta(hours=1)


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    """Kubernetes reads the user from CN and the groups from O."""
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _load(file: Path) -> Any:
    return serialization.load_pem_private_key(file.read_bytes(), None)


def _pem(key: _Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def client_certificate(
    folder: Path, name: str, user: str, groups: Sequence[str], authority: KeyPair | None, *, expired: bool = False
) -> KeyPair:
    """A client certificate as files `folder/name.*`; signed by `authority`, or by a CA that nobody knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    if authority:
        signer = _load(authority.key)
        issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).subject
    else:
        signer, issuer = ec.generate_private_key(ec.SECP256R1()), _subject("a stranger's authority", ())
    now = datetime.datetime.now(datetime.UTC)
    end = now - _HOUR if expired else now + _HOUR
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_subject(user, groups))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - 3 * _HOUR)
        .not_valid_after(end)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _files(folder, name, certificate, key)


def server_certificate(folder: Path, name: str, address: str, authority: KeyPair | None) -> KeyPair:
    """A serving certificate for a host as files `folder/name.*`; signed by `authority`, or by its own key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(address, ())
    signer, issuer = key, subject
    if authority:
        signer = _load(authority.key)
        issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).subject
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address(address))] if address[0].isdigit() else [x509.DNSName(address)]
    )
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(names, critical=False)
    certificate = builder.not_valid_before(now - _HOUR).not_valid_after(now + _HOUR).sign(signer, hashes.SHA256())
    return _files(folder, name, certificate, key)


def _files(folder: Path, name: str, certificate: x509.Certificate, key: _Key) -> KeyPair:
    pair = KeyPair(folder / f"{name}.crt", folder / f"{name}.key")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.touch(mode=0o600)
    pair.key.write_bytes(_pem(key))
    return pair


def certificate_request(user: str, groups: Sequence[str]) -> str:
    """A certificate request in PEM, in base64 as `spec.request` of a CertificateSigningRequest takes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject(user, groups)).sign(key, hashes.SHA256())
    return base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()


def expiry(certificate: bytes) -> datetime.datetime:
    """When a PEM certificate ends, UTC."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def lifetime(encoded: str) -> int:
    """Seconds that a certificate is valid; PEM in base64, as `status.certificate` of a CertificateSigningRequest."""
    found = x509.load_pem_x509_certificate(base64.b64decode(encoded))
    return int((found.not_valid_after_utc - found.not_valid_before_utc).total_seconds())


def token(issuer: Issuer, changes: Mapping[str, Any], *, stranger: bool = False) -> str:
    """A JWT of the issuer (RFC 7519), with `changes` to a good one's claims; exp, iat and nbf in seconds from now.

    A stranger's is signed with a key that the issuer does not publish, under the issuer's key id.
    """
    key = _load(issuer.key)
    if stranger:
        ours = isinstance(key, rsa.RSAPrivateKey)
        key = rsa.generate_private_key(65537, 2048) if ours else ec.generate_private_key(ec.SECP256R1())
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": issuer.url,
        "aud": issuer.audience,
        "sub": "ringfence-probe",
        "iat": -issuer.backdated,
        "exp": issuer.lifetime,
        **dict(issuer.claims),
        **changes,
    }
    for moment in ("iat", "exp", "nbf"):
        if isinstance(claims.get(moment), int):
            claims[moment] += now
    claims = {name: value for name, value in claims.items() if value is not None}
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    signed = f"{_b64({'alg': algorithm, 'kid': issuer.key_id, 'typ': 'JWT'})}.{_b64(claims)}"
    return f"{signed}.{_raw(_sign(key, signed.encode()))}"


def _sign(key: _Key, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _b64(value: Any) -> str:
    return _raw(json.dumps(value, separators=(",", ":")).encode())


def _raw(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def claims_of(jwt: str) -> dict[str, Any]:
    """The claims of a token, unverified."""
    body = jwt.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found
