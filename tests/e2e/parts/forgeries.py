"""Forged and broken tokens and notices, of every kind we could think of."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.marketplace import defaults
from local.stack import Stack

TENANT, APP = defaults.PUBLISHER_TENANT, defaults.MARKETPLACE_APP
RESOURCE, OTHER = defaults.MARKETPLACE_RESOURCE, defaults.OTHER_TENANT
V1 = f"https://sts.windows.net/{TENANT}/"
V2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"

type Claims = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Forger:
    """Makes tokens: with the simulator's own key, or with others."""

    stack: Stack
    canary: str

    def signed(self, version: str = "v2", **claims: object) -> str:
        """A token signed as Entra signs, with other claims; ``None`` leaves one out."""
        body = {"version": version, "claims": claims}
        return str(self.stack.simulator.post("/entra/token", body)["token"])

    def good(self) -> tuple[Claims, dict[str, Any]]:
        """Claims and header of a genuine token."""
        token = self.signed()
        claims = jwt.decode(token, options={"verify_signature": False})
        return claims, jwt.get_unverified_header(token)

    def published(self) -> dict[str, str]:
        """The key that signs, as it is published."""
        url = f"{self.stack.marketplace}/{TENANT}/discovery/v2.0/keys"
        keys: list[dict[str, str]] = requests.get(url, timeout=30).json()["keys"]
        kid = self.good()[1]["kid"]
        return next(key for key in keys if key["kid"] == kid)


def encoded(shape: object) -> str:
    raw = json.dumps(shape).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claim_forgeries() -> Iterator[tuple[str, str, Claims]]:
    """Well signed tokens that are not Partner Center's to us: name, version, claims."""
    now = int(time.time())
    cases: dict[str, Claims] = {
        "aud-api": {"aud": defaults.API_APP},
        "aud-outsider": {"aud": defaults.OUTSIDER_APP},
        "aud-marketplace": {"aud": RESOURCE},
        "aud-missing": {"aud": None},
        "aud-empty": {"aud": ""},
        "aud-list": {"aud": [APP]},
        "aud-prefix": {"aud": APP + "x"},
        "aud-number": {"aud": 7},
        "tid-other": {"tid": OTHER},
        "tid-missing": {"tid": None},
        "tid-list": {"tid": [TENANT]},
        "iss-other-tenant": {"iss": f"https://login.microsoftonline.com/{OTHER}/v2.0"},
        "iss-other-host": {"iss": f"https://login.example/{TENANT}/v2.0"},
        "iss-plain-http": {"iss": f"http://login.microsoftonline.com/{TENANT}/v2.0"},
        "iss-v2-slash": {"iss": f"{V2}/"},
        "iss-missing": {"iss": None},
        "iss-common": {"iss": "https://login.microsoftonline.com/common/v2.0"},
        "azp-other": {"azp": defaults.OUTSIDER_APP},
        "azp-missing": {"azp": None},
        "azp-only-as-appid": {"azp": None, "appid": RESOURCE},
        "azp-list": {"azp": [RESOURCE]},
        "azp-backend": {"azp": defaults.BACKEND_APP},
        "exp-past": {"exp": now - 3600, "nbf": now - 7200},
        "exp-long-past": {"exp": 1},
        "exp-missing": {"exp": None},
        "exp-text": {"exp": str(now + 3600)},
        "exp-boolean": {"exp": True},
        "exp-huge": {"exp": 10**30},
        "exp-null-list": {"exp": []},
        "nbf-future": {"nbf": now + 10 * 365 * 86_400, "exp": now + 11 * 365 * 86_400},
        "nbf-text": {"nbf": "soon"},
    }
    for name, claims in cases.items():
        yield name, "v2", claims
    yield "v1-appid-other", "v1", {"appid": defaults.OUTSIDER_APP}
    yield "v1-appid-missing", "v1", {"appid": None}
    yield "v1-only-azp", "v1", {"appid": None, "azp": RESOURCE}
    yield "v1-iss-without-slash", "v1", {"iss": V1.rstrip("/")}
    yield "v1-tid-other", "v1", {"tid": OTHER}
    yield "v1-aud-other", "v1", {"aud": defaults.API_APP}
    yield "v1-expired", "v1", {"exp": now - 3600}


