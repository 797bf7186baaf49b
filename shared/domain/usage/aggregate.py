"""Aggregations: how statistics of events become the one quantity that pricing looks at."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, assert_never

from shared.domain.errors import InvalidInput
from shared.domain.money import CONTEXT, ONE, ZERO
from shared.domain.usage.event import DataValue
from shared.domain.usage.partial import Distinct, Moment, Partial


class AggregationType(StrEnum):
    """The simple aggregations (semantics, rule 6)."""

    SUM = "SUM"
    MIN = "MIN"
    MAX = "MAX"
    COUNT = "COUNT"
    LATEST = "LATEST"
    MEAN = "MEAN"
    UNIQUE = "UNIQUE"


class Rounding(StrEnum):
    """How a converted quantity becomes whole units (semantics, rule 5)."""

    UP = "UP"
    DOWN = "DOWN"
    NEAREST = "NEAREST"
    NONE = "NONE"


class UniqueDoubt(StrEnum):
    """Why a UNIQUE count may be lower than the truth."""

    SATURATED = "SATURATED"
    """Some cell met more different values than it keeps."""
    INCOMPLETE = "INCOMPLETE"
    """Some events came before the field's distinct values were kept: re-aggregation helps."""


class Figures(Protocol):
    """Statistics of one field, of one partial or of many."""

    @property
    def used(self) -> bool: ...
    @property
    def numeric(self) -> bool: ...
    @property
    def count(self) -> int: ...
    @property
    def total(self) -> Decimal: ...
    @property
    def least(self) -> Decimal | None: ...
    @property
    def greatest(self) -> Decimal | None: ...
    @property
    def latest(self) -> tuple[Moment, DataValue] | None: ...
    @property
    def distinct(self) -> Distinct | None: ...


class Statistics(Protocol):
    """Statistics of events, by field."""

    @property
    def events(self) -> int: ...
    @property
    def fields(self) -> Mapping[str, Figures]: ...


def aggregate(
    kind: AggregationType, partial: Statistics, field: str | None, default: Decimal = ZERO
) -> Decimal:
    """The quantity of ``field`` over the events of ``partial``; ``default`` when none has it.

    COUNT without a field counts events. Raises ``InvalidInput`` when the aggregation needs a field
    and none is named, or needs a number and the field holds text.
    """
    if field is None:
        if kind is not AggregationType.COUNT:
            raise InvalidInput(f"{kind} needs the data field it works on")
        return Decimal(partial.events) if partial.events else default
    stats = partial.fields.get(field)
    if stats is None or not stats.used:
        return default
    match kind:
        case AggregationType.COUNT:
            return Decimal(stats.count)
        case AggregationType.UNIQUE:
            return ZERO if stats.distinct is None else Decimal(len(stats.distinct.digests))
        case _:
            return _measure(kind, stats, field)


def _measure(kind: AggregationType, stats: Figures, field: str) -> Decimal:
    value: DataValue | None = None
    if stats.numeric:
        match kind:
            case AggregationType.SUM:
                value = stats.total
            case AggregationType.MEAN:
                value = CONTEXT.divide(stats.total, Decimal(stats.count))
            case AggregationType.MIN:
                value = stats.least
            case AggregationType.MAX:
                value = stats.greatest
            case AggregationType.LATEST:
                value = stats.latest[1] if stats.latest else None
            case AggregationType.COUNT | AggregationType.UNIQUE:
                raise InvalidInput(f"{kind} is counted, not measured")
            case _:
                assert_never(kind)
    if not isinstance(value, Decimal):
        raise InvalidInput(f"{kind} needs numbers, and {field} holds text")
    return value


def doubt_of_unique(partial: Partial, field: str) -> UniqueDoubt | None:
    """Why UNIQUE over ``field`` may be too low, or ``None`` when it is right."""
    stats = partial.fields.get(field)
    if stats is None:
        return None
    if stats.distinct is None or stats.distinct.seen < stats.count:
        return UniqueDoubt.INCOMPLETE
    return UniqueDoubt.SATURATED if stats.distinct.saturated else None


def to_units(value: Decimal, quantity_per_unit: Decimal, rounding: Rounding) -> Decimal:
    """``value`` in units of ``quantity_per_unit``: divided first, then rounded (rule 5).

    UP and DOWN go towards plus and minus infinity, NEAREST takes halves away from zero; all three
    are decided on the exact remainder, never on a quotient that was cut to 34 digits. Raises
    ``InvalidInput`` unless ``quantity_per_unit`` is positive.
    """
    if quantity_per_unit <= 0:
        raise InvalidInput("the quantity per unit must be positive")
    if rounding is Rounding.NONE:
        return CONTEXT.divide(value, quantity_per_unit)
    whole, rest = CONTEXT.divmod(value, quantity_per_unit)
    match rounding:
        case Rounding.UP:
            return CONTEXT.add(whole, ONE) if rest > 0 else whole
        case Rounding.DOWN:
            return CONTEXT.subtract(whole, ONE) if rest < 0 else whole
        case Rounding.NEAREST:
            if CONTEXT.add(rest, rest).copy_abs() < quantity_per_unit:
                return whole
            return CONTEXT.add(whole, ONE.copy_sign(rest))
        case _:
            assert_never(rounding)
