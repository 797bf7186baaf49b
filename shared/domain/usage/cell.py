"""Folded usage as rating reads it: cells of a meter, divided by what its usage is split by."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import MeterCode
from shared.domain.usage.partial import Partial


@dataclass(frozen=True, slots=True)
class CellUsage:
    """The folded statistics of one cell of one meter and segment."""

    meter: MeterCode
    segment: str
    start: datetime
    partial: Partial


def newest_generation(cells: Iterable[CellUsage]) -> list[CellUsage]:
    """The cells that count.

    Aggregating a meter's cell again may divide it otherwise than before and leaves the old
    division where it was; of each meter and start only the highest generation counts.
    """
    cells = list(cells)
    if {cell.partial.generation for cell in cells} <= {0}:
        return cells
    newest: dict[tuple[MeterCode, datetime], int] = {}
    for cell in cells:
        key = (cell.meter, cell.start)
        newest[key] = max(newest.get(key, 0), cell.partial.generation)
    return [c for c in cells if c.partial.generation == newest[c.meter, c.start]]
