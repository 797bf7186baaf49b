"""Mergeable statistics of usage events: what aggregations need, kept while events stream in."""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from operator import itemgetter
from typing import Self

from shared.domain.money import EXACT, ZERO, to_text
from shared.domain.period import utc_text
from shared.domain.usage.event import DataValue, UsageEvent

type Moment = tuple[str, str, str]
"""UTC time, event id and source: the order in which FIRST and LATEST are decided (rule 6).

Id and source together are an event's identity, so no two events share a moment and the order of
arrival never matters.
"""

type Json = dict[str, object]

MAX_DISTINCT = 10_000
"""How many different values one cell keeps for UNIQUE; see ``Distinct``."""

TEXT_LIMIT = 32_768
"""Characters that one text property of Azure Table storage holds."""

_DIGEST = 8
_PIECE = TEXT_LIMIT // 4 * 3 // _DIGEST * _DIGEST

_NO_FIELDS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Distinct:
    """The different values of one field, each kept as 8 bytes of its hash.

    Eight bytes keep the chance of one wrong count among ten million values near one in 400,000.
    ``seen`` counts the values offered. With ``MAX_DISTINCT`` values kept, new ones only mark the
    set as ``saturated``. Merging is a plain union: what was counted once stays counted, so a
    running total over several cells never falls.
    """

    digests: set[bytes] = field(default_factory=set)
    seen: int = 0
    saturated: bool = False

    def add(self, value: DataValue) -> None:
        """Take one value into account; 1 and 1.0 are the same, 1 and "1" are not."""
        self.seen += 1
        text = to_text(value) if isinstance(value, Decimal) else f"'{value}"
        digest = hashlib.blake2b(text.encode(), digest_size=_DIGEST).digest()
        if len(self.digests) < MAX_DISTINCT:
            self.digests.add(digest)
        elif digest not in self.digests:
            self.saturated = True

    def merge(self, other: Self) -> None:
        """Take everything ``other`` has seen into account."""
        self.digests |= other.digests
        self.seen += other.seen
        self.saturated |= other.saturated

    def copy(self) -> "Distinct":
        """An independent copy."""
        return Distinct(set(self.digests), self.seen, self.saturated)


@dataclass(slots=True)
class FieldStats:
    """Statistics of one data field over some events: exact, mergeable in any order."""

    count: int = 0
    total: Decimal = ZERO
    least: Decimal | None = None
    greatest: Decimal | None = None
    first: tuple[Moment, DataValue] | None = None
    latest: tuple[Moment, DataValue] | None = None
    distinct: Distinct | None = None

    @property
    def used(self) -> bool:
        """Whether any event had the field."""
        return self.count > 0

    @property
    def numeric(self) -> bool:
        """Whether any event had a number in it."""
        return self.least is not None

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
        if other.distinct is not None:
            if self.distinct is None:
                self.distinct = Distinct()
            self.distinct.merge(other.distinct)

    def copy(self) -> "FieldStats":
        """An independent copy."""
        distinct = None if self.distinct is None else self.distinct.copy()
        return FieldStats(
            self.count, self.total, self.least, self.greatest, self.first, self.latest, distinct
        )


@dataclass(slots=True)
class Partial:
    """Statistics of the events of one cell (account, hour, meter, segment): a commutative monoid.

    ``generation`` is raised by re-aggregation; within one generation ``events`` only grows.
    ``out_of`` is how many events all segments of the meter's cell had together when it was made
    by re-aggregation: fewer in what is stored tell that not all of it was written.
    """

    events: int = 0
    fields: dict[str, FieldStats] = field(default_factory=dict)
    generation: int = 0
    out_of: int = 0

    def add(self, event: UsageEvent, unique_fields: frozenset[str] = _NO_FIELDS) -> None:
        """Take one event into account; only ``unique_fields`` pay for their distinct values."""
        at = (utc_text(event.time), event.id, event.source)
        self.events += 1
        for name, value in event.data.items():
            stats = self.fields.get(name)
            if stats is None:
                stats = self.fields[name] = FieldStats()
            stats.add(value, at)
        for name in unique_fields:
            if name in event.data:
                stats = self.fields[name]
                if stats.distinct is None:
                    stats.distinct = Distinct()
                stats.distinct.add(event.data[name])

    def merge(self, other: "Partial") -> None:
        """Take everything ``other`` has seen into account."""
        self.events += other.events
        self.generation = max(self.generation, other.generation)
        self.out_of = max(self.out_of, other.out_of)
        for name, theirs in other.fields.items():
            mine = self.fields.get(name)
            if mine is None:
                self.fields[name] = theirs.copy()
            else:
                mine.merge(theirs)

    def copy(self) -> "Partial":
        """An independent copy."""
        fields = {name: stats.copy() for name, stats in self.fields.items()}
        return Partial(self.events, fields, self.generation, self.out_of)

    @property
    def rank(self) -> tuple[int, int]:
        """A cell is never replaced by one of smaller rank."""
        return (self.generation, self.events)


