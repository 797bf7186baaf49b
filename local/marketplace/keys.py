"""RSA signing keys as Entra ID publishes them: one signs, the next is announced, old ones stay."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

_BITS: Final = 2048
_EXPONENT: Final = 65537


def _unpadded(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair and its id."""

    kid: str
    private: RSAPrivateKey

    @classmethod
    def generate(cls) -> "SigningKey":
        """A new 2048-bit key, named by its public number as Entra names keys by certificate."""
        private = generate_private_key(public_exponent=_EXPONENT, key_size=_BITS)
        modulus = _unpadded(private.public_key().public_numbers().n)
        digest = hashlib.sha256(modulus.encode()).digest()[:20]
        return cls(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), private)

    def published(self, issuer: str) -> dict[str, object]:
        """The JWKS entry; like Entra's it names no ``alg``."""
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": _unpadded(numbers.n),
            "e": _unpadded(numbers.e),
            "issuer": issuer,
        }


@dataclass(slots=True)
class KeyRing:
    """All keys that are or were published, oldest first; the second newest signs."""

    keys: list[SigningKey] = field(
        default_factory=lambda: [SigningKey.generate(), SigningKey.generate()]
    )

    @property
    def current(self) -> SigningKey:
        """The key that signs; the newest one is announced but not yet in use."""
        return self.keys[-2]

    def rotate(self, *, emergency: bool = False) -> None:
        """Sign with the announced key and announce another one.

        In an emergency the old keys disappear at once and the new one was never announced, so
        receivers meet a key id they have not seen.
        """
        if emergency:
            self.keys = [SigningKey.generate(), SigningKey.generate()]
        else:
            self.keys.append(SigningKey.generate())

    def sign(self, claims: Mapping[str, object]) -> str:
        """A compact RS256 token with the headers Entra uses."""
        key = self.current
        return jwt.encode(
            dict(claims),
            key.private,
            algorithm="RS256",
            headers={"kid": key.kid, "x5t": key.kid},
        )

    def public(self, kid: str | None) -> RSAPublicKey | None:
        """The public half of a published key."""
        return next((key.private.public_key() for key in self.keys if key.kid == kid), None)
