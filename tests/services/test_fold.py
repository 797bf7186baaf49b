"""Folding: what changed, never backwards, and together with others."""

from datetime import date, timedelta

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, shard_of
from shared.domain.money import ZERO
from shared.domain.period import DAY, HOUR
from shared.services.fold import Folded
from tests.services.taps import Call
from tests.services.world import START, World

ACME = AccountCode("acme")
TODAY = START.date()


@pytest.fixture
def world() -> World:
    world = World()
    world.account(ACME)
    return world


def fold(world: World, *offsets: int, span: tuple[date, date] | None = None) -> Folded:
    """Fold the hours of these offsets from the start."""
    hours = [START + offset * HOUR for offset in offsets]
    return world.process.fold(shard_of(ACME), ACME, hours, span)


def total(folded: Folded) -> object:
    fields = [cell.partial.fields["n"].total for cell in folded.cells()]
    return sum(fields, ZERO)


def test_nothing_changed_and_nothing_asked_reads_nothing(world: World) -> None:
    world.journal.forget()
    assert fold(world).cells() == []
    assert world.journal.calls == []


def test_a_changed_hour_is_stored_and_returned(world: World) -> None:
    world.use(ACME, 5)
    world.use(ACME, 6)
    assert total(fold(world, 0)) == 11
    assert total(fold(world, span=(TODAY, TODAY))) == 11


def test_folding_again_writes_nothing(world: World) -> None:
    world.use(ACME, 5)
    fold(world, 0)
    world.journal.forget()
    assert total(fold(world, 0)) == 5
    assert world.journal.writes == {}


def test_hours_of_several_days_are_each_read_in_their_table(world: World) -> None:
    world.use(ACME, 5)
    world.use(ACME, 6, START - DAY)
    world.use(ACME, 7, START - 2 * DAY)
    world.journal.forget()
    assert total(fold(world, 0, -24, -48)) == 18
    assert world.journal.counts() == {"days.read": 1, "log.partials": 3, "days.write": 1}


def test_the_last_minute_of_the_last_hour_is_included(world: World) -> None:
    kolkata = world.account("kolkata", zone="Asia/Kolkata")
    late = START - DAY + HOUR - timedelta(seconds=1)
    world.use(kolkata, 5, late)
    folded = world.process.fold(shard_of(kolkata), kolkata, [START - DAY], None)
    (cell,) = folded.cells()
    assert cell.start == START - DAY + timedelta(minutes=45)


def test_partials_of_all_writers_count(world: World) -> None:
    world.use(ACME, 5)
    world.process = world.boot()
    world.use(ACME, 6)
    (cell,) = fold(world, 0).cells()
    assert (cell.partial.events, cell.partial.fields["n"].count) == (2, 2)


def test_a_table_that_was_dropped_leaves_what_was_folded(world: World) -> None:
    world.use(ACME, 5)
    fold(world, 0)
    world.log.drop_day(TODAY)
    world.journal.forget()
    assert total(fold(world, 0)) == 5
    assert world.journal.writes == {}


def test_a_fold_that_reads_fewer_events_never_replaces_a_cell(world: World) -> None:
    """A table is dropped and made anew by one late event: what was folded stays."""
    world.use(ACME, 5)
    world.use(ACME, 6)
    fold(world, 0)
    world.log.drop_day(TODAY)
    world.process = world.boot()
    world.use(ACME, 1)
    assert total(fold(world, 0)) == 11


def test_another_fold_in_between_is_not_lost(world: World) -> None:
    world.use(ACME, 5)
    other = world.boot()

    def in_between(_: Call) -> None:
        other.ingest([world.event(ACME, 6)])
        other.fold(shard_of(ACME), ACME, [START], None)

    world.journal.before("days.write", in_between)
    assert total(fold(world, 0)) == 11
    assert total(fold(world, span=(TODAY, TODAY))) == 11


def test_a_fold_that_is_always_overtaken_gives_up(world: World) -> None:
    world.use(ACME, 5)
    other = world.boot()

    def in_between(_: Call) -> None:
        other.ingest([world.event(ACME, 1, time=START - HOUR)])
        other.fold(shard_of(ACME), ACME, [START - HOUR], None)

    for nth in range(1, 20, 2):
        world.journal.before("days.write", in_between, nth)
    with pytest.raises(ConcurrentUpdate):
        fold(world, 0)


def test_the_span_is_returned_with_days_that_did_not_change(world: World) -> None:
    world.use(ACME, 5, START - 3 * DAY)
    fold(world, -72)
    world.use(ACME, 6)
    assert total(fold(world, 0, span=(TODAY - 3 * DAY, TODAY))) == 11
