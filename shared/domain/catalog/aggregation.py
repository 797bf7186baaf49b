"""An aggregation: the number that pricing looks at, made of a meter's usage."""

from dataclasses import dataclass
from typing import ClassVar

from shared.domain.ids import AggregationCode, FieldCode, MeterCode
from shared.domain.usage.aggregate import AggregationType
from shared.domain.wire import WIRE


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How a meter's events become one quantity. COUNT needs no ``field``: it counts events."""

    __pydantic_config__: ClassVar = WIRE

    code: AggregationCode
    meter: MeterCode
    type: AggregationType
    field: FieldCode | None = None
    name: str = ""
    unit: str = ""
