"""Look-ups of a catalogue, and what a meter says to an event's data."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import MarketplacePlan, Plan
from shared.domain.errors import NotFound
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, PlanCode, ProductCode
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.event import MAX_TEXT, DataValue

METER = Meter(
    MeterCode("tokens"),
    (
        DataField(FieldCode("n"), FieldCategory.MEASURE),
        DataField(FieldCode("model"), FieldCategory.WHAT, required=False),
        DataField(FieldCode("cost"), FieldCategory.COST, required=False),
    ),
)
CATALOG = Catalog(
    Organization("contoso"),
    meters=(METER,),
    aggregations=(
        Aggregation(AggregationCode("total"), METER.code, AggregationType.SUM, FieldCode("n")),
    ),
    plans=(
        Plan(PlanCode("basic"), ProductCode("ai"), (), (MarketplacePlan("offer", "standard"),)),
        Plan(PlanCode("pro"), ProductCode("ai"), (), (MarketplacePlan("offer", "scale"),
                                                      MarketplacePlan("other", "standard"))),
    ),
)  # fmt: skip
D = Decimal


def test_look_ups() -> None:
    assert CATALOG.meter(METER.code) is METER
    assert CATALOG.meter(MeterCode("x")) is None
    assert CATALOG.aggregation(AggregationCode("total")).meter == METER.code
    assert CATALOG.plan(PlanCode("pro")).code == "pro"
    with pytest.raises(NotFound):
        CATALOG.aggregation(AggregationCode("x"))
    with pytest.raises(NotFound):
        CATALOG.plan(PlanCode("x"))


@pytest.mark.parametrize(
    ("offer", "plan", "ours"),
    [
        ("offer", "standard", "basic"),
        ("other", "standard", "pro"),
        ("offer", "scale", "pro"),
        ("other", "scale", None),
    ],
)
def test_the_plan_that_is_sold_as(offer: str, plan: str, ours: str | None) -> None:
    found = CATALOG.plan_for(offer, plan)
    assert (found.code if found else None) == ours


@pytest.mark.parametrize(
    ("data", "pointers"),
    [
        pytest.param({"n": D(1)}, [], id="required only"),
        pytest.param({"n": D(1), "model": "m", "cost": D(0)}, [], id="everything"),
        pytest.param({}, ["/n"], id="required is missing"),
        pytest.param({"n": "1"}, ["/n"], id="text for a number"),
        pytest.param({"n": D(-1)}, ["/n"], id="negative"),
        pytest.param({"n": D("NaN")}, ["/n"], id="no number"),
        pytest.param({"n": D(10) ** 15}, ["/n"], id="too great"),
        pytest.param({"n": D(1), "model": D(1)}, ["/model"], id="number for text"),
        pytest.param({"n": D(1), "model": "x" * MAX_TEXT}, [], id="longest text"),
        pytest.param({"n": D(1), "model": "x" * (MAX_TEXT + 1)}, ["/model"], id="too long"),
        pytest.param({"n": D(1), "a": D(1), "b": "x"}, ["/a", "/b"], id="unknown fields"),
        pytest.param({"m": D(1), "model": D(1)}, ["/n", "/model", "/m"], id="all at once"),
    ],
)
def test_what_a_meter_says_to_data(data: Mapping[str, DataValue], pointers: list[str]) -> None:
    assert [fault.pointer for fault in METER.faults_of(data)] == pointers


@pytest.mark.parametrize("category", FieldCategory)
def test_measures_incomes_and_costs_are_numbers(category: FieldCategory) -> None:
    numeric = category.name in {"MEASURE", "INCOME", "COST"}
    assert category.numeric is numeric
