"""Usage made anew from stored events: equal to fresh aggregation, once, safe beside folding."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.meter import DataField, DerivedField, FieldCategory, Meter
from shared.domain.catalog.plan import Plan, Pricing
from shared.domain.ids import AccountCode, AggregationCode, FieldCode, Shard, shard_of
from shared.domain.period import DAY, HOUR, day_of
from shared.domain.rating.per_unit import PerUnit
from shared.domain.usage.aggregate import AggregationType
from shared.domain.usage.cell import CellUsage, newest_generation
from shared.domain.usage.event import Outcome, UsageEvent
from shared.domain.usage.partial import Json, to_json
from shared.ports import CatalogVersion, UsageDay
from shared.services.catalog import Intent
from shared.services.directory import LIFE
from tests.services.taps import Call
from tests.services.world import CATALOG, CHEAP, START, TOKENS, World, plan_of

MODEL = FieldCode("model")
ACME = AccountCode("acme")
USED = AggregationCode("used")
EARLIER = START - 5 * HOUR


def before() -> Catalog:
    """Tokens with a model that nothing divides them by yet."""
    fields = (
        DataField(FieldCode("n"), FieldCategory.MEASURE),
        DataField(MODEL, FieldCategory.WHAT, required=False),
    )
    return replace(CATALOG, meters=(Meter(TOKENS, fields),))


def after(price: str = "1") -> Catalog:
    """Divided by model, with a derived field and different models; priced by model."""
    old = before()
    meter = replace(old.meters[0], derived_fields=(DerivedField(FieldCode("double"), "n * 2"),))
    split = Aggregation(
        USED, TOKENS, AggregationType.SUM, FieldCode("double"),
        segmented_fields=(MODEL,), segments=({MODEL: "big"}, {MODEL: "*"}),
    )  # fmt: skip
    unique = Aggregation(AggregationCode("models"), TOKENS, AggregationType.UNIQUE, MODEL)
    return replace(
        old,
        meters=(meter,),
        aggregations=(*old.aggregations, split, unique),
        plans=(by_model(price),),
    )


def by_model(price: str) -> Plan:
    prices = (
        Pricing(USED, PerUnit(Decimal(price)), {MODEL: "big"}),
        Pricing(USED, PerUnit(Decimal("0.01")), {MODEL: "*"}),
    )
    return replace(plan_of("basic", CHEAP, "standard"), pricing=prices)


@pytest.fixture
def world() -> World:
    made = World(catalog=before())
    made.clock.at = START - DAY
    made.account(ACME)
    made.clock.at = START
    return made


def send(world: World, *events: tuple[str, int, str | None, datetime]) -> None:
    results = world.send(*(event(*given) for given in events))
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}


def event(id_: str, n: int, model: str | None, at: datetime) -> UsageEvent:
    data = {"n": Decimal(n)} | ({} if model is None else {"model": model})
    return UsageEvent(id_, ACME, TOKENS, at, data)


def publish(world: World, catalog: Catalog, since: datetime | None) -> CatalogVersion:
    """Store a version that holds since then, and wait until every process knows it."""
    change = world.process.put_catalog(catalog, Intent("ada", since))
    world.clock.advance(LIFE)
    return change.version


def folded(world: World, *hours: datetime) -> list[CellUsage]:
    days = (day_of(START - DAY), day_of(START + DAY))
    cells = world.process.fold(shard_of(ACME), ACME, hours, days).cells()
    return newest_generation(cells)


def as_json(cells: Iterable[CellUsage]) -> Mapping[tuple[datetime, str], Json]:
    """Statistics without their generation, which tells how they were made and nothing else."""
    return {(c.start, c.segment): to_json(c.partial) | {"g": 0, "o": 0} for c in cells}


def fresh(
    events: Collection[tuple[str, int, str | None, datetime]],
) -> Mapping[tuple[datetime, str], Json]:
    """What a catalogue that was there from the start makes of the same events."""
    made = World(catalog=after())
    made.clock.at = START - DAY
    made.account(ACME)
    made.clock.at = START
    if events:
        send(made, *events)
    hours = [at.replace(minute=0) for *_, at in events]
    return as_json(folded(made, *hours))


EVENTS = (
    ("a", 5, "big", EARLIER),
    ("b", 7, "small", EARLIER + timedelta(minutes=5)),
    ("c", 9, None, EARLIER + HOUR),
)


def test_usage_is_made_anew_as_if_the_version_had_always_been_there(world: World) -> None:
    send(world, *EVENTS)
    assert [cell.segment for cell in folded(world, EARLIER, EARLIER + HOUR)] == ["", ""]
    version = publish(world, after(), EARLIER)
    made = folded(world)
    assert {cell.partial.generation for cell in made} == {version.number}
    assert as_json(made) == fresh(EVENTS)


def test_it_is_done_once(world: World) -> None:
    send(world, *EVENTS)
    publish(world, after(), EARLIER)
    folded(world, EARLIER, EARLIER + HOUR)
    world.journal.forget()
    again = folded(world, EARLIER, EARLIER + HOUR)
    assert world.journal.count("days.write", "log.events") == 0
    assert as_json(again) == fresh(EVENTS)


def test_late_usage_is_counted_with_the_rest(world: World) -> None:
    send(world, *EVENTS)
    publish(world, after(), EARLIER)
    folded(world, EARLIER, EARLIER + HOUR)
    late = ("d", 11, "small", EARLIER + timedelta(minutes=30))
    send(world, late)
    assert as_json(folded(world, EARLIER)) == fresh((*EVENTS, late))


def test_usage_before_the_version_s_hour_stays_as_it_is(world: World) -> None:
    send(world, *EVENTS)
    publish(world, after(), EARLIER + HOUR)
    cells = folded(world, EARLIER, EARLIER + HOUR)
    assert [(c.start, c.partial.generation) for c in cells] == [
        (EARLIER, 0), (EARLIER + HOUR, 2),
    ]  # fmt: skip


def test_a_version_of_the_next_hour_makes_nothing_anew(world: World) -> None:
    send(world, *EVENTS)
    publish(world, after(), None)
    world.journal.forget()
    cells = folded(world, EARLIER, EARLIER + HOUR)
    assert world.journal.count("log.events") == 0
    assert {cell.partial.generation for cell in cells} == {0}


def test_a_process_that_does_not_know_the_version_spoils_nothing(world: World) -> None:
    """It read the catalogue just before, folds late usage as it used to, and asks again when it
    meets a cell of a version that it does not know."""
    send(world, *EVENTS)
    stale = world.boot()
    stale.ingest([event("x", 1, None, START)])
    version = world.process.put_catalog(after(), Intent("ada", EARLIER)).version
    other = world.boot()
    other.fold(shard_of(ACME), ACME, [EARLIER, EARLIER + HOUR], None)
    late = ("d", 11, "small", EARLIER + timedelta(minutes=30))
    stale.ingest([event(*late)])
    stale.fold(shard_of(ACME), ACME, [EARLIER], None)
    world.clock.advance(LIFE)
    made = [cell for cell in folded(world) if cell.start < START]
    assert {cell.partial.generation for cell in made} == {version.number}
    assert as_json(made) == fresh((*EVENTS, late))


def test_two_that_do_it_at_once_agree(world: World) -> None:
    send(world, *EVENTS)
    publish(world, after(), EARLIER)
    other = world.boot()

    def in_between(_: Call) -> None:
        other.fold(shard_of(ACME), ACME, [EARLIER, EARLIER + HOUR], None)

    world.journal.before("days.write", in_between)
    assert as_json(folded(world, EARLIER, EARLIER + HOUR)) == fresh(EVENTS)
    assert as_json(folded(world)) == fresh(EVENTS)


def test_half_a_write_counts_nothing_twice(world: World) -> None:
    """Rows of several segments may be written in part; what is read then is never too much."""
    send(world, *EVENTS)
    folded(world, EARLIER, EARLIER + HOUR)
    publish(world, after(), EARLIER)
    days = world.days
    write = days.write

    class Broken(Exception):
        pass

    def first_row_only(call: Call) -> None:
        shard, rows = cast("tuple[Shard, list[tuple[UsageDay, str | None]]]", call.arguments)
        write(shard, rows[:1])
        raise Broken

    world.journal.before("days.write", first_row_only)
    with pytest.raises(Broken):
        folded(world, EARLIER)
    stored = days.read(shard_of(ACME), ACME, day_of(START), day_of(START))
    cells = [
        CellUsage(key.meter, key.segment, at, partial)
        for key, row in stored.items()
        for at, partial in row.value.cells.items()
    ]
    assert sum(c.partial.events for c in newest_generation(cells)) < len(EVENTS)
    assert as_json(folded(world)) == fresh(EVENTS)


def test_the_events_of_a_table_that_is_gone_leave_what_was_folded(world: World) -> None:
    send(world, *EVENTS)
    folded(world, EARLIER, EARLIER + HOUR)
    world.log.drop_day(day_of(START))
    publish(world, after(), EARLIER)
    assert sum(cell.partial.events for cell in folded(world)) == len(EVENTS)


def test_an_event_that_has_no_derived_value_now_still_counts(world: World) -> None:
    send(world, ("a", 5, "big", EARLIER))
    catalog = after()
    formula = DerivedField(FieldCode("double"), "1 / (n - 5)")
    meter = replace(catalog.meters[0], derived_fields=(formula,))
    publish(world, replace(catalog, meters=(meter,)), EARLIER)
    (cell,) = folded(world, EARLIER)
    assert cell.partial.events == 1
    assert "double" not in cell.partial.fields


def test_quarters_of_an_hour_stay_apart() -> None:
    world = World(catalog=before())
    world.clock.at = START - DAY
    world.account(ACME, "Asia/Kolkata")
    world.clock.at = START
    events = (
        ("a", 5, "big", EARLIER),
        ("b", 7, "big", EARLIER + timedelta(minutes=20)),
        ("c", 9, "big", EARLIER + timedelta(minutes=50)),
    )
    send(world, *events)
    publish(world, after(), EARLIER)
    cells = folded(world, EARLIER)
    assert [(c.start.minute, c.partial.events) for c in cells] == [(0, 1), (15, 1), (45, 1)]


def test_what_was_billed_is_billed_by_the_new_version_in_the_next_run(world: World) -> None:
    """15 tokens of a big model cost 15 cents, then a dollar for each half of one."""
    send(world, ("a", 15, "big", EARLIER))
    world.next_run()
    assert world.row(ACME).rated == 15
    publish(world, after(), EARLIER)
    world.next_run()
    assert world.row(ACME).rated == 3_000
    world.next_run()
    assert world.row(ACME).rated == 3_000


models = st.sampled_from(["big", "small", None])
usage = st.lists(st.tuples(st.integers(0, 99), models, st.integers(0, 7)), max_size=12)


@given(usage, usage, st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_any_usage_before_and_after_is_as_if_fresh(
    old: list[tuple[int, str | None, int]], new: list[tuple[int, str | None, int]], since: int
) -> None:
    world = World(catalog=before())
    world.clock.at = START - DAY
    world.account(ACME)
    world.clock.at = START
    hours = [START - n * HOUR for n in range(8)]
    first = [(f"o{i}", n, model, hours[h]) for i, (n, model, h) in enumerate(old)]
    second = [(f"n{i}", n, model, hours[h]) for i, (n, model, h) in enumerate(new)]
    if first:
        send(world, *first)
    folded(world, *hours[:4])
    publish(world, after(), hours[since])
    folded(world, *hours[2:6])
    if second:
        send(world, *second)
    cells = [cell for cell in folded(world, *hours) if cell.start >= hours[since]]
    expected = {
        key: value for key, value in fresh([*first, *second]).items() if key[0] >= hours[since]
    }
    assert as_json(cells) == expected
