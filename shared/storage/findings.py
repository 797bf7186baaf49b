"""Findings: a partition a kind, a row a subject."""

from collections.abc import Iterable, Sequence

from shared.domain.finding import Finding, FindingKind
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, to_stored, unpack
from shared.storage.tables import Tables


class TableFindings:
    """Fulfils ``Findings``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.FINDINGS)

    def note(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            row = dict(pack("finding", to_stored(finding)))
            self._table.put(finding.kind, keys.hashed(finding.subject), row)

    def all(self) -> Iterable[Finding]:
        for row in self._table.scan():
            yield from_stored(Finding, unpack(row.properties, "finding"))

    def drop(self, kind: FindingKind, subject: str) -> None:
        self._table.delete(kind, keys.hashed(subject))
