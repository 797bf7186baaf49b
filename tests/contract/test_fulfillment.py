"""What every Marketplace does with subscriptions and operations, in memory and over HTTP."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest

from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import OperationStatus
from shared.domain.lifecycle.subscription import SubscriptionStatus
from tests.contract.marketplace_worlds import OverHttp, World, over_http, world
from tests.fakes.marketplace import DelayRequest, LoseAnswer, LoseRequest, Refuse, Throttle

__all__ = ["over_http", "world"]

NOBODY = SubscriptionId("c0ffee00-0000-4000-8000-000000000009")
NO_OPERATION = "c0ffee00-0000-4000-8000-00000000000a"
SOON = timedelta(seconds=11)

SUBSCRIBED = SubscriptionStatus.SUBSCRIBED
SUSPENDED = SubscriptionStatus.SUSPENDED
UNSUBSCRIBED = SubscriptionStatus.UNSUBSCRIBED


def subscribed(world: World, plan: str = "standard", quantity: int | None = None) -> SubscriptionId:
    identity, _ = world.buy(plan, quantity=quantity)
    world.fulfillment.activate(identity, plan, quantity)
    return identity


def status_of(world: World, subscription: SubscriptionId) -> SubscriptionStatus:
    known = world.fulfillment.get(subscription)
    assert known is not None
    return known.status


def plan_of(world: World, subscription: SubscriptionId) -> str:
    known = world.fulfillment.get(subscription)
    assert known is not None
    return known.plan


def progress(world: World, subscription: SubscriptionId, operation: str) -> str:
    known = world.fulfillment.operation(subscription, operation)
    assert known is not None
    return known.status


# --- purchase and activation


@pytest.mark.parametrize(
    "spelled",
    [
        pytest.param(lambda token: token, id="plain"),
        pytest.param(lambda token: quote(token, safe=""), id="url-encoded"),
        pytest.param(lambda token: token.replace("+", " "), id="plus-read-as-space"),
    ],
)
def test_a_token_resolves_however_it_is_spelled(
    world: World, spelled: Callable[[str], str]
) -> None:
    identity, token = world.buy("users", quantity=7)
    bought = world.fulfillment.resolve(spelled(token)).subscription
    assert (bought.id, bought.plan, bought.quantity) == (identity, "users", 7)
    assert bought.status is SubscriptionStatus.PENDING
    assert bought.offer


@pytest.mark.parametrize("token", ["unknown", "", "%0d%0aEvil: 1", "ü", "x" * 9000])
def test_a_bad_token_is_invalid_input(world: World, token: str) -> None:
    with pytest.raises(InvalidInput, match="marketplace token is malformed"):
        world.fulfillment.resolve(token)


def test_a_token_lives_for_a_day(world: World) -> None:
    _, token = world.buy()
    world.advance(timedelta(hours=25))
    with pytest.raises(InvalidInput, match="expired"):
        world.fulfillment.resolve(token)


def test_activation_starts_billing_and_can_be_repeated(world: World) -> None:
    identity, _ = world.buy()
    world.fulfillment.activate(identity, "standard", None)
    world.fulfillment.activate(identity, "standard", None)
    assert status_of(world, identity) is SUBSCRIBED


def test_activation_of_something_else_than_was_bought_is_rejected(world: World) -> None:
    identity, _ = world.buy()
    with pytest.raises(Rejected) as caught:
        world.fulfillment.activate(identity, "scale", None)
    assert caught.value.status == 400
    assert status_of(world, identity) is SubscriptionStatus.PENDING


def test_a_suspended_subscription_is_not_activated(world: World) -> None:
    identity = subscribed(world)
    world.suspend(identity)
    with pytest.raises(Rejected) as caught:
        world.fulfillment.activate(identity, "standard", None)
    assert caught.value.status == 400
    assert status_of(world, identity) is SUSPENDED


def test_an_ended_or_unknown_subscription_is_not_activated(world: World) -> None:
    identity = subscribed(world)
    world.unsubscribe(identity)
    for each in (identity, NOBODY):
        with pytest.raises(Rejected) as caught:
            world.fulfillment.activate(each, "standard", None)
        assert caught.value.status == 404


# --- reading


def test_ids_are_read_in_any_case(world: World) -> None:
    identity = subscribed(world)
    known = world.fulfillment.get(SubscriptionId(identity.upper()))
    assert known is not None
    assert known.id == identity


def test_an_unknown_subscription_is_none_and_anothers_is_rejected(world: World) -> None:
    assert world.fulfillment.get(NOBODY) is None
    foreign, _ = world.buy(foreign=True)
    with pytest.raises(Rejected) as caught:
        world.fulfillment.get(foreign)
    assert caught.value.status == 403


@pytest.mark.parametrize("odd", ["", "..", "resolve", f"{NOBODY}/operations", f"{NOBODY}?x=1"])
def test_what_is_no_guid_never_reaches_a_path(world: World, odd: str) -> None:
    with pytest.raises(InvalidInput, match="GUID"):
        world.fulfillment.get(SubscriptionId(odd))


def test_all_subscriptions_are_listed_ended_ones_too(world: World) -> None:
    bought = [world.buy()[0] for _ in range(3)]
    world.buy(foreign=True)
    world.fulfillment.activate(bought[1], "standard", None)
    world.unsubscribe(bought[1])
    listed = list(world.fulfillment.list_subscriptions())
    assert [each.id for each in listed] == bought
    assert listed[1].status is UNSUBSCRIBED


def test_plans_with_their_dimensions(world: World) -> None:
    identity, _ = world.buy()
    plans = {plan.id: plan for plan in world.fulfillment.available_plans(identity)}
    assert set(plans) == {"standard", "scale", "seats", "users"}
    assert {each.id for each in plans["seats"].dimensions} == {"t1", "t2"}
    assert plans["users"].per_seat
    (one,) = world.fulfillment.available_plans(identity, "scale")
    assert one.id == "scale"
    assert world.fulfillment.available_plans(identity, "gone") == ()


# --- operations


def test_a_plan_change_is_carried_out_when_it_is_answered(world: World) -> None:
    identity = subscribed(world)
    asked = world.ask_for_plan(identity, "scale")
    (outstanding,) = world.fulfillment.outstanding_operations(identity)
    known = world.fulfillment.operation(identity, asked)
    assert known == outstanding
    assert known is not None
    assert (known.id, known.subscription, known.action) == (asked, identity, "ChangePlan")
    assert (known.status, known.plan) == ("InProgress", "scale")
    assert known.at is not None
    assert world.now() - known.at < timedelta(minutes=1)
    assert plan_of(world, identity) == "standard"
    for _ in range(2):
        world.fulfillment.answer_operation(identity, asked, OperationStatus.SUCCESS)
    assert plan_of(world, identity) == "scale"
    assert progress(world, identity, asked) == "Succeeded"
    assert world.fulfillment.outstanding_operations(identity) == ()


def test_a_refused_change_changes_nothing_and_a_late_answer_is_fine(world: World) -> None:
    identity = subscribed(world)
    asked = world.ask_for_plan(identity, "scale")
    world.fulfillment.answer_operation(identity, asked, OperationStatus.FAILURE)
    world.fulfillment.answer_operation(identity, asked, OperationStatus.SUCCESS)
    assert plan_of(world, identity) == "standard"
    assert progress(world, identity, asked) == "Failed"


def test_an_unanswered_change_is_accepted_after_ten_seconds(world: World) -> None:
    identity = subscribed(world)
    asked = world.ask_for_plan(identity, "scale")
    world.advance(SOON)
    assert plan_of(world, identity) == "scale"
    world.fulfillment.answer_operation(identity, asked, OperationStatus.FAILURE)
    assert progress(world, identity, asked) == "Succeeded"


def test_a_newer_change_that_was_fulfilled_wins(world: World) -> None:
    identity = subscribed(world)
    older = world.ask_for_plan(identity, "scale")
    newer = world.ask_for_plan(identity, "seats")
    world.fulfillment.answer_operation(identity, newer, OperationStatus.SUCCESS)
    world.fulfillment.answer_operation(identity, older, OperationStatus.SUCCESS)
    assert plan_of(world, identity) == "seats"
    assert progress(world, identity, older) == "Conflict"


def test_an_unknown_operation(world: World) -> None:
    identity = subscribed(world)
    another = world.ask_for_plan(subscribed(world), "scale")
    for operation in (NO_OPERATION, another):
        assert world.fulfillment.operation(identity, operation) is None
        with pytest.raises(Rejected) as caught:
            world.fulfillment.answer_operation(identity, operation, OperationStatus.SUCCESS)
        assert caught.value.status == 404


def test_a_reinstatement_cannot_be_refused(world: World) -> None:
    identity = subscribed(world)
    world.suspend(identity)
    asked = world.reinstate(identity)
    world.fulfillment.answer_operation(identity, asked, OperationStatus.FAILURE)
    assert status_of(world, identity) is SUSPENDED
    world.fulfillment.answer_operation(identity, asked, OperationStatus.SUCCESS)
    assert status_of(world, identity) is SUBSCRIBED


# --- what we ask for ourselves


def test_we_change_a_plan(world: World) -> None:
    identity = subscribed(world)
    asked = world.fulfillment.change_plan(identity, "scale")
    assert progress(world, identity, asked) == "InProgress"
    world.advance(SOON)
    assert progress(world, identity, asked) == "Succeeded"
    assert plan_of(world, identity) == "scale"


def test_we_change_a_number_of_seats(world: World) -> None:
    identity = subscribed(world, "users", 5)
    asked = world.fulfillment.change_quantity(identity, 8)
    known = world.fulfillment.operation(identity, asked)
    assert known is not None
    assert (known.action, known.quantity) == ("ChangeQuantity", 8)
    world.advance(SOON)
    bought = world.fulfillment.get(identity)
    assert bought is not None
    assert bought.quantity == 8


def test_we_cancel(world: World) -> None:
    identity = subscribed(world)
    asked = world.fulfillment.cancel(identity)
    world.advance(SOON)
    assert status_of(world, identity) is UNSUBSCRIBED
    assert progress(world, identity, asked) == "Succeeded"
    with pytest.raises(Rejected):
        world.fulfillment.cancel(identity)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda it, at: it.change_plan(at, "standard"), id="the-current-plan"),
        pytest.param(lambda it, at: it.change_plan(at, "gone"), id="an-unknown-plan"),
        pytest.param(lambda it, at: it.change_quantity(at, 3), id="seats-of-a-flat-rate"),
        pytest.param(lambda it, _: it.change_plan(NOBODY, "scale"), id="of-nobody"),
    ],
)
def test_what_cannot_be_changed_is_rejected(
    world: World, ask: Callable[[object, SubscriptionId], str]
) -> None:
    identity = subscribed(world)
    with pytest.raises(Rejected):
        ask(world.fulfillment, identity)
    assert world.fulfillment.outstanding_operations(identity) == ()


def test_a_change_under_way_locks_against_cancelling(world: World) -> None:
    identity = subscribed(world)
    world.ask_for_plan(identity, "scale")
    with pytest.raises(Rejected) as caught:
        world.fulfillment.cancel(identity)
    assert caught.value.status == 409


# --- faults


def test_a_lost_activation_can_be_repeated(world: World) -> None:
    for fault in (LoseRequest(), LoseAnswer(), DelayRequest(timedelta(minutes=1))):
        identity, _ = world.buy()
        world.strike(fault)
        with pytest.raises(Unavailable):
            world.fulfillment.activate(identity, "standard", None)
        world.fulfillment.activate(identity, "standard", None)
        assert status_of(world, identity) is SUBSCRIBED
        world.advance(timedelta(minutes=2))
        assert status_of(world, identity) is SUBSCRIBED


def test_a_throttled_call_says_how_long_to_wait(world: World) -> None:
    identity, _ = world.buy()
    world.strike(Throttle(retry_after=7))
    with pytest.raises(Throttled) as caught:
        world.fulfillment.activate(identity, "standard", None)
    assert caught.value.retry_after == 7
    assert status_of(world, identity) is SubscriptionStatus.PENDING


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_call_is_rejected(world: World, status: int) -> None:
    identity, _ = world.buy()
    world.strike(Refuse(status))
    with pytest.raises(Rejected) as caught:
        world.fulfillment.get(identity)
    assert caught.value.status == status


# --- over HTTP only


def test_a_long_list_is_read_page_by_page(over_http: OverHttp) -> None:
    over_http.order("POST", "/reset")
    bought = [over_http.buy()[0] for _ in range(205)]
    assert [each.id for each in over_http.fulfillment.list_subscriptions()] == bought


def test_odd_operation_ids_are_found(over_http: OverHttp) -> None:
    over_http.order("POST", "/reset")
    identity = subscribed(over_http)
    told = over_http.order(
        "POST",
        f"/subscriptions/{identity}/changePlan",
        {"planId": "scale", "quirks": ["compositeId"]},
    )
    assert isinstance(told, dict)
    assert told["id"].startswith("org:")
    known = over_http.fulfillment.operation(identity, told["id"])
    assert known is not None
    over_http.fulfillment.answer_operation(identity, known.id, OperationStatus.SUCCESS)
    assert plan_of(over_http, identity) == "scale"


@pytest.mark.parametrize("empty", ["null", "absent", "text"])
def test_a_missing_quantity_is_none_however_it_is_written(over_http: OverHttp, empty: str) -> None:
    over_http.order("POST", "/reset")
    over_http.order("PATCH", "/options", {"emptyQuantity": empty, "missingTermDates": True})
    identity = subscribed(over_http)
    known = over_http.fulfillment.get(identity)
    assert known is not None
    assert (known.quantity, known.term_start, known.term_end) == (None, None, None)


def test_a_term_and_people_are_read(over_http: OverHttp) -> None:
    over_http.order("POST", "/reset")
    known = over_http.fulfillment.get(subscribed(over_http))
    assert known is not None
    assert known.term_unit == "P1M"
    assert known.term_start is not None
    assert known.term_end is not None
    assert known.term_start < known.term_end
    assert "@" in known.purchaser_email