def signature_forgeries() -> dict[str, Callable[[Forger], str]]:
    """Tokens with the right claims that Entra did not sign."""
    own = rsa.generate_private_key(65537, 2048)
    curve = ec.generate_private_key(ec.SECP256R1())

    def by(algorithm: str, key: Any = own, **header: object) -> Callable[[Forger], str]:  # noqa: ANN401 - keys of several kinds
        def make(forger: Forger) -> str:
            claims, known = forger.good()
            headers = {"kid": known["kid"], **header}
            return jwt.encode(claims, key, algorithm=algorithm, headers=headers)

        return make

    def unsigned(algorithm: str) -> Callable[[Forger], str]:
        def make(forger: Forger) -> str:
            claims, known = forger.good()
            header = {"alg": algorithm, "typ": "JWT", "kid": known["kid"]}
            return f"{encoded(header)}.{encoded(claims)}."

        return make

    def with_public_key(algorithm: str, form: str) -> Callable[[Forger], str]:
        """The published key as a shared secret."""

        def make(forger: Forger) -> str:
            claims, known = forger.good()
            key = forger.published()
            public = jwt.PyJWK(key, "RS256").key
            pem = public.public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            secret = {"pem": pem, "jwk": json.dumps(key).encode(), "n": key["n"].encode()}[form]
            header = {"alg": algorithm, "typ": "JWT", "kid": known["kid"]}
            signing = f"{encoded(header)}.{encoded(claims)}"
            digest = jwt.get_algorithm_by_name(algorithm)
            mac = digest.sign(signing.encode(), secret)
            return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

        return make

    def changed(change: Callable[[list[str]], list[str]]) -> Callable[[Forger], str]:
        return lambda forger: ".".join(change(forger.signed().split(".")))

    def elsewhere(name: str) -> Callable[[Forger], str]:
        return lambda forger: by("RS256", kid="mine", **{name: f"{forger.canary}/keys"})(forger)

    other = {"aud": APP, "tid": TENANT, "iss": V2, "azp": RESOURCE, "exp": 10**10, "sub": "x"}
    return {
        "alg-none": unsigned("none"),
        "alg-None": unsigned("None"),
        "alg-NONE": unsigned("NONE"),
        "alg-empty": unsigned(""),
        "hs256-public-pem": with_public_key("HS256", "pem"),
        "hs384-public-pem": with_public_key("HS384", "pem"),
        "hs512-public-pem": with_public_key("HS512", "pem"),
        "hs256-public-jwk": with_public_key("HS256", "jwk"),
        "hs256-modulus": with_public_key("HS256", "n"),
        "own-key": by("RS256"),
        "own-key-unknown-id": by("RS256", kid="unknown"),
        "own-key-id-path": by("RS256", kid="../../../../dev/null"),
        "own-key-embedded": by(
            "RS256", jwk=json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(own.public_key()))
        ),
        "own-key-ps256": by("PS256"),
        "own-key-rs512": by("RS512"),
        "own-key-es256": by("ES256", curve),
        "jku": elsewhere("jku"),
        "x5u": elsewhere("x5u"),
        "signature-cut": changed(lambda p: [p[0], p[1], p[2][:-8]]),
        "signature-gone": changed(lambda p: [p[0], p[1], ""]),
        "claims-exchanged": changed(lambda p: [p[0], encoded(other), p[2]]),
        "part-too-many": changed(lambda p: [*p, p[2]]),
        "part-missing": changed(lambda p: p[:2]),
        "not-base64": changed(lambda p: ["%%%", p[1], p[2]]),
        "header-no-object": changed(lambda p: [encoded([1]), p[1], p[2]]),
        "claims-no-object": changed(lambda p: [p[0], encoded("x"), p[2]]),
        "too-long": lambda forger: forger.signed() + "A" * 30_000,
        "administrator": lambda forger: forger.stack.simulator.administrator_token(),
        "backend": lambda forger: forger.stack.simulator.backend_token(),
        "garbage": lambda _: "a.b.c",
        "empty": lambda _: "",
    }


def notice_forgeries() -> dict[str, object]:
    """Bodies that say nothing usable, or that reach for what is not theirs. ``VICTIM`` stands for
    a subscription, ``OPERATION`` for a finished operation of it, ``FOREIGN`` for another
    publisher's subscription and ``CANARY`` for an address that nobody may call."""
    fine = {"id": "OPERATION", "subscriptionId": "VICTIM", "action": "Unsubscribe"}
    unknown = "00000000-0000-4000-8000-00000000dead"
    return {
        "no-json": b"{",
        "empty": b"",
        "array": [fine],
        "text": "Unsubscribe",
        "null": None,
        "not-utf-8": b"\xff\xfe",
        "nan": b'{"id": NaN}',
        "twice": b'{"id": "a", "id": "b"}',
        "deep": b"[" * 50_000,
        "large": b'{"id": "' + b"x" * 2_000_000 + b'"}',
        "no-id": {**fine, "id": None},
        "number-id": {**fine, "id": 7},
        "empty-id": {**fine, "id": ""},
        "long-id": {**fine, "id": "x" * 300},
        "dots-id": {**fine, "id": ".."},
        "path-id": {**fine, "id": "../../VICTIM"},
        "slash-id": {**fine, "id": "x/../../../VICTIM/activate"},
        "query-id": {**fine, "id": "OPERATION?api-version=x"},
        "encoded-path-id": {**fine, "id": "%2e%2e%2f%2e%2e%2fVICTIM"},
        "newline-id": {**fine, "id": "x\r\nHost: evil"},
        "address-id": {**fine, "id": "CANARY/operation"},
        "no-subscription": {**fine, "subscriptionId": None},
        "path-subscription": {**fine, "subscriptionId": "VICTIM/../FOREIGN"},
        "query-subscription": {**fine, "subscriptionId": "VICTIM?x=1"},
        "address-subscription": {**fine, "subscriptionId": "CANARY"},
        "braces-subscription": {**fine, "subscriptionId": "{VICTIM}"},
        "unknown-operation": {**fine, "id": unknown},
        "unknown-subscription": {**fine, "subscriptionId": unknown},
        "foreign-subscription": {**fine, "subscriptionId": "FOREIGN"},
        "replayed-operation": fine,
        "replayed-as-another-action": {**fine, "action": "ChangePlan", "planId": "scale"},
        "replayed-with-addresses": {
            **fine,
            "subscription": {"id": "VICTIM", "saasSubscriptionStatus": "Unsubscribed"},
            "Operation-Location": "CANARY/operations",
            "callbackUrl": "CANARY/callback",
            "purchaseToken": "CANARY",
        },
    }
