"""Client and serving certificates: by a cluster's CA, or by one that nobody trusts.

Only ECDSA P-256: made in no time, and admitted by every TLS profile of the catalogue.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = datetime.timedelta(hours=1)
_YEAR = 365 * 24 * _HOUR  # as kubeadm's
_SKEW = datetime.timedelta(minutes=5)  # clocks of two machines


@dataclass(frozen=True, slots=True)
class Credentials:
    """A certificate and its key, both PEM."""

    cert: str
    key: str

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """As `name`.crt and `name`.key, for the owner alone; folders are made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cert, key = folder / f"{name}.crt", folder / f"{name}.key"
        for file, text in ((cert, self.cert), (key, self.key)):
            file.touch(mode=0o600)
            file.write_text(text)
        return cert, key


class Authority:
    """A certificate authority that signs identities."""

    def __init__(self, cert: x509.Certificate, key: Any) -> None:
        self._cert, self._key = cert, key

    @classmethod
    def load(cls, cert: Path | str, key: Path | str) -> Authority:
        """The CA of two PEM files."""
        loaded = serialization.load_pem_private_key(Path(key).read_bytes(), None)
        return cls(x509.load_pem_x509_certificate(Path(cert).read_bytes()), loaded)

    @classmethod
    def create(cls, name: str, lifetime: datetime.timedelta = _YEAR) -> Authority:
        """A new CA of its own: what it signs is foreign to everybody who was not given its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _builder(subject, subject, key, key.public_key(), lifetime, ended=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(sign=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> str:
        """Its certificate."""
        return _pem(self._cert)

    @property
    def key_pem(self) -> str:
        """Its key."""
        return _key_pem(self._key)

    def client(
        self, user: str, groups: Iterable[str] = (), *, lifetime: datetime.timedelta = _HOUR, ended: bool = False
    ) -> Credentials:
        """A client certificate for `user` in `groups`; an `ended` one has been valid until a minute ago."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, g) for g in groups]
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, user))
        return self._issue(names, lifetime, ExtendedKeyUsageOID.CLIENT_AUTH, (), ended)

    def server(self, name: str, addresses: Sequence[str], *, lifetime: datetime.timedelta = _YEAR) -> Credentials:
        """A serving certificate for IP addresses."""
        names = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        return self._issue(names, lifetime, ExtendedKeyUsageOID.SERVER_AUTH, addresses, False)

    def _issue(
        self,
        names: list[x509.NameAttribute[str]],
        lifetime: datetime.timedelta,
        purpose: Any,
        addresses: Sequence[str],
        ended: bool,
    ) -> Credentials:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self._cert.public_key()
        builder = _builder(x509.Name(names), self._cert.subject, key, issuer, lifetime, ended=ended)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(sign=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if addresses:
            alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(a)) for a in addresses])
            builder = builder.add_extension(alternatives, critical=False)
        return Credentials(_pem(builder.sign(self._key, hashes.SHA256())), _key_pem(key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, issuer_key: Any, lifetime: datetime.timedelta, *, ended: bool
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    last = now - datetime.timedelta(minutes=1) if ended else now + lifetime
    first = last - lifetime if ended else now - _SKEW
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(first).not_valid_after(last)
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    other = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key)
    return builder.add_extension(own, critical=False).add_extension(other, critical=False)


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=sign,
        crl_sign=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(cert: x509.Certificate) -> str:
    return cert.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: Any) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    text: bytes = key.private_bytes(*form)
    return text.decode()
