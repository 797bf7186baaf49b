"""A service user: a program that calls our API with a key."""

from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.caller import Right
from shared.domain.ids import AccountCode


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """A key and what it is good for.

    ``secret_hash`` is the SHA-256 of the secret in hexadecimal; the secret itself is stored
    nowhere. ``accounts`` limits the key to these; ``None`` means all. ``last_used`` is noted
    about once an hour.
    """

    key_id: str
    name: str
    secret_hash: str = field(repr=False)
    rights: frozenset[Right]
    accounts: tuple[AccountCode, ...] | None
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    last_used: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """Whether the key opens anything at ``now``."""
        expired = self.expires is not None and self.expires <= now
        return self.revoked is None and not expired
