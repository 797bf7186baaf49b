"""Plans and plan templates as they are written: what usage costs and how it is billed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import ClassVar

from shared.domain.catalog.billing import USAGE_FEE, AmountBilling, Billing, MarketplacePlan
from shared.domain.catalog.charges import (
    FreeTrial,
    MinimumSpend,
    ScheduledCharge,
    StandingCharge,
)
from shared.domain.catalog.custom import CustomFields
from shared.domain.catalog.purchase_grants import PurchaseCredit, PurchasePrepayment
from shared.domain.catalog.segment import Segment
from shared.domain.ids import AggregationCode, PlanCode, PlanTemplateCode, ProductCode
from shared.domain.period import Frequency
from shared.domain.rating.discount import NO_TERMS, LineTerms
from shared.domain.rating.models import ChargeModel
from shared.domain.wire import WIRE

__all__ = [
    "Plan",
    "PlanTemplate",
    "Pricing",
    "PricingKind",
    "PricingKey",
    "AmountBilling",
    "Billing",
    "MarketplacePlan",
    "USAGE_FEE",
]


class PricingKind(StrEnum):
    """What the price of an aggregation does to the bill."""

    DEBIT = "DEBIT"
    PRODUCT_CREDIT = "PRODUCT_CREDIT"
    GLOBAL_CREDIT = "GLOBAL_CREDIT"


type PricingKey = tuple[AggregationCode, PricingKind, tuple[tuple[str, str], ...] | None]
"""What no two prices share that hold at the same time."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """What the units of one aggregation cost: of all of it, or of one ``segment``.

    ``aggregation`` names a simple or a compound one. From midnight of ``from_`` on, in the
    account's time zone, it takes the place of the price before it.
    """

    __pydantic_config__: ClassVar = WIRE

    aggregation: AggregationCode
    charge: ChargeModel
    segment: Segment | None = None
    terms: LineTerms = NO_TERMS
    from_: date | None = None
    kind: PricingKind = PricingKind.DEBIT
    description: str = ""

    @property
    def key(self) -> PricingKey:
        """What it prices, whenever it does."""
        segment = None if self.segment is None else tuple(sorted(self.segment.items()))
        return (self.aggregation, self.kind, segment)


@dataclass(frozen=True, slots=True)
class PlanTemplate:
    """What plans have in common. A plan inherits all that it does not say itself, and the prices
    of every aggregation that it does not price itself."""

    __pydantic_config__: ClassVar = WIRE

    code: PlanTemplateCode
    name: str = ""
    product: ProductCode | None = None
    pricing: tuple[Pricing, ...] = ()
    billing: Billing | None = None
    frequency: Frequency | None = None
    interval: int | None = None
    currency: str | None = None
    standing_charge: StandingCharge | None = None
    minimum_spend: MinimumSpend | None = None
    free_trial: FreeTrial | None = None
    charges: tuple[ScheduledCharge, ...] | None = None
    credits: tuple[PurchaseCredit, ...] | None = None
    prepayments: tuple[PurchasePrepayment, ...] | None = None
    custom: CustomFields = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """A price list for one product, attached to accounts by account plans.

    What is left out comes from the template, else from the organization, else it is billed
    monthly, by amount; see ``resolve_plan``.
    """

    __pydantic_config__: ClassVar = WIRE

    code: PlanCode
    product: ProductCode
    pricing: tuple[Pricing, ...] = ()
    marketplace: tuple[MarketplacePlan, ...] = ()
    billing: Billing | None = None
    frequency: Frequency | None = None
    interval: int | None = None
    name: str = ""
    template: PlanTemplateCode | None = None
    currency: str | None = None
    standing_charge: StandingCharge | None = None
    minimum_spend: MinimumSpend | None = None
    free_trial: FreeTrial | None = None
    charges: tuple[ScheduledCharge, ...] | None = None
    credits: tuple[PurchaseCredit, ...] | None = None
    prepayments: tuple[PurchasePrepayment, ...] | None = None
    custom: CustomFields = field(default_factory=dict)


type Origins = Mapping[str, str]
"""Where the value of each field of a resolved plan comes from, by the field's wire name."""
