"""API keys of service users: made once, stored as a hash, checked without reading twice."""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from shared.domain.caller import Caller, CallerKind, Right, rights_of
from shared.domain.errors import MeteringError, Unauthenticated
from shared.domain.ids import AccountCode
from shared.domain.serviceuser import ServiceUser
from shared.ports import ServiceUsers

PREFIX: Final = "mk_"
KEPT: Final = 60.0
"""Seconds for which a checked key is taken without asking storage: a key that was revoked goes
on for that long at most."""

MAX_KEPT: Final = 1000
USE_NOTED: Final = timedelta(hours=1)

_SECRET_BYTES: Final = 32
_ID_BYTES: Final = 8
_KEY: Final = re.compile(r"mk_([0-9a-f]{16})_([A-Za-z0-9_\-]{43})")
_NO_HASH: Final = "0" * 64


@dataclass(frozen=True, slots=True)
class Minted:
    """A new service user and its key, which is shown this once."""

    user: ServiceUser
    key: str = field(repr=False)


def mint(
    name: str,
    rights: frozenset[Right],
    accounts: tuple[AccountCode, ...] | None,
    now: datetime,
    expires: datetime | None = None,
) -> Minted:
    """A service user with a key of 256 random bits; not stored yet."""
    key_id = secrets.token_hex(_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    user = ServiceUser(key_id, name, hash_of(secret), rights, accounts, now, expires)
    return Minted(user, f"{PREFIX}{key_id}_{secret}")


def hash_of(secret: str) -> str:
    """SHA-256 in hexadecimal. A secret of 256 random bits needs no slow hash: nobody guesses it."""
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Checked:
    user: ServiceUser
    until: float


class ApiKeys:
    """Tells whose key it is; shared by all threads."""

    def __init__(
        self,
        users: ServiceUsers,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._checked: OrderedDict[bytes, _Checked] = OrderedDict()

    def caller(self, key: str) -> Caller:
        """The service user of a key.

        Raises ``Unauthenticated`` for a key that is unknown, expired or revoked, and what the
        store of service users raises.
        """
        digest = hashlib.sha256(key.encode()).digest()
        user = self._kept(digest)
        if user is None:
            user = self._looked_up(key)
            self._keep(digest, user)
            self._note_use(user)
        if not user.valid_at(self._now()):
            raise Unauthenticated("the API key has expired or was revoked")
        accounts = None if user.accounts is None else frozenset(user.accounts)
        return Caller(CallerKind.SERVICE_USER, user.key_id, rights_of(user.rights), accounts)

    def _looked_up(self, key: str) -> ServiceUser:
        parts = _KEY.fullmatch(key)
        if parts is None:
            raise Unauthenticated("this is no API key")
        user = self._users.get(parts[1])
        expected = _NO_HASH if user is None else user.secret_hash
        right = hmac.compare_digest(hash_of(parts[2]).encode(), expected.encode())
        if user is None or not right:
            raise Unauthenticated("the API key is unknown")
        return user

    def _kept(self, digest: bytes) -> ServiceUser | None:
        with self._lock:
            checked = self._checked.get(digest)
        fresh = checked is not None and self._monotonic() < checked.until
        return checked.user if checked is not None and fresh else None

    def _keep(self, digest: bytes, user: ServiceUser) -> None:
        with self._lock:
            self._checked[digest] = _Checked(user, self._monotonic() + KEPT)
            self._checked.move_to_end(digest)
            if len(self._checked) > MAX_KEPT:
                self._checked.popitem(last=False)

    def _note_use(self, user: ServiceUser) -> None:
        """For people who look for keys nobody uses: a call never fails because of it."""
        now = self._now()
        recent = user.last_used is not None and now - user.last_used < USE_NOTED
        if recent or not user.valid_at(now):
            return
        try:
            self._users.touch(user.key_id, now)
        except MeteringError:
            return
