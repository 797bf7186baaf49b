"""What is for sale: offers, plans, dimensions and their rules."""

import re
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Final

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

WIRE: Final = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")
MAX_DIMENSIONS: Final = 30
_TERM_UNIT: Final = re.compile(r"P([1-9]\d?)([MY])")


class Pricing(StrEnum):
    """How the recurring fee of a plan is computed."""

    FLAT_RATE = "flatRate"
    PER_USER = "perUser"


class OfferKind(StrEnum):
    """What an offer delivers; managed applications are metered by resourceUri as well."""

    SAAS = "SaaS"
    MANAGED_APPLICATION = "AzureApplication"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A custom meter: what one unit is and costs."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    id: str
    price_per_unit: Decimal
    currency: str = "USD"
    unit_of_measure: str = "unit"
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan; custom meters exist on flat-rate plans only and exclude free trials.

    Source: learn.microsoft.com/partner-center/marketplace-offers/saas-metered-billing.
    Raises ValueError when the plan breaks these rules.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    id: str
    name: str = ""
    description: str = ""
    pricing: Pricing = Pricing.FLAT_RATE
    price: Decimal = Decimal(0)
    currency: str = "USD"
    term_unit: str = "P1M"
    dimensions: tuple[Dimension, ...] = ()
    included: Mapping[str, Decimal] = field(default_factory=dict)
    min_quantity: int = 1
    max_quantity: int = 1_000_000
    is_private: bool = False
    is_stop_sell: bool = False
    has_free_trials: bool = False
    source_offers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        term_months(self.term_unit)
        names = [dimension.id for dimension in self.dimensions]
        if len(set(names)) < len(names):
            raise ValueError(f"plan {self.id}: a dimension is listed twice")
        if set(self.included) - set(names):
            raise ValueError(f"plan {self.id}: included quantities of unknown dimensions")
        if names and self.pricing is not Pricing.FLAT_RATE:
            raise ValueError(f"plan {self.id}: custom meters need a flat-rate plan")
        if names and self.has_free_trials:
            raise ValueError(f"plan {self.id}: custom meters exclude free trials")

    def has_dimension(self, dimension: str) -> bool:
        """Whether usage of ``dimension`` can be reported under this plan."""
        return any(known.id == dimension for known in self.dimensions)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer with its plans; at most 30 different dimensions over all plans."""

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    id: str
    plans: tuple[Plan, ...]
    name: str = ""
    publisher_id: str = "contoso"
    kind: OfferKind = OfferKind.SAAS

    def __post_init__(self) -> None:
        if len({plan.id for plan in self.plans}) < len(self.plans):
            raise ValueError(f"offer {self.id}: a plan is listed twice")
        if len(self.dimension_ids()) > MAX_DIMENSIONS:
            raise ValueError(f"offer {self.id}: more than {MAX_DIMENSIONS} dimensions")

    def dimension_ids(self) -> set[str]:
        """All dimensions of all plans."""
        return {dimension.id for plan in self.plans for dimension in plan.dimensions}

    def plan(self, plan_id: str) -> Plan | None:
        """The plan of that id, if there is one."""
        return next((plan for plan in self.plans if plan.id == plan_id), None)


def replaces(old: Offer, new: Offer) -> None:
    """Check that ``new`` may take the place of ``old``: dimensions are locked once published.

    Raises ValueError naming what would disappear.
    """
    for plan in old.plans:
        successor = new.plan(plan.id)
        missing = {known.id for known in plan.dimensions} - (
            {known.id for known in successor.dimensions} if successor else set()
        )
        if missing:
            raise ValueError(f"dimensions of plan {plan.id} are locked: {sorted(missing)}")


def term_months(unit: str) -> int:
    """The length in months of a term unit such as P1M or P3Y. Raises ValueError."""
    match = _TERM_UNIT.fullmatch(unit)
    if match is None:
        raise ValueError(f"{unit!r} is no term unit such as P1M or P1Y")
    return int(match[1]) * (12 if match[2] == "Y" else 1)


def add_months(start: date, months: int) -> date:
    """The same day of a later month, or that month's last day where the day does not exist."""
    index = start.year * 12 + start.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(start.day, monthrange(year, month + 1)[1]))
