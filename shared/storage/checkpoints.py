"""Checkpoints: beside what is known of the hourly runs, one row a name."""

from datetime import UTC, datetime

from shared.storage import keys
from shared.storage.mapping import text_of
from shared.storage.tables import Tables


class TableCheckpoints:
    """Fulfils ``Checkpoints``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.RUNS)

    def read(self, name: str) -> datetime | None:
        row = self._table.get(keys.CHECKPOINTS_PARTITION, keys.part(name))
        return None if row is None else datetime.fromisoformat(text_of(row.properties, "at"))

    def note(self, name: str, at: datetime) -> None:
        stored = {"at": at.astimezone(UTC).isoformat()}
        self._table.put(keys.CHECKPOINTS_PARTITION, keys.part(name), stored)
