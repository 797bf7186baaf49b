"""An aggregation: the number that pricing looks at, made of a meter's usage."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from shared.domain.catalog.segment import Segment
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, ProductCode
from shared.domain.money import ONE, ZERO
from shared.domain.usage.aggregate import AggregationType, Rounding
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How a meter's events become one quantity. COUNT needs no ``field``: it counts events.

    The measure, or ``default_value`` where no event has the field, is divided by
    ``quantity_per_unit`` and then rounded (semantics, rules 5 and 6). With ``segmented_fields``
    there is one quantity for each of ``segments``. ``product`` is the meter's where it is left
    out; with neither it is global: plans of every product may price it.
    """

    __pydantic_config__: ClassVar = WIRE

    code: AggregationCode
    meter: MeterCode
    type: AggregationType
    field: FieldCode | None = None
    name: str = ""
    unit: str = ""
    rounding: Rounding = Rounding.NONE
    quantity_per_unit: Decimal = ONE
    default_value: Decimal = ZERO
    segmented_fields: tuple[FieldCode, ...] = ()
    segments: tuple[Segment, ...] = ()
    product: ProductCode | None = None


@dataclass(frozen=True, slots=True)
class CompoundAggregation:
    """A quantity calculated from others by an expression that names their codes.

    It sees their measures as they are, over all segments, before conversion and rounding; its own
    value is divided by ``quantity_per_unit`` and then rounded. It may also read compound
    aggregations that stand before it, and ``custom.`` fields of organization, product and plan.
    """

    __pydantic_config__: ClassVar = WIRE

    code: AggregationCode
    expression: str
    name: str = ""
    unit: str = ""
    rounding: Rounding = Rounding.NONE
    quantity_per_unit: Decimal = ONE
    product: ProductCode | None = None
