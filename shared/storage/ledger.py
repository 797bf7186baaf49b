"""The ledger: rows, submissions and agenda of a shard in one partition.

An unsettled submission lives in its ``O`` row, which is replaced with every attempt; its ``S``
row, made with it, holds the Marketplace's slot and receives the outcome when the ``O`` row goes.
So finding what is unsettled is one range, and each change of it is one or two rows. The version
of a submission says which of the two rows it is the version of.
"""

from collections.abc import Iterable, Sequence
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
from shared.storage import keys
from shared.storage.limits import check_whole_hour
from shared.storage.mapping import Properties, from_stored, text_of, to_stored
from shared.storage.operations import (
    Clash,
    Create,
    Delete,
    Done,
    Operation,
    Put,
    Replace,
    create_or_replace,
)
from shared.storage.tables import Row, Tables

_OPEN = "o"
_CLOSED = "s"


class TableLedger:
    """Fulfils ``Ledger``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.LEDGER)

    def rows(self, shard: Shard, resource: Resource) -> dict[LedgerKey, Versioned[LedgerRow]]:
        found: dict[LedgerKey, Versioned[LedgerRow]] = {}
        for row in self._table.query(keys.partition(shard), keys.ledger_of(resource)):
            ledger_row = from_stored(LedgerRow, text_of(row.properties, "row"))
            found[ledger_row.key] = Versioned(ledger_row, row.etag)
        return found

    def unsettled(self, shard: Shard) -> list[Versioned[Submission]]:
        found = self._table.query(keys.partition(shard), keys.all_open())
        return [Versioned(_submission(row), _OPEN + row.etag) for row in found]

    def agenda(self, shard: Shard, until: datetime) -> list[Versioned[AgendaEntry]]:
        wanted = keys.agenda_until(until)
        found = self._table.query(keys.partition(shard), wanted)
        return [Versioned(keys.agenda_in(row.key), row.etag) for row in found]

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        """See the port; raises ``TooLarge`` for what no transaction can carry."""
        operations: list[Operation] = []
        versioned: list[tuple[str, int] | None] = []
        for write in writes:
            versioned.append(_version_of(write, len(operations)))
            operations += _operations(write)
        match self._table.transact(keys.partition(shard), operations):
            case Done(etags):
                return ["" if at is None else at[0] + etags[at[1]] for at in versioned]
            case Clash(index):
                raise ConcurrentUpdate(f"{operations[index].row} is not at the version read")

    def refunds(self, shard: Shard, resource: Resource) -> list[Refund]:
        found = self._table.query(keys.partition(shard), keys.refunds_of(resource))
        return [from_stored(Refund, text_of(row.properties, "refund")) for row in found]

    def submissions(
        self, shard: Shard, resource: Resource, since: datetime
    ) -> Iterable[Submission]:
        # What is unsettled first: a submission that ends in between is then found with its end.
        partition, least = keys.partition(shard), ("hour", keys.hour_text(since))
        unsettled = {
            (submission.key, submission.hour): submission
            for row in self._table.query(partition, keys.open_of(resource), at_least=least)
            for submission in [_submission(row)]
        }
        for row in self._table.query(partition, keys.submissions_of(resource), at_least=least):
            submission = _submission(row)
            if submission.state.unsettled:
                submission = unsettled.get((submission.key, submission.hour), submission)
            yield submission


def _submission(row: Row) -> Submission:
    return from_stored(Submission, text_of(row.properties, "submission"))


def _version_of(write: LedgerWrite, first: int) -> tuple[str, int] | None:
    """Which operation makes the version to return, with what before it; ``None``: no version."""
    match write:
        case PutRow():
            return "", first
        case PutSubmission(submission):
            return (_OPEN if submission.state.unsettled else _CLOSED), first
        case PutAgenda() | DropAgenda() | PutRefund():
            return None
        case _:
            assert_never(write)


def _operations(write: LedgerWrite) -> list[Operation]:
    match write:
        case PutRow(row, etag):
            return [create_or_replace(keys.ledger_row(row.key), {"row": to_stored(row)}, etag)]
        case PutSubmission(submission, etag):
            check_whole_hour(submission.hour)
            return _submission_operations(submission, etag)
        case PutAgenda(entry):
            return [Put(keys.agenda_row(entry), {})]
        case PutRefund(refund):
            return [Create(keys.refund_row(refund.key, refund.id), {"refund": to_stored(refund)})]
        case DropAgenda(entry):
            return [Delete(keys.agenda_row(entry.value), entry.etag)]
        case _:
            assert_never(write)


def _submission_operations(submission: Submission, etag: Etag | None) -> list[Operation]:
    """The row that bears the new version comes first."""
    slot = keys.submission_row(submission.key, submission.hour)
    index = keys.open_row(submission.key, submission.hour)
    properties: Properties = {
        "submission": to_stored(submission),
        "hour": keys.hour_text(submission.hour),
        "state": submission.state.value,
    }
    was_open = etag is not None and etag.startswith(_OPEN)
    version = None if etag is None else etag[1:]
    match was_open, submission.state.unsettled:
        case True, True:
            return [Replace(index, properties, version)]
        case True, False:
            return [Replace(slot, properties, None), Delete(index, version)]
        case False, True:
            return [Create(index, properties), create_or_replace(slot, properties, version)]
        case _:
            return [create_or_replace(slot, properties, version)]
