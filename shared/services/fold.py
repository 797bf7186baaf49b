"""Folds the partials of changed hours into the account's usage days, never backwards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.domain.period import HOUR, day_of
from shared.domain.usage.cell import CellUsage
from shared.domain.usage.partial import Partial, merged
from shared.ports import Accounts, DayKey, Etag, UsageDay, UsageDays, UsageLog, Versioned
from shared.services.directory import CatalogCache
from shared.services.reaggregate import Reaggregate

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Folded:
    """An account's usage of a span of days, after folding what had changed."""

    rows: Mapping[DayKey, UsageDay]
    improved: int = 0
    """How many rows this fold brought up to date."""

    def cells(self) -> list[CellUsage]:
        """All cells, for rating."""
        return [
            CellUsage(key.meter, key.segment, start, partial)
            for key, row in self.rows.items()
            for start, partial in row.cells.items()
        ]


class Fold:
    """Brings an account's usage days up to date and hands them to rating."""

    def __init__(
        self, log: UsageLog, days: UsageDays, catalogs: CatalogCache, accounts: Accounts
    ) -> None:
        self._log = log
        self._days = days
        self._reaggregate = Reaggregate(log, catalogs, accounts)

    def __call__(
        self,
        shard: Shard,
        account: AccountCode,
        hours: Collection[datetime],
        span: tuple[date, date] | None,
    ) -> Folded:
        """Fold the changed ``hours`` and return the usage of ``span`` and of those hours' days.

        Cells among them whose statistics lack what the catalogue needs are made of events anew.
        Rows are read before the partials and written back at the version read, so overlapping
        runs can never put an older sum over a newer one. Raises ``ConcurrentUpdate`` when
        others keep changing the same rows.
        """
        changed: dict[date, list[datetime]] = {}
        for hour in hours:
            changed.setdefault(day_of(hour), []).append(hour)
        wanted = changed.keys() | set(span or ())
        if not wanted:
            return Folded({})
        for _ in range(ATTEMPTS):
            rows = self._days.read(shard, account, min(wanted), max(wanted))
            fresh = self._fresh_cells(shard, account, changed)
            self._make_anew(shard, account, rows, fresh)
            writes = _improved(rows, fresh)
            try:
                if writes:
                    self._days.write(shard, writes)
            except ConcurrentUpdate:
                continue
            result = {key: row.value for key, row in rows.items()}
            result.update({row.key: row for row, _ in writes})
            return Folded(result, len(writes))
        raise ConcurrentUpdate(f"usage days of {account} keep changing")

    def _make_anew(
        self,
        shard: Shard,
        account: AccountCode,
        rows: Mapping[DayKey, Versioned[UsageDay]],
        fresh: dict[DayKey, dict[datetime, Partial]],
    ) -> None:
        """Put what is aggregated again in the place of what partials say."""
        wanting = self._reaggregate.wanting([row.value for row in rows.values()], fresh)
        for key, cells in fresh.items():
            for cell in [c for c in cells if self._reaggregate.owns(key.meter, c)]:
                del cells[cell]
        if not wanting:
            return
        for key, cells in self._reaggregate(shard, account, wanting).items():
            fresh.setdefault(key, {}).update(cells)

    def _fresh_cells(
        self,
        shard: Shard,
        account: AccountCode,
        changed: Mapping[date, Collection[datetime]],
    ) -> dict[DayKey, dict[datetime, Partial]]:
        fresh: dict[DayKey, dict[datetime, Partial]] = {}
        for day, hours in sorted(changed.items()):
            last = max(hours) + HOUR - timedelta(minutes=1)
            found = self._log.partials(day, shard, account, min(hours), last)
            for key, partials in found.items():
                row = DayKey(account, day, key.meter, key.segment)
                fresh.setdefault(row, {})[key.cell] = merged(partials)
        return fresh


def _improved(
    rows: Mapping[DayKey, Versioned[UsageDay]],
    fresh: Mapping[DayKey, Mapping[datetime, Partial]],
) -> list[tuple[UsageDay, Etag | None]]:
    """The rows to write: those in which a cell has grown or is new."""
    writes: list[tuple[UsageDay, Etag | None]] = []
    for key, cells in fresh.items():
        stored = rows.get(key)
        old = stored.value.cells if stored else {}
        better = {
            start: partial
            for start, partial in cells.items()
            if start not in old or partial.rank > old[start].rank
        }
        if better:
            row = UsageDay(key, {**old, **better})
            writes.append((row, stored.etag if stored else None))
    return writes
