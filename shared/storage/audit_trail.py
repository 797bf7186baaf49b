"""The audit trail: a partition a subject, in the order of time."""

from collections.abc import Iterable, Sequence

from shared.domain.audit import AuditEntry
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.tables import Tables


class TableAuditTrail:
    """Fulfils ``AuditTrail``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.AUDIT)

    def append(self, entries: Sequence[AuditEntry]) -> None:
        for entry in entries:
            text = to_stored(entry)
            row = keys.audit_row(entry.at, text)
            self._table.create(keys.part(entry.subject), row, dict(pack("entry", text)))

    def of(self, subject: str) -> Iterable[AuditEntry]:
        for row in self._table.query(keys.part(subject)):
            yield from_stored(AuditEntry, unpack(row.properties, "entry"))
