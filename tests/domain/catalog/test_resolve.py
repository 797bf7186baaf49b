"""What a plan inherits, and that it always says from where."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from shared.domain.catalog.billing import AmountBilling
from shared.domain.catalog.charges import MinimumSpend
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, PlanTemplate, Pricing
from shared.domain.catalog.resolve import ResolvedPlan, resolve_plan, resolved_template
from shared.domain.ids import (
    AggregationCode,
    FieldCode,
    PlanCode,
    PlanTemplateCode,
    ProductCode,
)
from shared.domain.period import Frequency
from shared.domain.rating.per_unit import PerUnit

CONTOSO = Organization("contoso", currency="EUR")
COMMON = PlanTemplateCode("common")
MODEL = FieldCode("model")


def price(code: str, amount: str, start: date | None = None, model: str | None = None) -> Pricing:
    segment = None if model is None else {MODEL: model}
    return Pricing(AggregationCode(code), PerUnit(Decimal(amount)), segment, from_=start)


TEMPLATE = PlanTemplate(
    COMMON,
    pricing=(price("calls", "1"), price("seats", "2")),
    frequency=Frequency.ANNUALLY,
    minimum_spend=MinimumSpend(Decimal(5)),
    custom={"rate": Decimal(1), "tier": "gold"},
)
PLAN = Plan(
    PlanCode("basic"),
    ProductCode("ai"),
    (price("calls", "9"),),
    interval=3,
    template=COMMON,
    custom={"rate": Decimal(2)},
)


def test_everything_is_resolved_with_its_origin() -> None:
    resolved = resolve_plan(PLAN, TEMPLATE, CONTOSO)
    assert (resolved.frequency, resolved.interval, resolved.currency) == (
        Frequency.ANNUALLY, 3, "EUR",
    )  # fmt: skip
    assert resolved.minimum_spend == TEMPLATE.minimum_spend
    assert resolved.billing == AmountBilling()
    assert resolved.custom == {"rate": 2, "tier": "gold"}
    assert resolved.origins == {
        "billing": "default",
        "frequency": "template",
        "interval": "plan",
        "currency": "organization",
        "standingCharge": "default",
        "minimumSpend": "template",
        "freeTrial": "default",
        "charges": "default",
        "credits": "default",
        "prepayments": "default",
    }


def test_a_plan_s_own_price_replaces_the_template_s() -> None:
    resolved = resolve_plan(PLAN, TEMPLATE, CONTOSO)
    assert resolved.pricing == (price("seats", "2"), price("calls", "9"))
    assert resolved.pricing_origins == ("template", "plan")


def test_it_replaces_the_prices_of_all_segments() -> None:
    split = replace(
        TEMPLATE, pricing=(price("calls", "1", model="a"), price("calls", "2", model="*"))
    )
    assert resolve_plan(PLAN, split, CONTOSO).pricing == PLAN.pricing


def test_without_a_template_there_are_defaults() -> None:
    resolved = resolve_plan(replace(PLAN, interval=None, template=None), None, CONTOSO)
    assert (resolved.frequency, resolved.interval) == (Frequency.MONTHLY, 1)
    assert set(resolved.origins.values()) == {"default", "organization"}


def test_origins_make_no_difference_between_plans() -> None:
    own = replace(PLAN, pricing=TEMPLATE.pricing, frequency=Frequency.ANNUALLY)
    inherited = replace(PLAN, pricing=())
    one, other = (resolve_plan(plan, TEMPLATE, CONTOSO) for plan in (own, inherited))
    assert one == other
    assert one.origins != other.origins


@pytest.mark.parametrize(
    ("currency", "expected"), [(None, ("EUR", "organization")), ("USD", ("USD", "template"))]
)
def test_what_a_template_inherits(currency: str | None, expected: tuple[str, str]) -> None:
    found = resolved_template(replace(TEMPLATE, currency=currency), CONTOSO)
    assert (found["currency"], found["origin"]) == expected


# --- prices that begin


def dated(*prices: Pricing) -> ResolvedPlan:
    return resolve_plan(replace(PLAN, pricing=prices), None, CONTOSO)


FIRST, SECOND, THIRD = (
    price("calls", "1"),
    price("calls", "2", date(2026, 3, 1)),
    price("calls", "3", date(2026, 5, 1)),
)


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 2, 28), FIRST),
        (date(2026, 3, 1), SECOND),
        (date(2026, 4, 30), SECOND),
        (date(2026, 5, 1), THIRD),
    ],
)
def test_the_latest_price_that_has_begun_holds(day: date, expected: Pricing) -> None:
    for order in ((FIRST, SECOND, THIRD), (THIRD, SECOND, FIRST)):
        plan = dated(*order, price("seats", "7"))
        assert set(plan.prices_on(day)) == {expected, price("seats", "7")}
        assert plan.price_changes() == [date(2026, 3, 1), date(2026, 5, 1)]


def test_before_its_first_price_nothing_is_priced() -> None:
    assert dated(SECOND).prices_on(date(2026, 2, 28)) == ()


def test_segments_change_their_prices_apart() -> None:
    plan = dated(
        price("calls", "1", model="a"),
        price("calls", "2", model="*"),
        price("calls", "5", date(2026, 3, 1), model="a"),
    )
    found = {p.key: p.charge for p in plan.prices_on(date(2026, 3, 1))}
    assert list(found.values()) == [PerUnit(Decimal(5)), PerUnit(Decimal(2))]
