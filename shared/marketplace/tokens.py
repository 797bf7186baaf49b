"""Access tokens for the Marketplace API, by secret, certificate or federated managed identity."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, assert_never

import requests

from shared.config import MARKETPLACE_RESOURCE, Settings
from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.marketplace.http import (
    Sessions,
    Timeouts,
    Unreadable,
    read_bounded,
    retry_after,
    secure_url,
)

EARLY = 300.0
"""Seconds before its expiry from which a token is not used any more."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_EXCHANGE_SCOPE = "api://AzureADTokenExchange/.default"
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """The application proves itself by a shared secret."""

    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The application proves itself by a key.

    ``sign`` makes the signed statement that the application is ``client`` for ``audience``.
    """

    sign: Callable[[str, str], str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """The application trusts a managed identity of its tenant, so there is no secret.

    ``client_id`` names a user-assigned identity.
    """

    client_id: str


type Proof = ClientSecret | ClientCertificate | FederatedIdentity


type Signer = Callable[[str, str], str]


def proof_of(settings: Settings, signer: Callable[[str], Signer]) -> Proof:
    """The way the settings name: a secret or a certificate, else the managed identity.

    ``signer`` makes of a PEM what signs with it. Raises ``InvalidInput`` when they name none.
    """
    if settings.marketplace_client_secret:
        return ClientSecret(settings.marketplace_client_secret)
    if settings.marketplace_certificate:
        return ClientCertificate(signer(settings.marketplace_certificate))
    if settings.identity_client_id:
        return FederatedIdentity(settings.identity_client_id)
    raise InvalidInput("set MARKETPLACE_CLIENT_SECRET, MARKETPLACE_CERTIFICATE or AZURE_CLIENT_ID")


class TokenSource(Protocol):
    """Where a transport gets its bearer token."""

    def bearer(self) -> str:
        """A token that is valid for some minutes.

        Raises ``UpstreamFailure`` with a message that may be logged.
        """
        ...

    def forget(self, token: str) -> None:
        """Do not hand out ``token`` again: it was refused."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    token: str = field(repr=False)
    until: float


class MarketplaceTokens:
    """Client-credentials tokens of one application, fetched once and shared by all threads.

    Source: pc-saas-registration. Tokens and answers of Entra appear in no message.
    """

    def __init__(
        self,
        entra_url: str,
        tenant: str,
        client: str,
        proof: Proof,
        *,
        timeouts: Timeouts = Timeouts(5, 10, 20),  # noqa: B008 - a frozen value
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = f"{secure_url(entra_url, 'ENTRA_URL')}/{tenant}/oauth2/v2.0/token"
        self._client = client
        self._proof = proof
        self._timeouts = timeouts
        self._monotonic = monotonic
        self._sessions = Sessions()
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._identity: Any = None

    def bearer(self) -> str:
        """A token valid for at least some minutes.

        Raises ``Throttled``, ``Unavailable``, or ``Rejected`` when Entra says no.
        """
        held = self._held
        if held is not None and self._monotonic() < held.until:
            return held.token
        with self._lock:
            if self._held is None or self._monotonic() >= self._held.until:
                self._held = self._fetch()
            return self._held.token

    def forget(self, token: str) -> None:
        """Do not hand out ``token`` again."""
        with self._lock:
            if self._held is not None and self._held.token == token:
                self._held = None

    def _fetch(self) -> _Held:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client,
            "scope": f"{MARKETPLACE_RESOURCE}/.default",
            **self._proof_fields(),
        }
        asked = self._monotonic()
        answer = self._post(form)
        match answer:
            case {"access_token": str(token), "expires_in": int(seconds)} if seconds > 0:
                return _Held(token, asked + seconds - min(EARLY, seconds / 10))
            case _:
                raise Unavailable("Entra answered without a token")

    def _post(self, form: dict[str, str]) -> object:
        limits = self._timeouts
        deadline = time.monotonic() + limits.total
        try:
            response = self._sessions.get().post(
                self._url,
                data=form,
                timeout=(limits.connect, limits.read),
                allow_redirects=False,
                stream=True,
            )
            with response:
                body = read_bounded(response, deadline)
        except (requests.RequestException, Unreadable):
            # The cause is cut off: it can quote the request.
            raise Unavailable("Entra did not answer") from None
        if response.status_code == requests.codes.too_many_requests:
            raise Throttled("Entra is throttling", retry_after(response))
        answer = _parsed(body)
        if response.status_code == requests.codes.ok:
            return answer
        if requests.codes.bad_request <= response.status_code < requests.codes.server_error:
            raise Rejected(f"Entra refused a token: {_error_code(answer)}", response.status_code)
        raise Unavailable(f"Entra answered HTTP {response.status_code}")

    def _proof_fields(self) -> dict[str, str]:
        match self._proof:
            case ClientSecret(value):
                return {"client_secret": value}
            case ClientCertificate(sign):
                assertion = sign(self._client, self._url)
            case FederatedIdentity(client_id):
                assertion = self._identity_token(client_id)
            case _:
                assert_never(self._proof)
        return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": assertion}

    def _identity_token(self, client_id: str) -> str:
        from azure.identity import ManagedIdentityCredential

        if self._identity is None:
            self._identity = ManagedIdentityCredential(client_id=client_id)
        try:
            token: str = self._identity.get_token(_EXCHANGE_SCOPE).token
        except Exception as error:  # noqa: BLE001 - it raises what several packages define
            name = type(error).__name__
            raise Unavailable(f"the managed identity gave no token: {name}") from None
        return token


def _parsed(body: bytes) -> object:
    try:
        answer: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return answer


def _error_code(answer: object) -> str:
    """Entra's error name and numbers: its description can quote identifiers, so it is left out."""
    if not isinstance(answer, dict):
        return "no reason given"
    name = answer.get("error")
    known = isinstance(name, str) and _ERROR_CODE.fullmatch(name)
    numbers = answer.get("error_codes")
    codes = numbers if isinstance(numbers, list) else []
    text = [f"AADSTS{code}" for code in codes[:3] if type(code) is int]
    return " ".join([str(name) if known else "no reason given", *text])
