"""Makes, lists and revokes the API keys of programs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from shared.domain.caller import Right
from shared.domain.errors import FieldError, InvalidInput, NotFound
from shared.domain.ids import AccountCode
from shared.domain.serviceuser import ServiceUser
from shared.domain.wire import WIRE
from shared.ports import Clock, ServiceUsers

MAX_NAME = 100


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
    clock: Clock

    def create(self, order: ServiceUserOrder) -> tuple[ServiceUser, str]:
        """A new service user and its key, which is never shown again. Raises ``InvalidInput``."""
        now = self.clock.now()
        faults = list(_faults(order, now))
        if faults:
            raise InvalidInput("the service user cannot be made", faults)
        rights = frozenset(order.rights)
        user, key = self.mint(order.name, rights, order.accounts, now, order.expires)
        self.users.put(user)
        return user, key

    def all(self) -> Sequence[ServiceUser]:
        """Every service user, by name."""
        return sorted(self.users.list(), key=lambda user: (user.name, user.key_id))

    def revoke(self, key_id: str) -> ServiceUser:
        """Make a key useless; within a minute every instance knows. Raises ``NotFound``."""
        user = self.users.get(key_id)
        if user is None:
            raise NotFound(f"there is no service user {key_id}")
        if user.revoked is None:
            user = replace(user, revoked=self.clock.now())
            self.users.put(user)
        return user


def _faults(order: ServiceUserOrder, now: datetime) -> Sequence[FieldError]:
    faults: list[FieldError] = []
    if not 0 < len(order.name) <= MAX_NAME:
        faults.append(FieldError("/name", f"must have 1 to {MAX_NAME} characters"))
    if not order.rights:
        faults.append(FieldError("/rights", f"name at least one of {', '.join(Right)}"))
    if order.expires is not None and order.expires.tzinfo is None:
        faults.append(FieldError("/expires", "must name its zone, such as Z"))
    elif order.expires is not None and order.expires <= now:
        faults.append(FieldError("/expires", "must be in the future"))
    return faults
