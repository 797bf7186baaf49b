"""Calls of the Marketplace's APIs, with every outcome of HTTP as one of five values."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import requests

from shared import telemetry
from shared.domain.errors import Rejected, UpstreamFailure
from shared.marketplace.convert import parse_json
from shared.marketplace.http import (
    Sessions,
    Timeouts,
    Unreadable,
    never_sent,
    read_bounded,
    retry_after,
    secure_url,
)
from shared.marketplace.tokens import TokenSource

API_VERSION: Final = "2018-08-31"
_UNAUTHORIZED: Final = 401
_TIMED_OUT: Final = 408
_TOO_MANY: Final = 429


@dataclass(frozen=True, slots=True)
class Success:
    """2xx. ``body`` is parsed JSON with exact decimals, ``None`` when it is empty."""

    body: object = field(default=None, repr=False)
    operation_location: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """4xx: a definite no, nothing was done."""

    status: int


@dataclass(frozen=True, slots=True)
class Busy:
    """429: nothing was done; ``retry_after`` is in seconds."""

    retry_after: float


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left this machine: no token or no connection."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Sent without a usable answer: whether it took effect is unknown."""

    reason: str


type Outcome = Success | Refusal | Busy | NotSent | NoAnswer


class Transport:
    """The Marketplace's HTTP interface: who we are, which version, what an answer means.

    ``correlation`` gives the id of the chain of calls that a call belongs to, empty for none.
    """

    def __init__(
        self,
        base_url: str,
        tokens: TokenSource,
        *,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a frozen value
        correlation: Callable[[], str] = telemetry.correlation.get,
    ) -> None:
        self._base = secure_url(base_url, "MARKETPLACE_URL")
        self._tokens = tokens
        self._timeouts = timeouts
        self._correlation = correlation
        self._sessions = Sessions()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
    ) -> Outcome:
        """One request. Never raises for what the network or the other side does.

        A 401 is answered by one more try with a new token: nothing was done by the first.
        """
        outcome, token = self._once(method, path, params, headers, body)
        if isinstance(outcome, Refusal) and outcome.status == _UNAUTHORIZED:
            self._tokens.forget(token)
            outcome, _ = self._once(method, path, params, headers, body)
        return outcome

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: str | None,
    ) -> tuple[Outcome, str]:
        try:
            token = self._tokens.bearer()
        except UpstreamFailure as error:
            return _without_token(error), ""
        every = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "x-ms-requestid": str(uuid.uuid4()),
            "x-ms-correlationid": self._correlation() or str(uuid.uuid4()),
            **(headers or {}),
        }
        if body is not None:
            every["Content-Type"] = "application/json"
        query = {**(params or {}), "api-version": API_VERSION}
        return self._send(method, self._base + path, query, every, body), token

    def _send(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: str | None,
    ) -> Outcome:
        limits = self._timeouts
        deadline = time.monotonic() + limits.total
        try:
            response = self._sessions.get().request(
                method,
                url,
                params=query,
                headers=headers,
                data=None if body is None else body.encode(),
                timeout=(limits.connect, limits.read),
                allow_redirects=False,
                stream=True,
            )
            with response:
                return _outcome(response, read_bounded(response, deadline))
        except requests.RequestException as error:
            if never_sent(error):
                return NotSent("no connection")
            return NoAnswer(type(error).__name__)
        except Unreadable as error:
            return NoAnswer(str(error))


def _without_token(error: UpstreamFailure) -> NotSent:
    status = f" ({error.status})" if isinstance(error, Rejected) else ""
    return NotSent(f"no token: {error}{status}")


def _outcome(response: requests.Response, body: bytes) -> Outcome:
    status = response.status_code
    if requests.codes.ok <= status < requests.codes.multiple_choices:
        try:
            parsed = parse_json(body) if body.strip() else None
        except (ValueError, RecursionError):
            return NoAnswer("the answer is not JSON")
        return Success(parsed, response.headers.get("Operation-Location", ""))
    if status == _TOO_MANY:
        return Busy(retry_after(response))
    if requests.codes.bad_request <= status < requests.codes.server_error and status != _TIMED_OUT:
        return Refusal(status)
    return NoAnswer(f"HTTP {status}")