def merged(partials: Iterable[Partial]) -> Partial:
    """All partials taken together: what merging one after the other gives, in a fraction of the
    time, because a month of an account has thousands of them."""
    events, generation, out_of = 0, 0, 0
    found: dict[str, list[FieldStats]] = {}
    for partial in partials:
        events += partial.events
        if partial.generation > generation:
            generation = partial.generation
        if partial.out_of > out_of:
            out_of = partial.out_of
        for name, stats in partial.fields.items():
            known = found.get(name)
            if known is None:
                found[name] = [stats]
            else:
                known.append(stats)
    fields = {name: _together(stats) for name, stats in found.items()}
    return Partial(events, fields, generation, out_of)


def _together(stats: Sequence[FieldStats]) -> FieldStats:
    if len(stats) == 1:
        return stats[0].copy()
    with localcontext(EXACT):
        total = sum([each.total for each in stats], ZERO)
    distinct: Distinct | None = None
    for each in stats:
        if each.distinct is not None:
            distinct = distinct or Distinct()
            distinct.merge(each.distinct)
    return FieldStats(
        sum([each.count for each in stats]),
        total,
        min([each.least for each in stats if each.least is not None], default=None),
        max([each.greatest for each in stats if each.greatest is not None], default=None),
        min([each.first for each in stats if each.first is not None], key=_moment, default=None),
        max([each.latest for each in stats if each.latest is not None], key=_moment, default=None),
        distinct,
    )


_moment = itemgetter(0)


def _value_out(value: DataValue) -> object:
    return to_text(value) if isinstance(value, Decimal) else [value]


def _value_in(stored: object) -> DataValue:
    if isinstance(stored, list):
        return str(stored[0])
    return Decimal(str(stored))


def _mark_out(mark: tuple[Moment, DataValue] | None) -> object:
    return None if mark is None else [*mark[0], _value_out(mark[1])]


def _mark_in(stored: object) -> tuple[Moment, DataValue] | None:
    if not isinstance(stored, list):
        return None
    time, event, source, value = stored
    return ((str(time), str(event), str(source)), _value_in(value))


def _distinct_out(distinct: Distinct) -> object:
    packed = b"".join(sorted(distinct.digests))
    pieces = [packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE)]
    texts = [b64encode(piece).decode("ascii") for piece in pieces]
    return [distinct.seen, int(distinct.saturated), *texts]


def _distinct_in(stored: object) -> Distinct:
    if not isinstance(stored, list):
        raise ValueError("stored distinct values are a list")
    seen, saturated, *texts = stored
    packed = b"".join(b64decode(text, validate=True) for text in texts)
    if len(packed) % _DIGEST:
        raise ValueError(f"stored distinct values are {_DIGEST} bytes each")
    digests = {packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST)}
    return Distinct(digests, int(seen), bool(saturated))


def to_json(partial: Partial) -> Json:
    """A partial as plain JSON values; numbers as text, exact.

    ``u``, there only when some field has distinct values, maps the field to
    ``[seen, saturated, text, …]``: each text is at most ``TEXT_LIMIT`` characters long, so that
    storage can keep them in properties of their own and put them back before ``from_json``.
    """
    body: Json = {
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
    uniques = {
        name: _distinct_out(stats.distinct)
        for name, stats in sorted(partial.fields.items())
        if stats.distinct is not None
    }
    if partial.out_of:
        body["o"] = partial.out_of
    return body | {"u": uniques} if uniques else body


def from_json(stored: Mapping[str, object]) -> Partial:
    """The inverse of ``to_json``. Raises ``ValueError`` or ``KeyError`` for anything else."""
    fields: dict[str, FieldStats] = {}
    raw, uniques = stored["f"], stored.get("u", {})
    if not isinstance(raw, dict) or not isinstance(uniques, dict):
        raise ValueError("a stored partial has its fields under 'f' and 'u'")
    for name, (count, total, least, greatest, first, latest) in raw.items():
        fields[name] = FieldStats(
            count,
            Decimal(total),
            None if least is None else Decimal(least),
            None if greatest is None else Decimal(greatest),
            _mark_in(first),
            _mark_in(latest),
        )
    for name, values in uniques.items():
        fields[name].distinct = _distinct_in(values)
    out_of = int(str(stored.get("o", 0)))
    return Partial(int(str(stored["n"])), fields, int(str(stored["g"])), out_of)
