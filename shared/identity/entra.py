"""Tokens of Entra ID: whether one is genuine and meant for us, and who it stands for."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from shared.config import MARKETPLACE_RESOURCE
from shared.domain.caller import Caller, CallerKind, rights_of
from shared.domain.errors import Misconfigured, Unauthenticated
from shared.identity.keys import SigningKeys

if TYPE_CHECKING:
    from jwt.types import Options

LEEWAY: Final = 60.0
"""Seconds that two clocks may differ by."""

MAX_TOKEN: Final = 16 * 1024
MAX_KID: Final = 128

_SIGNATURE_ONLY: Final["Options"] = {
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}
"""Claims are checked here, against the product's own clock."""


def keys_url(entra_url: str, tenant: str) -> str:
    """Where a tenant's signing keys are published; both versions of tokens use them."""
    return f"{entra_url}/{tenant}/discovery/v2.0/keys"


class EntraTokens:
    """Judges tokens of one tenant that are meant for certain audiences.

    Both versions of tokens are taken (pc-saas-fulfillment-webhook). Why a token is refused is
    told in words that quote nothing of it.
    """

    def __init__(
        self,
        tenant: str,
        audiences: frozenset[str],
        keys: SigningKeys,
        now: Callable[[], datetime],
    ) -> None:
        if not tenant or not audiences or "" in audiences:
            raise Misconfigured("the tenant and the application of tokens are not set")
        self._tenant = tenant
        self._audiences = audiences
        self._keys = keys
        self._now = now
        self._issuers = {
            f"https://sts.windows.net/{tenant}/": "appid",
            f"https://login.microsoftonline.com/{tenant}/v2.0": "azp",
        }

    def claims(self, token: str) -> Mapping[str, object]:
        """What a genuine token says. Raises ``Unauthenticated``, or ``Unavailable`` when the
        signing keys cannot be had."""
        claims = self._signed(token)
        issuer = claims.get("iss")
        known = isinstance(issuer, str) and issuer in self._issuers
        if not known or _lower(claims, "tid") != self._tenant:
            raise Unauthenticated("the token comes from another tenant")
        if _lower(claims, "aud") not in self._audiences:
            raise Unauthenticated("the token is meant for another application")
        now = self._now().timestamp()
        expires, starts = _seconds(claims.get("exp")), _seconds(claims.get("nbf", 0))
        if expires is None or starts is None:
            raise Unauthenticated("the token does not say when it is valid")
        if now >= expires + LEEWAY:
            raise Unauthenticated("the token has expired")
        if now < starts - LEEWAY:
            raise Unauthenticated("the token is not valid yet")
        return claims

    def application(self, claims: Mapping[str, object]) -> str:
        """The application that asked for a token, by the claim of the token's version."""
        return _lower(claims, self._issuers[str(claims["iss"])])

    def _signed(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature is right.

        The only algorithm is RS256 and the only keys are the published ones: what the header
        says of keys (``jwk``, ``jku``, ``x5u``, ``x5c``) is not looked at.
        """
        import jwt

        if len(token) > MAX_TOKEN:
            raise Unauthenticated("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            if header.get("alg") != "RS256" or not isinstance(kid, str) or len(kid) > MAX_KID:
                raise Unauthenticated("the token is not signed as Entra signs")
            key = self._keys.find(kid)
            if key is None:
                raise Unauthenticated("the token is signed by an unknown key")
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=["RS256"], options=_SIGNATURE_ONLY
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as exc:
            raise Unauthenticated("the token is no valid token") from exc
        return claims


def partner_center(tokens: EntraTokens, token: str) -> Caller:
    """Partner Center, which calls our webhook with a token of the Marketplace's own application.

    Raises ``Unauthenticated`` for anyone else (pc-saas-fulfillment-webhook).
    """
    claims = tokens.claims(token)
    if tokens.application(claims) != MARKETPLACE_RESOURCE:
        raise Unauthenticated("the token is not the Marketplace's")
    return Caller(CallerKind.MARKETPLACE, MARKETPLACE_RESOURCE)


def api_caller(tokens: EntraTokens, token: str) -> Caller:
    """A person or an application with the rights of its app roles. Raises ``Unauthenticated``."""
    claims = tokens.claims(token)
    identity = _lower(claims, "oid")
    if not identity:
        raise Unauthenticated("the token does not say who calls")
    # The token of an application is about the application itself; a person's has another subject.
    person = "scp" in claims or _lower(claims, "sub") != identity
    roles = claims.get("roles")
    names = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    kind = CallerKind.PERSON if person else CallerKind.APPLICATION
    return Caller(kind, identity, rights_of(names))


def _lower(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value.lower() if isinstance(value, str) else ""


def _seconds(value: object) -> float | None:
    """A time claim of usual size: NaN is none, and would pass every comparison that follows."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e12 else None
