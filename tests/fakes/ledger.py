"""The ledger in memory: transactions that take effect whole or not at all."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import Resource, Shard
from shared.domain.metering.ledger import LedgerKey, LedgerRow, Refund
from shared.domain.metering.submission import Submission
from shared.ports import (
    AgendaEntry,
    DropAgenda,
    Etag,
    LedgerWrite,
    PutAgenda,
    PutRefund,
    PutRow,
    PutSubmission,
    Versioned,
)
from shared.storage.limits import check_entities, check_once, check_whole_hour
from tests.fakes.versions import Versions

type _Slot = tuple[LedgerKey, datetime]


@dataclass(slots=True)
class _Partition:
    rows: dict[Resource, dict[LedgerKey, Versioned[LedgerRow]]] = field(default_factory=dict)
    submissions: dict[Resource, dict[_Slot, Versioned[Submission]]] = field(default_factory=dict)
    unsettled: dict[_Slot, Versioned[Submission]] = field(default_factory=dict)
    agenda: dict[AgendaEntry, Etag] = field(default_factory=dict)
    refunds: dict[tuple[LedgerKey, str], Refund] = field(default_factory=dict)


class FakeLedger:
    """Everything in it is immutable, so nothing is copied."""

    def __init__(self) -> None:
        self._partitions: dict[Shard, _Partition] = {}
        self._versions = Versions()

    def rows(self, shard: Shard, resource: Resource) -> dict[LedgerKey, Versioned[LedgerRow]]:
        return dict(self._of(shard).rows.get(resource, {}))

    def unsettled(self, shard: Shard) -> list[Versioned[Submission]]:
        return list(self._of(shard).unsettled.values())

    def agenda(self, shard: Shard, until: datetime) -> list[Versioned[AgendaEntry]]:
        due = [(e, etag) for e, etag in self._of(shard).agenda.items() if e.due <= until]
        due.sort(key=lambda item: (item[0].due, item[0].account))
        return [Versioned(entry, etag) for entry, etag in due]

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        partition = self._of(shard)
        check_once([_identity(write) for write in writes])
        check_entities(sum(_entities(partition, write) for write in writes))
        for write in writes:
            _check_version(partition, write)
        return [self._apply(partition, write) for write in writes]

    def refunds(self, shard: Shard, resource: Resource) -> list[Refund]:
        found = self._of(shard).refunds.items()
        return [refund for (key, _), refund in found if key.resource == resource]

    def submissions(
        self, shard: Shard, resource: Resource, since: datetime
    ) -> Iterable[Submission]:
        found = self._of(shard).submissions.get(resource, {})
        return [stored.value for stored in found.values() if stored.value.hour >= since]

    def _of(self, shard: Shard) -> _Partition:
        return self._partitions.setdefault(shard, _Partition())

    def _apply(self, partition: _Partition, write: LedgerWrite) -> Etag:
        match write:
            case PutRow(row):
                etag = self._versions.new()
                partition.rows.setdefault(row.key.resource, {})[row.key] = Versioned(row, etag)
                return etag
            case PutSubmission(submission):
                etag = self._versions.new()
                stored = Versioned(submission, etag)
                slot = (submission.key, submission.hour)
                partition.submissions.setdefault(submission.key.resource, {})[slot] = stored
                if submission.state.unsettled:
                    partition.unsettled[slot] = stored
                else:
                    partition.unsettled.pop(slot, None)
                return etag
            case PutAgenda(entry):
                partition.agenda[entry] = self._versions.new()
                return ""
            case DropAgenda(entry):
                del partition.agenda[entry.value]
                return ""
            case PutRefund(refund):
                partition.refunds[refund.key, refund.id] = refund
                return ""
            case _:
                assert_never(write)


def _entities(partition: _Partition, write: LedgerWrite) -> int:
    if not isinstance(write, PutSubmission):
        return 1
    check_whole_hour(write.submission.hour)
    before = (write.submission.key, write.submission.hour) in partition.unsettled
    return 2 if before != write.submission.state.unsettled else 1


def _identity(write: LedgerWrite) -> object:
    match write:
        case PutRow(row):
            return row.key
        case PutSubmission(submission):
            return submission.key, submission.hour
        case PutAgenda(entry):
            return entry
        case DropAgenda(entry):
            return entry.value
        case PutRefund(refund):
            return refund.key, refund.id
        case _:
            assert_never(write)


def _check_version(partition: _Partition, write: LedgerWrite) -> None:
    match write:
        case PutRow(row, etag):
            of_resource = partition.rows.get(row.key.resource, {})
            _expect(of_resource.get(row.key), etag)
        case PutSubmission(submission, etag):
            of_submission = partition.submissions.get(submission.key.resource, {})
            _expect(of_submission.get((submission.key, submission.hour)), etag)
        case PutAgenda():
            pass
        case PutRefund(refund):
            if (refund.key, refund.id) in partition.refunds:
                raise ConcurrentUpdate(f"refund {refund.id} is recorded already")
        case DropAgenda(entry):
            if partition.agenda.get(entry.value) != entry.etag:
                raise ConcurrentUpdate("an agenda entry is not at the version read")
        case _:
            assert_never(write)


def _expect[T](stored: Versioned[T] | None, etag: Etag | None) -> None:
    if etag != (None if stored is None else stored.etag):
        raise ConcurrentUpdate("a ledger entry is not at the version read")
