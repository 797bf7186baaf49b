"""The usage log: one table a UTC day of event time, a partition a shard."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from shared.domain.ids import AccountCode, Shard
from shared.domain.usage.event import EventKey, UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import (
    AppendAnswer,
    Appended,
    EventExists,
    EventRow,
    Mark,
    PartialKey,
    PartialMoved,
    PartialWrite,
    UsageBatch,
)
from shared.storage import keys
from shared.storage.limits import check_batch
from shared.storage.mapping import (
    event_from,
    event_text,
    pack,
    partial_from,
    partial_text,
    text_of,
    unpack,
)
from shared.storage.operations import Clash, Create, Done, Operation, Put, create_or_replace
from shared.storage.tables import Table, Tables


class TableUsageLog:
    """Fulfils ``UsageLog``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def append(self, batch: UsageBatch) -> AppendAnswer:
        """See the port; raises ``TooLarge`` for what no transaction can carry."""
        check_batch(batch)
        operations: list[Operation] = [_create_event(row) for row in batch.events]
        operations += [_write_partial(write, batch.writer) for write in batch.partials]
        operations += [Put(keys.mark_row(mark), {}) for mark in batch.marks]
        answer = self._day(batch.day).transact(keys.partition(batch.shard), operations)
        events, partials = len(batch.events), len(batch.partials)
        match answer:
            case Done(etags):
                return Appended(etags[events : events + partials])
            case Clash(index) if index < events:
                return EventExists(index)
            case Clash(index):
                return PartialMoved(index - events)

    def payload_hashes(
        self, day: date, shard: Shard, events: Sequence[tuple[AccountCode, EventKey]]
    ) -> list[str | None]:
        table, partition = self._day(day), keys.partition(shard)
        rows = [keys.event_row(account, key) for account, key in events]
        return table.texts(partition, rows, "hash")

    def days(self) -> set[date]:
        found = map(keys.day_of_table, self._tables.names(keys.USAGE_PREFIX))
        return {day for day in found if day is not None}

    def make_day(self, day: date) -> None:
        self._day(day).make()

    def drop_day(self, day: date) -> None:
        self._day(day).drop()

    def put_hint(self, shard: Shard, arrival_hour: datetime, day: date) -> None:
        hints = self._tables.table(keys.HINTS)
        hints.put(keys.partition(shard), keys.hint_row(arrival_hour, day), {})

    def hinted_days(self, shard: Shard, since: datetime) -> set[date]:
        hints = self._tables.table(keys.HINTS)
        found = hints.query(keys.partition(shard), keys.hints_since(since), ["RowKey"])
        return {keys.hinted_in(row.key) for row in found}

    def marks(self, day: date, shard: Shard, since: datetime) -> set[Mark]:
        wanted = keys.marks_since(since)
        found = self._day(day).query(keys.partition(shard), wanted, ["RowKey"])
        return {keys.mark_in(row.key) for row in found}

    def partials(
        self, day: date, shard: Shard, account: AccountCode, first: datetime, last: datetime
    ) -> dict[PartialKey, list[Partial]]:
        wanted = keys.partials_between(account, first, last)
        found: dict[PartialKey, list[Partial]] = {}
        for row in self._day(day).query(keys.partition(shard), wanted):
            key = keys.partial_in(row.key, day, text_of(row.properties, "segment"))
            found.setdefault(key, []).append(partial_from(unpack(row.properties, "partial")))
        return found

    def events(self, day: date, shard: Shard, account: AccountCode) -> Iterator[UsageEvent]:
        wanted = keys.events_of(account)
        for row in self._day(day).query(keys.partition(shard), wanted):
            yield event_from(unpack(row.properties, "event"))

    def _day(self, day: date) -> Table:
        return self._tables.table(keys.usage_table(day))


def _create_event(row: EventRow) -> Create:
    properties = {"hash": row.payload_hash, **pack("event", event_text(row.event, row.payload))}
    return Create(keys.event_row(row.account, row.key), properties)


def _write_partial(write: PartialWrite, writer: str) -> Operation:
    properties = {"segment": write.key.segment, **pack("partial", partial_text(write.partial))}
    return create_or_replace(keys.partial_row(write.key, writer), properties, write.etag)
