"""Azure Table storage's limits, checked before sending because not every service checks them.

Source: Microsoft's page ``scalability-targets`` of Table storage and
``understanding-the-table-service-data-model``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from shared.domain.account import AccountPlan, AccountRecord, FormerCustom
from shared.domain.errors import TooLarge
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.period import DAY, day_of, day_start, hour_of
from shared.domain.rating.locked import LockedBill
from shared.ports import PartialWrite, UsageBatch, UsageDay

ENTITIES: Final = 100
"""Entities of one transaction."""

TRANSACTION_BYTES: Final = 4 * 1024 * 1024
PACKED_BYTES: Final = TRANSACTION_BYTES * 7 // 8
"""What adapters fill a transaction with, so that keys and headers find room too."""

ENTITY_BYTES: Final = 1024 * 1024
PROPERTY_BYTES: Final = 64 * 1024
PROPERTIES: Final = 252
"""Properties of an entity besides its two keys and its time stamp."""

KEY_BYTES: Final = 1024
COMPARISONS: Final = 15
"""Comparisons of one filter."""

_SYSTEM: Final = frozenset({"PartitionKey", "RowKey", "Timestamp"})
_OPERATION_OVERHEAD: Final = 2048
"""Bytes of boundary, request line with keys and headers that an operation adds, at most."""

_FEW: Final = 12
"""So many properties of the greatest size fit into an entity with room to spare."""

_DIGEST_WIRE_BYTES: Final = 11
"""Bytes that one distinct value of a partial takes in a transaction."""

type Property = str | bytes
"""Numbers and times are stored as text, so that nothing is rounded."""


def utf16_bytes(text: str) -> int:
    """The size at which Azure stores ``text``."""
    return 2 * len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass"))


def check_entities(count: int) -> None:
    """Raise ``TooLarge`` when a transaction cannot have ``count`` entities, ValueError for none."""
    if count < 1:
        raise ValueError("a transaction has at least one entity")
    if count > ENTITIES:
        raise TooLarge(f"a transaction takes {ENTITIES} entities, not {count}")


def check_once(keys: Sequence[object]) -> None:
    """Raise ValueError when a transaction names an entity twice."""
    if len(set(keys)) < len(keys):
        raise ValueError("a transaction names each entity once")


def check_comparisons(count: int) -> None:
    """Raise ValueError for a filter with more comparisons than Azure takes."""
    if count > COMPARISONS:
        raise ValueError(f"a filter takes {COMPARISONS} comparisons, not {count}")


def check_entity(entity: Mapping[str, Property]) -> None:
    """Raise ``TooLarge`` for an entity, a key or a property above its limit."""
    own = [name for name in entity if name not in _SYSTEM]
    if len(own) > PROPERTIES:
        raise TooLarge(f"an entity takes {PROPERTIES} properties, not {len(own)}")
    total = 4
    for name, value in entity.items():
        size = _stored_bytes(value)
        if name in _SYSTEM:
            if size > KEY_BYTES:
                raise TooLarge(f"a key takes {KEY_BYTES} bytes, not {size}")
            total += size
            continue
        if size > PROPERTY_BYTES:
            raise TooLarge(f"property {name} takes {PROPERTY_BYTES} bytes, not {size}")
        total += 8 + utf16_bytes(name) + size
    if total > ENTITY_BYTES:
        raise TooLarge(f"an entity takes {ENTITY_BYTES} bytes, not {total}")


def surely_fits(row: str, properties: Mapping[str, Property]) -> bool:
    """Whether a row is so small that none of the limits of ``check_entity`` can be near.

    Looks at lengths only, since a character takes four bytes at most. Property names are ours.
    """
    return (
        len(row) <= KEY_BYTES // 4
        and len(properties) <= _FEW
        and all(len(value) <= PROPERTY_BYTES // 4 for value in properties.values())
    )


def operation_bytes(properties: Mapping[str, Property]) -> int:
    """How much an operation that stores ``properties`` adds to a transaction, at most."""
    size = _OPERATION_OVERHEAD
    for name, value in properties.items():
        if isinstance(value, bytes):
            size += 2 * len(name) + 40 + (len(value) + 2) // 3 * 4
        else:
            size += len(name) + 6 + len(json.dumps(value))
    return size


def _stored_bytes(value: Property) -> int:
    return utf16_bytes(value) if isinstance(value, str) else len(value)


def check_batch(batch: UsageBatch) -> None:
    """Raise for a batch that one transaction cannot carry, or that its day's table cannot hold.

    ``TooLarge`` for size (an estimate from below: what passes here may still be refused when it
    has been put into words), ValueError for contents of another day, parts of an hour or an
    entity named twice.
    """
    check_entities(batch.entities)
    check_once([(row.account, row.key) for row in batch.events])
    check_once([write.key for write in batch.partials])
    check_once(batch.marks)
    day, start = batch.day, day_start(batch.day)
    end = start + DAY
    misplaced = (
        not all(start <= row.event.time < end for row in batch.events)
        or any(day_of(write.key.cell) != day for write in batch.partials)
        or any(day_of(mark.event_hour) != day for mark in batch.marks)
    )
    if misplaced:
        raise ValueError(f"a batch of {day} holds something of another day")
    for mark in batch.marks:
        check_whole_hour(mark.event_hour)
        check_whole_hour(mark.arrival_hour)
    size = sum(map(_distinct_bytes, batch.partials))
    if size > TRANSACTION_BYTES:
        raise TooLarge(f"a transaction takes {TRANSACTION_BYTES} bytes, not {size} or more")


def check_whole_hour(moment: datetime) -> None:
    """Raise ValueError unless ``moment`` is the start of an hour in UTC."""
    if hour_of(moment) != moment:
        raise ValueError(f"{moment} is not a whole hour")


def check_usage_day(row: UsageDay) -> None:
    """Raise ValueError for a row of folded usage with a cell of another day."""
    if any(day_of(cell) != row.key.day for cell in row.cells):
        raise ValueError(f"the usage of {row.key.day} holds a cell of another day")


def _distinct_bytes(write: PartialWrite) -> int:
    return sum(
        len(stats.distinct.digests) * _DIGEST_WIRE_BYTES
        for stats in write.partial.fields.values()
        if stats.distinct is not None
    )


type _Part = (
    AccountPlan | Subscription | Prepayment | Credit | AdHocCharge | LockedBill | FormerCustom
)


def check_account(record: AccountRecord, stored: AccountRecord | None = None) -> None:
    """Raise ``TooLarge`` when turning ``stored`` into ``record`` takes more than one transaction,
    ValueError for an id that is there twice."""
    before = {} if stored is None else _parts_of(stored)
    after = _parts_of(record)
    same = sum(key in after and after[key] == part for key, part in before.items())
    check_entities(1 + len(before.keys() | after.keys()) - same)


def check_ids(record: AccountRecord) -> None:
    """Raise ValueError for an id that is there twice."""
    _parts_of(record)


def _parts_of(record: AccountRecord) -> dict[tuple[str, str], object]:
    """What stands in a row of its own."""
    kinds: Mapping[str, Sequence[_Part]] = {
        "plan": record.plans,
        "subscription": record.subscriptions,
        "prepayment": record.prepayments,
        "credit": record.credits,
        "charge": record.charges,
        "bill": record.locked,
        "former": record.former,
    }
    parts = [((kind, part.id), part) for kind, parts in kinds.items() for part in parts]
    check_once([key for key, _ in parts])
    check_once(record.children)
    return dict(parts)
