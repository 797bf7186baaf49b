"""Taking usage: every outcome, identities, parked input, and no acknowledgement too early."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from shared.domain.catalog.meter import Meter
from shared.domain.errors import Throttled, Unavailable
from shared.domain.ids import AccountCode, MeterCode
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import DAY, HOUR
from shared.domain.usage.event import ACCEPTED_AHEAD, ACCEPTED_BACK, Outcome
from shared.services.ingest_usage import EventResult
from shared.services.replay_parked import Replayed
from tests.services.taps import Call
from tests.services.world import CATALOG, START, World

ACCEPTED, DUPLICATE, PARKED, INVALID = Outcome
SECOND = timedelta(seconds=1)


@pytest.fixture
def world() -> World:
    world = World()
    world.account("acme")
    return world


def outcomes(results: list[EventResult]) -> list[Outcome]:
    return [result.outcome for result in results]


def pointers(result: EventResult) -> list[str]:
    return [error.pointer for error in result.errors]


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def busy(_: Call) -> None:
    raise Throttled("busy", 7.0)


def test_every_outcome_in_one_request_in_order(world: World) -> None:
    world.send(world.event("acme", id_="old"))
    results = world.send(
        world.event("acme"),
        world.event("acme", id_="old"),
        world.event("nobody"),
        world.event("acme", meter="unheard-of"),
        world.event("acme", data={}),
        world.event("acme"),
    )
    assert outcomes(results) == [ACCEPTED, DUPLICATE, PARKED, PARKED, INVALID, ACCEPTED]
    assert len(world.log.stored_events()) == 3
    world.check()


def test_nothing_to_do_touches_no_usage(world: World) -> None:
    assert world.send() == []
    assert world.journal.count("log.append", "parking.park") == 0


@pytest.mark.parametrize(
    ("offset", "outcome"),
    [
        (ACCEPTED_AHEAD, ACCEPTED),
        (ACCEPTED_AHEAD + SECOND, INVALID),
        (-ACCEPTED_BACK, ACCEPTED),
        (-ACCEPTED_BACK - SECOND, INVALID),
    ],
)
def test_the_window_of_times(world: World, offset: timedelta, outcome: Outcome) -> None:
    (result,) = world.send(world.event("acme", time=START + offset))
    assert result.outcome is outcome
    assert pointers(result) == (["/time"] if outcome is INVALID else [])


def test_faults_of_data_are_all_named_under_data(world: World) -> None:
    (result,) = world.send(world.event("acme", data={"m": "x", "k": Decimal(1)}))
    assert pointers(result) == ["/data/n", "/data/m", "/data/k"]


def test_a_payload_too_large_is_refused(world: World) -> None:
    world.put_catalog(replace(CATALOG, meters=(Meter(MeterCode("big")),)))
    (result,) = world.send(world.event("acme", data={f"k{i}": "x" * 500 for i in range(40)}))
    assert result.outcome is INVALID
    assert pointers(result) == ["/data"]


def test_an_account_that_is_not_the_callers(world: World) -> None:
    results = world.process.ingest(
        [world.event("acme"), world.event("nobody")], None, frozenset({AccountCode("other")})
    )
    assert outcomes(results) == [INVALID, INVALID]
    assert [pointers(r) for r in results] == [["/account"]] * 2
    assert world.parking.accounts() == {}


def test_usage_at_or_after_the_end_of_the_subscription(world: World) -> None:
    sold = world.record(AccountCode("acme")).subscription
    assert sold is not None
    ended = replace(sold, status=SubscriptionStatus.UNSUBSCRIBED, end=START + HOUR)
    world.change(AccountCode("acme"), subscriptions=(ended,))
    world.clock.advance(2 * HOUR)
    results = world.send(
        world.event("acme", time=START + HOUR - SECOND), world.event("acme", time=START + HOUR)
    )
    assert outcomes(results) == [ACCEPTED, INVALID]
    assert pointers(results[1]) == ["/time"]


# --- identity


def test_twice_in_one_request(world: World) -> None:
    event = world.event("acme", id_="a")
    assert outcomes(world.send(event, event)) == [ACCEPTED, DUPLICATE]
    world.check()


def test_twice_in_one_request_with_another_payload(world: World) -> None:
    first, second = (world.event("acme", n, id_="a") for n in (1, 2))
    results = world.send(first, second, first)
    assert outcomes(results) == [ACCEPTED, INVALID, DUPLICATE]
    assert pointers(results[1]) == ["/id"]
    world.check()


def test_again_in_a_later_request(world: World) -> None:
    event = world.event("acme", id_="a")
    world.send(event)
    assert outcomes(world.send(event, world.event("acme", id_="b"))) == [DUPLICATE, ACCEPTED]
    world.check()


def test_again_with_another_payload_is_never_overwritten(world: World) -> None:
    world.send(world.event("acme", 1, id_="a"))
    (result,) = world.send(world.event("acme", 2, id_="a"))
    assert (result.outcome, pointers(result)) == (INVALID, ["/id"])
    assert [row.event.data["n"] for row in world.log.stored_events()] == [1]
    world.check()


def test_another_spelling_of_the_same_number_is_the_same(world: World) -> None:
    world.send(world.event("acme", "1.50", id_="a"))
    assert outcomes(world.send(world.event("acme", "1.5", id_="a"))) == [DUPLICATE]


def test_the_same_id_of_another_source_account_or_day_is_another_event(world: World) -> None:
    world.account("zeta")
    results = world.send(
        world.event("acme", id_="a"),
        world.event("acme", id_="a", source="s"),
        world.event("zeta", id_="a"),
        world.event("acme", id_="a", time=START - DAY),
    )
    assert outcomes(results) == [ACCEPTED] * 4
    world.check()


def test_again_after_a_new_process(world: World) -> None:
    event = world.event("acme", id_="a")
    world.send(event)
    assert outcomes(world.boot().ingest([event])) == [DUPLICATE]
    world.check()


# --- what is not stored is not acknowledged


def test_throttled_is_raised_with_its_delay(world: World) -> None:
    world.journal.before("log.append", busy)
    with pytest.raises(Throttled) as raised:
        world.send(world.event("acme"), world.event("acme"))
    assert raised.value.retry_after == 7.0
    assert world.log.stored_events() == []


def test_an_unknown_outcome_is_never_acknowledged(world: World) -> None:
    event = world.event("acme")
    for nth in (1, 2, 3):
        world.journal.before("log.append", lost, nth)
    with pytest.raises(Unavailable):
        world.send(event)
    assert outcomes(world.send(event)) == [ACCEPTED]
    world.check()


def test_one_shard_in_trouble_fails_the_request_and_repeating_completes_it(world: World) -> None:
    accounts = [world.account(f"c{i}") for i in range(8)]
    events = [world.event(account) for account in accounts]
    world.journal.before("log.append", busy, nth=2)
    with pytest.raises(Throttled):
        world.send(*events)
    stored = {row.account for row in world.log.stored_events()}
    assert stored
    assert stored != set(accounts)
    again = world.send(*events)
    assert {r.id for r in again if r.outcome is DUPLICATE} == {
        e.id for e in events if e.account in stored
    }
    assert len(world.log.stored_events()) == 8
    world.check()


def test_parking_that_fails_acknowledges_nothing(world: World) -> None:
    world.journal.before("parking.park", lost)
    event, early = world.event("acme"), world.event("nobody")
    with pytest.raises(Unavailable):
        world.send(event, early)
    assert outcomes(world.send(event, early)) == [DUPLICATE, PARKED]


def test_an_account_is_looked_up_once_a_request(world: World) -> None:
    for account in ("acme", "nobody"):
        world.journal.forget()
        results = world.send(*(world.event(account) for _ in range(50)), world.event("zeta"))
        assert len(results) == 51
        assert world.journal.count("accounts.load") == 2


# --- parked


def test_parked_twice_is_parked_once(world: World) -> None:
    early = world.event("late", id_="a")
    other = world.event("late", 7, id_="a")
    assert outcomes(world.send(early, early)) == [PARKED, PARKED]
    results = world.send(early, other)
    assert outcomes(results) == [PARKED, INVALID]
    assert pointers(results[1]) == ["/id"]
    assert len(list(world.parking.of_account(AccountCode("late")))) == 1


def test_replayed_once_the_account_is_there(world: World) -> None:
    world.send(world.event("late", 5), world.event("late", 6))
    assert world.process.replay_parked() == Replayed(parked=2)
    late = world.account("late")
    assert world.process.replay_parked(late) == Replayed(stored=2)
    assert world.parking.accounts() == {}
    assert len(world.log.stored_events()) == 2
    world.check()


def test_replayed_once_the_meter_is_there(world: World) -> None:
    world.send(world.event("acme", meter="later"))
    meter = replace(CATALOG.meters[0], code=MeterCode("later"))
    world.put_catalog(replace(CATALOG, meters=(*CATALOG.meters, meter)))
    world.clock.advance(timedelta(minutes=1))
    assert world.process.replay_parked() == Replayed(stored=1)
    world.check()


def test_a_replay_judges_by_the_first_arrival(world: World) -> None:
    world.send(world.event("late", time=START - ACCEPTED_BACK))
    world.clock.advance(DAY)
    world.account("late")
    assert world.process.replay_parked() == Replayed(stored=1)


def test_input_parked_for_too_long_stays_where_people_see_it(world: World) -> None:
    """Its day's table may be gone, and with it the knowledge of what was stored before."""
    world.send(world.event("late", time=START - ACCEPTED_BACK))
    world.clock.advance(DAY + timedelta(seconds=1))
    world.account("late")
    assert world.process.replay_parked() == Replayed(refused=1)
    assert world.parking.accounts() == {"late": 1}
    assert world.log.stored_events() == []


