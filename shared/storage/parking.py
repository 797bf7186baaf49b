"""Parked input: one row an event, and one row an account with the number of its events."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Final

from shared.domain.errors import Unavailable
from shared.domain.ids import AccountCode, all_shards
from shared.domain.usage.event import canonical_payload, payload_hash
from shared.ports import (
    Etag,
    Kept,
    KeptBefore,
    NoRoom,
    ParkAnswer,
    ParkedEvent,
    ParkedPlace,
    ParkingLimits,
)
from shared.storage import keys
from shared.storage.limits import ENTITIES, PACKED_BYTES, Property, operation_bytes
from shared.storage.mapping import event_from, event_text, pack, text_of, unpack
from shared.storage.operations import Create, Delete, Done, Operation, create_or_replace
from shared.storage.tables import Row, Tables

TRIES: Final = 20
"""An account's number moves when others park or drop its events at the same time."""

STRANGERS_LIFE: Final = 30.0
"""Seconds for which the sum over unknown accounts is believed."""


@dataclass(frozen=True, slots=True)
class _Number:
    """How many events of an account are parked, at which version; ``None`` where none is.

    ``stranger`` as of the last time that some were parked.
    """

    events: int
    etag: Etag | None
    stranger: bool


@dataclass(slots=True)
class _Strangers:
    """Unknown accounts of a shard and their events, as read at ``read`` and added to since."""

    accounts: int
    events: int
    read: float


class TableParking:
    """Fulfils ``Parking``. The number of an account's events changes in the same transaction as
    they do, so it is always right."""

    def __init__(self, tables: Tables, limits: ParkingLimits | None = None) -> None:
        self._table = tables.table(keys.PARKED)
        self._limits = limits or ParkingLimits()
        self._strangers: dict[str, _Strangers] = {}

    def park(self, events: Sequence[ParkedEvent]) -> list[ParkAnswer]:
        firsts: dict[AccountCode, dict[ParkedPlace, ParkedEvent]] = {}
        for parked in events:
            firsts.setdefault(parked.event.account, {}).setdefault(parked.place, parked)
        answers: dict[tuple[AccountCode, str], ParkAnswer] = {}
        for account, places in firsts.items():
            stranger = any(parked.stranger for parked in places.values())
            for creates in _chunks(places.values()):
                found = self._park(account, creates, stranger)
                answers |= {(account, row): answer for row, answer in found.items()}
        told: list[ParkAnswer] = []
        for parked in events:
            account = parked.event.account
            identity = (account, _row(parked))
            told.append(answers[identity])
            if isinstance(answers[identity], Kept):
                # Whoever comes again in the same call finds what the first one left.
                answers[identity] = KeptBefore(_hash(firsts[account][parked.place]))
        return told

    def accounts(self) -> dict[AccountCode, int]:
        found: dict[AccountCode, int] = {}
        for shard in all_shards():
            for row in self._table.query(keys.partition(shard), keys.parked_numbers()):
                found[keys.parked_account_in(row.key)] = int(text_of(row.properties, "events"))
        return found

    def of_account(
        self, account: AccountCode, after: ParkedPlace | None = None
    ) -> Iterable[ParkedEvent]:
        rows = keys.parked_of(account, after)
        for row in self._table.query(keys.parked_partition(account), rows):
            yield _parked(row)

    def drop(self, parked: Sequence[ParkedEvent]) -> None:
        accounts: dict[AccountCode, dict[str, None]] = {}
        for one in parked:
            accounts.setdefault(one.event.account, {})[_row(one)] = None
        for account, rows in accounts.items():
            for some in batched(rows, ENTITIES - 1, strict=False):
                self._drop(account, some)

    def _park(
        self, account: AccountCode, creates: Sequence[Create], stranger: bool
    ) -> dict[str, ParkAnswer]:
        """The answer for each row of one transaction's worth."""
        partition, answers = keys.parked_partition(account), dict[str, ParkAnswer]()
        for _ in range(TRIES):
            number = self._number(account)
            room, reason = self._room(account, number, stranger)
            if room < len(creates) and number.events:
                creates = self._without_present(partition, creates, answers)
            answers |= dict.fromkeys((create.row for create in creates[room:]), reason)
            creates = creates[:room]
            if not creates:
                return answers
            write = _write_number(account, number, len(creates), stranger)
            match self._table.transact(partition, [write, *creates]):
                case Done():
                    self._add_stranger(partition, number, len(creates), stranger)
                    return answers | {create.row: Kept() for create in creates}
                case clash if clash.index > 0:
                    creates = self._without_present(partition, creates, answers)
                case _:
                    pass
        raise Unavailable(f"the parked events of {account} keep changing")

    def _without_present(
        self, partition: str, creates: Sequence[Create], answers: dict[str, ParkAnswer]
    ) -> Sequence[Create]:
        """Those that are not parked yet; tells ``answers`` of the others."""
        rows = [create.row for create in creates]
        for row, found in zip(rows, self._table.texts(partition, rows, "hash"), strict=True):
            if found is not None:
                answers[row] = KeptBefore(found)
        return [create for create in creates if create.row not in answers]

    def _drop(self, account: AccountCode, rows: Sequence[str]) -> None:
        partition = keys.parked_partition(account)
        for _ in range(TRIES):
            number = self._number(account)
            if number.etag is None or not rows:
                return
            deletes = [Delete(row, None) for row in rows]
            write = _write_number(account, number, -len(rows), number.stranger)
            match self._table.transact(partition, [write, *deletes]):
                case Done():
                    self._strangers.pop(partition, None)
                    return
                case clash if clash.index > 0:
                    found = self._table.texts(partition, rows, "hash")
                    rows = [row for row, hash_ in zip(rows, found, strict=True) if hash_]
                case _:
                    pass
        raise Unavailable(f"the parked events of {account} keep changing")

    def _number(self, account: AccountCode) -> _Number:
        row = self._table.get(keys.parked_partition(account), keys.parked_number_row(account))
        if row is None:
            return _Number(0, None, stranger=False)
        stranger = bool(text_of(row.properties, "stranger"))
        return _Number(int(text_of(row.properties, "events")), row.etag, stranger)

    def _room(self, account: AccountCode, number: _Number, stranger: bool) -> tuple[int, NoRoom]:
        """How many more events are kept, and what stands in the way of others."""
        own = max(0, self._limits.per_account - number.events)
        if not stranger:
            return own, NoRoom.ACCOUNT
        others = self._of_strangers(keys.parked_partition(account))
        shared = max(0, self._limits.events_of_strangers - others.events)
        if number.etag is None and others.accounts >= self._limits.strangers:
            shared = 0
        return (own, NoRoom.ACCOUNT) if own <= shared else (shared, NoRoom.STRANGERS)

    def _of_strangers(self, partition: str) -> _Strangers:
        now = time.monotonic()
        known = self._strangers.get(partition)
        if known is None or now - known.read > STRANGERS_LIFE:
            rows = self._table.query(partition, keys.parked_numbers())
            numbers = [
                int(text_of(row.properties, "events"))
                for row in rows
                if text_of(row.properties, "stranger")
            ]
            known = self._strangers[partition] = _Strangers(len(numbers), sum(numbers), now)
        return known

    def _add_stranger(self, partition: str, before: _Number, events: int, stranger: bool) -> None:
        known = self._strangers.get(partition)
        if stranger and known is not None:
            known.accounts += before.etag is None
            known.events += events


