"""Which version of the catalogue holds when: for events, for prices, for stored usage.

The version in force at a moment is the newest of those that are effective by then; before all of
them it is the first. A version therefore governs the usage from its effective hour on.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.intake import Intake
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.errors import NotFound
from shared.domain.ids import AggregationCode, MeterCode, PlanCode
from shared.domain.period import Period
from shared.domain.usage.expression import compile_expression

BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)

TAKING_HOLD = timedelta(minutes=15)
"""For this long after a version was stored, events may still be taken by the one before it: a
process believes what it read for a while, and clocks differ."""


@dataclass(frozen=True, slots=True)
class VersionHead:
    """A version without its contents. Without ``effective_from`` it holds for all time."""

    number: int
    created: datetime
    effective_from: datetime | None = None

    @property
    def start(self) -> datetime:
        """When it takes effect."""
        return self.effective_from or BEGINNING


@dataclass(frozen=True, slots=True)
class PlanSpan:
    """A time during which a plan costs the same; ``version`` is the one that began it, and
    ``meters`` are those that some price of it depends on."""

    start: datetime
    end: datetime
    version: int
    catalog: Catalog
    plan: ResolvedPlan
    meters: frozenset[MeterCode]


@dataclass(frozen=True, slots=True)
class Demand:
    """Usage of a meter in cells from ``start`` to before ``end`` must have been aggregated under
    ``version`` or later: what stored partials hold does not suffice for it."""

    start: datetime
    end: datetime
    version: int


class Timeline:
    """All versions of the catalogue in their order in time; ``catalogs`` are read as needed."""

    def __init__(self, heads: Iterable[VersionHead], catalogs: Mapping[int, Catalog]) -> None:
        self._heads = {head.number: head for head in heads}
        if not self._heads:
            raise NotFound("there is no catalogue yet")
        self._catalogs = catalogs
        self._starts, self._numbers = _in_force(list(self._heads.values()))
        self._spans: dict[PlanCode, tuple[PlanSpan, ...]] = {}
        self._demands: dict[MeterCode, tuple[Demand, ...]] = {}
        self._older: dict[int, Timeline] = {}

    @classmethod
    def of(cls, catalog: Catalog) -> "Timeline":
        """One catalogue for all time."""
        return cls([VersionHead(0, BEGINNING)], {0: catalog})

    @property
    def newest(self) -> int:
        """The number of the newest version, in force or not."""
        return max(self._heads)

    def until(self, number: int) -> "Timeline":
        """The history as it was when ``number`` was the newest version."""
        if number >= self.newest:
            return self
        known = self._older.get(number)
        if known is None:
            heads = [head for head in self._heads.values() if head.number <= number]
            known = self._older[number] = Timeline(heads, self._catalogs)
        return known

    @property
    def versions(self) -> tuple[int, ...]:
        """Numbers of the versions that are ever in force, in the order of time."""
        return tuple(self._numbers)

    def number_at(self, moment: datetime) -> int:
        """The number of the version in force at ``moment``."""
        return self._numbers[bisect_right(self._starts, moment) - 1]

    def at(self, moment: datetime) -> Catalog:
        """The version in force at ``moment``."""
        return self._catalogs[self.number_at(moment)]

    def during(self, span: Period) -> list[tuple[datetime, Catalog]]:
        """The versions in force during ``span``, each with the moment in it from which it is."""
        later = [start for start in self._starts if span.start < start < span.end]
        return [(moment, self.at(moment)) for moment in (span.start, *later)]

    def usage_grace(self, end: datetime) -> timedelta | None:
        """How long usage of a subscription that ended at ``end`` is taken; ``None``: not stated.

        Of the version in force at the end, so a later version moves no final submission.
        """
        hours = self.at(end).organization.usage_grace_hours
        return None if hours is None else timedelta(hours=hours)

    def intake(self, meter: MeterCode, moment: datetime) -> Intake | None:
        """What to do with an event of ``moment``; ``None`` for a meter that does not exist.

        A meter that was not there yet is taken as its first version has it.
        """
        at = bisect_right(self._starts, moment) - 1
        return self._intake(meter, self._numbers[at:])

    def spans(self, code: PlanCode) -> tuple[PlanSpan, ...]:
        """What a plan costs over all time. Raises ``NotFound`` for one that never existed.

        A plan that a version lacks goes on as it was for those who have it, and before its first
        version it counts as that one has it. Neighbours that cost the same are one span.
        """
        known = self._spans.get(code)
        if known is None:
            known = self._spans[code] = tuple(self._plan_spans(code))
        return known

    def knows(self, code: PlanCode) -> bool:
        """Whether some version has a plan of that code."""
        return any(self._catalogs[n].find_plan(code) is not None for n in self._numbers)

    def demands(self, meter: MeterCode) -> tuple[Demand, ...]:
        """Cells whose partials may lack what the version in force needs of them."""
        known = self._demands.get(meter)
        if known is None:
            known = self._demands[meter] = tuple(self._demands_of(meter))
        return known

    def version_of(self, span: PlanSpan, start: datetime, end: datetime) -> int:
        """The newest version that has a say in what a part of ``span`` costs: the one that brought
        its prices, or one that came to make something else of its usage."""
        demands = (demand for meter in span.meters for demand in self.demands(meter))
        asking = (d.version for d in demands if d.start < end and start < d.end)
        return max([span.version, *asking])

    def generation(self, meter: MeterCode, cell: datetime) -> int:
        """The least generation a cell must have; 0 where what ingestion stored is right."""
        demands = self.demands(meter)
        return max((d.version for d in demands if d.start <= cell < d.end), default=0)

    def _intake(self, meter: MeterCode, numbers: Iterable[int]) -> Intake | None:
        for number in numbers:
            found = self._catalogs[number].intake(meter)
            if found is not None:
                return found
        return None

    def _plan_spans(self, code: PlanCode) -> Iterable[PlanSpan]:
        ends = [*self._starts[1:], END]
        last: tuple[int, Catalog, ResolvedPlan] | None = None
        waiting: datetime | None = None
        made: list[PlanSpan] = []
        for start, end, number in zip(self._starts, ends, self._numbers, strict=True):
            catalog = self._catalogs[number]
            plan = catalog.find_plan(code)
            if plan is not None and (last is None or not _same(last[1:], (catalog, plan))):
                last = (number, catalog, plan)
            if last is None:
                waiting = waiting or start
                continue
            begin, waiting = waiting or start, None
            if made and made[-1].version == last[0]:
                begin = made.pop().start
            made.append(PlanSpan(begin, end, *last, _meters(*last[1:])))
        if not made:
            raise NotFound(f"the catalogue has no plan {code}")
        return made

    def _demands_of(self, meter: MeterCode) -> Iterable[Demand]:
        """A version that was stored after its effective hour, or just before it, meets usage that
        older versions took."""
        for number, head in sorted(self._heads.items()):
            until = head.created + TAKING_HOLD
            if head.start >= until:
                continue
            older = _in_force([h for n, h in self._heads.items() if n < number])
            if not older[1]:
                continue
            wanted = self._catalogs[number].intake(meter)
            if wanted is None:
                continue
            first = max(bisect_right(older[0], head.start) - 1, 0)
            last = bisect_right(older[0], until)
            taken = (self._intake(meter, older[1][at:]) for at in range(first, last))
            if any(intake is not None and not wanted.covers(intake) for intake in taken):
                yield Demand(head.start, until, number)


def _in_force(heads: list[VersionHead]) -> tuple[list[datetime], list[int]]:
    """When which version comes into force: the newest of those that are effective by then."""
    starts: list[datetime] = []
    numbers: list[int] = []
    if not heads:
        return starts, numbers
    moments = sorted({head.start for head in heads} | {BEGINNING})
    first = min(head.number for head in heads)
    for moment in moments:
        number = max((h.number for h in heads if h.start <= moment), default=first)
        if not numbers or numbers[-1] != number:
            starts.append(moment)
            numbers.append(number)
    return starts, numbers


def same_price(one: PlanSpan, other: PlanSpan) -> bool:
    """Whether a plan costs the same in two spans, whichever versions began them."""
    return one.version == other.version or _same(
        (one.catalog, one.plan), (other.catalog, other.plan)
    )


def _same(one: tuple[Catalog, ResolvedPlan], other: tuple[Catalog, ResolvedPlan]) -> bool:
    """Whether a plan costs the same under two versions, whatever else they change."""
    return _basis(*one) == _basis(*other)


def _basis(catalog: Catalog, plan: ResolvedPlan) -> tuple[object, ...]:
    """All that the price of usage depends on."""
    organization = catalog.organization
    codes = measured({pricing.aggregation for pricing in plan.pricing}, catalog)
    measures = [replace(catalog.measure(code), name="", unit="") for code in sorted(codes)]
    compound = any(isinstance(measure, CompoundAggregation) for measure in measures)
    return (
        [replace(pricing, description="") for pricing in plan.pricing],
        plan.billing,
        (plan.frequency, plan.interval, organization.anchor(plan.frequency)),
        (plan.currency, organization.time_zone),
        (plan.standing_charge, plan.minimum_spend, plan.free_trial, plan.charges),
        _custom(catalog, plan) if compound else None,
        measures,
    )


def _custom(catalog: Catalog, plan: ResolvedPlan) -> tuple[object, ...]:
    product = catalog.product(plan.product)
    return (catalog.organization.custom, product.custom if product else {}, plan.custom)


def _meters(catalog: Catalog, plan: ResolvedPlan) -> frozenset[MeterCode]:
    codes = measured({pricing.aggregation for pricing in plan.pricing}, catalog)
    measures = [catalog.measure(code) for code in codes]
    return frozenset(m.meter for m in measures if isinstance(m, Aggregation))


def measured(codes: Iterable[AggregationCode], catalog: Catalog) -> set[AggregationCode]:
    """These aggregations and all that they are calculated from."""
    found: set[AggregationCode] = set()
    waiting = list(codes)
    while waiting:
        code = waiting.pop()
        measure: Aggregation | CompoundAggregation | None = catalog.find_measure(code)
        if code in found or measure is None:
            continue
        found.add(code)
        if isinstance(measure, CompoundAggregation):
            names = compile_expression(measure.expression).names
            waiting += [AggregationCode(name) for name in names]
    return found