def test_a_crash_between_storing_and_dropping_costs_nothing(world: World) -> None:
    world.send(world.event("late"))
    world.account("late")
    world.journal.before("parking.drop", lost)
    with pytest.raises(Unavailable):
        world.process.replay_parked()
    assert world.boot().replay_parked() == Replayed(stored=1)
    assert world.parking.accounts() == {}
    world.check()


def test_sent_again_while_a_copy_is_parked(world: World) -> None:
    early = world.event("late", id_="a")
    world.send(early)
    world.account("late")
    assert outcomes(world.send(early)) == [ACCEPTED]
    assert world.process.replay_parked() == Replayed(stored=1)
    assert len(world.log.stored_events()) == 1
    world.check()


def test_parked_input_that_proves_invalid_stays_to_be_seen(world: World) -> None:
    world.send(world.event("late", data={"n": "text"}))
    world.account("late")
    assert world.process.replay_parked() == Replayed(refused=1)
    assert world.parking.accounts() == {"late": 1}


def test_a_replay_looks_an_account_up_once_and_parks_nothing_again(world: World) -> None:
    world.send(*(world.event("late") for _ in range(50)))
    world.journal.forget()
    assert world.process.replay_parked() == Replayed(parked=50)
    assert world.journal.count("accounts.load") == 1
    assert world.journal.count("parking.park") == 0


