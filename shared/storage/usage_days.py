"""Folded usage: one row a day of an account's meter and segment, one property a cell.

Cells with many distinct values do not fit in that row. Such a cell goes into overflow rows of
the same partition, named by its contents, and the day's row refers to them; the transaction that
replaces the day's row removes those it no longer refers to. So a day is read whole whatever its
size, and a cell that did not change is not written again.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.domain.usage.partial import Partial
from shared.ports import DayKey, Etag, UsageDay, Versioned
from shared.storage import keys
from shared.storage.limits import (
    ENTITIES,
    PACKED_BYTES,
    Property,
    check_once,
    check_usage_day,
    operation_bytes,
    utf16_bytes,
)
from shared.storage.mapping import (
    dumps,
    pack_bytes,
    partial_from,
    partial_text,
    text_of,
    unpack_bytes,
)
from shared.storage.operations import Clash, Delete, Operation, Put, create_or_replace
from shared.storage.tables import Row, Table, Tables

INLINE_BYTES = 8 * 1024
"""A larger cell overflows: 96 cells of this size fit in a row of 1 MiB."""

PIECE_BYTES = 700 * 1024
"""How much of a cell one overflow row takes."""

READ_ATTEMPTS = 3

type _Overflow = dict[str, tuple[str, int]]
"""Digest and number of pieces of each overflowing cell."""


@dataclass(slots=True)
class _Written:
    """What a day's new version takes: ``early`` operations may go before, ``final`` go at once."""

    early: list[Put] = field(default_factory=list)
    final: list[Operation] = field(default_factory=list)


class _Torn(Exception):
    """A day was replaced while its rows were being read."""


class TableUsageDays:
    """Fulfils ``UsageDays``. The version of a row also names its overflowing cells."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.USAGE_DAYS)

    def read(
        self, shard: Shard, account: AccountCode, first: date, last: date
    ) -> dict[DayKey, Versioned[UsageDay]]:
        """See the port. Raises ``ConcurrentUpdate`` when the rows keep changing meanwhile."""
        wanted = keys.days_between(account, first, last)
        for _ in range(READ_ATTEMPTS):
            try:
                return _days(self._table.query(keys.partition(shard), wanted))
            except _Torn:
                continue
        raise ConcurrentUpdate(f"the usage of {account} changed while it was read")

    def write(self, shard: Shard, rows: Sequence[tuple[UsageDay, Etag | None]]) -> None:
        check_once([row.key for row, _ in rows])
        pending = _Transactions(self._table, keys.partition(shard))
        for row, etag in rows:
            check_usage_day(row)
            written = _written(row, etag)
            pending.add(written.early, written.final)
        pending.flush()


class _Transactions:
    """Packs operations into as few transactions as they fit in."""

    def __init__(self, table: Table, partition: str) -> None:
        self._table = table
        self._partition = partition
        self._operations: list[Operation] = []
        self._bytes = 0

    def add(self, early: Sequence[Operation], final: Sequence[Operation]) -> None:
        """Send ``final`` in one transaction, together with ``early`` or after it."""
        for operation in early:
            self._make_room([operation])
            self._take([operation])
        self._make_room(final)
        self._take(final)

    def flush(self) -> None:
        """Send what is left."""
        operations, self._operations, self._bytes = self._operations, [], 0
        if not operations:
            return
        match self._table.transact(self._partition, operations):
            case Clash(index):
                raise ConcurrentUpdate(f"{operations[index].row} is not at the version read")

    def _make_room(self, operations: Sequence[Operation]) -> None:
        count = len(self._operations) + len(operations)
        size = self._bytes + sum(map(_bytes, operations))
        if count > ENTITIES or size > PACKED_BYTES:
            self.flush()

    def _take(self, operations: Sequence[Operation]) -> None:
        self._operations += operations
        self._bytes += sum(map(_bytes, operations))


def _bytes(operation: Operation) -> int:
    return operation_bytes({} if isinstance(operation, Delete) else operation.properties)


def _written(row: UsageDay, etag: Etag | None) -> _Written:
    key = keys.day_row(row.key)
    version, before = (None, {}) if etag is None else _version_in(etag)
    written = _Written()
    overflow: _Overflow = {}
    properties: dict[str, Property] = {"segment": row.key.segment}
    for start, partial in row.cells.items():
        cell, text = keys.cell_code(start), partial_text(partial)
        if utf16_bytes(text) <= INLINE_BYTES:
            properties[f"c{cell}"] = text
            continue
        packed = zlib.compress(text.encode(), 1)
        if len(packed) <= INLINE_BYTES:
            properties[f"c{cell}"] = packed
            continue
        pieces = [packed[at : at + PIECE_BYTES] for at in range(0, len(packed), PIECE_BYTES)]
        overflow[cell] = (hashlib.blake2b(packed, digest_size=8).hexdigest(), len(pieces))
        if before.get(cell) != overflow[cell]:
            rows = _overflow_rows(key, cell, overflow[cell])
            written.early += [
                Put(name, pack_bytes("cell", piece))
                for name, piece in zip(rows, pieces, strict=True)
            ]
    properties["overflow"] = dumps(overflow)
    written.final.append(create_or_replace(key, properties, version))
    unused = [
        Delete(name, None)
        for cell, named in before.items()
        if overflow.get(cell) != named
        for name in _overflow_rows(key, cell, named)
    ]
    # More than a transaction takes can only stay behind, where nobody looks at them.
    written.final += unused[: ENTITIES - 1]
    return written


def _overflow_rows(day: str, cell: str, named: tuple[str, int]) -> list[str]:
    digest, pieces = named
    return [keys.overflow_row(day, cell, digest, piece) for piece in range(pieces)]


def _version_out(etag: Etag, overflow: str) -> Etag:
    return f"{etag}\n{overflow}"


def _version_in(version: Etag) -> tuple[Etag, _Overflow]:
    etag, overflow = version.split("\n", 1)
    return etag, _overflow_in(overflow)


def _overflow_in(text: str) -> _Overflow:
    return {cell: (str(digest), int(pieces)) for cell, (digest, pieces) in json.loads(text).items()}


def _days(rows: Iterator[Row]) -> dict[DayKey, Versioned[UsageDay]]:
    days: list[Row] = []
    pieces: dict[str, bytes] = {}
    for row in rows:
        if keys.is_overflow(row.key):
            pieces[row.key] = unpack_bytes(row.properties, "cell")
        else:
            days.append(row)
    found: dict[DayKey, Versioned[UsageDay]] = {}
    for row in days:
        key = keys.day_in(row.key, text_of(row.properties, "segment"))
        overflow = text_of(row.properties, "overflow")
        cells = {
            keys.cell_in(key.day, name[1:]): partial
            for name, partial in _cells(row, _overflow_in(overflow), pieces)
        }
        found[key] = Versioned(UsageDay(key, cells), _version_out(row.etag, overflow))
    return found


def _cells(
    row: Row, overflow: _Overflow, pieces: Mapping[str, bytes]
) -> Iterator[tuple[str, Partial]]:
    for name, value in row.properties.items():
        if name in {"segment", "overflow"}:
            continue
        text = value if isinstance(value, str) else zlib.decompress(_binary(value)).decode()
        yield name, partial_from(text)
    for cell, named in overflow.items():
        try:
            packed = b"".join(pieces[name] for name in _overflow_rows(row.key, cell, named))
        except KeyError as exc:
            raise _Torn from exc
        yield f"c{cell}", partial_from(zlib.decompress(packed).decode())


def _binary(value: Property) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a stored cell is text or bytes")
    return value
