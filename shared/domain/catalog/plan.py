"""A plan: what usage costs, how often it is billed, and how the Marketplace is told."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Literal

from shared.domain.ids import AggregationCode, DimensionId, PlanCode, ProductCode
from shared.domain.period import Frequency
from shared.domain.rating.models import QuantityModel
from shared.domain.wire import WIRE

USAGE_FEE = DimensionId("usage_fee")


@dataclass(frozen=True, slots=True)
class MarketplacePlan:
    """The offer and plan of Partner Center that buyers choose."""

    __pydantic_config__: ClassVar = WIRE

    offer: str
    plan: str


@dataclass(frozen=True, slots=True)
class Pricing:
    """What the units of one aggregation cost."""

    __pydantic_config__: ClassVar = WIRE

    aggregation: AggregationCode
    charge: QuantityModel


@dataclass(frozen=True, slots=True)
class AmountBilling:
    """The whole amount is reported as units of one dimension (semantics, rule 20).

    ``unit_price`` is what Partner Center charges for a unit, in the plan's currency.
    """

    __pydantic_config__: ClassVar = WIRE

    dimension: DimensionId = USAGE_FEE
    unit_price: Decimal = Decimal("0.01")
    kind: Literal["AMOUNT"] = "AMOUNT"


@dataclass(frozen=True, slots=True)
class Plan:
    """A price list for one product, attached to accounts by account plans."""

    __pydantic_config__: ClassVar = WIRE

    code: PlanCode
    product: ProductCode
    pricing: tuple[Pricing, ...]
    marketplace: tuple[MarketplacePlan, ...] = ()
    billing: AmountBilling = AmountBilling()
    frequency: Frequency = Frequency.MONTHLY
    interval: int = 1
    name: str = ""
