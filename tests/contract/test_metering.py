"""What every Marketplace does with usage, in memory and over HTTP."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.errors import Rejected, Throttled, Unavailable
from shared.domain.ids import AccountCode, DimensionId, Resource, SubscriptionId
from shared.domain.metering.ledger import LedgerKey
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    Unknown,
)
from shared.domain.period import HOUR, hour_of
from tests.contract.marketplace_worlds import World, over_http, world
from tests.fakes.marketplace import (
    DelayRequest,
    Fault,
    LoseAnswer,
    LoseRequest,
    PartialBatch,
    Refuse,
    Throttle,
)

__all__ = ["over_http", "world"]

FEE = "usage_fee"


def usage(
    resource: str,
    start: datetime,
    quantity: str = "5",
    dimension: str = FEE,
    plan: str = "standard",
) -> Submission:
    key = LedgerKey(Resource(resource), DimensionId(dimension))
    return Submission(key, AccountCode("acme"), hour_of(start), start, plan, Decimal(quantity))


def subscribed(world: World, plan: str = "standard") -> SubscriptionId:
    """A subscription that has been active for three hours."""
    identity, _ = world.buy(plan)
    world.fulfillment.activate(identity, plan, None)
    world.advance(3 * HOUR)
    return identity


def quantities(answers: list[Answer]) -> list[tuple[type[Answer], Decimal]]:
    return [
        (type(answer), answer.quantity)
        for answer in answers
        if isinstance(answer, Accepted | Duplicate)
    ]


def test_usage_is_accepted_once_an_hour(world: World) -> None:
    resource = subscribed(world)
    start = hour_of(world.now()) - HOUR
    first = usage(resource, start, "5.25")
    (accepted,) = world.metering.send([first])
    assert isinstance(accepted, Accepted)
    assert accepted.quantity == Decimal("5.25")
    assert accepted.usage_event_id
    for again in (first, replace(first, quantity=Decimal(9))):
        (duplicate,) = world.metering.send([again])
        assert duplicate == Duplicate(Decimal("5.25"), accepted.usage_event_id)
    assert world.total(resource, FEE) == Decimal("5.25")


def test_any_minute_of_the_hour_is_the_same_hour(world: World) -> None:
    resource = subscribed(world)
    start = hour_of(world.now()) - HOUR
    world.metering.send([usage(resource, start + timedelta(minutes=59), "2")])
    (answer,) = world.metering.send([usage(resource, start, "3")])
    assert isinstance(answer, Duplicate)
    assert answer.quantity == 2


def test_hours_and_dimensions_do_not_disturb_each_other(world: World) -> None:
    resource = subscribed(world, "seats")
    start = hour_of(world.now()) - HOUR
    batch = [
        usage(resource, start, "1", "t1", "seats"),
        usage(resource, start, "2", "t2", "seats"),
        usage(resource, start - HOUR, "4", "t1", "seats"),
    ]
    assert quantities(world.metering.send(batch)) == [
        (Accepted, Decimal(1)),
        (Accepted, Decimal(2)),
        (Accepted, Decimal(4)),
    ]
    assert world.total(resource, "t1") == 5
    assert world.total(resource, "t2") == 2


@pytest.mark.parametrize("text", ["0.000000001", "0.1", "123456.789012345", "999999999999999"])
def test_quantities_arrive_exactly(world: World, text: str) -> None:
    resource = subscribed(world)
    (answer,) = world.metering.send([usage(resource, hour_of(world.now()) - HOUR, text)])
    assert isinstance(answer, Accepted)
    assert answer.quantity == Decimal(text)
    assert world.total(resource, FEE) == Decimal(text)


def test_only_the_last_24_hours_are_taken(world: World) -> None:
    resource = subscribed(world)
    world.advance(30 * HOUR)
    now = world.now()
    for start in (now - 24 * HOUR - timedelta(minutes=1), now + HOUR):
        assert world.metering.send([usage(resource, start)]) == [Expired()]
    (young,) = world.metering.send([usage(resource, now - 24 * HOUR + timedelta(minutes=5))])
    assert isinstance(young, Accepted)


def test_expired_hides_an_earlier_acceptance(world: World) -> None:
    resource = subscribed(world)
    sent = usage(resource, hour_of(world.now()) - HOUR)
    world.metering.send([sent])
    world.advance(25 * HOUR)
    assert world.metering.send([sent]) == [Expired()]
    assert world.total(resource, FEE) == 5


def test_a_suspended_subscription_takes_nothing_until_it_is_reinstated(world: World) -> None:
    resource = subscribed(world)
    sent = usage(resource, hour_of(world.now()) - HOUR)
    world.suspend(resource)
    assert world.metering.send([sent]) == [Refused("ResourceNotActive")]
    world.reinstate(resource)
    assert world.metering.send([sent]) == [Refused("ResourceNotActive")]
    world.advance(timedelta(seconds=11))
    (answer,) = world.metering.send([sent])
    assert isinstance(answer, Accepted)


def test_after_the_end_only_what_was_before_it_is_taken(world: World) -> None:
    resource = subscribed(world)
    world.unsubscribe(resource)
    end = world.now()
    world.advance(3 * HOUR)
    before, after = world.metering.send(
        [usage(resource, hour_of(end) - HOUR), usage(resource, hour_of(end) + HOUR)]
    )
    assert isinstance(before, Accepted)
    assert after == Refused("ResourceNotActive")


def test_a_subscription_takes_usage_from_its_activation_on(world: World) -> None:
    identity, _ = world.buy()
    start = hour_of(world.now()) - HOUR
    assert world.metering.send([usage(identity, start)]) == [Refused("ResourceNotActive")]
    world.fulfillment.activate(identity, "standard", None)
    activated = world.now()
    assert world.metering.send([usage(identity, start)]) == [Refused("ResourceNotActive")]
    (answer,) = world.metering.send([usage(identity, activated)])
    assert isinstance(answer, Accepted)


def test_what_is_refused_for_good_reasons(world: World) -> None:
    resource = subscribed(world)
    foreign, _ = world.buy(foreign=True)
    start = hour_of(world.now()) - HOUR
    answers = world.metering.send(
        [
            usage("c0ffee00-0000-4000-8000-000000000009", start),
            usage(foreign, start),
            usage(resource, start, dimension="t1"),
            usage(resource, start - HOUR, plan="gone"),
            usage(resource, start, "1.234567890123456"),
        ]
    )
    assert answers == [
        Refused("ResourceNotFound"),
        Refused("ResourceNotAuthorized"),
        Refused("InvalidDimension"),
        Refused("BadArgument"),
        Refused("the quantity has more than 15 digits"),
    ]
    assert world.total(resource, FEE) == 0


def test_one_bad_item_costs_no_other(world: World) -> None:
    resource = subscribed(world)
    world.advance(22 * HOUR)
    newest = hour_of(world.now()) - HOUR
    batch = [usage(resource, newest - number * HOUR, str(number + 1)) for number in range(20)]
    batch[7] = usage(resource, newest - 7 * HOUR, dimension="t1")
    batch += [usage(resource, newest, "9"), usage(resource, newest + 9 * HOUR)]
    answers = world.metering.send(batch)
    assert answers[7] == Refused("InvalidDimension")
    assert answers[20:] == [Refused("the hour stands in the batch twice"), Expired()]
    assert [type(answer) for answer in answers[:7] + answers[8:20]] == [Accepted] * 19
    assert world.total(resource, FEE) == sum(range(1, 21)) - 8


def test_a_call_takes_25(world: World) -> None:
    resource = subscribed(world, "seats")
    world.advance(22 * HOUR)
    newest = hour_of(world.now()) - HOUR
    batch = [
        usage(resource, newest - (number // 2) * HOUR, "1", f"t{number % 2 + 1}", "seats")
        for number in range(26)
    ]
    with pytest.raises(ValueError, match="at most 25"):
        world.metering.send(batch)
    assert world.total(resource, "t1") == 0
    assert [type(answer) for answer in world.metering.send(batch[:25])] == [Accepted] * 25
    assert world.metering.send([]) == []


def test_a_managed_application_is_named_by_its_uri(world: World) -> None:
    uri = "/subscriptions/S/resourceGroups/g/providers/Microsoft.Solutions/applications/a"
    plan = "standard" if hasattr(world, "hands") else "appliance"
    world.buy(plan, uri=uri)
    world.advance(3 * HOUR)
    start = hour_of(world.now()) - HOUR
    (first,) = world.metering.send([usage(uri, start, plan=plan)])
    (again,) = world.metering.send([usage(uri.upper(), start, plan=plan)])
    assert isinstance(first, Accepted)
    assert again == Duplicate(Decimal(5), first.usage_event_id)
    assert world.total(uri, FEE) == 5


def test_a_lost_request_did_nothing(world: World) -> None:
    resource = subscribed(world)
    sent = usage(resource, hour_of(world.now()) - HOUR)
    world.strike(LoseRequest())
    (lost,) = world.metering.send([sent])
    assert isinstance(lost, Unknown)
    assert world.total(resource, FEE) == 0
    (answer,) = world.metering.send([sent])
    assert isinstance(answer, Accepted)


def test_a_lost_answer_is_found_again_as_a_duplicate(world: World) -> None:
    resource = subscribed(world)
    sent = usage(resource, hour_of(world.now()) - HOUR)
    world.strike(LoseAnswer())
    (lost,) = world.metering.send([sent])
    assert isinstance(lost, Unknown)
    assert world.total(resource, FEE) == 5
    assert quantities(world.metering.send([sent])) == [(Duplicate, Decimal(5))]


@pytest.mark.parametrize("resent_first", [True, False])
def test_a_delayed_request_counts_once_whoever_comes_first(
    world: World, resent_first: bool
) -> None:
    resource = subscribed(world)
    sent = usage(resource, hour_of(world.now()) - HOUR)
    world.strike(DelayRequest(timedelta(minutes=2)))
    (lost,) = world.metering.send([sent])
    assert isinstance(lost, Unknown)
    assert world.total(resource, FEE) == 0
    if not resent_first:
        world.advance(timedelta(minutes=3))
        assert world.total(resource, FEE) == 5
    (answer,) = world.metering.send([sent])
    assert isinstance(answer, Accepted if resent_first else Duplicate)
    world.advance(timedelta(minutes=3))
    assert world.total(resource, FEE) == 5


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Throttle(), "HTTP 429"),
        (Refuse(403), "HTTP 403"),
        (Refuse(401), "HTTP 401"),
    ],
)
def test_a_refused_call_did_nothing(world: World, fault: Fault, reason: str) -> None:
    resource = subscribed(world)
    start = hour_of(world.now()) - HOUR
    batch = [usage(resource, start), usage(resource, start - HOUR)]
    world.strike(fault)
    assert world.metering.send(batch) == [Refused(reason)] * 2
    assert world.total(resource, FEE) == 0
    assert [type(answer) for answer in world.metering.send(batch)] == [Accepted] * 2


@pytest.mark.parametrize("applied", [True, False])
def test_missing_items_are_unknown(world: World, applied: bool) -> None:
    resource = subscribed(world)
    start = hour_of(world.now()) - HOUR
    batch = [usage(resource, start - HOUR, "1"), usage(resource, start, "2")]
    world.strike(PartialBatch(items=1, applied=applied))
    first, second = world.metering.send(batch)
    assert isinstance(first, Accepted)
    assert second == Unknown("no answer")
    assert world.total(resource, FEE) == (3 if applied else 1)
    (answer,) = world.metering.send([batch[1]])
    assert isinstance(answer, Duplicate if applied else Accepted)
    assert world.total(resource, FEE) == 3


def test_the_report_of_a_day_sums_what_was_accepted(world: World) -> None:
    resource = subscribed(world, "seats")
    world.advance(3 * HOUR)
    newest = hour_of(world.now()) - HOUR
    late = newest if newest.hour else newest - HOUR
    batch = [
        usage(resource, late - HOUR, "1.5", "t1", "seats"),
        usage(resource, late, "2", "t1", "seats"),
        usage(resource, late, "7", "t2", "seats"),
        usage(resource, late, "9", FEE, "seats"),
    ]
    answers = world.metering.send(batch)
    assert [type(answer) for answer in answers] == [Accepted, Accepted, Accepted, Refused]
    day, key = late.date(), Resource(resource)
    reported = sorted(world.metering.usage_of(day), key=lambda row: row.dimension)
    assert reported == [
        ReportedUsage(key, DimensionId("t1"), day, Decimal("3.5")),
        ReportedUsage(key, DimensionId("t2"), day, Decimal(7)),
    ]
    assert world.metering.usage_of(day - timedelta(days=1)) == []
    assert world.metering.usage_of(day + timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("fault", "error"),
    [(LoseRequest(), Unavailable), (Throttle(), Throttled), (Refuse(403), Rejected)],
)
def test_a_report_that_does_not_come_is_not_an_empty_one(
    world: World, fault: Fault, error: type[Exception]
) -> None:
    world.strike(fault)
    with pytest.raises(error):
        world.metering.usage_of(world.now().date())
