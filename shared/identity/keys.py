"""Entra's published signing keys: fetched when needed, kept, and never fetched in a stampede."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from shared.config import LOOPBACK
from shared.domain.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from jwt import PyJWK

FRESH: Final = 6 * 3600.0
"""Seconds after which keys are fetched anew, so that withdrawn ones go. Entra asks for 24 h at
most (learn.microsoft.com/entra/identity-platform/signing-key-rollover)."""

STALE: Final = 24 * 3600.0
"""Seconds after which keys that could not be fetched anew are not believed any more."""

PAUSE: Final = 60.0
"""Seconds between two fetches for the sake of unknown key ids, which anyone can make up."""

PAUSE_AFTER_FAILURE: Final = 5.0

MAX_BODY: Final = 1024 * 1024
MIN_BITS: Final = 2048
_TIMEOUT: Final = (3.0, 5.0)
_TOTAL: Final = 10.0

type Keys = Mapping[str, PyJWK]
type Fetch = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class _State:
    keys: Keys = field(default_factory=dict)
    fetched: float = float("-inf")
    tried: float = float("-inf")
    failed: bool = False


class SigningKeys:
    """The keys of one tenant by key id, shared by all threads.

    Only what this URL publishes is ever believed: keys and addresses in a token are not looked
    at. A key that is known costs no lock.
    """

    def __init__(
        self, url: str, fetch: Fetch | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        parts = urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in LOOPBACK
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise InvalidInput("ENTRA_URL must be an https URL")
        self._url = url
        self._fetch = fetch or fetch_keys
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._state = _State()

    def find(self, kid: str) -> "PyJWK | None":
        """The key of that id, ``None`` when the tenant has none.

        Raises ``Unavailable`` when that cannot be known now.
        """
        now, state = self._monotonic(), self._state
        known = state.keys.get(kid)
        if known is not None and now - state.fetched < FRESH:
            return known
        if self._due(state, known is not None, now):
            # Who has a key to go on with does not wait for another thread's fetch.
            if self._lock.acquire(blocking=known is None):
                try:
                    if self._state is state:
                        self._state = self._fetched(state)
                finally:
                    self._lock.release()
            state, now = self._state, self._monotonic()
        return self._answer(state, kid, now)

    def _due(self, state: _State, known: bool, now: float) -> bool:
        pause = PAUSE_AFTER_FAILURE if state.failed or known else PAUSE
        return now - state.tried >= pause

    def _answer(self, state: _State, kid: str, now: float) -> "PyJWK | None":
        if now - state.fetched >= STALE:
            raise Unavailable("the signing keys of Entra cannot be fetched")
        found = state.keys.get(kid)
        if found is None and state.failed:
            raise Unavailable("the signing keys of Entra cannot be fetched")
        return found

    def _fetched(self, state: _State) -> _State:
        try:
            keys = parse_keys(self._fetch(self._url))
        except (Unavailable, ValueError, RecursionError):
            return _State(state.keys, state.fetched, self._monotonic(), failed=True)
        now = self._monotonic()
        return _State(keys, now, now)


def parse_keys(body: bytes) -> Keys:
    """The RSA signing keys of a key set. Raises ``ValueError`` when there are none."""
    document = json.loads(body)
    listed = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, PyJWK] = {}
    for each in listed if isinstance(listed, list) else []:
        if isinstance(each, dict) and each.get("use", "sig") == "sig":
            key, kid = _rsa_key(each), each.get("kid")
            if key is not None and isinstance(kid, str):
                found[kid] = key
    if not found:
        raise ValueError("the key set has no signing key")
    return found


def _rsa_key(shape: Mapping[str, object]) -> "PyJWK | None":
    """An RSA key that is long enough; of all its members only the public numbers count."""
    from jwt import PyJWK, PyJWTError

    number, exponent = shape.get("n"), shape.get("e")
    if shape.get("kty") != "RSA" or not isinstance(number, str) or not isinstance(exponent, str):
        return None
    try:
        key = PyJWK({"kty": "RSA", "n": number, "e": exponent}, "RS256")
    except (PyJWTError, ValueError):
        return None
    return key if key.key.key_size >= MIN_BITS else None


def fetch_keys(url: str) -> bytes:
    """The key set at ``url``. Raises ``Unavailable``."""
    import requests

    deadline = time.monotonic() + _TOTAL
    body = bytearray()
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(url, timeout=_TIMEOUT, allow_redirects=False, stream=True) as answer:
                if answer.status_code != requests.codes.ok:
                    raise Unavailable(f"Entra's keys answered HTTP {answer.status_code}")
                for chunk in answer.iter_content(64 * 1024):
                    body += chunk
                    if len(body) > MAX_BODY or time.monotonic() > deadline:
                        raise Unavailable("Entra's keys are too long or take too long")
    except requests.RequestException as exc:
        raise Unavailable("Entra's keys gave no answer") from exc
    return bytes(body)
