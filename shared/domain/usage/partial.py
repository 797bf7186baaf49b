"""Mergeable statistics of usage events: what aggregations need, kept while events stream in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from shared.domain.money import EXACT, ZERO, to_text
from shared.domain.usage.event import DataValue, UsageEvent

type Moment = tuple[str, str]
"""ISO time and event id: the order in which FIRST and LATEST are decided, ties by id."""

type Json = dict[str, object]


@dataclass(slots=True)
class FieldStats:
    """Statistics of one data field over some events: exact, mergeable in any order."""

    count: int = 0
    total: Decimal = ZERO
    least: Decimal | None = None
    greatest: Decimal | None = None
    first: tuple[Moment, DataValue] | None = None
    latest: tuple[Moment, DataValue] | None = None

    def add(self, value: DataValue, at: Moment) -> None:
        """Take one value into account."""
        self.count += 1
        if isinstance(value, Decimal):
            self.total = EXACT.add(self.total, value)
            if self.least is None or value < self.least:
                self.least = value
            if self.greatest is None or value > self.greatest:
                self.greatest = value
        if self.first is None or at < self.first[0]:
            self.first = (at, value)
        if self.latest is None or at > self.latest[0]:
            self.latest = (at, value)

    def merge(self, other: Self) -> None:
        """Take everything ``other`` has seen into account."""
        self.count += other.count
        self.total = EXACT.add(self.total, other.total)
        if other.least is not None and (self.least is None or other.least < self.least):
            self.least = other.least
        if other.greatest is not None and (self.greatest is None or other.greatest > self.greatest):
            self.greatest = other.greatest
        if other.first is not None and (self.first is None or other.first[0] < self.first[0]):
            self.first = other.first
        if other.latest is not None and (self.latest is None or other.latest[0] > self.latest[0]):
            self.latest = other.latest

    def copy(self) -> "FieldStats":
        """An independent copy."""
        return FieldStats(
            self.count, self.total, self.least, self.greatest, self.first, self.latest
        )


@dataclass(slots=True)
class Partial:
    """Statistics of the events of one cell (account, hour, meter, segment): a commutative monoid.

    ``generation`` is raised by re-aggregation; within one generation ``events`` only grows.
    """

    events: int = 0
    fields: dict[str, FieldStats] = field(default_factory=dict)
    generation: int = 0

    def add(self, event: UsageEvent) -> None:
        """Take one event into account."""
        at = (event.time.isoformat(), event.id)
        self.events += 1
        for name, value in event.data.items():
            stats = self.fields.get(name)
            if stats is None:
                stats = self.fields[name] = FieldStats()
            stats.add(value, at)

    def merge(self, other: "Partial") -> None:
        """Take everything ``other`` has seen into account."""
        self.events += other.events
        self.generation = max(self.generation, other.generation)
        for name, theirs in other.fields.items():
            mine = self.fields.get(name)
            if mine is None:
                self.fields[name] = theirs.copy()
            else:
                mine.merge(theirs)

    def copy(self) -> "Partial":
        """An independent copy."""
        fields = {name: stats.copy() for name, stats in self.fields.items()}
        return Partial(self.events, fields, self.generation)

    @property
    def rank(self) -> tuple[int, int]:
        """A cell is never replaced by one of smaller rank."""
        return (self.generation, self.events)


def merged(partials: Iterable[Partial]) -> Partial:
    """All partials taken together."""
    result = Partial()
    for partial in partials:
        result.merge(partial)
    return result


def _value_out(value: DataValue) -> object:
    return to_text(value) if isinstance(value, Decimal) else [value]


def _value_in(stored: object) -> DataValue:
    if isinstance(stored, list):
        return str(stored[0])
    return Decimal(str(stored))


def _mark_out(mark: tuple[Moment, DataValue] | None) -> object:
    return None if mark is None else [mark[0][0], mark[0][1], _value_out(mark[1])]


def _mark_in(stored: object) -> tuple[Moment, DataValue] | None:
    if not isinstance(stored, list):
        return None
    return ((str(stored[0]), str(stored[1])), _value_in(stored[2]))


def to_json(partial: Partial) -> Json:
    """A partial as plain JSON values; numbers as text, exact."""
    return {
        "n": partial.events,
        "g": partial.generation,
        "f": {
            name: [
                stats.count,
                to_text(stats.total),
                None if stats.least is None else to_text(stats.least),
                None if stats.greatest is None else to_text(stats.greatest),
                _mark_out(stats.first),
                _mark_out(stats.latest),
            ]
            for name, stats in sorted(partial.fields.items())
        },
    }


def from_json(stored: Mapping[str, object]) -> Partial:
    """The inverse of ``to_json``. Raises ``ValueError`` or ``KeyError`` for anything else."""
    fields: dict[str, FieldStats] = {}
    raw = stored["f"]
    if not isinstance(raw, dict):
        raise ValueError("a stored partial has its fields under 'f'")
    for name, (count, total, least, greatest, first, latest) in raw.items():
        fields[name] = FieldStats(
            count,
            Decimal(total),
            None if least is None else Decimal(least),
            None if greatest is None else Decimal(greatest),
            _mark_in(first),
            _mark_in(latest),
        )
    return Partial(int(str(stored["n"])), fields, int(str(stored["g"])))
