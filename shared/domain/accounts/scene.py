"""What a change of an account is judged by: the account, the catalogue, and the time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from shared.domain.account import AccountRecord
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.catalog.timeline import END, Timeline
from shared.domain.errors import FieldError, NotFound
from shared.domain.ids import PlanCode, ProductCode
from shared.domain.period import cell_minutes, cell_of

NO_ZONE = "must name its zone, such as Z"


@dataclass(frozen=True, slots=True)
class Scene:
    """An account as it is stored, all versions of the catalogue (``None`` before the first), and
    now. ``payer`` is the parent that a child is billed with."""

    record: AccountRecord
    timeline: Timeline | None
    now: datetime
    payer: AccountRecord | None = None

    @property
    def closed_until(self) -> datetime | None:
        """Until when the account's periods have ended and are billed, on its payer's locked bills
        too; ``None`` while none is."""
        locked = () if self.payer is None else self.payer.locked
        ends = [bill.period.end for bill in locked]
        return max((end for end in (self.record.closed_until, *ends) if end), default=None)

    @property
    def catalogs(self) -> tuple[Catalog, ...]:
        """The version in force, and the last to come: what may be referred to."""
        return () if self.timeline is None else (self.timeline.at(self.now), self.timeline.at(END))

    @property
    def products(self) -> list[ProductCode]:
        """Codes of the products there are."""
        return [product.code for catalog in self.catalogs for product in catalog.products]

    @property
    def plans(self) -> list[PlanCode]:
        """Codes of the plans there are."""
        return [plan.code for catalog in self.catalogs for plan in catalog.plans]

    @property
    def cell(self) -> int:
        """Minutes of a cell of the account's usage."""
        own = self.record.account.time_zone
        zone = own or (self.catalogs[0].organization.time_zone if self.catalogs else "UTC")
        return cell_minutes(zone)

    def plan(self, code: PlanCode) -> ResolvedPlan | None:
        """A plan as it was last configured, ``None`` for one that never was."""
        if self.timeline is None:
            return None
        try:
            return self.timeline.spans(code)[-1].plan
        except NotFound:
            return None

    def present_cell(self) -> datetime:
        """When what takes effect now does so."""
        return cell_of(self.now, self.cell)

    def span_faults(self, start: datetime | None, end: datetime | None) -> Iterator[FieldError]:
        """What is wrong with [start, end): everything takes effect where a cell begins."""
        given = {"/start": start, "/end": end}
        for pointer, moment in given.items():
            if moment is None:
                continue
            if moment.tzinfo is None:
                yield FieldError(pointer, NO_ZONE)
            elif cell_of(moment, self.cell) != moment:
                every = "a full hour" if self.cell == 60 else "a quarter of an hour"
                near = cell_of(moment, self.cell)
                message = f"must be {every}: usage is kept so; the one before is {near:%H:%M}Z"
                yield FieldError(pointer, message)
        begin = start or self.present_cell()
        if end is not None and end.tzinfo and begin.tzinfo and end <= begin:
            yield FieldError("/end", f"must be after the start, {begin.isoformat()}")

    def closed_faults(self, pointer: str, moment: datetime | None) -> Iterator[FieldError]:
        """The fault of something that takes effect in a period that has ended."""
        closed = self.closed_until
        if closed is not None and moment is not None and moment < closed:
            message = (
                f"would change billing periods that ended by {closed.isoformat()} and are billed "
                "already; take that moment or a later one"
            )
            yield FieldError(pointer, message)
