"""Faults of expressions, segments, templates, prices, dimensions and of what is not rated."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.billing import (
    AmountBilling,
    Included,
    MarketplacePlan,
    QuantityBilling,
    QuantityDimension,
    Waterfall,
    WaterfallStep,
)
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.charges import (
    Due,
    FreeTrial,
    Milestone,
    MinimumSpend,
    Recurrence,
    Recurring,
    StandingCharge,
    Upfront,
)
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.organization import BillNumber, Epochs, ExchangeRate, Organization
from shared.domain.catalog.plan import Plan, PlanTemplate, Pricing, PricingKind
from shared.domain.catalog.product import Product
from shared.domain.catalog.purchase_grants import PurchaseCredit
from shared.domain.catalog.validation import MAX_FAULTS, faults_of
from shared.domain.ids import (
    AggregationCode,
    DimensionId,
    FieldCode,
    MeterCode,
    PlanCode,
    PlanTemplateCode,
    ProductCode,
)
from shared.domain.rating.custom import Custom
from shared.domain.rating.discount import LineTerms
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage, Share
from shared.domain.usage.aggregate import AggregationType, Rounding

D = Decimal
AI, BI = ProductCode("ai"), ProductCode("bi")
N, MODEL, REGION = FieldCode("n"), FieldCode("model"), FieldCode("region")
METER = Meter(
    MeterCode("tokens"),
    (
        DataField(N, FieldCategory.MEASURE),
        DataField(MODEL, FieldCategory.WHAT),
        DataField(REGION, FieldCategory.WHERE),
    ),
    AI,
    derived_fields=(DerivedField(FieldCode("cost"), "n * custom.rate", FieldCategory.COST),),
)
TOTAL = Aggregation(AggregationCode("total"), METER.code, AggregationType.SUM, N)
SPLIT = Aggregation(
    AggregationCode("split"), METER.code, AggregationType.SUM, N,
    segmented_fields=(MODEL,), segments=({MODEL: "big"}, {MODEL: "*"}),
)  # fmt: skip
HALF = CompoundAggregation(AggregationCode("half"), "total / 2 + custom.rate")
CENT = PerUnit(D("0.01"))
PRICING = Pricing(TOTAL.code, CENT)
BIG = Pricing(SPLIT.code, CENT, {MODEL: "big"})
REST = Pricing(SPLIT.code, CENT, {MODEL: "*"})
COMMON = PlanTemplate(PlanTemplateCode("common"), pricing=(PRICING,))
PLAN = Plan(
    PlanCode("basic"), AI, (BIG, REST), (MarketplacePlan("offer", "standard"),),
    template=COMMON.code,
)  # fmt: skip
CONTOSO = Organization("contoso", custom={"rate": D(2)})
GOOD = Catalog(
    CONTOSO,
    (Product(AI), Product(BI)),
    (METER,),
    (TOTAL, SPLIT),
    (PLAN,),
    (HALF,),
    (COMMON,),
)

type Value = Any
"""The value of any field."""

type Case = tuple[Catalog, Mapping[str, str]]


def organization(**changes: Value) -> Catalog:
    return replace(GOOD, organization=replace(CONTOSO, **changes))


def derived(*fields: DerivedField) -> Catalog:
    return replace(GOOD, meters=(replace(METER, derived_fields=fields),))


def expression(text: str, category: FieldCategory = FieldCategory.MEASURE) -> Catalog:
    return derived(DerivedField(FieldCode("d"), text, category))


def split(**changes: Value) -> Catalog:
    return replace(GOOD, aggregations=(TOTAL, replace(SPLIT, **changes)), plans=())


def compound(text: str, **changes: Value) -> Catalog:
    made = CompoundAggregation(AggregationCode("x"), text, **changes)
    return replace(GOOD, compound_aggregations=(HALF, made))


def plan(**changes: Value) -> Catalog:
    return replace(GOOD, plans=(replace(PLAN, **changes),))


def prices(*pricing: Pricing) -> Catalog:
    return plan(pricing=pricing, template=None)


def template(**changes: Value) -> Catalog:
    return replace(GOOD, plan_templates=(replace(COMMON, **changes),))


def dimension(code: str, **changes: Value) -> QuantityDimension:
    return replace(QuantityDimension(DimensionId(code), TOTAL.code), **changes)


def sold(number: int, *dimensions: str) -> Plan:
    billing = QuantityBilling(tuple(dimension(code) for code in dimensions))
    listed = MarketplacePlan("offer", f"p{number}")
    return replace(PLAN, code=PlanCode(f"p{number}"), marketplace=(listed,), billing=billing)


EXPRESSION = "/meters/0/derivedFields/0/expression"
CASES: dict[str, Case] = {
    # the organization
    "an epoch out of range": (
        organization(epochs=Epochs(week=date(99, 1, 1))),
        {"/organization/epochs/week": "1900 to 2200"},
    ),
    "rates": (
        organization(exchange_rates=(
            ExchangeRate("EUR", D(0), date(2026, 1, 1)),
            ExchangeRate("EUR", D(1), date(2026, 1, 1)),
            ExchangeRate("USD", D(1), date(2026, 1, 1)),
        )),
        {
            "/organization/exchangeRates/0/rate": "above 0",
            "/organization/exchangeRates/1/from": "another rate",
            "/organization/exchangeRates/2/currency": "another currency",
        },
    ),
    "no currency": (organization(currency="€"), {"/organization/currency": "ISO 4217"}),
    "custom fields": (
        organization(custom={"rate": D(1), "a b": "x", "nan": D("NaN")}),
        {"/organization/custom": "is no name", "/organization/custom/nan": "finite"},
    ),
    # expressions
    "a syntax error": (expression("n +"), {EXPRESSION: "at offset 3"}),
    "an unknown field": (expression("modle * 2"), {EXPRESSION: "did you mean model?"}),
    "a field of later": (
        derived(DerivedField(FieldCode("a"), "b + 1"), DerivedField(FieldCode("b"), "n")),
        {EXPRESSION: "put b first"},
    ),
    "its own field": (expression("d + 1"), {EXPRESSION: "put d first"}),
    "an unknown custom field": (
        expression("n * custom.rat"), {EXPRESSION: "did you mean custom.rate?"}
    ),
    "text where numbers belong": (expression("model * 2"), {EXPRESSION: "wrong-type"}),
    "a number that should be text": (
        expression("n", FieldCategory.WHAT), {EXPRESSION: "gives a number"}
    ),
    "a derived field of a taken name": (
        derived(DerivedField(N, "1")), {"/meters/0/derivedFields/0/code": "already a data field"}
    ),
    "a field named as custom ones are": (
        derived(DerivedField(FieldCode("custom.x"), "n")),
        {"/meters/0/derivedFields/0/code": "custom fields"},
    ),
    # aggregations
    "a quantity per unit of nothing": (
        split(quantity_per_unit=D(0)), {"/aggregations/1/quantityPerUnit": "above 0"}
    ),
    "a default without measure": (
        split(default_value=D(10) ** 15), {"/aggregations/1/defaultValue": "must be below"}
    ),
    "an aggregation of another product": (
        split(product=BI), {"/aggregations/1/product": "belongs to product ai"}
    ),
    "segments by an unknown field": (
        split(segmented_fields=(FieldCode("modl"),), segments=({FieldCode("modl"): "*"},)),
        {"/aggregations/1/segmentedFields/0": "did you mean model?"},
    ),
    "segments by a number": (
        split(segmented_fields=(N,), segments=({N: "*"},)),
        {"/aggregations/1/segmentedFields/0": "text fields"},
    ),
    "a field twice": (
        split(segmented_fields=(MODEL, MODEL)), {"/aggregations/1/segmentedFields/1": "twice"}
    ),
    "segments without fields": (
        split(segmented_fields=()), {"/aggregations/1/segments": "need segmentedFields"}
    ),
    "no segment for the rest": (
        split(segments=({MODEL: "big"},)), {"/aggregations/1/segments": "add {model: '*'}"}
    ),
    "a segment of other fields": (
        split(segments=({}, {MODEL: "*"})),
        {"/aggregations/1/segments/0": "no value for model"},
    ),
    "a segment twice": (
        split(segments=({MODEL: "big"}, {MODEL: "big"}, {MODEL: "*"})),
        {"/aggregations/1/segments/1": "exactly one segment"},
    ),
    "a segment of an empty value": (
        split(segments=({MODEL: ""}, {MODEL: "*"})), {"/aggregations/1/segments/0": "1 to 512"}
    ),
    # compound aggregations
    "a compound of a taken name": (
        replace(GOOD, compound_aggregations=(HALF, CompoundAggregation(TOTAL.code, "1"))),
        {"/compoundAggregations/1/code": "already an aggregation"},
    ),
    "a compound of something unknown": (
        compound("totl"), {"/compoundAggregations/1/expression": "did you mean total?"}
    ),
    "a compound of itself": (
        compound("x + 1"), {"/compoundAggregations/1/expression": "put x first"}
    ),
    "a compound without a value for no usage": (
        compound("split / total"), {"/compoundAggregations/1/expression": "when there is no usage"}
    ),
    "a compound of one that is zero then": (
        replace(GOOD, compound_aggregations=(
            CompoundAggregation(AggregationCode("five"), "total + 5"),
            CompoundAggregation(AggregationCode("y"), "1 / (five - 5)"),
        )),
        {"/compoundAggregations/1/expression": "when there is no usage"},
    ),
    "compounds on too many levels": (
        replace(GOOD, compound_aggregations=tuple(
            CompoundAggregation(AggregationCode(f"c{n}"), f"c{n - 1} + 1" if n else "total")
            for n in range(23)
        )),
        {"/compoundAggregations/20/expression": "20 levels already"},
    ),
    "a compound text": (compound("'a'"), {"/compoundAggregations/1/expression": "gives a text"}),
    "a compound of no product": (
        compound("1", product=ProductCode("aii")),
        {"/compoundAggregations/1/product": "did you mean ai?"},
    ),
    # plans and templates
    "an unknown template": (
        plan(template=PlanTemplateCode("comon")), {"/plans/0/template": "did you mean common?"}
    ),
    "a template of another product": (
        template(product=BI, pricing=()), {"/plans/0/template": "is for product bi"}
    ),
    "a template that prices another product": (
        replace(GOOD, plans=(replace(PLAN, product=BI, pricing=()),)),
        {"/plans/0/template": "belongs to product ai"},
    ),
    "a template's own faults": (
        template(product=ProductCode("aii"), interval=500, currency="EUR"),
        {
            "/planTemplates/0/product": "did you mean ai?",
            "/planTemplates/0/interval": "at most 120",
            "/planTemplates/0/currency": "exchange rate for EUR",
        },
    ),
    "another product's aggregation": (
        plan(product=BI, template=None),
        {"/plans/0/pricing/0/aggregation": "for bi", "/plans/0/pricing/1/aggregation": "for bi"},
    ),
    "a price of a segment that is not there": (
        prices(BIG, REST, replace(BIG, segment={MODEL: "small"})),
        {"/plans/0/pricing/2/segment": "model: big; model: *"},
    ),
    "a segment of a whole": (
        prices(replace(PRICING, segment={MODEL: "big"})), {"/plans/0/pricing/0/segment": "leave"}
    ),
    "a segment of a compound": (
        prices(Pricing(HALF.code, CENT, {MODEL: "big"})), {"/plans/0/pricing/0/segment": "leave"}
    ),
    "a segment without a price": (
        prices(BIG), {"/plans/0/pricing/0": "leaves split of model: * without a price"}
    ),
    "segments and the whole": (
        prices(BIG, REST, Pricing(SPLIT.code, CENT)), {"/plans/0/pricing/2/segment": "twice"}
    ),
    "the same price twice on a day": (
        prices(replace(PRICING, from_=date(2026, 1, 1)), replace(PRICING, from_=date(2026, 1, 1))),
        {"/plans/0/pricing/1/aggregation": "priced twice"},
    ),
    "terms": (
        prices(replace(PRICING, terms=LineTerms(percent_discount=D(101)))),
        {"/plans/0/pricing/0/terms/percentDiscount": "above 100"},
    ),
    "a price in the event of what has none": (
        prices(Pricing(TOTAL.code, Custom())), {"/plans/0/pricing/0/charge": "nothing else"}
    ),
    "a share of what is no value": (
        prices(Pricing(HALF.code, Percentage((Share(D(1)),)))),
        {"/plans/0/pricing/0/charge": "price a SUM"},
    ),
    # how it is sold
    "an id that Partner Center refuses": (
        plan(billing=AmountBilling(DimensionId("usage fee"))),
        {"/plans/0/billing/dimension": "refused by Partner Center"},
    ),
    "included units beside an amount": (
        plan(billing=AmountBilling(included=Included(monthly=D(5)))),
        {"/plans/0/billing/included": "included quantity 0"},
    ),
    "an offer that cannot be": (
        plan(marketplace=(MarketplacePlan("My Offer", "standard"),)),
        {"/plans/0/marketplace/0/offer": "Partner Center"},
    ),
}  # fmt: skip
TERMS: dict[str, Case] = {
    "a standing charge": (
        plan(standing_charge=StandingCharge(D(-1), interval=0, offset=3)),
        {
            "/plans/0/standingCharge/amount": "negative",
            "/plans/0/standingCharge/interval": "1 to 120",
            "/plans/0/standingCharge/offset": "fewer than",
        },
    ),
    "a credit in another currency than the bill": (
        replace(
            organization(exchange_rates=(ExchangeRate("JPY", D("0.0067"), date(2026, 1, 1)),)),
            plans=(replace(PLAN, currency="JPY", credits=(PurchaseCredit("hi", D(15000)),)),),
        ),
        {"/plans/0/credits": "is given in USD"},
    ),
    "trial and minimum": (
        plan(free_trial=FreeTrial(0), minimum_spend=MinimumSpend(D(-1))),
        {"/plans/0/freeTrial/days": "1 to 3650", "/plans/0/minimumSpend/amount": "negative"},
    ),
    "charges": (
        plan(charges=(
            Upfront("a", Due()),
            Milestone("a", Due(D(1))),
            Recurring("b", Due(D(1)), Recurrence.DAILY, 0),
        )),
        {
            "/plans/0/charges/1/code": "used twice",
            "/plans/0/charges/0/due": "is an amount",
            "/plans/0/charges/1": "one of the two",
            "/plans/0/charges/2/interval": "1 to 10000",
        },
    ),
    "graces and numbers": (
        organization(
            bill_grace_hours=-1, usage_grace_hours=21, bill_number=BillNumber("", 0, -1)
        ),
        {
            "/organization/billGraceHours": "0 to 1440",
            "/organization/usageGraceHours": "0 to 20",
            "/organization/billNumber/digits": "1 to 12",
            "/organization/billNumber/start": "0 or more",
        },
    ),
    "no dimension": (plan(billing=QuantityBilling()), {"/plans/0/billing": "names no dimension"}),
    "dimensions": (
        plan(billing=QuantityBilling(
            (
                dimension("a", included=Included()),
                dimension("a", aggregation=AggregationCode("totl")),
                dimension("b", segment={MODEL: "x"}),
            ),
            (Waterfall(TOTAL.code, (
                WaterfallStep(DimensionId("t1"), D(9)), WaterfallStep(DimensionId("b"), D(9)))),),
        )),
        {
            "/plans/0/billing/dimensions/0/included": "one of the two",
            "/plans/0/billing/dimensions/1/id": "used twice",
            "/plans/0/billing/dimensions/1/aggregation": "did you mean total?",
            "/plans/0/billing/dimensions/2/segment": "no segment of total",
            "/plans/0/billing/waterfalls/0/steps/1/id": "used twice",
            "/plans/0/billing/waterfalls/0/steps/1/upTo": "leave upTo out",
        },
    ),
    "a dimension of a charge by amount": (
        plan(charges=(Upfront("a", Due(D(1), DimensionId("d"), D(1))),)),
        {"/plans/0/charges/0/due": "is an amount"},
    ),
    "an amount of a charge by quantity": (
        plan(
            billing=QuantityBilling((dimension("a"),)), charges=(Upfront("a", Due(D(1))),)
        ),
        {"/plans/0/charges/0/due": "a dimension with a quantity"},
    ),
    "more than 30 dimensions of an offer": (
        replace(GOOD, plans=(
            sold(1, *(f"d{n}" for n in range(20))), sold(2, *(f"d{n}" for n in range(10, 31))))),
        {"/plans/1/marketplace/0": "31 dimensions"},
    ),
    "30 dimensions that two plans share": (
        replace(GOOD, plans=(
            sold(1, *(f"d{n}" for n in range(30))), sold(2, *(f"d{n}" for n in range(30))))),
        {},
    ),
    "a quantity where another plan has a trial": (
        replace(GOOD, plans=(
            replace(PLAN, free_trial=FreeTrial(5)), sold(1, "d"))),
        {"/plans/1/billing": "free trial"},
    ),
}  # fmt: skip


def test_the_good_one_is_good() -> None:
    assert faults_of(GOOD) == ()


@pytest.mark.parametrize(
    ("catalog", "expected"), [pytest.param(*c, id=name) for name, c in (CASES | TERMS).items()]
)
def test_faults(catalog: Catalog, expected: Mapping[str, str]) -> None:
    found = {fault.pointer: fault.message for fault in faults_of(catalog)}
    assert found.keys() >= expected.keys()
    for pointer, message in expected.items():
        assert message in found[pointer]
    related = {pointer.rsplit("/", 1)[0] for pointer in expected}
    assert all(any(p.startswith(r) for r in related) for p in found), found


RATED = {
    "graces": organization(bill_grace_hours=5, usage_grace_hours=5),
    "bill numbers": organization(bill_number=BillNumber()),
    "another currency": replace(
        organization(exchange_rates=(ExchangeRate("EUR", D(1), date(2026, 1, 1)),)),
        plans=(replace(PLAN, currency="EUR"),),
    ),
    "a standing charge": plan(standing_charge=StandingCharge(D(1))),
    "a minimum spend": template(minimum_spend=MinimumSpend(D(1))),
    "a free trial": plan(free_trial=FreeTrial(1)),
    "a scheduled charge": plan(charges=(Upfront("a", Due(D(1))),)),
    "billing by quantity": plan(billing=QuantityBilling((dimension("d"),))),
    "bounds per event": prices(
        Pricing(TOTAL.code, Percentage((Share(D(1)),), minimum_per_event=D(1)))
    ),
    "a credit": prices(replace(PRICING, kind=PricingKind.GLOBAL_CREDIT)),
}


@pytest.mark.parametrize("catalog", RATED.values(), ids=RATED)
def test_what_is_rated_is_taken(catalog: Catalog) -> None:
    assert faults_of(catalog) == ()


def test_rounding_and_conversion_are_taken() -> None:
    assert faults_of(split(rounding=Rounding.UP, quantity_per_unit=D(1000))) == ()


def test_more_faults_than_anyone_reads_are_not_listed() -> None:
    wrong = tuple(replace(PLAN, code=PlanCode(f"p{n}"), interval=0) for n in range(600))
    assert len(faults_of(replace(GOOD, plans=wrong))) == MAX_FAULTS
