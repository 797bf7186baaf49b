"""The audit trail: a partition a subject and one a month, both in the order of time."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime

from shared.domain.audit import AuditEntry
from shared.domain.period import DAY
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.tables import Row, Tables


class TableAuditTrail:
    """Fulfils ``AuditTrail``. Each entry is there twice; months are stored first, so what a crash
    left out of a subject's partition still is in the trail of all."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.AUDIT)

    def append(self, entries: Sequence[AuditEntry]) -> None:
        for entry in entries:
            text = to_stored(entry)
            row, properties = keys.audit_row(entry.at, text), pack("entry", text)
            month = keys.audit_month(entry.at.astimezone(UTC).date())
            for partition in (month, keys.part(entry.subject)):
                self._table.create(partition, row, properties)

    def of(self, subject: str) -> Iterable[AuditEntry]:
        for row in self._table.query(keys.part(subject)):
            yield _entry(row)

    def between(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """A month is read whole, because rows come oldest first only."""
        if since >= until:
            return
        month, last = _first_day(until), _first_day(since)
        while month >= last:
            rows = self._table.query(keys.audit_month(month), keys.audit_from(since))
            entries = [_entry(row) for row in rows]
            yield from (entry for entry in reversed(entries) if since <= entry.at < until)
            month = _month_before(month)


def _entry(row: Row) -> AuditEntry:
    return from_stored(AuditEntry, unpack(row.properties, "entry"))


def _first_day(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)


def _month_before(month: date) -> date:
    return (month - DAY).replace(day=1)
