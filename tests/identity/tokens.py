"""Signing keys and tokens as Entra issues them, right or wrong."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

TENANT = "11111111-1111-4111-8111-111111111111"
OTHER_TENANT = "22222222-2222-4222-8222-222222222222"
APP = "aaaaaaaa-0001-4000-8000-000000000001"
RESOURCE = "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
KEYS_URL = f"https://login.example/{TENANT}/discovery/v2.0/keys"


@cache
def private_key(_name: str) -> rsa.RSAPrivateKey:
    """One key a name for the whole test run: making them is slow."""
    return rsa.generate_private_key(65537, 2048)


def unpadded(number: int) -> str:
    """A number as key sets write it."""
    raw = number.to_bytes((number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def published(name: str, **more: object) -> dict[str, object]:
    """A key set's entry."""
    numbers = private_key(name).public_key().public_numbers()
    entry = {"kty": "RSA", "use": "sig", "kid": name}
    return {**entry, "n": unpadded(numbers.n), "e": unpadded(numbers.e), **more}


@dataclass(slots=True)
class Published:
    """A tenant's key set that can be fetched; ``fetches`` counts how often it was."""

    keys: list[dict[str, object]] = field(default_factory=lambda: [published("k1")])
    fetches: int = 0
    error: Exception | None = None

    def fetch(self, url: str) -> bytes:
        assert url == KEYS_URL
        self.fetches += 1
        if self.error is not None:
            raise self.error
        return json.dumps({"keys": self.keys}).encode()


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def v1(**claims: object) -> dict[str, object]:
    """Claims of a version 1.0 token as the Marketplace sends it."""
    return {
        "aud": APP,
        "iss": f"https://sts.windows.net/{TENANT}/",
        "tid": TENANT,
        "appid": RESOURCE,
        "exp": int(NOW.timestamp()) + 3600,
        "nbf": int(NOW.timestamp()) - 300,
        "oid": "object-1",
        "sub": "object-1",
        "ver": "1.0",
        **claims,
    }


def v2(**claims: object) -> dict[str, object]:
    """Claims of a version 2.0 token."""
    shape = v1(
        iss=f"https://login.microsoftonline.com/{TENANT}/v2.0", azp=RESOURCE, ver="2.0", appid=None
    )
    return {**shape, **claims}


def signed(
    claims: Mapping[str, object],
    key: str = "k1",
    headers: Mapping[str, object] | None = None,
    algorithm: str = "RS256",
) -> str:
    """A token; claims that are ``None`` are left out."""
    kept = {name: value for name, value in claims.items() if value is not None}
    payload = json.dumps(kept).encode()
    return jwt.PyJWS().encode(
        payload, private_key(key), algorithm, {"typ": "JWT", "kid": key, **(headers or {})}
    )
