"""Explains an account's bill: from what was sent back to lines, hours and events."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.catalog.intake import Intake
from shared.domain.catalog.segment import SegmentKey
from shared.domain.errors import NotFound
from shared.domain.ids import AccountCode, DimensionId, MeterCode, Resource
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.submission import Submission
from shared.domain.money import CONTEXT, ZERO
from shared.domain.period import Period, cell_minutes, cell_of, day_of
from shared.domain.rating.account_bill import Bill
from shared.domain.rating.compose import compose
from shared.domain.rating.locked import DimensionAmount
from shared.domain.rating.statement import Statement
from shared.domain.rating.windows import zone_of
from shared.domain.usage.cell import CellUsage, newest_generation
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import Clock, Ledger, UsageDays, UsageLog
from shared.services.directory import CatalogCache
from shared.services.rate_account import RateAccount

SENT_BACK = timedelta(days=40)
"""How far back submissions are shown: as far as events are kept at least."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one bill adds to a dimension: units, and the dollars they are where it is an amount."""

    bill: str
    units: Decimal
    dollars: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DimensionStory:
    """Units of a dimension: due, told to the Marketplace, and when they were. ``committed`` is
    what was accepted or is under way, less what was ``refunded``.

    What is due is the sum of the ``shares``; of amounts, whole units of it.
    """

    dimension: DimensionId
    plan: str | None
    due: Decimal
    committed: Decimal
    submissions: tuple[Submission, ...]
    shares: tuple[Share, ...] = ()
    refunded: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Story:
    """From what was sent to the bills it is for: ids of ``locked`` ones, then open ones."""

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
    catalogs: CatalogCache

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
        bills = {whole: compose(statement, whole, now) for whole in statement.wholes()}
        names = {whole: bill.id for whole, bill in bills.items()}
        stories = tuple(
            DimensionStory(
                key.dimension,
                key.plan,
                units,
                rows[key].value.committed if key in rows else ZERO,
                tuple(submission for submission in sent if submission.key == key),
                tuple(_shares(statement, key, names)),
                rows[key].value.refunded if key in rows else ZERO,
            )
            for key, units in known.units.items()
        )
        locked = tuple(bill.id for bill in statement.locked)
        return Story(code, stories, locked, tuple(bills.values()))

    def hours(
        self, code: AccountCode, span: Period, meter: MeterCode | None, after: str, limit: int
    ) -> Page[Hour]:
        """The cells of usage in a span, of one meter or of all, in order of time. Raises
        ``NotFound``."""
        found = self._hours(self._record(code), span, meter)
        return _page([(_place(h.start, h.meter, h.segment), h) for h in found], after, limit)

    def events(
        self,
        code: AccountCode,
        meter: MeterCode,
        cell: datetime,
        segment: str | None,
        after: str,
        limit: int,
    ) -> Page[UsageEvent]:
        """The events of a cell, of one part of it or of all, as they were reported, in order of
        time. Raises ``NotFound`` for an account, and has none of days whose events are gone."""
        record = self._record(code)
        timeline = self.catalogs.timeline()
        if timeline is None:
            raise NotFound("there is no catalogue yet")
        minutes = cell_minutes(zone_of(record, timeline.at(cell)))
        start = cell_of(cell, minutes)
        span = Period(start, start + timedelta(minutes=minutes))
        found: list[UsageEvent] = []
        for event in self.log.events(day_of(start), record.account.shard, code):
            if event.meter != meter or event.time not in span:
                continue
            intake = timeline.intake(meter, event.time)
            if segment is None or (intake and _segment(record, intake, event) == segment):
                found.append(event)
        return _page([(_place(e.time, e.id, e.source), e) for e in found], after, limit)

    def _record(self, code: AccountCode) -> AccountRecord:
        record = self.rate_account.find(code)
        if record is None:
            raise NotFound(f"there is no account {code}")
        return record

    def _hours(
        self, record: AccountRecord, span: Period, meter: MeterCode | None
    ) -> Iterator[Hour]:
        """Cells as rating counts them: of each the newest generation."""
        code = record.account.code
        rows = self.days.read(record.account.shard, code, day_of(span.start), day_of(span.end))
        cells = [
            CellUsage(key.meter, key.segment, start, partial)
            for key, row in rows.items()
            if meter in (None, key.meter)
            for start, partial in row.value.cells.items()
            if start in span
        ]
        for cell in newest_generation(cells):
            yield Hour(code, cell.start, cell.meter, cell.segment, cell.partial)


def _shares(statement: Statement, key: LedgerKey, open_: dict[Period, str]) -> Iterator[Share]:
    """What each bill adds to a dimension: locked ones what they froze."""
    names = {bill.period: bill.id for bill in statement.locked} | open_
    if key.plan is not None:
        units: dict[Period, Decimal] = {}
        for line in statement.unit_lines:
            if (line.dimension, line.sold_as) == (key.dimension, key.plan):
                units[line.whole] = units.get(line.whole, ZERO) + line.units
        for whole, size in units.items():
            yield Share(names.get(whole, ""), size)
        return
    frozen: list[tuple[str, DimensionAmount]] = [
        (bill.id, due) for bill in statement.locked for due in bill.due
    ]
    running = [(name, due) for whole, name in open_.items() for due in statement.due(whole)]
    for name, due in (*frozen, *running):
        if due.dimension == key.dimension:
            yield Share(name, CONTEXT.divide(due.dollars, due.unit_price), due.dollars)


def _segment(record: AccountRecord, intake: Intake, event: UsageEvent) -> SegmentKey:
    """The part of usage that an event was counted in."""
    return intake.take_again(event.data, record.customs.at(event.time)).segment


def _place(moment: datetime, *names: str) -> str:
    return "|".join((moment.isoformat(), *names))


def _page[T](placed: list[tuple[str, T]], after: str, limit: int) -> Page[T]:
    """The first ones after a place, by their places, which differ from one another."""
    later = sorted(((p, item) for p, item in placed if p > after), key=lambda pair: pair[0])
    shown = later[:limit]
    more = shown[-1][0] if len(later) > limit else None
    return Page(tuple(item for _, item in shown), more)
