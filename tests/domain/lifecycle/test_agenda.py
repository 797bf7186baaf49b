"""When an account has to be looked at although no usage arrives."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.plan import Plan
from shared.domain.catalog.timeline import Timeline
from shared.domain.ids import AccountCode, PlanCode, ProductCode, SubscriptionId
from shared.domain.lifecycle.agenda import ceil_hour, next_look
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.rating.rate import plan_rating

GRACE = timedelta(hours=2)
CATALOG = Catalog(
    Organization("contoso", epoch=date(2026, 1, 1)),
    plans=(Plan(PlanCode("basic"), ProductCode("ai"), ()),),
)
START = datetime(2026, 3, 5, 10, 20, tzinfo=UTC)
ACTIVE = Subscription(
    SubscriptionId("sub"),
    "offer",
    (PlanSpell("standard", START),),
    SubscriptionStatus.SUBSCRIBED,
    start=START,
)
RECORD = AccountRecord(
    Account(AccountCode("acme")),
    (AccountPlan("p1", PlanCode("basic"), START.replace(minute=0)),),
    (ACTIVE,),
)


def look(record: AccountRecord, now: datetime) -> datetime | None:
    return next_look(record, plan_rating(record, Timeline.of(CATALOG), now), now, GRACE)


def march(day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(march(1, 9), march(1, 9)), (march(1, 9, 1), march(1, 10)), (march(1, 23, 59), march(2))],
)
def test_ceil_hour(moment: datetime, expected: datetime) -> None:
    assert ceil_hour(moment) == expected


def test_the_end_of_the_running_period_comes_next() -> None:
    assert look(RECORD, march(10)) == datetime(2026, 4, 1, tzinfo=UTC)


def test_at_a_period_end_the_next_one_comes() -> None:
    assert look(RECORD, datetime(2026, 4, 1, 0, 5, tzinfo=UTC)) == datetime(2026, 5, 1, tzinfo=UTC)


def test_a_plan_to_come_is_looked_at_when_it_starts() -> None:
    first = replace(RECORD.plans[0], end=march(20))
    coming = AccountPlan("p2", PlanCode("basic"), march(20))
    record = replace(RECORD, plans=(first, coming))
    assert look(record, march(10)) == march(20)


def test_after_the_end_the_final_submission_and_the_write_off() -> None:
    ended = replace(ACTIVE, status=SubscriptionStatus.UNSUBSCRIBED, end=march(10, 9, 30))
    record = replace(RECORD, subscriptions=(ended,))
    assert look(record, march(10, 10, 5)) == march(10, 12)
    assert look(record, march(10, 12, 5)) == march(11, 10)
    assert look(record, march(11, 10, 5)) is None


def test_a_pending_subscription_is_looked_at_daily() -> None:
    pending = replace(ACTIVE, status=SubscriptionStatus.PENDING, start=None)
    record = replace(RECORD, subscriptions=(pending,))
    assert look(record, march(5, 10, 5)) == march(6, 11)


def test_without_subscription_never() -> None:
    assert look(replace(RECORD, subscriptions=()), march(10)) is None