def _write_number(account: AccountCode, number: _Number, added: int, stranger: bool) -> Operation:
    """The number goes with the last event, so that only accounts with some are found."""
    row, events = keys.parked_number_row(account), number.events + added
    if events <= 0:
        return Delete(row, number.etag)
    properties = {"events": str(events), "stranger": "yes" if stranger else ""}
    return create_or_replace(row, properties, number.etag)


def _chunks(events: Iterable[ParkedEvent]) -> Iterator[list[Create]]:
    """The events' rows, in groups that a transaction can carry beside their number."""
    chunk: list[Create] = []
    size = 0
    for parked in events:
        create = Create(_row(parked), _properties(parked))
        needed = operation_bytes(create.properties)
        if chunk and (len(chunk) == ENTITIES - 1 or size + needed > PACKED_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(create)
        size += needed
    if chunk:
        yield chunk


def _row(parked: ParkedEvent) -> str:
    return keys.parked_row(parked.event.account, parked.place)


def _hash(parked: ParkedEvent) -> str:
    return payload_hash(canonical_payload(parked.event))


def _properties(parked: ParkedEvent) -> dict[str, Property]:
    return {
        "hash": _hash(parked),
        "received": parked.received.isoformat(),
        "stranger": "yes" if parked.stranger else "",
        **pack("reason", parked.reason),
        **pack("event", event_text(parked.event)),
    }


def _parked(row: Row) -> ParkedEvent:
    return ParkedEvent(
        event=event_from(unpack(row.properties, "event")),
        received=datetime.fromisoformat(text_of(row.properties, "received")),
        reason=unpack(row.properties, "reason"),
        stranger=bool(text_of(row.properties, "stranger")),
    )
