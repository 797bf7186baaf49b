"""The usage log in memory: one table a day, transactions that take effect whole or not at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.domain.ids import AccountCode, Shard
from shared.domain.usage.event import EventKey, UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import (
    AppendAnswer,
    Appended,
    Etag,
    EventExists,
    EventRow,
    Mark,
    PartialKey,
    PartialMoved,
    UsageBatch,
    Versioned,
)
from shared.storage.limits import check_batch
from tests.fakes.versions import Versions


@dataclass(slots=True)
class _Partition:
    events: dict[tuple[AccountCode, EventKey], EventRow] = field(default_factory=dict)
    partials: dict[AccountCode, dict[tuple[PartialKey, str], Versioned[Partial]]] = field(
        default_factory=dict
    )
    marks: set[Mark] = field(default_factory=set)

    def partial(self, key: PartialKey, writer: str) -> Versioned[Partial] | None:
        return self.partials.get(key.account, {}).get((key, writer))


class FakeUsageLog:
    """Keeps copies of partials: the writers' own go on changing."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[date, Shard], _Partition] = {}
        self._made: set[date] = set()
        self._hints: dict[Shard, set[tuple[datetime, date]]] = {}
        self._versions = Versions()

    def append(self, batch: UsageBatch) -> AppendAnswer:
        check_batch(batch)
        partition = self._partitions.get((batch.day, batch.shard)) or _Partition()
        refusal = _refusal(partition, batch)
        if refusal is not None:
            return refusal
        self._partitions[batch.day, batch.shard] = partition
        for event in batch.events:
            partition.events[event.account, event.key] = event
        etags: list[Etag] = []
        for write in batch.partials:
            stored = Versioned(write.partial.copy(), self._versions.new())
            cells = partition.partials.setdefault(write.key.account, {})
            cells[write.key, batch.writer] = stored
            etags.append(stored.etag)
        partition.marks.update(batch.marks)
        return Appended(tuple(etags))

    def payload_hashes(
        self, day: date, shard: Shard, events: Sequence[tuple[AccountCode, EventKey]]
    ) -> list[str | None]:
        partition = self._partitions.get((day, shard), _Partition())
        found = [partition.events.get(identity) for identity in events]
        return [None if row is None else row.payload_hash for row in found]

    def days(self) -> set[date]:
        return {day for day, _ in self._partitions} | self._made

    def make_day(self, day: date) -> None:
        self._made.add(day)

    def put_hint(self, shard: Shard, arrival_hour: datetime, day: date) -> None:
        self._hints.setdefault(shard, set()).add((arrival_hour, day))

    def hinted_days(self, shard: Shard, since: datetime) -> set[date]:
        return {day for hour, day in self._hints.get(shard, ()) if hour >= since}

    def marks(self, day: date, shard: Shard, since: datetime) -> set[Mark]:
        partition = self._partitions.get((day, shard), _Partition())
        return {mark for mark in partition.marks if mark.arrival_hour >= since}

    def partials(
        self, day: date, shard: Shard, account: AccountCode, first: datetime, last: datetime
    ) -> dict[PartialKey, list[Partial]]:
        rows = self._partitions.get((day, shard), _Partition()).partials.get(account, {})
        found: dict[PartialKey, list[Partial]] = {}
        for (key, _), stored in rows.items():
            if first <= key.cell <= last:
                found.setdefault(key, []).append(stored.value.copy())
        return found

    def events(self, day: date, shard: Shard, account: AccountCode) -> list[UsageEvent]:
        stored = self._partitions.get((day, shard), _Partition()).events.values()
        return [row.event for row in stored if row.account == account]

    def stored_events(self) -> list[EventRow]:
        """Every event there is: what partials must add up to."""
        return [row for partition in self._partitions.values() for row in partition.events.values()]

    def drop_day(self, day: date) -> None:
        self._made.discard(day)
        for key in [key for key in self._partitions if key[0] == day]:
            del self._partitions[key]


def _refusal(partition: _Partition, batch: UsageBatch) -> EventExists | PartialMoved | None:
    for index, event in enumerate(batch.events):
        if (event.account, event.key) in partition.events:
            return EventExists(index)
    for index, write in enumerate(batch.partials):
        stored = partition.partial(write.key, batch.writer)
        if write.etag != (None if stored is None else stored.etag):
            return PartialMoved(index)
    return None
