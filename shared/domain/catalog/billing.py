"""How the Marketplace is told: as an amount through one dimension, or as units of several."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from shared.domain.catalog.segment import Segment
from shared.domain.ids import AggregationCode, DimensionId
from shared.domain.wire import WIRE, Tagged

USAGE_FEE = DimensionId("usage_fee")


@dataclass(frozen=True, slots=True)
class MarketplacePlan:
    """The offer and plan of Partner Center that buyers choose."""

    __pydantic_config__: ClassVar = WIRE

    offer: str
    plan: str


@dataclass(frozen=True, slots=True)
class Included:
    """Units of a dimension that cost nothing, as configured in Partner Center: they refill every
    month on the term's day, or once a term (semantics, rule 26). One of the two is given."""

    __pydantic_config__: ClassVar = WIRE

    monthly: Decimal | None = None
    term: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AmountBilling:
    """The whole amount is reported as units of one dimension (semantics, rule 20).

    ``unit_price`` is what Partner Center charges for a unit, in US dollars. There is no included
    quantity; the field is there so that one can be refused with the reason.
    """

    __pydantic_config__: ClassVar = WIRE

    dimension: DimensionId = USAGE_FEE
    unit_price: Decimal = Decimal("0.01")
    included: Included | None = None
    kind: Literal["AMOUNT"] = "AMOUNT"


@dataclass(frozen=True, slots=True)
class QuantityDimension:
    """A dimension that reports an aggregation, or one segment of it, beyond what is included."""

    __pydantic_config__: ClassVar = WIRE

    id: DimensionId
    aggregation: AggregationCode
    segment: Segment | None = None
    included: Included | None = None


@dataclass(frozen=True, slots=True)
class WaterfallStep:
    """A dimension that takes the part of a quantity up to ``up_to`` (inclusive, rule 2)."""

    __pydantic_config__: ClassVar = WIRE

    id: DimensionId
    up_to: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Dimensions that share an aggregation's quantity by its size (semantics, rule 26)."""

    __pydantic_config__: ClassVar = WIRE

    aggregation: AggregationCode
    steps: tuple[WaterfallStep, ...]
    segment: Segment | None = None
    included: Included | None = None


@dataclass(frozen=True, slots=True)
class QuantityBilling:
    """Units are reported through dimensions that Partner Center prices."""

    __pydantic_config__: ClassVar = WIRE

    dimensions: tuple[QuantityDimension, ...] = ()
    waterfalls: tuple[Waterfall, ...] = ()
    kind: Literal["QUANTITY"] = "QUANTITY"


type Billing = Annotated[
    AmountBilling | QuantityBilling, Tagged("kind", AmountBilling, QuantityBilling)
]


def dimension_ids(billing: Billing) -> tuple[DimensionId, ...]:
    """Every dimension that usage is reported through, in the document's order."""
    match billing:
        case AmountBilling():
            return (billing.dimension,)
        case QuantityBilling():
            stepped = [step.id for fall in billing.waterfalls for step in fall.steps]
            return (*(dimension.id for dimension in billing.dimensions), *stepped)
