"""Quantities: what a plan's prices are applied to, made of the usage of one span of time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Self

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.custom import CustomFields, custom_values, overridden
from shared.domain.catalog.intake import NONE
from shared.domain.catalog.plan import Pricing
from shared.domain.catalog.resolve import ResolvedPlan
from shared.domain.catalog.segment import (
    Segment,
    SegmentKey,
    by_precedence,
    segment_of,
    values_of,
)
from shared.domain.errors import InvalidInput
from shared.domain.ids import AggregationCode, MeterCode
from shared.domain.money import ZERO
from shared.domain.rating.fees import Fee
from shared.domain.rating.models import Usage
from shared.domain.rating.percentage import Percentage, PercentageInput
from shared.domain.usage.aggregate import aggregate, to_units
from shared.domain.usage.cell import CellUsage, newest_generation
from shared.domain.usage.event import DataValue
from shared.domain.usage.expression import Expression, compile_expression
from shared.domain.usage.gathered import Gathered
from shared.domain.usage.partial import Partial, merged

compiled = lru_cache(maxsize=1_024)(compile_expression)
"""Expressions of compound aggregations are evaluated for every account: compiled once."""


class Quantities:
    """What one plan measures in ``cells`` and in those of ``earlier``, which are merged once.

    ``custom`` are fields of the account.
    """

    def __init__(
        self,
        catalog: Catalog,
        plan: ResolvedPlan,
        cells: Sequence[CellUsage],
        earlier: "Quantities | None" = None,
        custom: CustomFields = NONE,
    ) -> None:
        self._catalog = catalog
        self._plan = plan
        self._custom = custom
        self._compounds: dict[AggregationCode, Decimal] = {}
        gathering = _Gathering.of(earlier, cells)
        if gathering.generations:
            gathering = _Gathering.of(earlier, newest_generation(cells))
        self.events: int = gathering.events
        self.parts: dict[MeterCode, dict[SegmentKey, Gathered]] = {}
        for (own, part_of), partials in gathering.found.items():
            self.parts.setdefault(own, {})[part_of] = Gathered(partials)
        self._whole: dict[MeterCode, Gathered] = {}

    def usage(self, pricing: Pricing) -> Usage:
        """What ``pricing`` is applied to.

        Raises ``NotFound`` for an unknown aggregation, and ``InvalidInput`` where a compound one
        has no value or usage is not kept apart by the fields it is priced by.
        """
        measure = self._catalog.measure(pricing.aggregation)
        if isinstance(measure, Aggregation) and isinstance(pricing.charge, Percentage):
            partial = self._partial(measure, pricing.segment)
            return _percentage_input(measure, pricing.charge, partial)
        return self.units(pricing.aggregation, pricing.segment)

    def units(self, code: AggregationCode, segment: Segment | None) -> Decimal:
        """Converted and rounded units of an aggregation, or of one segment of it; raises as
        ``usage``."""
        measure = self._catalog.measure(code)
        match measure:
            case Aggregation():
                value = _value(measure, self._partial(measure, segment))
            case CompoundAggregation():
                value = self.measure(measure.code)
        return to_units(value, measure.quantity_per_unit, measure.rounding)

    def measure(self, code: AggregationCode) -> Decimal:
        """The measure of an aggregation over all its segments, before conversion and rounding."""
        measure = self._catalog.measure(code)
        match measure:
            case Aggregation():
                return _value(measure, self._partial(measure, None))
            case CompoundAggregation():
                known = self._compounds.get(code)
                if known is None:
                    known = self._compounds[code] = self._calculated(measure)
                return known

    def _calculated(self, compound: CompoundAggregation) -> Decimal:
        expression: Expression = compiled(compound.expression)
        product = self._catalog.product(self._plan.product)
        theirs = custom_values(
            self._catalog.organization.custom,
            product.custom if product else {},
            self._plan.custom,
        )
        values: dict[str, DataValue] = overridden(theirs, self._custom)
        for name in expression.names - values.keys():
            if self._catalog.find_measure(AggregationCode(name)) is not None:
                values[name] = self.measure(AggregationCode(name))
        value = expression.evaluate(values)
        if isinstance(value, str):
            raise InvalidInput(f"compound aggregation {compound.code} is a text, not a number")
        return value

    def _partial(self, aggregation: Aggregation, segment: Segment | None) -> Gathered:
        parts = self.parts.get(aggregation.meter, {})
        if segment is None:
            whole = self._whole.get(aggregation.meter)
            if whole is None:
                whole = self._whole[aggregation.meter] = _together(parts.values())
            return whole
        ordered = by_precedence(aggregation.segmented_fields, aggregation.segments)
        return _together(
            part for key, part in parts.items() if _segment_of(aggregation, ordered, key) == segment
        )


@dataclass(slots=True)
class _Gathering:
    """Cells by meter and segment, the events in them, and whether any was aggregated again."""

    found: dict[tuple[MeterCode, SegmentKey], list[Partial]] = field(default_factory=dict)
    events: int = 0
    generations: int = 0

    @classmethod
    def of(cls, earlier: Quantities | None, cells: Iterable[CellUsage]) -> Self:
        """In one pass, because going through memory is most of what it takes."""
        gathering = cls()
        found = gathering.found
        if earlier is not None:
            gathering.events = earlier.events
            for own, parts in earlier.parts.items():
                for part_of, part in parts.items():
                    found[own, part_of] = [merged(part.partials)]
        meter: MeterCode | None = None
        segment: SegmentKey | None = None
        known: list[Partial] = []
        events, generations = gathering.events, 0
        for cell in cells:
            if cell.meter is not meter or cell.segment is not segment:
                # Cells come row by row, those of a row with the very same names.
                meter, segment = cell.meter, cell.segment
                known = found.setdefault((meter, segment), [])
            partial = cell.partial
            events += partial.events
            generations |= partial.generation
            known.append(partial)
        gathering.events, gathering.generations = events, generations
        return gathering


def _together(parts: Iterable[Gathered]) -> Gathered:
    found = list(parts)
    if len(found) == 1:
        return found[0]
    return Gathered([partial for part in found for partial in part.partials])


def _segment_of(
    aggregation: Aggregation, ordered: Sequence[Segment], key: SegmentKey
) -> Segment | None:
    values = values_of(key)
    missing = [name for name in aggregation.segmented_fields if name not in values]
    if missing:
        raise InvalidInput(
            f"stored usage of meter {aggregation.meter} is not kept apart by {missing[0]}, which "
            f"aggregation {aggregation.code} needs; it has to be aggregated again"
        )
    return segment_of(ordered, values)


def _value(aggregation: Aggregation, partial: Gathered) -> Decimal:
    return aggregate(aggregation.type, partial, aggregation.field, aggregation.default_value)


def _percentage_input(
    aggregation: Aggregation, model: Percentage, partial: Gathered
) -> PercentageInput:
    stats = None if aggregation.field is None else partial.fields.get(aggregation.field)
    if aggregation.field is None or stats is None:
        return PercentageInput(ZERO, 0, ZERO if model.bounded else None)
    amount = _value(aggregation, partial)
    if not model.bounded:
        return PercentageInput(amount, stats.count)
    fees = partial.fields.get(Fee(aggregation.field, model).name)
    if fees is None or fees.count < stats.count:
        raise InvalidInput(
            f"stored usage of meter {aggregation.meter} lacks fees of events, which a price of "
            f"aggregation {aggregation.code} needs; it has to be aggregated again"
        )
    return PercentageInput(amount, stats.count, fees.total)