def test_an_account_that_fails_stops_no_other(world: World) -> None:
    codes = [AccountCode(f"late{n}") for n in range(4)]
    world.send(*(world.event(code) for code in codes))
    for code in codes:
        world.account(code)

    def refuse(call: Call) -> None:
        if call.name == "accounts.load" and call.arguments[0] == codes[1]:
            raise Unavailable("no answer")

    world.journal.always = refuse
    with pytest.raises(Unavailable):
        world.process.replay_parked()
    assert world.parking.accounts() == {codes[1]: 1}
    world.journal.always = None
    assert world.process.replay_parked() == Replayed(stored=1)
    world.check()


def test_a_replay_ends_in_time_and_begins_with_another_account_next_time(world: World) -> None:
    codes = [world.account(f"late{n}") for n in range(5)]
    world.send(*(world.event(code, meter="later") for code in codes))
    world.journal.always = lambda call: (
        world.clock.advance(timedelta(minutes=3)) if call.name == "parking.of_account" else None
    )
    tried: list[object] = []
    for _ in range(5):
        world.journal.forget()
        assert world.process.replay_parked() == Replayed(parked=2)
        calls = [call for call in world.journal.calls if call.name == "parking.of_account"]
        tried += [call.arguments[0] for call in calls]
        world.clock.advance(HOUR)
    assert set(tried) == set(codes)


