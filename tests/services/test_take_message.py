"""Usage of the queue: stored, parked, or kept with its reasons before the message completes."""

from decimal import Decimal

import pytest

from shared.domain.errors import FieldError, Throttled, Unavailable
from shared.services.take_message import Item, Unusable
from tests.services.taps import Call
from tests.services.world import World

BROKEN = Unusable("{", (FieldError("", "is not JSON"),))


@pytest.fixture
def world() -> World:
    world = World()
    world.account("acme")
    return world


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def test_every_outcome_is_counted_and_refusals_are_kept(world: World) -> None:
    good, early = world.event("acme"), world.event("late")
    bad = world.event("acme", data={"n": Decimal(-1)})
    counts = world.process.take_message(
        [Item(good, "good"), BROKEN, Item(early, "early"), Item(bad, "bad"), Item(good, "good")]
    )
    assert counts == {"accepted": 1, "parked": 1, "duplicate": 1, "invalid": 2}
    kept = {refused.body: refused.errors for refused in world.refusals.all()}
    assert kept["{"] == BROKEN.errors
    assert [error.pointer for error in kept["bad"]] == ["/data/n"]
    assert set(kept) == {"{", "bad"}


def test_a_message_of_nothing_but_faults(world: World) -> None:
    assert world.process.take_message([BROKEN]) == {"invalid": 1}
    assert world.journal.count("log.append") == 0


def test_a_redelivered_refusal_is_kept_once(world: World) -> None:
    for _ in range(2):
        world.process.take_message([BROKEN])
    assert len(list(world.refusals.all())) == 1


def test_a_refusal_that_cannot_be_kept_fails_the_message(world: World) -> None:
    good = Item(world.event("acme"), "good")
    world.journal.before("refusals.keep", lost)
    with pytest.raises(Unavailable):
        world.process.take_message([good, BROKEN])
    assert world.process.take_message([good, BROKEN]) == {"duplicate": 1, "invalid": 1}
    world.check()


def test_usage_that_cannot_be_stored_fails_the_message(world: World) -> None:
    for nth in (1, 2, 3):
        world.journal.before("log.append", lost, nth)
    item = Item(world.event("acme"), "good")
    with pytest.raises(Unavailable):
        world.process.take_message([item])
    assert world.process.take_message([item]) == {"accepted": 1, "invalid": 0}


def test_deliveries_are_not_used_up_by_a_trouble_of_minutes(world: World) -> None:
    item = Item(world.event("acme"), "good")
    world.journal.always = lambda call: lost(call) if call.name == "log.append" else None
    for delivery in range(1, 11):
        with pytest.raises(Unavailable):
            world.process.take_message([item], delivery)
    assert world.slept == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (0.5, 1.0), (600.0, 60.0)])
def test_a_wait_that_storage_asks_for_is_kept_within_the_lock(
    world: World, asked: float, waited: float
) -> None:
    def busy(_: Call) -> None:
        raise Throttled("busy", asked)

    world.journal.before("log.append", busy)
    with pytest.raises(Throttled):
        world.process.take_message([Item(world.event("acme"), "good")])
    assert world.slept == [waited]


def test_nothing_is_waited_for_without_trouble(world: World) -> None:
    world.process.take_message([Item(world.event("acme"), "good"), BROKEN], 9)
    assert world.slept == []
