"""Quantities of aggregations, segments and compounds, conversion included."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.catalog.aggregation import Aggregation, CompoundAggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.catalog.segment import Segment
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    MeterCode,
    PlanCode,
    ProductCode,
)
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.percentage import Percentage, PercentageInput, Share
from shared.domain.rating.quantity import Quantities
from shared.domain.usage.aggregate import AggregationType, Rounding
from shared.domain.usage.cell import CellUsage, newest_generation
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial

D = Decimal
T = datetime(2026, 3, 1, 10, tzinfo=UTC)
TOKENS, OTHER = MeterCode("tokens"), MeterCode("other")
N, MODEL, REGION = FieldCode("n"), FieldCode("model"), FieldCode("region")


def simple(code: str, kind: AggregationType = AggregationType.SUM, field: str = "n") -> Aggregation:
    return Aggregation(AggregationCode(code), TOKENS, kind, FieldCode(field))


BIG, SMALL, REST = {MODEL: "big"}, {MODEL: "small"}, {MODEL: "*"}
SPLIT = replace(simple("split"), segmented_fields=(MODEL,), segments=(REST, BIG, SMALL))
BOTH = replace(
    simple("both"),
    segmented_fields=(REGION, MODEL),
    segments=({REGION: "eu", MODEL: "*"}, {REGION: "*", MODEL: "big"}, {REGION: "*", MODEL: "*"}),
)
METER = Meter(
    TOKENS,
    (
        DataField(N, FieldCategory.MEASURE),
        DataField(MODEL, FieldCategory.WHAT, required=False),
        DataField(REGION, FieldCategory.WHERE, required=False),
    ),
    derived_fields=(DerivedField(FieldCode("double"), "n * 2"),),
)
CATALOG = Catalog(
    Organization("contoso", custom={"factor": D(2), "text": "x"}),
    (Product(ProductCode("ai"), custom={"factor": D(3)}),),
    (METER, replace(METER, code=OTHER)),
    (
        simple("total"),
        simple("twice", field="double"),
        simple("users", AggregationType.UNIQUE, "model"),
        simple("mean", AggregationType.MEAN),
        replace(simple("thousands"), quantity_per_unit=D(1000), rounding=Rounding.UP),
        replace(simple("absent", field="x"), default_value=D(7)),
        replace(simple("elsewhere"), meter=OTHER),
        SPLIT,
        BOTH,
    ),
    (Plan(PlanCode("basic"), ProductCode("ai"), custom={"own": D(5)}),),
    (
        CompoundAggregation(AggregationCode("ratio"), "if(users = 0, 0, total / users)"),
        CompoundAggregation(AggregationCode("scaled"), "thousands * custom.factor + custom.own"),
        replace(
            CompoundAggregation(AggregationCode("rounded"), "ratio + 0.2"),
            rounding=Rounding.UP, quantity_per_unit=D(10),
        ),
        CompoundAggregation(AggregationCode("worded"), "if(total = 0, 0, custom.text)"),
        CompoundAggregation(AggregationCode("infinite"), "if(total = 0, 0, 1 / (total - 600))"),
    ),
)  # fmt: skip
PLAN = CATALOG.plan(PlanCode("basic"))
INTAKE = CATALOG.intake(TOKENS)
assert INTAKE is not None

type Event = tuple[int, str | None, str | None]


def cells(*events: Event, meter: MeterCode = TOKENS) -> list[CellUsage]:
    """Usage as ingestion keeps it, an event an hour."""
    assert INTAKE is not None
    made: list[CellUsage] = []
    for number, (n, model, region) in enumerate(events):
        given = {"n": D(n), "model": model, "region": region}
        taken = INTAKE.take({name: value for name, value in given.items() if value is not None})
        assert not isinstance(taken, tuple)
        at = T + timedelta(hours=number)
        event = UsageEvent(f"e{number}", AccountCode("a"), meter, at, taken.data)
        partial = Partial()
        partial.add(event, INTAKE.unique_fields)
        made.append(CellUsage(meter, taken.segment, at, partial))
    return made


USAGE = cells((100, "big", "eu"), (200, "small", "us"), (300, "big", "us"), (0, None, None))


def quantity(code: str, segment: Segment | None = None, usage: list[CellUsage] = USAGE) -> Decimal:
    pricing = Pricing(AggregationCode(code), PerUnit(D(1)), segment)
    found = Quantities(CATALOG, PLAN, usage).usage(pricing)
    assert isinstance(found, Decimal)
    return found


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("total", 600),
        ("twice", 1200),
        ("users", 2),
        ("mean", 150),
        ("thousands", 1),
        ("absent", 7),
        ("elsewhere", 0),
        ("split", 600),
        ("ratio", 300),
        ("scaled", 600 * 3 + 5),
        ("rounded", 31),
    ],
)
def test_quantities(code: str, expected: int) -> None:
    assert quantity(code) == expected


@pytest.mark.parametrize(
    ("code", "segment", "expected"),
    [
        ("split", BIG, 400),
        ("split", SMALL, 200),
        ("split", REST, 0),
        ("both", {REGION: "eu", MODEL: "*"}, 100),
        ("both", {REGION: "*", MODEL: "big"}, 300),
        ("both", {REGION: "*", MODEL: "*"}, 200),
    ],
)
def test_quantities_of_segments(code: str, segment: Segment, expected: int) -> None:
    assert quantity(code, segment) == expected


def test_without_usage() -> None:
    codes = ("total", "absent", "ratio", "scaled", "thousands")
    assert [quantity(code, usage=[]) for code in codes] == [0, 7, 0, 5, 0]


@pytest.mark.parametrize(
    ("code", "message"), [("worded", "is a text"), ("infinite", "division-by-zero")]
)
def test_a_compound_without_a_value_is_an_error(code: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        quantity(code)


def test_an_unknown_aggregation() -> None:
    with pytest.raises(NotFound):
        quantity("nothing")


def test_usage_that_is_not_kept_apart_is_never_guessed() -> None:
    unsplit = [replace(cell, segment="") for cell in USAGE]
    assert quantity("total", usage=unsplit) == 600
    with pytest.raises(InvalidInput, match="aggregated again"):
        quantity("split", BIG, unsplit)


def test_a_share_is_taken_of_a_value_and_its_events() -> None:
    pricing = Pricing(AggregationCode("total"), Percentage((Share(D(1)),)))
    quantities = Quantities(CATALOG, PLAN, USAGE)
    assert quantities.usage(pricing) == PercentageInput(D(600), 4)
    assert Quantities(CATALOG, PLAN, []).usage(pricing) == PercentageInput(D(0), 0)


names = st.sampled_from(["big", "small", "huge", "*", None])


@given(st.lists(st.tuples(st.integers(0, 9), names, st.sampled_from(["eu", "us", None]))))
def test_segments_add_up_to_the_whole(events: list[Event]) -> None:
    usage = cells(*events)
    total = sum(n for n, _, _ in events)
    segments: Mapping[str, tuple[Segment, ...]] = {"split": SPLIT.segments, "both": BOTH.segments}
    for code, listed in segments.items():
        assert sum(quantity(code, segment, usage) for segment in listed) == total


def test_of_a_cell_only_the_highest_generation_counts() -> None:
    old = USAGE[0]
    again = replace(old, segment="x", partial=Partial(1, generation=3))
    other = replace(old, meter=OTHER)
    later = USAGE[1]
    assert newest_generation([old, again, other, later]) == [again, other, later]
    assert newest_generation(USAGE) == USAGE


def test_compounds_of_compounds_are_calculated_once() -> None:
    """Each reads the two before it: without memory that would be ten thousand million values."""
    chain = tuple(
        CompoundAggregation(AggregationCode(f"c{n}"), f"c{n - 1} + c{n - 2}" if n > 1 else "total")
        for n in range(50)
    )
    catalog = replace(CATALOG, compound_aggregations=chain)
    assert Quantities(catalog, PLAN, USAGE).measure(AggregationCode("c49")) == 600 * 12586269025