def test_a_new_account_is_usable_at_once(world: World) -> None:
    assert outcomes(world.send(world.event("new"))) == [PARKED]
    world.account("new")
    assert outcomes(world.send(world.event("new"))) == [ACCEPTED]


def test_the_hot_path_asks_nothing(world: World) -> None:
    world.send(world.event("acme"))
    world.journal.forget()
    world.clock.advance(timedelta(seconds=29))
    world.send(*(world.event("acme") for _ in range(50)))
    assert world.journal.counts() == {"log.append": 1}


def test_usage_of_before_the_subscription_is_refused(world: World) -> None:
    world.clock.at = START + timedelta(minutes=40)
    account = world.customer()
    early = world.event(account, 100, time=START + timedelta(minutes=39, seconds=59))
    first = world.event(account, 7, time=START + timedelta(minutes=40))
    (refused, taken) = world.send(early, first)
    assert refused.outcome is INVALID
    assert [(e.pointer, e.message) for e in refused.errors] == [
        ("/time", "is before the start of the subscription, 2026-03-02T10:40:00+00:00")
    ]
    assert taken.outcome is ACCEPTED
    world.next_run(2)
    assert world.billed(account) == 7


# --- the end of a subscription


def ended(world: World, code: str = "ended") -> AccountCode:
    account = world.account(code)
    sold = world.record(account).subscriptions[0]
    end = world.clock.now() + HOUR
    world.change(account, subscriptions=(sold.moved(SubscriptionStatus.UNSUBSCRIBED, end),))
    return account


def test_usage_of_before_the_end_is_taken_for_the_grace_period() -> None:
    world = World()
    account, used = ended(world), world.clock.now()
    world.clock.advance(HOUR + world.grace - timedelta(seconds=1))
    (taken,) = world.send(world.event(account, time=used))
    assert taken.outcome is Outcome.ACCEPTED
    world.clock.advance(timedelta(seconds=1))
    (late,) = world.send(world.event(account, time=used))
    assert late.outcome is Outcome.INVALID
    assert late.errors[0].pointer == "/time"
    assert "was taken until 2026-03-02T13:00" in late.errors[0].message


def test_the_catalogue_says_how_long_the_grace_is_for_ends_from_then_on() -> None:
    world = World()
    before, used = ended(world), world.clock.now()
    world.clock.advance(2 * HOUR)
    longer = replace(CATALOG.organization, usage_grace_hours=5)
    world.put_catalog(replace(CATALOG, organization=longer))
    world.clock.advance(timedelta(minutes=1))
    after, later = ended(world, "later"), world.clock.now()
    world.clock.advance(timedelta(hours=5, minutes=59))
    old, new = world.send(world.event(before, time=used), world.event(after, time=later))
    assert (old.outcome, new.outcome) == (Outcome.INVALID, Outcome.ACCEPTED)


def test_parked_usage_counts_as_of_its_arrival() -> None:
    world = World(catalog=None)
    account, used = ended(world), world.clock.now()
    (parked,) = world.send(world.event(account, time=used))
    assert parked.outcome is Outcome.PARKED
    world.put_catalog(CATALOG)
    world.clock.advance(HOUR + world.grace + timedelta(minutes=1))
    assert world.process.replay_parked().stored == 1
