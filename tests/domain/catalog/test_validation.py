"""Every fault of a catalogue is found, at its place, and all of them at once."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import AmountBilling, MarketplacePlan, Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.catalog.validation import faults_of
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, PlanCode, ProductCode
from shared.domain.rating.charge import Band
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.aggregate import AggregationType

AI = ProductCode("ai")
N, WHO = FieldCode("n"), FieldCode("who")
METER = Meter(
    MeterCode("tokens"),
    (DataField(N, FieldCategory.MEASURE), DataField(WHO, FieldCategory.WHO)),
    AI,
)
TOTAL = Aggregation(AggregationCode("total"), METER.code, AggregationType.SUM, N)
PRICING = Pricing(TOTAL.code, PerUnit(Decimal("0.01")))
PLAN = Plan(PlanCode("basic"), AI, (PRICING,), (MarketplacePlan("offer", "standard"),))
GOOD = Catalog(
    Organization("contoso", "Europe/Berlin"), (Product(AI),), (METER,), (TOTAL,), (PLAN,)
)


def plans(*changed: Plan) -> Catalog:
    return replace(GOOD, plans=changed)


def aggregated(kind: AggregationType, field: str | None) -> Catalog:
    changed = replace(TOTAL, type=kind, field=FieldCode(field) if field else None)
    return replace(GOOD, aggregations=(changed,))


def test_a_good_catalogue_has_no_faults() -> None:
    assert faults_of(GOOD) == ()


CASES = {
    "unknown time zone": (
        replace(GOOD, organization=Organization("c", "Europe/Berlim")),
        ["/organization/timeZone"],
    ),
    "a path is no time zone": (
        replace(GOOD, organization=Organization("c", "../etc/passwd")),
        ["/organization/timeZone"],
    ),
    "another currency": (
        replace(GOOD, organization=Organization("c", currency="EUR")),
        ["/organization/currency"],
    ),
    "a bad code": (
        replace(GOOD, products=(Product(AI), Product(ProductCode("a|b")))),
        ["/products/1/code"],
    ),
    "a code twice": (
        replace(GOOD, products=(Product(AI), Product(AI))),
        ["/products/1/code"],
    ),
    "a field twice": (
        replace(GOOD, meters=(replace(METER, data_fields=(*METER.data_fields,
                                                          METER.data_fields[0])),)),
        ["/meters/0/dataFields/2/code"],
    ),
    "a meter of no product": (
        replace(GOOD, meters=(replace(METER, product=ProductCode("bi")),)),
        ["/meters/0/product"],
    ),
    "an aggregation of no meter": (
        replace(GOOD, aggregations=(replace(TOTAL, meter=MeterCode("token")),)),
        ["/aggregations/0/meter"],
    ),
    "a sum of nothing": (aggregated(AggregationType.SUM, None), ["/aggregations/0/field"]),
    "a count of nothing": (aggregated(AggregationType.COUNT, None), []),
    "a field that is not there": (
        aggregated(AggregationType.MAX, "m"), ["/aggregations/0/field"]
    ),
    "a sum of names": (aggregated(AggregationType.SUM, "who"), ["/aggregations/0/field"]),
    "different names": (aggregated(AggregationType.UNIQUE, "who"), []),
    "a plan of no product": (
        plans(replace(PLAN, product=ProductCode("bi"))), ["/plans/0/product"]
    ),
    "an interval of nothing": (plans(replace(PLAN, interval=0)), ["/plans/0/interval"]),
    "a unit that costs nothing": (
        plans(replace(PLAN, billing=AmountBilling(unit_price=Decimal(0)))),
        ["/plans/0/billing/unitPrice"],
    ),
    "a price of no aggregation": (
        plans(replace(PLAN, pricing=(replace(PRICING, aggregation=AggregationCode("sum")),))),
        ["/plans/0/pricing/0/aggregation"],
    ),
    "two prices of one aggregation": (
        plans(replace(PLAN, pricing=(PRICING, PRICING))), ["/plans/0/pricing/1/aggregation"]
    ),
    "a charge with a fault": (
        plans(replace(PLAN, pricing=(replace(PRICING, charge=Tiered((Band(Decimal(-1)),))),))),
        ["/plans/0/pricing/0/charge/bands/0/unitPrice"],
    ),
    "sold as one plan twice": (
        plans(PLAN, replace(PLAN, code=PlanCode("pro"))), ["/plans/1/marketplace/0"]
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("catalog", "pointers"), [pytest.param(*case, id=name) for name, case in CASES.items()]
)
def test_faults(catalog: Catalog, pointers: list[str]) -> None:
    assert [fault.pointer for fault in faults_of(catalog)] == pointers


def test_all_faults_at_once_and_near_names_are_proposed() -> None:
    catalog = replace(
        GOOD,
        organization=Organization("c", currency="EUR"),
        plans=(replace(PLAN, interval=0, pricing=(replace(PRICING,
               aggregation=AggregationCode("totl")),)),),
    )  # fmt: skip
    faults = faults_of(catalog)
    assert len(faults) == 3
    assert "did you mean total?" in faults[-1].message
