"""Who calls, and what a caller may do."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.ids import AccountCode


class Right(StrEnum):
    """What a caller may be allowed to do; the values are the names of our Entra app roles."""

    USAGE_WRITE = "Usage.Write"
    BILLING_READ = "Billing.Read"
    BILLING_ADMIN = "Billing.Admin"


class CallerKind(StrEnum):
    """What kind of caller proved its identity, and by what."""

    PERSON = "person"
    APPLICATION = "application"
    SERVICE_USER = "service-user"
    MARKETPLACE = "marketplace"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that proved who it is. ``accounts`` limits it to these; ``None`` means all."""

    kind: CallerKind
    id: str
    rights: frozenset[Right] = frozenset()
    accounts: frozenset[AccountCode] | None = None

    def may(self, right: Right) -> bool:
        """Whether the caller has a right."""
        return right in self.rights

    def may_use(self, account: AccountCode) -> bool:
        """Whether the caller's rights reach an account."""
        return self.accounts is None or account in self.accounts


def rights_of(names: Iterable[str]) -> frozenset[Right]:
    """The rights that names of roles give; unknown names give none.

    Who administers billing may also read it and report usage.
    """
    named = {Right(name) for name in names if name in set(Right)}
    return frozenset(Right) if Right.BILLING_ADMIN in named else frozenset(named)
