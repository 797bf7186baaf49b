"""Aggregates stored events again where the catalogue came to need more of them than partials
hold: a division by other fields, a derived field, different values.

A cell that was aggregated again bears the number of the version that asked for it as its
generation. It is never folded from partials any more: when they count more events than it does,
or some of its segments were not written, it is aggregated again. Everything here can be repeated,
also beside itself.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime

from shared.domain.account import CustomHistory
from shared.domain.catalog.timeline import Timeline
from shared.domain.ids import AccountCode, MeterCode, Shard
from shared.domain.period import cell_of, day_of, day_start
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import Accounts, DayKey, UsageDay, UsageLog
from shared.services.directory import NOTHING, CatalogCache

type Cell = tuple[MeterCode, datetime]
type Cells = Mapping[DayKey, Mapping[datetime, Partial]]


class Reaggregate:
    """Finds cells whose stored statistics do not suffice, and makes them of the events."""

    def __init__(self, log: UsageLog, catalogs: CatalogCache, accounts: Accounts) -> None:
        self._log = log
        self._catalogs = catalogs
        self._accounts = accounts

    def wanting(
        self, rows: Iterable[UsageDay], fresh: Mapping[DayKey, Mapping[datetime, Partial]]
    ) -> set[Cell]:
        """Cells to be aggregated again, of what is folded and of what partials say now."""
        rows = list(rows)
        timeline = self._timeline(rows)
        if timeline is None:
            return set()
        meters = {row.key.meter for row in rows} | {key.meter for key in fresh}
        demanding = {meter for meter in meters if timeline.demands(meter)}
        if not demanding:
            return set()
        counted = _by_cell({row.key: row.cells for row in rows}, demanding)
        current = _by_cell(fresh, demanding)
        found: set[Cell] = set()
        for meter, cell in counted.keys() | current.keys():
            needed = timeline.generation(meter, cell)
            stored = _newest(counted.get((meter, cell), []))
            more = sum(partial.events for partial in current.get((meter, cell), []))
            if needed and (stored.generation < needed or stored.events < max(stored.out_of, more)):
                found.add((meter, cell))
        return found

    def owns(self, meter: MeterCode, cell: datetime) -> bool:
        """Whether a cell is made of events here, and must not be folded from partials."""
        timeline = self._catalogs.timeline()
        return timeline is not None and timeline.generation(meter, cell) > 0

    def __call__(
        self, shard: Shard, account: AccountCode, cells: Collection[Cell]
    ) -> dict[DayKey, dict[datetime, Partial]]:
        """The statistics of these cells under the versions in force in them.

        Cells of a day whose events are gone are left as they are.
        """
        made: dict[DayKey, dict[datetime, Partial]] = {}
        timeline = self._catalogs.timeline()
        if timeline is None:
            return made
        stored = self._accounts.load(account)
        customs = NOTHING if stored is None else stored.value.customs
        for day in sorted({day_of(cell) for _, cell in cells}):
            # Events first: each of them is then in a cell that the partials name.
            events = list(self._log.events(day, shard, account))
            known = self._known(day, shard, account)
            for event in events:
                cell = _cell_of(event, known)
                if (event.meter, cell) in cells:
                    _add(made, timeline, event, cell, customs)
        for partials in _by_cell(made, {meter for meter, _ in cells}).values():
            total = sum(partial.events for partial in partials)
            for partial in partials:
                partial.out_of = total
        return made

    def _known(self, day: date, shard: Shard, account: AccountCode) -> set[Cell]:
        start = day_start(day)
        last = start.replace(hour=23, minute=59)
        return {(k.meter, k.cell) for k in self._log.partials(day, shard, account, start, last)}

    def _timeline(self, rows: Iterable[UsageDay]) -> Timeline | None:
        """All versions, those included that cells were aggregated under elsewhere."""
        newest = max((p.generation for row in rows for p in row.cells.values()), default=0)
        return self._catalogs.timeline(at_least=newest)


def _by_cell(cells: Cells, meters: Collection[MeterCode]) -> dict[Cell, list[Partial]]:
    """The partials of all segments of each cell."""
    found: dict[Cell, list[Partial]] = {}
    for key, parts in cells.items():
        if key.meter in meters:
            for start, partial in parts.items():
                found.setdefault((key.meter, start), []).append(partial)
    return found


def _newest(partials: Collection[Partial]) -> Partial:
    """What the partials of a cell's highest generation count together."""
    generation = max((partial.generation for partial in partials), default=0)
    newest = [partial for partial in partials if partial.generation == generation]
    events = sum(partial.events for partial in newest)
    out_of = max((partial.out_of for partial in newest), default=0)
    return Partial(events, {}, generation, out_of)


def _cell_of(event: UsageEvent, known: Collection[Cell]) -> datetime:
    """The cell that the event's partial is in: a quarter of an hour or an hour."""
    quarter = cell_of(event.time, 15)
    return quarter if (event.meter, quarter) in known else cell_of(event.time, 60)


def _add(
    made: dict[DayKey, dict[datetime, Partial]],
    timeline: Timeline,
    event: UsageEvent,
    cell: datetime,
    customs: CustomHistory,
) -> None:
    intake = timeline.intake(event.meter, event.time)
    if intake is None:
        raise AssertionError("an event of a meter that never existed was stored")
    taken = intake.take_again(event.data, customs.at(event.time))
    key = DayKey(event.account, day_of(cell), event.meter, taken.segment)
    generation = timeline.generation(event.meter, cell)
    partial = made.setdefault(key, {}).setdefault(cell, Partial(generation=generation))
    partial.add(replace(event, data=taken.data), intake.unique_fields)
