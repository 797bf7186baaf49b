"""Rows of dimensions that a plan prices: reported for hours of that plan only."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.ids import AccountCode, DimensionId, Resource, SubscriptionId
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.delta import left_over, plan_intent
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.period import HOUR

START = datetime(2026, 3, 1, tzinfo=UTC)
CHANGE = datetime(2026, 3, 5, 10, 20, tzinfo=UTC)
SOLD = Subscription(
    SubscriptionId("sub"),
    "offer",
    (PlanSpell("old", START), PlanSpell("new", CHANGE)),
    SubscriptionStatus.SUBSCRIBED,
    start=START,
)
GRACE = timedelta(hours=2)


def row(plan: str) -> LedgerRow:
    return LedgerRow(LedgerKey(Resource("sub"), DimensionId("hours"), plan), AccountCode("acme"))


@pytest.mark.parametrize(
    ("plan", "hour"),
    [("old", CHANGE.replace(minute=0)), ("new", CHANGE.replace(hour=14, minute=0))],
)
def test_the_newest_hour_of_the_plan(plan: str, hour: datetime) -> None:
    now = CHANGE.replace(hour=15, minute=5)
    intent = plan_intent(row(plan), Decimal(7), SOLD, now, GRACE)
    assert intent is not None
    assert intent.submission is not None
    assert (intent.submission.hour, intent.submission.plan) == (hour, plan)


def test_an_hour_in_which_another_plan_was_in_force_is_not_used() -> None:
    before = CHANGE.replace(minute=25) + HOUR / 2
    intent = plan_intent(row("new"), Decimal(7), SOLD, before, GRACE)
    assert intent is not None
    assert intent.submission is None
    assert left_over(intent.row, Decimal(7), SOLD, before)


def test_what_an_old_plan_can_no_longer_be_told_is_written_off() -> None:
    late = CHANGE + timedelta(hours=30)
    intent = plan_intent(row("old"), Decimal(7), SOLD, late, GRACE)
    assert intent is not None
    assert intent.submission is None
    assert intent.row.written_off == 7
    assert not left_over(intent.row, Decimal(7), SOLD, late)


def test_a_plan_in_force_has_no_end() -> None:
    assert SOLD.plan_end("old") == CHANGE
    assert SOLD.plan_end("new") is None
    assert SOLD.plan_end("unheard-of") is None
