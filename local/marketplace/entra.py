"""Entra ID's stand-in: tokens for applications, signing keys, and their verification."""

import hmac
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import jwt

from local.marketplace.config import Client, Settings
from local.marketplace.defaults import MARKETPLACE_RESOURCE
from local.marketplace.keys import KeyRing
from local.marketplace.register import Ids

ANY_TENANT: Final = frozenset({"common", "organizations"})
_CLOCK_SKEW: Final = 300


class TokenError(Exception):
    """Entra's refusal to issue a token: OAuth error code, AADSTS number, status."""

    def __init__(self, error: str, number: int, description: str, status: int = 400) -> None:
        super().__init__(f"AADSTS{number}: {description}")
        self.error, self.number, self.status = error, number, status


class Access(StrEnum):
    """What a bearer token is worth at the Marketplace's door."""

    GRANTED = "granted"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"


class Entra:
    """Client applications, keys and tokens of all tenants.

    A token is valid on the machine's clock and on the stack's clock alike, since SDKs cache by
    the first and receivers may check by the second: it begins on the machine's clock and ends on
    the stack's, which is never behind.
    """

    def __init__(self, settings: Settings, ids: Ids, ring: KeyRing | None = None) -> None:
        self.ring = ring or KeyRing()
        self.clients: dict[str, Client] = {}
        self._settings = settings
        self._ids = ids
        for client in settings.clients:
            self.register(client)

    @property
    def tenants(self) -> set[str]:
        """All tenants that exist."""
        return {self._settings.tenant_id} | {item.tenant_id for item in self.clients.values()}

    def register(self, client: Client) -> Client:
        """Add or replace an application; its service principal gets an object id."""
        known = self.clients.get(client.client_id)
        object_id = client.object_id or (known.object_id if known else self._ids.guid())
        stored = replace(client, object_id=object_id)
        self.clients[client.client_id] = stored
        return stored

    def authenticate(self, tenant: str, form: Mapping[str, str], token_url: str) -> Client:
        """The client of a client-credentials request, by secret or by assertion.

        Raises TokenError.
        """
        if form.get("grant_type") != "client_credentials":
            raise TokenError("unsupported_grant_type", 70003, "only client_credentials is played")
        client = self.clients.get(form.get("client_id", ""))
        if tenant not in self.tenants:
            raise TokenError("invalid_request", 90002, f"tenant {tenant} was not found")
        if client is None or client.tenant_id != tenant:
            message = "the application was not found in the tenant"
            raise TokenError("unauthorized_client", 700016, message)
        if "client_assertion" in form:
            self._check_assertion(client, form["client_assertion"], token_url)
        elif not client.secret or not hmac.compare_digest(
            client.secret.encode(), form.get("client_secret", "").encode()
        ):
            raise TokenError("invalid_client", 7000215, "the client secret is wrong", 401)
        return client

    def issue(self, client: Client, resource: str, now: datetime) -> str:
        """An access token: v1 for the Marketplace, v2 with roles for our own API.

        Raises TokenError for a resource that does not exist.
        """
        resource = resource.removesuffix("/.default").removesuffix("/").removeprefix("api://")
        settings = self._settings
        if resource == MARKETPLACE_RESOURCE:
            claims = self.v1_claims(MARKETPLACE_RESOURCE, client, now)
        elif resource in (settings.api_app_id, settings.api_id_uri):
            claims = self.v2_claims(settings.api_app_id, client, now)
            if client.roles:
                claims["roles"] = list(client.roles)
        else:
            raise TokenError("invalid_resource", 500011, f"{resource!r} was not found")
        return self.ring.sign(claims)

    def v1_claims(
        self, audience: str, client: Client, now: datetime, tenant: str | None = None
    ) -> dict[str, object]:
        """The claims of a version 1.0 application token."""
        tid = tenant or client.tenant_id
        return self._common(audience, client, tid, now) | {
            "iss": f"https://sts.windows.net/{tid}/",
            "idp": f"https://sts.windows.net/{tid}/",
            "appid": client.client_id,
            "appidacr": "1",
            "ver": "1.0",
        }

    def v2_claims(
        self, audience: str, client: Client, now: datetime, tenant: str | None = None
    ) -> dict[str, object]:
        """The claims of a version 2.0 application token."""
        tid = tenant or client.tenant_id
        return self._common(audience, client, tid, now) | {
            "iss": f"https://login.microsoftonline.com/{tid}/v2.0",
            "azp": client.client_id,
            "azpacr": "1",
            "ver": "2.0",
        }

    def microsoft(self) -> Client:
        """The Marketplace itself, which signs in to call a publisher's webhook."""
        return Client(
            client_id=MARKETPLACE_RESOURCE,
            name="Microsoft Marketplace",
            tenant_id=self._settings.tenant_id,
            object_id=MARKETPLACE_RESOURCE,
        )

    def admit(self, authorization: str) -> Access:
        """Judge the Authorization header of a call to the Marketplace's APIs.

        Only the tenant and application of the offer's technical configuration are let in.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return Access.UNKNOWN
        try:
            key = self.ring.public(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                return Access.UNKNOWN
            claims = jwt.decode(
                token, key, algorithms=["RS256"], options={"verify_aud": False, "verify_iat": False}
            )
        except jwt.InvalidTokenError:
            return Access.UNKNOWN
        caller = claims.get("appid", claims.get("azp"))
        granted = (
            claims.get("aud") == MARKETPLACE_RESOURCE
            and claims.get("tid") == self._settings.tenant_id
            and caller == self._settings.marketplace_app_id
        )
        return Access.GRANTED if granted else Access.FORBIDDEN

    def _common(
        self, audience: str, client: Client, tenant: str, now: datetime
    ) -> dict[str, object]:
        begins = int(time.time()) - _CLOCK_SKEW
        return {
            "aud": audience,
            "iat": begins,
            "nbf": begins,
            "exp": int(now.timestamp()) + self._settings.token_lifetime_seconds,
            "oid": client.object_id,
            "sub": client.object_id,
            "tid": tenant,
            "uti": self._ids.guid(),
        }

    def _check_assertion(self, client: Client, assertion: str, token_url: str) -> None:
        """Accept an assertion signed by a key registered for the client or by our own keys.

        Our own keys stand for a federated identity (such as a managed identity); for them the
        subject is free. A registered key must speak for the client and, where it names one, to
        this token endpoint.
        """
        try:
            header = jwt.get_unverified_header(assertion)
            own = self.ring.public(header.get("kid"))
            candidates = [own] if own else list(client.public_keys)
            for key in candidates:
                claims = _verified(assertion, key)
                if claims is None:
                    continue
                if own or _speaks_for(claims, client, token_url):
                    return
        except jwt.InvalidTokenError as error:
            raise TokenError("invalid_client", 50027, str(error), 401) from error
        raise TokenError("invalid_client", 700027, "no registered key fits the assertion", 401)


def _verified(assertion: str, key: object) -> dict[str, object] | None:
    try:
        claims: dict[str, object] = jwt.decode(
            assertion,
            key,  # type: ignore[arg-type]  # PEM text or a public key object
            algorithms=["RS256", "PS256", "ES256"],
            options={"verify_aud": False},
        )
    except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError):
        return None
    return claims


def _speaks_for(claims: Mapping[str, object], client: Client, token_url: str) -> bool:
    audience = claims.get("aud")
    fits = audience is None or token_url.split("://")[-1] in str(audience)
    return claims.get("sub") == client.client_id and fits
