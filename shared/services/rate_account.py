"""Rates one account: its partition, its folded usage and the catalogue become totals."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.catalog.timeline import Timeline
from shared.domain.errors import NotFound
from shared.domain.ids import AccountCode, Shard, SubscriptionId
from shared.domain.lifecycle.agenda import ceil_hour, next_look
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.metering.ledger import LedgerKey
from shared.domain.period import Period
from shared.domain.rating.locked import drawn
from shared.domain.rating.rate import Rated, Step, plan_rating, rate, usage_span
from shared.domain.rating.statement import Member, Statement, state
from shared.domain.rating.totals import totals
from shared.ports import Accounts
from shared.services.directory import CatalogCache
from shared.services.fold import Fold


@dataclass(frozen=True, slots=True)
class AccountTotals:
    """What the Marketplace should hold for an account, and when to look again by itself.

    ``grace`` is how long after its end the subscription's usage is taken.
    """

    account: AccountCode
    subscription: Subscription | None
    units: dict[LedgerKey, Decimal]
    next_look: datetime | None
    statement: Statement | None
    grace: timedelta = timedelta()


@dataclass(slots=True)
class Family:
    """An account that is billed with its children: what was read of them, changed hours, a span
    to be rated from usage whatever is known of it, and the subscription to be rated: the newest,
    unless told."""

    root: AccountCode
    known: dict[AccountCode, AccountRecord] = field(default_factory=dict)
    hours: dict[AccountCode, Collection[datetime]] = field(default_factory=dict)
    anew: Period | None = None
    subscription: SubscriptionId | None = None


class RateAccount:
    """Folds and rates one account with its children."""

    def __init__(
        self, accounts: Accounts, catalogs: CatalogCache, fold: Fold, grace: timedelta
    ) -> None:
        self._accounts = accounts
        self._catalogs = catalogs
        self._fold = fold
        self._grace = grace

    def find(self, account: AccountCode) -> AccountRecord | None:
        """An account as stored."""
        loaded = self._accounts.load(account)
        return None if loaded is None else loaded.value

    def __call__(self, shard: Shard, family: Family, now: datetime) -> AccountTotals:
        """Fold the changed hours and rate the life of the family's subscription.

        An account that was found changed is rated whether or not this fold wrote, because the
        run whose fold did may have died before rating. Raises ``NotFound`` when the catalogue
        lacks what the account's plans need.
        """
        rated = self._rate(shard, family, now)
        if rated is not None:
            self._keep(rated.members)
            return rated.totals
        return AccountTotals(family.root, None, {}, None, None)

    def preview(
        self,
        account: AccountCode,
        now: datetime,
        anew: Period | None = None,
        subscription: SubscriptionId | None = None,
    ) -> AccountTotals:
        """The same from usage as folded so far; nothing is written. Raises ``NotFound``.

        Of a child it shows the family that it is billed with. What lies in ``anew`` is rated from
        usage although its total is known, so that its lines can be shown.
        """
        record = self.find(account)
        if record is None or self._catalogs.timeline() is None:
            raise NotFound(f"there is no account {account}")
        family = Family(record.account.root, {account: record}, {}, anew, subscription)
        rated = self._rate(record.account.shard, family, now)
        return rated.totals if rated else AccountTotals(account, None, {}, None, None)

    def _rate(self, shard: Shard, family: Family, now: datetime) -> "_Rated | None":
        records = self._records(family)
        if not records:
            for account, hours in family.hours.items():
                self._fold(shard, account, hours, None)
            return None
        timeline = self._catalogs.timeline()
        if timeline is None:
            raise NotFound("there is no catalogue yet")
        places = [s.id for s in records[0].subscriptions]
        place = places.index(family.subscription) + 1 if family.subscription else len(places)
        used: Mapping[str, Decimal] = drawn(records[0].locked)
        if any(record.prepayments or record.credits for record in records):
            for n in range(1, place):
                earlier = self._stated(shard, records, n, timeline, now, Family(family.root), used)
                used = earlier.statement.drawn.used if earlier.statement else used
        return self._stated(shard, records, place, timeline, now, family, used)

    def _stated(
        self,
        shard: Shard,
        everyone: Sequence[AccountRecord],
        place: int,
        timeline: Timeline,
        now: datetime,
        family: Family,
        used: Mapping[str, Decimal],
    ) -> "_Rated":
        """Rate the subscription at ``place``, counted from one, of the first of ``everyone``, of
        whose grants ``used`` is gone."""
        records, among = _until(everyone, place), everyone[0].subscriptions
        payer = records[0]
        subscription = payer.subscription
        members: list[tuple[AccountRecord, Rated]] = []
        planned: list[Step] = []
        for record in records:
            code = record.account.code
            hours = family.hours.get(code, ())
            steps = _lined(plan_rating(record, timeline, now, hours, payer), family.anew)
            folded = self._fold(shard, code, hours, usage_span(steps, now))
            planned += steps
            if subscription is not None:
                members.append((record, rate(subscription, steps, folded.cells(), now)))
        end = subscription.end if subscription else None
        grace = self._catalogs.usage_grace(end, self._grace) if end else self._grace
        look = next_look(payer, planned, now, grace)
        root = payer.account.code
        if subscription is None:
            return _Rated(AccountTotals(root, None, {}, look, None), ())
        owing = [Member(record, rated.periods) for record, rated in members]
        statement = state(owing, subscription, timeline, now, payer.locked, used, among)
        if statement.next_due is not None:
            look = min(ceil_hour(statement.next_due), look or datetime.max.replace(tzinfo=UTC))
        units = totals(statement)
        due = AccountTotals(root, subscription, units, look, statement, grace)
        return _Rated(due, tuple(members))

    def _records(self, family: Family) -> list[AccountRecord]:
        """The payer, then its children in their order; empty for an account that is unknown."""
        payer = family.known.get(family.root) or self.find(family.root)
        if payer is None:
            return []
        found = (family.known.get(code) or self.find(code) for code in payer.children)
        # A code that was announced as a child may have been taken by another account since.
        mine = payer.account.code
        return [payer, *(child for child in found if child and child.account.parent == mine)]

    def _keep(self, members: Collection[tuple[AccountRecord, Rated]]) -> None:
        for record, rated in members:
            for period in rated.records:
                if record.records.get(period.key) != period:
                    self._accounts.put_record(record.account.code, period)


@dataclass(frozen=True, slots=True)
class _Rated:
    totals: AccountTotals
    members: tuple[tuple[AccountRecord, Rated], ...]

    @property
    def statement(self) -> Statement | None:
        """What is owed."""
        return self.totals.statement


def _until(records: Sequence[AccountRecord], place: int) -> list[AccountRecord]:
    """A family as it was with so many subscriptions of the one that pays. Grants that earlier
    ones drew on are drawn in their order, so that none pays more than it holds."""
    payer = records[0]
    return [replace(payer, subscriptions=payer.subscriptions[:place]), *records[1:]]


def _lined(steps: Sequence[Step], anew: Period | None) -> Sequence[Step]:
    """The steps, of which those in ``anew`` forget what is known."""
    if anew is None:
        return steps
    return [Step(s.billed, None) if anew.overlap(s.window) else s for s in steps]
