"""Erases the personal data of a customer that has left; billing totals stay."""

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.domain.account import AccountRecord
from shared.domain.errors import Conflict, NotFound
from shared.domain.ids import AccountCode
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.ports import Accounts, Clock, Parking
from shared.services.chronicle import Chronicle
from shared.services.parked import drop_all

KEPT = timedelta(days=7)
"""A customer's data is kept at least this long after the end (pc-saas-fulfillment-life-cycle)."""


@dataclass(frozen=True, slots=True)
class EraseAccount:
    """Names, answers of the landing page and parked events go. What was used and billed stays,
    by codes alone; raw events go with their day's table when its time is over."""

    accounts: Accounts
    parking: Parking
    clock: Clock
    chronicle: Chronicle

    def __call__(self, code: AccountCode, actor: str) -> AccountRecord:
        """Erase, as often as asked. Raises ``NotFound``, ``Conflict`` before its time, and
        ``ConcurrentUpdate``."""
        stored = self.accounts.load(code)
        if stored is None:
            raise NotFound(f"there is no account {code}")
        now = self.clock.now()
        for sold in stored.value.subscriptions:
            if sold.status is not SubscriptionStatus.UNSUBSCRIBED or sold.end is None:
                raise Conflict(f"subscription {sold.id} is {sold.status}: cancel it first")
            if now - sold.end < KEPT:
                until = (sold.end + KEPT).isoformat()
                raise Conflict(f"the customer's data is kept until {until}")
        record = replace(
            stored.value,
            account=replace(stored.value.account, name=""),
            subscriptions=tuple(
                replace(sold, name="", answers={}) for sold in stored.value.subscriptions
            ),
        )
        self.chronicle.did(code, now, actor, "account.erased")
        if record != stored.value:
            self.accounts.save(record, stored.etag)
        drop_all(self.parking, code)
        return record
