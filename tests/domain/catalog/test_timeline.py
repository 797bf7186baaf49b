"""Which version holds when, what a plan costs over time, and which usage is made anew."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import MarketplacePlan, Plan, Pricing
from shared.domain.catalog.product import Product
from shared.domain.catalog.timeline import (
    BEGINNING,
    END,
    TAKING_HOLD,
    Demand,
    Timeline,
    VersionHead,
)
from shared.domain.errors import NotFound
from shared.domain.ids import AggregationCode, FieldCode, MeterCode, PlanCode, ProductCode
from shared.domain.period import HOUR
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage.aggregate import AggregationType

T = datetime(2026, 3, 1, 10, tzinfo=UTC)
TOKENS, BASIC = MeterCode("tokens"), PlanCode("basic")
N, MODEL = FieldCode("n"), FieldCode("model")
TOTAL = Aggregation(AggregationCode("total"), TOKENS, AggregationType.SUM, N)
BY_MODEL = replace(TOTAL, segmented_fields=(MODEL,), segments=({MODEL: "*"},))


def catalog(
    price: str | None = "0.01",
    *,
    aggregation: Aggregation = TOTAL,
    name: str = "",
    formula: str = "",
) -> Catalog:
    fields = (DataField(N, FieldCategory.MEASURE), DataField(MODEL, FieldCategory.WHAT))
    derived = (DerivedField(FieldCode("d"), formula),) if formula else ()
    plans = () if price is None else (
        Plan(BASIC, ProductCode("ai"), (Pricing(TOTAL.code, PerUnit(Decimal(price))),), name=name),
    )  # fmt: skip
    meter = Meter(TOKENS, fields, derived_fields=derived)
    product = Product(ProductCode("ai"))
    return Catalog(Organization("contoso"), (product,), (meter,), (aggregation,), plans)


def timeline(*versions: tuple[int | None, Catalog] | tuple[int | None, Catalog, int]) -> Timeline:
    """Versions by the hour from which they hold (``None``: always) and the hour they were made,
    a day before if it is not given."""
    heads, catalogs = [], {}
    for number, (start, made, *created) in enumerate(versions, 1):
        effective = None if start is None else T + start * HOUR
        at = T + created[0] * HOUR if created else (effective or T) - 24 * HOUR
        heads.append(VersionHead(number, at, effective))
        catalogs[number] = made
    return Timeline(heads, catalogs)


def spans(made: Timeline) -> list[tuple[datetime, datetime, int]]:
    return [(span.start, span.end, span.version) for span in made.spans(BASIC)]


@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=6), st.integers(-7, 7)
)
def test_the_newest_of_those_that_are_effective_holds(starts: list[int | None], at: int) -> None:
    made = timeline(*((start, catalog()) for start in starts))
    begun = [n for n, start in enumerate(starts, 1) if start is None or start <= at]
    assert made.number_at(T + at * HOUR) == max(begun, default=1)


def test_there_must_be_a_version() -> None:
    with pytest.raises(NotFound):
        Timeline([], {})


def test_one_catalogue_holds_for_all_time() -> None:
    only = catalog()
    made = Timeline.of(only)
    assert made.at(BEGINNING) is made.at(T) is only
    assert made.versions == (0,)
    assert [(s.start, s.end, s.catalog) for s in made.spans(BASIC)] == [(BEGINNING, END, only)]


def test_a_price_divides_time_at_its_hour() -> None:
    made = timeline((None, catalog()), (5, catalog("0.02")), (9, catalog("0.02")))
    assert spans(made) == [(BEGINNING, T + 5 * HOUR, 1), (T + 5 * HOUR, END, 2)]
    assert [str(s.plan.pricing[0].charge.unit_price) for s in made.spans(BASIC)
            if isinstance(s.plan.pricing[0].charge, PerUnit)] == ["0.01", "0.02"]  # fmt: skip


UNPRICED = {
    "a plan's name": catalog(name="Basic"),
    "an aggregation's name": catalog(aggregation=replace(TOTAL, name="Tokens", unit="token")),
    "another product": replace(catalog(), products=(Product(ProductCode("x")),)),
    "how it is sold": replace(catalog(), plans=(
        replace(catalog().plans[0], marketplace=(MarketplacePlan("o", "p"),)),)),
}  # fmt: skip


@pytest.mark.parametrize("other", UNPRICED.values(), ids=UNPRICED)
def test_what_changes_no_price_divides_nothing(other: Catalog) -> None:
    made = timeline((None, catalog()), (5, other))
    assert spans(made) == [(BEGINNING, END, 1)]


def test_the_way_an_aggregation_is_made_is_part_of_the_price() -> None:
    made = timeline((None, catalog()), (5, catalog(aggregation=replace(
        TOTAL, quantity_per_unit=Decimal(1000)))))  # fmt: skip
    assert len(spans(made)) == 2


def test_a_price_that_comes_back_is_a_third_span() -> None:
    made = timeline((None, catalog()), (5, catalog("0.02")), (7, catalog()))
    assert [version for _, _, version in spans(made)] == [1, 2, 3]


def test_a_version_that_is_overtaken_before_it_holds_never_does() -> None:
    made = timeline((None, catalog()), (5, catalog("0.02")), (5, catalog("0.03")))
    assert made.versions == (1, 3)
    assert [version for _, _, version in spans(made)] == [1, 3]


def test_a_plan_that_is_taken_out_goes_on_for_those_who_have_it() -> None:
    made = timeline((None, catalog()), (5, catalog(None)), (7, catalog("0.02")))
    assert spans(made) == [(BEGINNING, T + 7 * HOUR, 1), (T + 7 * HOUR, END, 3)]


def test_a_plan_counts_before_its_first_version_as_that_has_it() -> None:
    made = timeline((None, catalog(None)), (5, catalog()))
    assert spans(made) == [(BEGINNING, END, 2)]
    with pytest.raises(NotFound):
        timeline((None, catalog(None))).spans(BASIC)


def test_an_event_is_taken_by_the_version_of_its_time() -> None:
    made = timeline((None, catalog()), (5, catalog(formula="n * 2")))
    for hours, derivations in ((4, 0), (5, 1)):
        intake = made.intake(TOKENS, T + hours * HOUR)
        assert intake is not None
        assert len(intake.derivations) == derivations


def test_a_meter_takes_events_of_before_it_was_there() -> None:
    none = replace(catalog(None), meters=(), aggregations=())
    made = timeline((None, none), (5, catalog()))
    assert made.intake(TOKENS, T) is made.at(T + 5 * HOUR).intake(TOKENS)
    assert made.intake(MeterCode("x"), T) is None
    gone = timeline((None, catalog()), (5, none))
    assert gone.intake(TOKENS, T + 5 * HOUR) is None


# --- usage that is made anew


SPLIT = catalog(aggregation=BY_MODEL)


def test_a_version_made_well_ahead_asks_nothing_of_stored_usage() -> None:
    made = timeline((None, catalog()), (5, SPLIT, 4))
    assert made.demands(TOKENS) == ()
    assert made.generation(TOKENS, T + 5 * HOUR) == 0


def test_a_version_made_late_asks_for_usage_since_its_hour() -> None:
    made = timeline((None, catalog()), (-10, SPLIT, 2))
    until = T + 2 * HOUR + TAKING_HOLD
    assert made.demands(TOKENS) == (Demand(T - 10 * HOUR, until, 2),)
    generations = {h: made.generation(TOKENS, T + h * HOUR) for h in (-11, -10, 2, 3)}
    assert generations == {-11: 0, -10: 2, 2: 2, 3: 0}


def test_a_version_made_just_before_its_hour_meets_processes_that_do_not_know_it() -> None:
    heads = [VersionHead(1, T), VersionHead(2, T - timedelta(minutes=5), T)]
    made = Timeline(heads, {1: catalog(), 2: SPLIT})
    assert made.demands(TOKENS) == (Demand(T, T + timedelta(minutes=10), 2),)


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(catalog("0.02"), id="another price"),
        pytest.param(catalog(aggregation=replace(TOTAL, type=AggregationType.MAX)), id="measure"),
    ],
)
def test_what_partials_hold_already_is_not_made_anew(late: Catalog) -> None:
    made = timeline((None, catalog()), (-10, late, 2))
    assert made.demands(TOKENS) == ()


def test_a_late_version_that_replaces_another_late_one_asks_again() -> None:
    formula = catalog(aggregation=BY_MODEL, formula="n * 2")
    made = timeline((None, catalog()), (-10, SPLIT, 2), (-5, formula, 3))
    assert [d.version for d in made.demands(TOKENS)] == [2, 3]
    assert made.generation(TOKENS, T - 6 * HOUR) == 2
    assert made.generation(TOKENS, T - 5 * HOUR) == 3


def test_usage_that_an_overtaken_version_was_to_split_is_still_made_anew() -> None:
    made = timeline((None, catalog()), (-10, SPLIT, 2), (-10, SPLIT, 2))
    assert made.versions == (1, 3)
    assert made.generation(TOKENS, T) > 0


def test_a_window_s_version_is_the_last_that_has_a_say_in_it() -> None:
    made = timeline((None, catalog(formula="n")), (-10, catalog(formula="n * 2"), 2))
    (span,) = made.spans(BASIC)
    assert span.version == 1
    assert made.version_of(span, T - 99 * HOUR, T - 10 * HOUR) == 1
    assert made.version_of(span, T - 99 * HOUR, T) == 2
    assert made.version_of(span, T + 3 * HOUR, T + 9 * HOUR) == 1
