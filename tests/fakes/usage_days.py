"""Folded usage in memory."""

from collections.abc import Sequence
from datetime import date

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.ports import DayKey, Etag, UsageDay, Versioned
from shared.storage.limits import check_once, check_usage_day
from tests.fakes.versions import Versions


class FakeUsageDays:
    """Keeps copies of partials."""

    def __init__(self) -> None:
        self._rows: dict[tuple[Shard, AccountCode], dict[DayKey, Versioned[UsageDay]]] = {}
        self._versions = Versions()

    def read(
        self, shard: Shard, account: AccountCode, first: date, last: date
    ) -> dict[DayKey, Versioned[UsageDay]]:
        rows = self._rows.get((shard, account), {})
        return {
            key: Versioned(_copy(stored.value), stored.etag)
            for key, stored in rows.items()
            if first <= key.day <= last
        }

    def write(self, shard: Shard, rows: Sequence[tuple[UsageDay, Etag | None]]) -> None:
        check_once([row.key for row, _ in rows])
        for row, etag in rows:
            self._write(shard, row, etag)

    def _write(self, shard: Shard, row: UsageDay, etag: Etag | None) -> None:
        check_usage_day(row)
        rows = self._rows.setdefault((shard, row.key.account), {})
        stored = rows.get(row.key)
        if etag != (None if stored is None else stored.etag):
            raise ConcurrentUpdate(f"the usage of {row.key} is not at the version read")
        rows[row.key] = Versioned(_copy(row), self._versions.new())


def _copy(row: UsageDay) -> UsageDay:
    return UsageDay(row.key, {cell: partial.copy() for cell, partial in row.cells.items()})
