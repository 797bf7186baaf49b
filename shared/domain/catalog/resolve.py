"""Inheritance: a plan with everything it takes from its template and its organization."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from shared.domain.catalog.billing import AmountBilling, Billing, MarketplacePlan
from shared.domain.catalog.charges import (
    FreeTrial,
    MinimumSpend,
    ScheduledCharge,
    StandingCharge,
)
from shared.domain.catalog.custom import CustomFields
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Origins, Plan, PlanTemplate, Pricing, PricingKey
from shared.domain.catalog.purchase_grants import PurchaseCredit, PurchasePrepayment
from shared.domain.ids import PlanCode, PlanTemplateCode, ProductCode
from shared.domain.period import Frequency
from shared.domain.wire import camel

PLAN = "plan"
TEMPLATE = "template"
ORGANIZATION = "organization"
DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ResolvedPlan:
    """A plan as rating sees it: nothing is left open.

    ``origins`` says for every field that can be inherited where its value comes from: ``plan``,
    ``template``, ``organization`` or ``default``; ``pricing_origins`` the same for each price.
    """

    code: PlanCode
    product: ProductCode
    pricing: tuple[Pricing, ...]
    marketplace: tuple[MarketplacePlan, ...]
    billing: Billing
    frequency: Frequency
    interval: int
    name: str
    template: PlanTemplateCode | None
    currency: str
    standing_charge: StandingCharge | None
    minimum_spend: MinimumSpend | None
    free_trial: FreeTrial | None
    charges: tuple[ScheduledCharge, ...]
    credits: tuple[PurchaseCredit, ...]
    prepayments: tuple[PurchasePrepayment, ...]
    custom: CustomFields
    origins: Origins = field(default_factory=dict, compare=False)
    pricing_origins: tuple[str, ...] = field(default=(), compare=False)

    def prices_on(self, day: date) -> tuple[Pricing, ...]:
        """The prices in force on a day of the account: of each key the latest that has begun."""
        newest: dict[PricingKey, Pricing] = {}
        for pricing in self.pricing:
            known = newest.get(pricing.key)
            begun = pricing.from_ is None or pricing.from_ <= day
            if begun and (known is None or _begin(pricing) >= _begin(known)):
                newest[pricing.key] = pricing
        return tuple(newest.values())

    def price_changes(self) -> list[date]:
        """Days on which a price begins, in order."""
        return sorted({p.from_ for p in self.pricing if p.from_ is not None})


def _begin(pricing: Pricing) -> date:
    return pricing.from_ or date.min


def resolve_plan(
    plan: Plan, template: PlanTemplate | None, organization: Organization
) -> ResolvedPlan:
    """``plan`` with all that it inherits."""
    inherited: dict[str, Any] = {
        "billing": AmountBilling(),
        "frequency": Frequency.MONTHLY,
        "interval": 1,
        "currency": organization.currency,
        "standing_charge": None,
        "minimum_spend": None,
        "free_trial": None,
        "charges": (),
        "credits": (),
        "prepayments": (),
    }
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for name, fallback in inherited.items():
        found = _found(name, plan, template)
        if found is None:
            origin = ORGANIZATION if name == "currency" else DEFAULT
            values[name], origins[camel(name)] = fallback, origin
        else:
            values[name], origins[camel(name)] = found
    pricing = list(_pricing(plan.pricing, template.pricing if template else ()))
    custom = {**(template.custom if template else {}), **plan.custom}
    return ResolvedPlan(
        code=plan.code,
        product=plan.product,
        pricing=tuple(price for price, _ in pricing),
        marketplace=plan.marketplace,
        name=plan.name,
        template=plan.template,
        custom=custom,
        origins=origins,
        pricing_origins=tuple(origin for _, origin in pricing),
        **values,
    )


def _found(name: str, plan: Plan, template: PlanTemplate | None) -> tuple[object, str] | None:
    for holder, origin in ((plan, PLAN), (template, TEMPLATE)):
        value: object = getattr(holder, name, None)
        if value is not None:
            return value, origin
    return None


def _pricing(own: Iterable[Pricing], templates: Iterable[Pricing]) -> Iterable[tuple[Pricing, str]]:
    """A plan that prices an aggregation itself inherits no price of it, whatever its segment."""
    own = tuple(own)
    codes = {(price.aggregation, price.kind) for price in own}
    for price in templates:
        if (price.aggregation, price.kind) not in codes:
            yield price, TEMPLATE
    yield from ((price, PLAN) for price in own)


def resolved_template(template: PlanTemplate, organization: Organization) -> Mapping[str, str]:
    """The one value that a template itself inherits, with its origin."""
    if template.currency is not None:
        return {"currency": template.currency, "origin": TEMPLATE}
    return {"currency": organization.currency, "origin": ORGANIZATION}
