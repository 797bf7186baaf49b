"""What the Marketplace sells to a subscription: plans with their dimensions and terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanDimension:
    """A custom meter of a plan: the price of one unit."""

    id: str
    unit: str = ""
    price: Decimal | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class BillingTerm:
    """A term such as P1M, its recurring price, and the units of each dimension it includes."""

    unit: str
    price: Decimal | None = None
    currency: str = ""
    included: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AvailablePlan:
    """A plan that a subscription may be on (pc-saas-fulfillment-subscription-api).

    ``source_offers`` names the private offers a plan comes from.
    """

    id: str
    name: str = ""
    private: bool = False
    free_trial: bool = False
    per_seat: bool = False
    dimensions: tuple[PlanDimension, ...] = ()
    terms: tuple[BillingTerm, ...] = ()
    source_offers: tuple[str, ...] = ()
