"""Parked input: one partition an account, one row an event."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from shared.domain.errors import Unavailable
from shared.domain.ids import AccountCode
from shared.domain.usage.event import canonical_payload, payload_hash
from shared.ports import ParkedEvent
from shared.storage import keys
from shared.storage.limits import ENTITIES, PACKED_BYTES, Property, operation_bytes
from shared.storage.mapping import event_from, event_text, pack, text_of, unpack
from shared.storage.operations import Create, Done
from shared.storage.tables import Row, Tables

type _Identity = tuple[str, str]
"""Partition and row of a parked event."""


class TableParking:
    """Fulfils ``Parking``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.PARKED)

    def park(self, events: Sequence[ParkedEvent]) -> list[str | None]:
        identities = [_identity(parked) for parked in events]
        firsts: dict[_Identity, ParkedEvent] = {}
        for identity, parked in zip(identities, events, strict=True):
            firsts.setdefault(identity, parked)
        found = self._park_all(firsts)
        answers: list[str | None] = []
        for identity in identities:
            answers.append(found[identity])
            # Whoever comes again in the same call finds what the first one left.
            found[identity] = found[identity] or _hash(firsts[identity])
        return answers

    def accounts(self) -> set[AccountCode]:
        return {AccountCode(row.partition) for row in self._table.scan(["PartitionKey"])}

    def of_account(self, account: AccountCode) -> Iterable[ParkedEvent]:
        for row in self._table.query(keys.account_partition(account)):
            yield _parked(row)

    def drop(self, parked: ParkedEvent) -> None:
        self._table.delete(*_identity(parked))

    def _park_all(self, events: Mapping[_Identity, ParkedEvent]) -> dict[_Identity, str | None]:
        """The hash found at each identity. One transaction for many where none is parked yet."""
        found: dict[_Identity, str | None] = {}
        for partition, creates in _chunks(events):
            if isinstance(self._table.transact(partition, creates), Done):
                found |= dict.fromkeys((partition, create.row) for create in creates)
                continue
            for create in creates:
                found[partition, create.row] = self._park(partition, create)
        return found

    def _park(self, partition: str, create: Create) -> str | None:
        for _ in range(2):
            if self._table.create(partition, create.row, create.properties) is not None:
                return None
            row = self._table.get(partition, create.row, ["hash"])
            if row is not None:
                return text_of(row.properties, "hash")
        raise Unavailable(f"a parked event of {partition} comes and goes")


def _chunks(
    events: Mapping[_Identity, ParkedEvent],
) -> Iterable[tuple[str, list[Create]]]:
    """The events' rows, in groups that a transaction can carry."""
    partitions: dict[str, list[Create]] = {}
    for (partition, row), parked in events.items():
        partitions.setdefault(partition, []).append(Create(row, _properties(parked)))
    for partition, creates in partitions.items():
        chunk: list[Create] = []
        size = 0
        for create in creates:
            needed = operation_bytes(create.properties)
            if chunk and (len(chunk) == ENTITIES or size + needed > PACKED_BYTES):
                yield partition, chunk
                chunk, size = [], 0
            chunk.append(create)
            size += needed
        yield partition, chunk


def _identity(parked: ParkedEvent) -> _Identity:
    event = parked.event
    return keys.account_partition(event.account), keys.parked_row(event.day, event.key)


def _hash(parked: ParkedEvent) -> str:
    return payload_hash(canonical_payload(parked.event))


def _properties(parked: ParkedEvent) -> dict[str, Property]:
    return {
        "hash": _hash(parked),
        "received": parked.received.isoformat(),
        **pack("reason", parked.reason),
        **pack("event", event_text(parked.event)),
    }


def _parked(row: Row) -> ParkedEvent:
    return ParkedEvent(
        event=event_from(unpack(row.properties, "event")),
        received=datetime.fromisoformat(text_of(row.properties, "received")),
        reason=unpack(row.properties, "reason"),
    )
