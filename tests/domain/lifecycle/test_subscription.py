"""The moves of a subscription, and the plan of each hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.errors import IllegalTransition
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.subscription import (
    PlanSpell,
    Subscription,
    SubscriptionStatus,
    Term,
)

T = datetime(2026, 3, 1, tzinfo=UTC)
LATER = T + timedelta(days=3)
PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED = SubscriptionStatus
LEGAL = {
    (PENDING, SUBSCRIBED),
    (PENDING, UNSUBSCRIBED),
    (SUBSCRIBED, SUSPENDED),
    (SUBSCRIBED, UNSUBSCRIBED),
    (SUSPENDED, SUBSCRIBED),
    (SUSPENDED, UNSUBSCRIBED),
}


def in_state(status: SubscriptionStatus) -> Subscription:
    started = None if status is PENDING else T
    return Subscription(SubscriptionId("sub"), "offer", (PlanSpell("a", T),), status, start=started)


@pytest.mark.parametrize("to", SubscriptionStatus)
@pytest.mark.parametrize("status", SubscriptionStatus)
def test_moves(status: SubscriptionStatus, to: SubscriptionStatus) -> None:
    before = in_state(status)
    if status is to:
        assert before.moved(to, LATER) is before
    elif (status, to) in LEGAL:
        assert before.moved(to, LATER).status is to
    else:
        with pytest.raises(IllegalTransition):
            before.moved(to, LATER)


def test_the_first_activation_is_the_start() -> None:
    active = in_state(PENDING).moved(SUBSCRIBED, LATER)
    assert (active.start, active.end) == (LATER, None)


def test_reinstating_keeps_the_start() -> None:
    again = in_state(SUBSCRIBED).moved(SUSPENDED, LATER).moved(SUBSCRIBED, LATER)
    assert (again.start, again.end) == (T, None)


def test_cancelling_sets_the_end() -> None:
    assert in_state(SUSPENDED).moved(UNSUBSCRIBED, LATER).end == LATER


def test_a_cancelled_purchase_never_started() -> None:
    gone = in_state(PENDING).moved(UNSUBSCRIBED, LATER)
    assert gone.start is None


@pytest.mark.parametrize(
    ("offset", "plan"), [(-1, "a"), (0, "a"), (23, "a"), (24, "b"), (71, "b"), (72, "a")]
)
def test_the_plan_of_a_moment(offset: int, plan: str) -> None:
    spells = (
        PlanSpell("a", T),
        PlanSpell("b", T + timedelta(days=1)),
        PlanSpell("a", T + timedelta(days=3)),
    )
    sold = Subscription(SubscriptionId("sub"), "offer", spells, SUBSCRIBED, start=T)
    assert sold.plan_at(T + timedelta(hours=offset)) == plan
    assert sold.plan == "a"


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("told", "history"),
    [
        pytest.param([], [], id="nothing is known"),
        pytest.param([day(1, 31)], [day(1, 31)], id="the first"),
        pytest.param(
            [day(1, 31), day(2, 28), day(3, 31)], [day(1, 31)], id="a short month goes by"
        ),
        pytest.param(
            [day(1, 31), day(2, 28), day(3, 28)], [day(1, 31), day(3, 28)], id="it stays short"
        ),
        pytest.param([day(1, 5), day(3, 10)], [day(1, 5), day(3, 10)], id="another day"),
        pytest.param([day(1, 5), day(3, 10), day(3, 9)], [day(1, 5), day(3, 9)], id="corrected"),
        pytest.param([day(1, 5), day(1, 5), day(2, 5)], [day(1, 5)], id="told again"),
    ],
)
def test_terms_are_kept_where_their_days_begin_to_count_anew(
    told: list[datetime], history: list[datetime]
) -> None:
    sold = in_state(PENDING)
    for start in told:
        sold = replace(sold, terms=sold.in_term(start, "P1M"), term_start=start, term_unit="P1M")
    assert [term.start for term in sold.term_history] == history


def test_another_unit_begins_anew() -> None:
    monthly = replace(in_state(SUBSCRIBED), term_start=day(1, 5), term_unit="P1M")
    assert monthly.in_term(day(2, 5), "P1Y") == (Term(day(1, 5), "P1M"), Term(day(2, 5), "P1Y"))
    assert monthly.in_term(day(2, 5), "") == (Term(day(1, 5), "P1M"),)
