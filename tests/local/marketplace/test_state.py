"""The life of subscriptions and operations, without HTTP."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.marketplace import defaults
from local.marketplace.catalog import Dimension, Offer, Plan, Pricing, add_months
from local.marketplace.register import Kind, Refused
from local.marketplace.state import Marketplace, Purchase
from local.marketplace.subscription import Person, Progress, Quirk, Status, Term

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
BUYER = Person("buyer@customer.example", "user", "tenant")
SECONDS_10 = timedelta(seconds=10)
DAYS_30 = timedelta(days=30)


@pytest.fixture
def market() -> Marketplace:
    return Marketplace(defaults.offers(), 3, BUYER)


def bought(market: Marketplace, plan_id: str = "standard", **order: object) -> str:
    """A pending subscription."""
    purchase = Purchase(offer_id=defaults.OFFER, plan_id=plan_id, **order)  # type: ignore[arg-type]  # free keywords of a test
    return market.purchase(purchase, NOW)[0].id


def active(market: Marketplace, plan_id: str = "standard", **order: object) -> str:
    """A subscribed subscription."""
    key = bought(market, plan_id, **order)
    market.activate(key, plan_id, None, NOW)
    return key


def news(market: Marketplace) -> list[tuple[str, str, str]]:
    """Action, operation status and subscription status of all notifications so far."""
    return [
        (item.operation.action, item.operation.status, item.subscription.status)
        for item in market.outbox
    ]


def refusal(act: Callable[[], object]) -> Kind:
    """Why a call is refused."""
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.kind


def test_a_token_lives_24_hours_and_is_not_url_safe(market: Marketplace) -> None:
    subscription, token = market.purchase(
        Purchase(offer_id=defaults.OFFER, plan_id="standard"), NOW
    )
    assert {"+", "/", "="} <= set(token)
    assert market.resolve(token, NOW + timedelta(hours=24)) == subscription
    late = NOW + timedelta(hours=24, seconds=1)
    assert refusal(lambda: market.resolve(token, late)) is Kind.INVALID
    assert refusal(lambda: market.resolve("other", NOW)) is Kind.INVALID


def test_activation(market: Marketplace) -> None:
    key = bought(market)
    assert refusal(lambda: market.activate(key, "scale", None, NOW)) is Kind.INVALID
    assert refusal(lambda: market.activate(key, "standard", 3, NOW)) is Kind.INVALID
    done = market.activate(key, "standard", None, NOW)
    assert done.status is Status.SUBSCRIBED
    assert done.term == Term(date(2026, 1, 31), "P1M")
    assert refusal(lambda: market.activate(key, "standard", None, NOW)) is Kind.INVALID
    market.unsubscribe(key, NOW)
    assert refusal(lambda: market.activate(key, "standard", None, NOW)) is Kind.NOT_FOUND


def test_terms_keep_the_day_of_activation(market: Marketplace) -> None:
    key = active(market)
    assert market.subscriptions[key].term is not None
    starts = []
    for _ in range(4):
        term = market.subscriptions[key].term
        assert term is not None
        starts.append((term.start, term.last_day))
        market.tick(term.renewal)
    assert starts == [
        (date(2026, 1, 31), date(2026, 2, 27)),
        (date(2026, 2, 28), date(2026, 3, 30)),
        (date(2026, 3, 31), date(2026, 4, 29)),
        (date(2026, 4, 30), date(2026, 5, 30)),
    ]
    assert [action for action, _, _ in news(market)] == ["Renew"] * 4


def test_a_leap_of_the_clock_renews_every_term_at_its_own_time(market: Marketplace) -> None:
    active(market)
    market.tick(NOW + timedelta(days=100))
    assert [item.operation.created.date() for item in market.outbox] == [
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
    ]


def test_without_renewal_the_term_is_the_end(market: Marketplace) -> None:
    key = active(market, auto_renew=False)
    market.tick(NOW + timedelta(days=40))
    assert market.subscriptions[key].ended == datetime(2026, 2, 28, tzinfo=UTC)
    assert news(market) == [("Unsubscribe", "Succeeded", "Unsubscribed")]


def test_not_activated_for_30_days(market: Marketplace) -> None:
    key = bought(market)
    market.tick(NOW + DAYS_30 - timedelta(seconds=1))
    assert market.subscriptions[key].status is Status.PENDING
    market.tick(NOW + DAYS_30)
    assert market.subscriptions[key].status is Status.UNSUBSCRIBED
    assert news(market) == [("Unsubscribe", "Succeeded", "Unsubscribed")]


def test_suspended_for_30_days_counts_from_the_last_suspension(market: Marketplace) -> None:
    key = active(market, term_unit="P1Y")
    market.suspend(key, NOW)
    market.reinstate(key, NOW + timedelta(days=20))
    market.tick(NOW + timedelta(days=21))
    assert market.subscriptions[key].status is Status.SUBSCRIBED
    market.suspend(key, NOW + timedelta(days=25))
    market.tick(NOW + timedelta(days=54))
    assert market.subscriptions[key].status is Status.SUSPENDED
    market.tick(NOW + timedelta(days=55))
    assert market.subscriptions[key].status is Status.UNSUBSCRIBED
    assert [action for action, _, _ in news(market)] == [
        "Suspend",
        "Reinstate",
        "Suspend",
        "Unsubscribe",
    ]


def test_a_change_is_accepted_after_ten_seconds(market: Marketplace) -> None:
    key = active(market)
    change = market.change_plan(key, "scale", NOW, "Azure")
    assert news(market) == [("ChangePlan", "InProgress", "Subscribed")]
    assert market.outbox[0].operation.plan_id == "scale"
    assert market.outbox[0].subscription.plan_id == "standard"
    market.tick(NOW + SECONDS_10 - timedelta(seconds=1))
    assert market.subscriptions[key].plan_id == "standard"
    market.tick(NOW + SECONDS_10)
    assert market.subscriptions[key].plan_id == "scale"
    assert market.operations[change.id].status is Progress.SUCCEEDED
    assert [period.plan_id for period in market.subscriptions[key].plans] == ["standard", "scale"]


@pytest.mark.parametrize(("success", "plan_id"), [(True, "scale"), (False, "standard")])
def test_the_answer_decides_and_cannot_be_contradicted(
    market: Marketplace, success: bool, plan_id: str
) -> None:
    key = active(market)
    change = market.change_plan(key, "scale", NOW, "Azure")
    market.answer(key, change.id, success=success, now=NOW)
    market.answer(key, change.id, success=success, now=NOW)
    contradict = refusal(lambda: market.answer(key, change.id, success=not success, now=NOW))
    assert contradict is Kind.CONFLICT
    market.tick(NOW + SECONDS_10)
    assert market.subscriptions[key].plan_id == plan_id


def test_a_refused_webhook_refuses_only_what_is_open(market: Marketplace) -> None:
    key = active(market)
    change = market.change_plan(key, "scale", NOW, "Azure")
    market.refuse(change.id)
    assert market.operations[change.id].status is Progress.FAILED
    second = market.change_plan(key, "scale", NOW, "Azure")
    market.tick(NOW + SECONDS_10)
    market.refuse(second.id)
    assert market.operations[second.id].status is Progress.SUCCEEDED
    market.refuse("unknown")


def test_a_newer_change_makes_the_older_one_a_conflict(market: Marketplace) -> None:
    key = active(market)
    older = market.change_plan(key, "scale", NOW, "Azure")
    newer = market.change_plan(key, "seats", NOW, "Partner")
    market.answer(key, newer.id, success=True, now=NOW)
    assert market.operations[older.id].status is Progress.CONFLICT
    assert refusal(lambda: market.answer(key, older.id, success=True, now=NOW)) is Kind.CONFLICT
    market.tick(NOW + SECONDS_10)
    assert market.subscriptions[key].plan_id == "seats"


def test_an_older_change_leaves_the_newer_one_open(market: Marketplace) -> None:
    key = active(market)
    older = market.change_plan(key, "scale", NOW, "Azure")
    newer = market.change_plan(key, "seats", NOW + timedelta(seconds=5), "Azure")
    market.answer(key, older.id, success=True, now=NOW + timedelta(seconds=6))
    assert market.subscriptions[key].plan_id == "scale"
    assert market.operations[newer.id].status is Progress.IN_PROGRESS
    market.tick(NOW + timedelta(seconds=15))
    assert market.subscriptions[key].plan_id == "seats"


def test_seats_of_a_plan_that_is_gone_are_a_conflict(market: Marketplace) -> None:
    key = active(market, "users", quantity=5)
    plan = market.change_plan(key, "standard", NOW, "Azure")
    seats = market.change_quantity(key, 9, NOW, "Azure")
    market.answer(key, plan.id, success=True, now=NOW)
    assert refusal(lambda: market.answer(key, seats.id, success=True, now=NOW)) is Kind.CONFLICT
    assert market.subscriptions[key].quantity is None
    assert market.subscriptions[key].plan_id == "standard"


@pytest.mark.parametrize("quantity", [0, 5, 1001])
def test_quantities_out_of_reach(market: Marketplace, quantity: int) -> None:
    key = active(market, "users", quantity=5)
    ask = refusal(lambda: market.change_quantity(key, quantity, NOW, "Azure"))
    assert ask is Kind.INVALID


def test_changes_that_are_not_possible(market: Marketplace) -> None:
    key = active(market)
    assert refusal(lambda: market.change_plan(key, "standard", NOW, "Azure")) is Kind.INVALID
    assert refusal(lambda: market.change_plan(key, "none", NOW, "Azure")) is Kind.INVALID
    assert refusal(lambda: market.change_quantity(key, 3, NOW, "Azure")) is Kind.INVALID
    market.suspend(key, NOW)
    assert refusal(lambda: market.change_plan(key, "scale", NOW, "Azure")) is Kind.INVALID
    assert refusal(lambda: market.suspend(key, NOW)) is Kind.INVALID
    assert refusal(lambda: market.renew(key, NOW)) is Kind.INVALID
    assert refusal(lambda: market.change_plan("none", "x", NOW, "Azure")) is Kind.NOT_FOUND


def test_a_reseller_purchase_is_changed_by_microsoft_only(market: Marketplace) -> None:
    key = active(market, by_reseller=True)
    assert refusal(lambda: market.change_plan(key, "scale", NOW, "Partner")) is Kind.INVALID
    assert refusal(lambda: market.request_delete(key, NOW)) is Kind.INVALID
    market.change_plan(key, "scale", NOW, "Azure")


def test_reinstate_stays_suspended_until_done_and_cannot_be_refused(market: Marketplace) -> None:
    key = active(market)
    market.suspend(key, NOW)
    operation = market.reinstate(key, NOW)
    assert news(market)[-1] == ("Reinstate", "InProgress", "Suspended")
    assert refusal(lambda: market.answer(key, operation.id, success=False, now=NOW)) is (
        Kind.CONFLICT
    )
    market.request_delete(key, NOW)
    market.tick(NOW + timedelta(seconds=1))
    assert market.subscriptions[key].status is Status.UNSUBSCRIBED
    assert market.operations[operation.id].status is Progress.FAILED
    market.tick(NOW + SECONDS_10)
    assert market.subscriptions[key].status is Status.UNSUBSCRIBED


def test_the_other_shape_of_reinstate(market: Marketplace) -> None:
    key = active(market)
    market.suspend(key, NOW)
    market.reinstate(key, NOW, frozenset({Quirk.REINSTATE_SUCCEEDED}))
    assert news(market)[-1] == ("Reinstate", "Succeeded", "Subscribed")


def test_a_renewal_missed_while_suspended_comes_with_reinstatement(market: Marketplace) -> None:
    key = active(market)
    market.suspend(key, NOW + timedelta(days=20))
    market.tick(NOW + timedelta(days=40))
    market.reinstate(key, NOW + timedelta(days=40))
    market.tick(NOW + timedelta(days=41))
    assert [action for action, _, _ in news(market)] == ["Suspend", "Reinstate", "Renew"]
    assert market.outbox[-1].operation.created == NOW + timedelta(days=40) + SECONDS_10


def test_delete_waits_for_open_changes(market: Marketplace) -> None:
    key = active(market)
    change = market.change_plan(key, "scale", NOW, "Azure")
    assert refusal(lambda: market.request_delete(key, NOW)) is Kind.CONFLICT
    market.answer(key, change.id, success=False, now=NOW)
    deletion = market.request_delete(key, NOW)
    assert market.subscriptions[key].status is Status.SUBSCRIBED
    assert len(market.outbox) == 1
    market.tick(NOW + timedelta(seconds=1))
    assert market.operations[deletion.id].status is Progress.SUCCEEDED
    assert news(market)[-1] == ("Unsubscribe", "Succeeded", "Unsubscribed")
    assert refusal(lambda: market.request_delete(key, NOW)) is Kind.INVALID


def test_foreign_subscriptions_are_closed_to_us(market: Marketplace) -> None:
    key = bought(market, foreign=True)
    assert refusal(lambda: market.owned(key)) is Kind.FORBIDDEN
    assert refusal(lambda: market.activate(key, "standard", None, NOW)) is Kind.FORBIDDEN


def test_published_dimensions_are_locked(market: Marketplace) -> None:
    with pytest.raises(ValueError, match="locked"):
        market.publish(Offer(defaults.OFFER, (Plan("standard"),)))


def test_the_same_seed_gives_the_same_ids() -> None:
    first, second = (bought(Marketplace(defaults.offers(), 5, BUYER)) for _ in range(2))
    other = bought(Marketplace(defaults.offers(), 6, BUYER))
    assert first == second
    assert first != other


METER = Dimension("x", price_per_unit=defaults.offers()[0].plans[0].dimensions[0].price_per_unit)


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: Plan("p", term_unit="1M"), id="term-unit"),
        pytest.param(lambda: Plan("p", dimensions=(METER, METER)), id="dimension-twice"),
        pytest.param(
            lambda: Plan("p", dimensions=(METER,), pricing=Pricing.PER_USER), id="meters-per-user"
        ),
        pytest.param(
            lambda: Plan("p", dimensions=(METER,), has_free_trials=True), id="meters-in-trial"
        ),
        pytest.param(lambda: Plan("p", included={"y": METER.price_per_unit}), id="included"),
        pytest.param(lambda: Offer("o", (Plan("p"), Plan("p"))), id="plan-twice"),
        pytest.param(
            lambda: Offer(
                "o",
                tuple(
                    Plan(f"p{n}", dimensions=(Dimension(f"d{n}", METER.price_per_unit),))
                    for n in range(31)
                ),
            ),
            id="31-dimensions",
        ),
    ],
)
def test_impossible_offers(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"(plan|offer|term unit)"):
        build()


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 100))
def test_months_are_added_on_the_calendar(start: date, months: int) -> None:
    later = add_months(start, months)
    assert (later.year * 12 + later.month) - (start.year * 12 + start.month) == months
    clipped = (later + timedelta(days=1)).month != later.month
    assert later.day == start.day or (later.day < start.day and clipped)
