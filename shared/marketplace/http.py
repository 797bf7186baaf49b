"""What every outgoing HTTP call of this package keeps to: encryption, bounds, fresh connections."""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from shared.config import LOOPBACK
from shared.domain.errors import InvalidInput

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer that are read: a page of 100 subscriptions has about 0.2 MiB."""

MAX_RETRY_AFTER = 3600.0
IDLE = 45.0
"""Seconds after which a connection is not used again. Load balancers drop idle ones silently, and
a request lost that way would count as one whose outcome is unknown."""

_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, between two arrivals of data, and for a whole call."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 60.0


class Unreadable(Exception):
    """An answer that is too large or takes too long to arrive."""


class Sessions:
    """One ``requests`` session a thread, without what the machine's environment would add.

    A ``.netrc`` or a proxy variable could replace or divert the Authorization header, so the
    environment is not trusted.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._local = threading.local()

    def get(self) -> requests.Session:
        """This thread's session; connections that were idle for long are closed first."""
        session: requests.Session | None = getattr(self._local, "session", None)
        now = self._monotonic()
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            self._local.session = session
        elif now - self._local.used > IDLE:
            session.close()
        self._local.used = now
        return session


def secure_url(url: str, name: str) -> str:
    """``url`` when it is encrypted or stays on this machine. Raises ``InvalidInput``."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise InvalidInput(f"{name} must be an https URL")
    return url.rstrip("/")


def read_bounded(response: requests.Response, deadline: float) -> bytes:
    """The body, of at most ``MAX_BODY`` bytes and complete before ``deadline`` (monotonic).

    Raises ``Unreadable``, or what ``requests`` raises for a connection that breaks.
    """
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > MAX_BODY:
            raise Unreadable("the answer is too large")
        if time.monotonic() > deadline:
            raise Unreadable("the answer takes too long")
    return bytes(body)


def never_sent(error: requests.RequestException) -> bool:
    """Whether no connection came about, so that certainly nothing was received."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError | socket.gaierror):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def retry_after(response: requests.Response, default: float = 1.0) -> float:
    """Seconds to wait by ``Retry-After``, a number or a date; never more than an hour."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER)
    try:
        until = parsedate_to_datetime(text).timestamp()
        sent = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return default
    return min(max(until - sent, 0.0), MAX_RETRY_AFTER)
