"""Who opens the landing page: a person that App Service signed in, or the local stand-in's."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from shared.config import Settings
from shared.domain.ids import is_guid
from shared.domain.lifecycle.buyer import Buyer
from shared.identity.keys import SigningKeys
from shared.ports import SignIn

MAX_PRINCIPAL: Final = 64 * 1024
COOKIE: Final = "local-sign-in"
AUDIENCE: Final = "local-landing-page"

_CLAIMS: Final = "http://schemas.microsoft.com/identity/claims/"
_SOAP: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_TENANT: Final = (f"{_CLAIMS}tenantid", "tid")
_OBJECT: Final = (f"{_CLAIMS}objectidentifier", "oid")
_EMAIL: Final = ("preferred_username", "email", f"{_SOAP}emailaddress", f"{_SOAP}upn", "upn")
_PROVIDERS: Final = frozenset({"aad", "azureactivedirectory"})


class AppServiceSignIn:
    """App Service authentication puts the principal into headers, and takes out what callers
    put there (learn.microsoft.com/azure/app-service/configure-authentication-user-identities).

    Only to be used where that is switched on: otherwise anyone can write these headers.
    """

    def buyer(self, headers: Mapping[str, str]) -> Buyer | None:
        """The principal of the headers; ``None`` for one that is not Entra's."""
        text = headers.get("x-ms-client-principal", "")
        if not text or len(text) > MAX_PRINCIPAL:
            return None
        try:
            shape = json.loads(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError, RecursionError):
            return None
        claims = shape.get("claims") if isinstance(shape, dict) else None
        if not isinstance(claims, list) or str(shape.get("auth_typ")).lower() not in _PROVIDERS:
            return None
        found = {
            each["typ"]: each["val"]
            for each in reversed(claims)
            if isinstance(each, dict)
            and isinstance(each.get("typ"), str)
            and isinstance(each.get("val"), str)
        }
        return _buyer(found)

    def sign_in_url(self, back: str) -> str:
        return f"/.auth/login/aad?post_login_redirect_uri={quote(back, safe='')}"

    def sign_out_url(self, back: str) -> str:
        return f"/.auth/logout?post_logout_redirect_uri={quote(back, safe='')}"


class LocalSignIn:
    """The local stack's stand-in: a cookie with a token that its simulator signed.

    Only to be used where storage is on this machine.
    """

    def __init__(self, url: str, keys: SigningKeys, now: Callable[[], datetime]) -> None:
        self._url = url
        self._keys = keys
        self._now = now

    def buyer(self, headers: Mapping[str, str]) -> Buyer | None:
        import jwt

        token = cookies(headers).get(COOKIE, "")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                return None
            options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
            claims = jwt.decode(
                token, key.key, algorithms=["RS256"], audience=AUDIENCE, options=options
            )
        except (jwt.PyJWTError, ValueError):
            return None
        expires = claims.get("exp")
        if not isinstance(expires, int) or self._now().timestamp() >= expires:
            return None
        return _buyer(claims)

    def sign_in_url(self, back: str) -> str:
        return f"{self._url}/sign-in?back={quote(back, safe='')}"

    def sign_out_url(self, back: str) -> str:
        return self.sign_in_url(back)


class NoSignIn:
    """Sign-in is not set up: nobody is signed in, and nobody can be."""

    def buyer(self, headers: Mapping[str, str]) -> Buyer | None:  # noqa: ARG002 - as the others
        return None

    def sign_in_url(self, back: str) -> str:  # noqa: ARG002 - as the others
        return ""

    def sign_out_url(self, back: str) -> str:  # noqa: ARG002 - as the others
        return ""


def sign_in_of(settings: Settings, keys_url: str, now: Callable[[], datetime]) -> SignIn:
    """What the settings name: App Service authentication, the local stand-in, or nothing."""
    if settings.app_service_auth:
        return AppServiceSignIn()
    if settings.local and settings.local_sign_in_url:
        return LocalSignIn(settings.local_sign_in_url, SigningKeys(keys_url), now)
    return NoSignIn()


def cookies(headers: Mapping[str, str]) -> dict[str, str]:
    """The cookies of a request by name; of a repeated one the first."""
    found: dict[str, str] = {}
    for part in headers.get("cookie", "")[:16_384].split(";"):
        name, separator, value = part.strip().partition("=")
        if separator:
            found.setdefault(name, value)
    return found


def _buyer(claims: Mapping[str, object]) -> Buyer | None:
    """A person of a tenant; without either nobody can be told from anybody."""
    tenant, identity = _first(claims, _TENANT).lower(), _first(claims, _OBJECT).lower()
    if not is_guid(tenant) or not is_guid(identity):
        return None
    return Buyer(tenant, identity, _first(claims, _EMAIL), _first(claims, ("name",)))


def _first(claims: Mapping[str, object], names: tuple[str, ...]) -> str:
    for name in names:
        value = claims.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
