"""Makes, lists and revokes the API keys of programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from shared.domain.audit import AuditEntry
from shared.domain.caller import Right
from shared.domain.errors import FieldError, InvalidInput, NotFound
from shared.domain.ids import AccountCode, is_code
from shared.domain.serviceuser import ServiceUser
from shared.domain.wire import WIRE
from shared.ports import AuditTrail, Clock, ServiceUsers

MAX_NAME = 100
MAX_ACCOUNTS = 1000

SUBJECT = "/api/serviceusers"
"""What the audit trail calls all of them; no account has such a code."""

type KeyMint = Callable[
    [str, frozenset[Right], tuple[AccountCode, ...] | None, datetime, datetime | None],
    tuple[ServiceUser, str],
]
"""Makes a service user and its secret key: name, rights, accounts, now, end."""


@dataclass(frozen=True, slots=True)
class ServiceUserOrder:
    """What a new key is to be good for; ``accounts`` ``None`` means all, ``expires`` for good."""

    __pydantic_config__: ClassVar = WIRE

    name: str
    rights: tuple[Right, ...]
    accounts: tuple[AccountCode, ...] | None = None
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class ManageServiceUsers:
    """Service users by their administrators."""

    users: ServiceUsers
    mint: KeyMint
    trail: AuditTrail
    clock: Clock

    def create(self, order: ServiceUserOrder, by: str) -> tuple[ServiceUser, str]:
        """A new service user and its key, which is never shown again. Raises ``InvalidInput``."""
        now = self.clock.now()
        faults = list(_faults(order, now))
        if faults:
            raise InvalidInput("the service user cannot be made", faults)
        rights = frozenset(order.rights)
        user, key = self.mint(order.name, rights, order.accounts, now, order.expires)
        self._note(user, now, by, "serviceuser.create")
        self.users.put(user)
        return user, key

    def all(self) -> Sequence[ServiceUser]:
        """Every service user, by name."""
        return sorted(self.users.list(), key=lambda user: (user.name, user.key_id))

    def revoke(self, key_id: str, by: str) -> ServiceUser:
        """Make a key useless; within a minute every instance knows. Raises ``NotFound``."""
        user = self.users.get(key_id)
        if user is None:
            raise NotFound(f"there is no service user {key_id}")
        if user.revoked is None:
            now = self.clock.now()
            user = replace(user, revoked=now)
            self._note(user, now, by, "serviceuser.revoke")
            self.users.put(user)
        return user

    def _note(self, user: ServiceUser, at: datetime, by: str, action: str) -> None:
        """Before anything is stored: whatever crashes, no key goes unrecorded."""
        detail = {
            "keyId": user.key_id,
            "name": user.name,
            "rights": ", ".join(sorted(user.rights)),
            "accounts": "all" if user.accounts is None else ", ".join(user.accounts),
            "expires": "" if user.expires is None else user.expires.isoformat(),
        }
        self.trail.append([AuditEntry(SUBJECT, at, by, action, detail)])


def _faults(order: ServiceUserOrder, now: datetime) -> Sequence[FieldError]:
    faults: list[FieldError] = []
    if not 0 < len(order.name) <= MAX_NAME:
        faults.append(FieldError("/name", f"must have 1 to {MAX_NAME} characters"))
    if not order.rights:
        faults.append(FieldError("/rights", f"name at least one of {', '.join(Right)}"))
    accounts = order.accounts or ()
    if order.accounts == () or len(accounts) > MAX_ACCOUNTS:
        message = f"name 1 to {MAX_ACCOUNTS} accounts, or leave it out for all of them"
        faults.append(FieldError("/accounts", message))
    for place, code in enumerate(accounts):
        if not is_code(code):
            message = "is no account's code: letters, digits, '.', '_', '-'"
            faults.append(FieldError(f"/accounts/{place}", message))
    if order.expires is not None and order.expires.tzinfo is None:
        faults.append(FieldError("/expires", "must name its zone, such as Z"))
    elif order.expires is not None and order.expires <= now:
        faults.append(FieldError("/expires", "must be in the future"))
    return faults
