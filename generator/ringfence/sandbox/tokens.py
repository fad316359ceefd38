"""JSON Web Tokens of the throwaway issuer (RFC 7515, 7517, 7519), signed with ES256."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

_SIZE = 32  # bytes of a coordinate of P-256, and of each half of a signature


class Signer:
    """A signing key; `load` it from the state folder, or `create` one that nobody trusts."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        numbers = key.public_key().public_numbers()
        self._x, self._y = (_encode(n.to_bytes(_SIZE, "big")) for n in (numbers.x, numbers.y))
        self.kid = sha256(f"{self._x}.{self._y}".encode()).hexdigest()[:16]

    @classmethod
    def create(cls) -> Signer:
        """A new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def load(cls, file: Path | str) -> Signer:
        """The key of a PEM file."""
        key = serialization.load_pem_private_key(Path(file).read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{file} holds no key of an elliptic curve")
        return cls(key)

    @property
    def pem(self) -> str:
        """The key, to be loaded again."""
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._key.private_bytes(*form).decode()

    def jwks(self) -> dict[str, Any]:
        """The public half as a JSON Web Key Set."""
        public = {"kty": "EC", "crv": "P-256", "x": self._x, "y": self._y}
        return {"keys": [{**public, "kid": self.kid, "alg": "ES256", "use": "sig"}]}

    def token(self, claims: Mapping[str, Any], *, lifetime: int = 600) -> str:
        """A signed token. `iat`, `nbf` and `exp` (seconds) are added unless claimed; a negative lifetime has ended."""
        now = int(time.time())
        first = min(now, now + 2 * lifetime)
        times = {"iat": first, "nbf": first, "exp": now + lifetime}
        head = _encode(json.dumps({"alg": "ES256", "typ": "JWT", "kid": self.kid}).encode())
        body = _encode(json.dumps({**times, **claims}).encode())
        der = self._key.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        return f"{head}.{body}.{_encode(r.to_bytes(_SIZE, 'big') + s.to_bytes(_SIZE, 'big'))}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
