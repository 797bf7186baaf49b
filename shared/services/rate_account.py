"""Rates one account: its partition, its folded usage and the catalogue become totals."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.errors import NotFound
from shared.domain.ids import AccountCode, Shard
from shared.domain.lifecycle.agenda import next_look
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.metering.ledger import LedgerKey
from shared.domain.rating.rate import Rated, plan_rating, rate, usage_span
from shared.domain.rating.totals import totals
from shared.ports import Accounts
from shared.services.directory import CatalogCache
from shared.services.fold import Fold, Folded


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """What the Marketplace should hold for an account, and when to look again by itself."""

    account: AccountCode
    subscription: Subscription | None
    units: dict[LedgerKey, Decimal]
    next_look: datetime | None
    rated: Rated | None


class RateAccount:
    """Folds and rates one account."""

    def __init__(
        self, accounts: Accounts, catalogs: CatalogCache, fold: Fold, grace: timedelta
    ) -> None:
        self._accounts = accounts
        self._catalogs = catalogs
        self._fold = fold
        self._grace = grace

    def __call__(
        self, shard: Shard, account: AccountCode, hours: Collection[datetime], now: datetime
    ) -> AccountTotals:
        """Fold the changed ``hours`` and rate the life of the account's subscription.

        An account that was found changed is rated whether or not this fold wrote, because the
        run whose fold did may have died before rating. Raises ``NotFound`` when the catalogue
        lacks what the account's plans need.
        """
        loaded = self._accounts.load(account)
        if loaded is None:
            self._fold(shard, account, hours, None)
            return AccountTotals(account, None, {}, None, None)
        record = loaded.value
        timeline = self._catalogs.timeline()
        if timeline is None:
            raise NotFound("there is no catalogue yet")
        steps = plan_rating(record, timeline, now, hours)
        folded = self._fold(shard, account, hours, usage_span(steps, now))
        look = next_look(record, steps, now, self._grace)
        if record.subscription is None:
            return AccountTotals(account, None, {}, look, None)
        rated = rate(record.subscription, steps, folded.cells(), now)
        self._keep(record, rated)
        return AccountTotals(account, record.subscription, totals(rated), look, rated)

    def preview(self, shard: Shard, account: AccountCode, now: datetime) -> AccountTotals:
        """The same from usage as folded so far; nothing is written. Raises ``NotFound``."""
        loaded = self._accounts.load(account)
        timeline = self._catalogs.timeline()
        if loaded is None or timeline is None:
            raise NotFound(f"there is no account {account}")
        record = loaded.value
        steps = plan_rating(record, timeline, now)
        folded: Folded = self._fold(shard, account, (), usage_span(steps, now))
        if record.subscription is None:
            return AccountTotals(account, None, {}, None, None)
        rated = rate(record.subscription, steps, folded.cells(), now)
        return AccountTotals(account, record.subscription, totals(rated), None, rated)

    def _keep(self, record: AccountRecord, rated: Rated) -> None:
        for period in rated.records:
            if record.records.get(period.key) != period:
                self._accounts.put_record(record.account.code, period)
