"""What is known of the hourly runs: one row a shard."""

from datetime import UTC, datetime

from shared.domain.errors import Unavailable
from shared.domain.ids import Shard
from shared.ports import RunStart
from shared.storage import keys
from shared.storage.mapping import text_of
from shared.storage.tables import Tables


class TableRuns:
    """Fulfils ``Runs``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.RUNS)
        self._clock = tables.clock

    def begin(self, shard: Shard) -> RunStart:
        """See the port. Raises ``Unavailable`` too when storage does not tell its time."""
        row, date = self._table.get_dated(keys.partition(shard), keys.LAST_COMPLETED)
        if date is None:
            raise Unavailable("table storage answered without its time")
        completed = None
        if row is not None:
            completed = datetime.fromisoformat(text_of(row.properties, "started"))
        return RunStart(completed, self._clock.observe(date))

    def complete(self, shard: Shard, started: datetime) -> None:
        stored = {"started": started.astimezone(UTC).isoformat()}
        self._table.put(keys.partition(shard), keys.LAST_COMPLETED, stored)
