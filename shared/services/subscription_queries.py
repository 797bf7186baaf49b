"""Answers questions about subscriptions. Writes nothing."""

from dataclasses import dataclass

from shared.domain.audit import AuditEntry
from shared.domain.errors import NotFound
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.follow import subscription_of
from shared.domain.lifecycle.operation import OperationRecord
from shared.domain.lifecycle.subscription import Subscription
from shared.ports import Accounts, AuditTrail, Operations


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    """A subscription with what happened to it."""

    account: AccountCode
    subscription: Subscription
    operations: tuple[OperationRecord, ...]
    audit: tuple[AuditEntry, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionQueries:
    """Everything that is only read."""

    accounts: Accounts
    operations: Operations
    trail: AuditTrail

    def all(self) -> list[tuple[AccountCode, Subscription]]:
        """Every subscription with its account, by account."""
        return sorted(self.accounts.subscriptions(), key=lambda item: (item[0], item[1].id))

    def one(self, id_: SubscriptionId) -> SubscriptionView:
        """One subscription. Raises ``NotFound``.

        Read in the opposite order of writing (trail, account, operation): an operation that is
        shown as done is never shown beside the state from before it.
        """
        operations = sorted(self.operations.of(id_), key=lambda r: r.received, reverse=True)
        code = self.accounts.account_of(id_)
        stored = None if code is None else self.accounts.load(code)
        sold = stored and subscription_of(stored.value, id_)
        if not sold or code is None:
            raise NotFound(f"there is no subscription {id_}")
        return SubscriptionView(code, sold, tuple(operations), tuple(self.trail.of(code)))
