"""Parked input: room for it, its replay in pieces, and how people see and drop it."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.api.parked import parked_query, parked_response
from shared.api.problem import Response
from shared.api.usage import ROOM_AFTER, results_response
from shared.domain.errors import FieldError, InvalidInput, Unavailable
from shared.domain.ids import AccountCode
from shared.domain.period import DAY, HOUR
from shared.domain.usage.event import Outcome, UsageEvent
from shared.ports import ParkingLimits
from shared.services.ingest_usage import EventResult
from shared.services.replay_parked import MAX_EVENTS, OF_ACCOUNT, Replayed
from shared.services.take_message import Item, Unusable
from tests.fakes.parking import FakeParking
from tests.services.taps import Call
from tests.services.world import World

ACCEPTED, DUPLICATE, PARKED, INVALID = Outcome
LATE = AccountCode("late")


@pytest.fixture
def world() -> World:
    world = World(parking=FakeParking(ParkingLimits(per_account=2)))
    world.account("acme")
    return world


@pytest.fixture
def roomy() -> World:
    return World()


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def outcomes(results: list[EventResult]) -> list[tuple[Outcome, bool]]:
    return [(result.outcome, result.retry) for result in results]


def early(world: World, events: int, account: str = "late") -> list[UsageEvent]:
    """That many parked events of an account."""
    made = [world.event(account) for _ in range(events)]
    for start in range(0, events, 1_000):
        world.send(*made[start : start + 1_000])
    return made


# --- room


def test_without_room_an_event_is_refused_alone_and_may_be_sent_again(world: World) -> None:
    first, second = early(world, 2)
    third = world.event("late")
    results = world.send(world.event("acme"), third, first, world.event("other"))
    assert outcomes(results) == [
        (ACCEPTED, False),
        (INVALID, True),
        (PARKED, False),
        (PARKED, False),
    ]
    assert [error.pointer for error in results[1].errors] == ["/account"]
    assert "not kept" in results[1].errors[0].message
    assert world.parking.accounts()[LATE] == 2
    world.account("late")
    assert world.process.replay_parked() == Replayed(stored=2, parked=1)
    assert outcomes(world.send(third, second)) == [(ACCEPTED, False), (DUPLICATE, False)]
    world.check()


def test_a_code_without_an_account_takes_no_room_from_those_that_have_one() -> None:
    world = World(parking=FakeParking(ParkingLimits(strangers=0)))
    world.account("acme")
    results = world.send(world.event("invented"), world.event("acme", meter="later"))
    assert outcomes(results) == [(INVALID, True), (PARKED, False)]
    assert "unknown" in results[0].errors[0].message


def test_the_answer_says_what_to_send_again(world: World) -> None:
    early(world, 2)
    fresh, bad = world.event("acme"), world.event("acme", time=world.clock.at - 41 * DAY)
    mixed = results_response(world.send(fresh, world.event("late")))
    assert mixed.status == 202
    assert [r.get("retry") for r in json.loads(mixed.body)["results"]] == [None, True]
    full = results_response(world.send(world.event("late"), bad))
    assert full.status == 503
    assert full.headers == {"Retry-After": str(ROOM_AFTER)}
    assert [r.get("retry") for r in json.loads(full.body)["results"]] == [True, None]
    assert results_response(world.send(bad)).status == 400


def test_events_of_a_message_without_room_come_back_in_one_of_their_own(world: World) -> None:
    early(world, 2)
    items: list[Item | Unusable] = [
        Item(world.event("acme"), "good"),
        Item(world.event("late"), '{"id": "1"}'),
        Item(world.event("late"), '{"id": "2"}'),
        Unusable("{", (FieldError("", "is not JSON"),)),
    ]
    assert world.process.take_message(items) == {"accepted": 1, "invalid": 1, "put_off": 2}
    assert [refused.body for refused in world.refusals.all()] == ["{"]
    (later,) = world.messages.take("usage")
    assert json.loads(later.body) == [{"id": "1"}, {"id": "2"}]
    assert later.after == HOUR
    world.account("late")
    world.process.replay_parked()
    assert world.process.take_message(items) == {"duplicate": 1, "accepted": 2, "invalid": 1}
    assert world.messages.take("usage") == []
    world.check()


def test_a_message_without_room_that_cannot_be_sent_back_is_not_completed(world: World) -> None:
    early(world, 2)
    world.journal.before("messages.publish", lost)
    item = Item(world.event("late"), "{}")
    with pytest.raises(Unavailable):
        world.process.take_message([item])
    assert world.process.take_message([item]) == {"invalid": 0, "put_off": 1}


def test_many_events_without_room_come_back_in_messages_that_the_queue_takes(
    world: World,
) -> None:
    early(world, 2)
    bodies = [json.dumps("ü" * 10_000, ensure_ascii=False) for _ in range(50)]
    world.process.take_message([Item(world.event("late"), body) for body in bodies])
    messages = world.messages.take("usage")
    assert [body for m in messages for body in json.loads(m.body)] == ["ü" * 10_000] * 50
    assert all(len(m.body.encode()) < 210_000 for m in messages)
    assert len(messages) == 6


# --- replay


def deliver(world: World) -> list[Replayed]:
    """Handle the messages that go on with a replay, and those that these publish."""
    done = []
    while messages := world.messages.take("metering"):
        done += [world.process.replay_parked.take(json.loads(m.body)) for m in messages]
    return done


def test_a_long_replay_goes_on_through_the_queue(roomy: World) -> None:
    early(roomy, 2 * OF_ACCOUNT + 1)
    late = roomy.account("late")
    assert roomy.process.replay_parked(late) == Replayed(stored=OF_ACCOUNT, continued=1)
    assert deliver(roomy) == [Replayed(stored=OF_ACCOUNT, continued=1), Replayed(stored=1)]
    assert roomy.parking.accounts() == {}
    roomy.check()


def test_what_has_to_stay_is_tried_once_and_hides_nothing_behind_it(roomy: World) -> None:
    roomy.account("late")
    for _ in range(OF_ACCOUNT // 1_000):
        early_ones = [roomy.event("late", meter="later") for _ in range(1_000)]
        roomy.send(*early_ones)
    usable = roomy.event("late", meter="later", time=roomy.clock.at + timedelta(minutes=4))
    roomy.send(usable)
    assert roomy.process.replay_parked() == Replayed(parked=OF_ACCOUNT, continued=1)
    assert deliver(roomy) == [Replayed(parked=1)]


def test_a_lost_message_is_made_good_by_the_next_hour(roomy: World) -> None:
    early(roomy, OF_ACCOUNT + 1)
    roomy.account("late")
    roomy.process.replay_parked()
    roomy.messages.take("metering")
    assert roomy.process.replay_parked() == Replayed(stored=1)


def test_invented_accounts_take_no_time_from_others(roomy: World) -> None:
    for number in range(30):
        early(roomy, MAX_EVENTS // 20, f"invented{number:02}")
    early(roomy, 3)
    roomy.account("late")
    roomy.journal.forget()
    assert roomy.process.replay_parked() == Replayed(stored=3, parked=30 * MAX_EVENTS // 20)
    assert roomy.journal.count("parking.of_account") == 1


@pytest.mark.parametrize(
    "order",
    [
        {"parked": "late"},
        {"parked": "late", "day": "today", "key": "0"},
        {"parked": "a|b", "day": "2026-03-02", "key": "0"},
    ],
)
def test_a_message_that_asks_for_no_replay_is_refused(
    roomy: World, order: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        roomy.process.replay_parked.take(order)


# --- people


def pages(world: World, **query: str) -> list[Response]:
    """All pages of what is parked or refused."""
    found = [parked_response(world.process.parked_input.page(parked_query(query)))]
    while cursor := json.loads(found[-1].body)["cursor"]:
        asked = parked_query({**query, "cursor": cursor})
        found.append(parked_response(world.process.parked_input.page(asked)))
    return found


def shown(responses: list[Response], what: str) -> list[dict[str, object]]:
    return [item for response in responses for item in json.loads(response.body)[what]]


def test_parked_and_refused_input_is_shown_page_by_page_once(roomy: World) -> None:
    for account, events in (("b", 3), ("a", 4), ("c", 1)):
        early(roomy, events, account)
    bad = [Unusable(f"{{{n}", (FieldError("", "is not JSON"),)) for n in range(4)]
    roomy.process.take_message(bad)
    for limit, count in ((1, 12), (3, 4), (4, 3), (5, 3), (12, 1), (1000, 1)):
        found = pages(roomy, limit=str(limit))
        assert len(found) == count
        parked = [item["event"] for item in shown(found, "parked")]
        assert [event["account"] for event in parked] == [*"aaaabbbc"]  # type: ignore[index]  # parsed JSON
        assert len({json.dumps(event) for event in parked}) == 8
        assert sorted(str(item["body"]) for item in shown(found, "refused")) == [
            "{0", "{1", "{2", "{3",
        ]  # fmt: skip
    assert len(shown(pages(roomy, account="b", limit="2"), "parked")) == 3
    assert shown(pages(roomy, account="b"), "refused") == []


def test_pages_stay_in_order_while_events_come_and_go(roomy: World) -> None:
    early(roomy, 6, "b")
    first = parked_response(roomy.process.parked_input.page(parked_query({"limit": "3"})))
    events = [event.event for event in roomy.parking.of_account(AccountCode("b"))]
    assert all(one.key < two.key for one, two in pairwise(events))
    early(roomy, 2, "a")
    roomy.process.parked_input.drop(AccountCode("a"), "test")
    query = parked_query({"limit": "9", "cursor": json.loads(first.body)["cursor"]})
    rest = roomy.process.parked_input.page(query)
    assert [parked.event for parked in rest.parked] == events[3:]
    assert rest.after is None


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "?"},
        {"cursor": "W10="},
        {"cursor": "WzFd", "limit": "0"},
        {"cursor": "WyJhfGIiLCAiMjAyNi0wMy0wMiIsICIwIl0="},
        {"account": "a|b"},
    ],
    ids=["no base64", "empty", "limit", "no account code", "account"],
)
def test_odd_questions_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        parked_query(query)


def test_dropping_forgets_an_account_s_parked_events_and_says_who_did_it(roomy: World) -> None:
    early(roomy, 3, "invented")
    early(roomy, 1)
    code = AccountCode("invented")
    assert roomy.process.parked_input.drop(code, "ada@example.com") == 3
    assert roomy.process.parked_input.drop(code, "ada@example.com") == 0
    assert roomy.parking.accounts() == {LATE: 1}
    entries = list(roomy.trail.of(code))
    assert [(entry.action, entry.actor) for entry in entries] == [
        ("parked.dropped", "ada@example.com")
    ]
