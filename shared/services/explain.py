"""Explains an account's bill: from what was sent back to lines, hours and events."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.errors import NotFound
from shared.domain.ids import AccountCode, DimensionId, MeterCode, Resource
from shared.domain.metering.submission import Submission
from shared.domain.money import ZERO
from shared.domain.period import HOUR, Period, cell_of, day_of
from shared.domain.rating.account_bill import Bill, compose
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import Clock, Ledger, UsageDays, UsageLog
from shared.services.rate_account import RateAccount

SENT_BACK = timedelta(days=40)
"""How far back submissions are shown: as far as events are kept at least."""


@dataclass(frozen=True, slots=True)
class DimensionStory:
    """Units of a dimension: due, told to the Marketplace, and when they were."""

    dimension: DimensionId
    plan: str | None
    due: Decimal
    committed: Decimal
    submissions: tuple[Submission, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """From what was sent to the bills it is for: ``periods`` of locked bills, then open ones."""

    account: AccountCode
    dimensions: tuple[DimensionStory, ...]
    locked: tuple[str, ...]
    bills: tuple[Bill, ...]


@dataclass(frozen=True, slots=True)
class Hour:
    """What one cell of usage holds: events, and the statistics of each field."""

    account: AccountCode
    start: datetime
    meter: MeterCode
    segment: str
    partial: Partial


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Some of many; ``after`` asks for the next ones, if there are."""

    items: tuple[T, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Explain:
    """Reads what a total was made of. Writes nothing."""

    rate_account: RateAccount
    ledger: Ledger
    days: UsageDays
    log: UsageLog
    clock: Clock

    def story(self, code: AccountCode) -> Story:
        """Everything sent for an account, and the lines that it was sent for. Raises
        ``NotFound``."""
        now = self.clock.now()
        known = self.rate_account.preview(code, now)
        subscription, statement = known.subscription, known.statement
        if subscription is None or statement is None:
            return Story(code, (), (), ())
        wholes = statement.wholes()
        if wholes:
            span = Period(wholes[0].start, max(whole.end for whole in wholes))
            statement = self.rate_account.preview(code, now, span).statement or statement
        shard = statement.members[0].record.account.shard
        resource = Resource(subscription.id)
        rows = self.ledger.rows(shard, resource)
        sent = sorted(
            self.ledger.submissions(shard, resource, now - SENT_BACK), key=lambda s: s.hour
        )
        stories = tuple(
            DimensionStory(
                key.dimension,
                key.plan,
                units,
                rows[key].value.committed if key in rows else ZERO,
                tuple(submission for submission in sent if submission.key == key),
            )
            for key, units in known.units.items()
        )
        payer = statement.members[0].record.account
        zone = payer.time_zone or "UTC"
        bills = tuple(compose(statement, whole, zone, now) for whole in statement.wholes())
        return Story(code, stories, tuple(bill.id for bill in statement.locked), bills)

    def hours(self, code: AccountCode, span: Period, after: str, limit: int) -> Page[Hour]:
        """The cells of usage in a span, in order of time. Raises ``NotFound``."""
        record = self._record(code)
        found = self._hours(record, span)
        return _page([(_place(h.start, h.meter, h.segment), h) for h in found], after, limit)

    def events(
        self, code: AccountCode, meter: MeterCode, cell: datetime, after: str, limit: int
    ) -> Page[UsageEvent]:
        """The events of a cell as they were reported, in order of time. Raises ``NotFound`` for
        an account, and has none of days whose events are no longer kept."""
        record = self._record(code)
        start = cell_of(cell, 15)
        span = Period(start, start + HOUR)
        found = [
            event
            for day in {day_of(span.start), day_of(span.end)}
            for event in self.log.events(day, record.account.shard, code)
            if event.meter == meter and event.time in span
        ]
        return _page([(_place(e.time, e.id, e.source), e) for e in found], after, limit)

    def _record(self, code: AccountCode) -> AccountRecord:
        record = self.rate_account.find(code)
        if record is None:
            raise NotFound(f"there is no account {code}")
        return record

    def _hours(self, record: AccountRecord, span: Period) -> Iterator[Hour]:
        first, last = day_of(span.start), day_of(span.end)
        rows = self.days.read(record.account.shard, record.account.code, first, last)
        for key, row in rows.items():
            for start, partial in row.value.cells.items():
                if start in span:
                    yield Hour(key.account, start, key.meter, key.segment, partial)


def _place(moment: datetime, *names: str) -> str:
    return "|".join((moment.isoformat(), *names))


def _page[T](placed: list[tuple[str, T]], after: str, limit: int) -> Page[T]:
    """The first ones after a place, by their places, which differ from one another."""
    later = sorted(((p, item) for p, item in placed if p > after), key=lambda pair: pair[0])
    shown = later[:limit]
    more = shown[-1][0] if len(later) > limit else None
    return Page(tuple(item for _, item in shown), more)
