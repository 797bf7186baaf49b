"""An account's attachments and the subscription that pays."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.ids import AccountCode, PlanCode, SubscriptionId, shard_of
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.period import Period

T = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("end", "until", "days"),
    [
        (None, 5, 5),
        (3, 5, 3),
        (9, 5, 5),
        (5, 5, 5),
        (None, 0, None),
        (None, -1, None),
        (0, 5, None),
    ],
)
def test_the_part_of_an_attachment_before_a_moment(
    end: int | None, until: int, days: int | None
) -> None:
    plan = AccountPlan("p", PlanCode("basic"), T, None if end is None else T + end * DAY)
    expected = None if days is None else Period(T, T + days * DAY)
    assert plan.within(T + until * DAY) == expected


def test_the_newest_subscription_pays_whatever_its_state() -> None:
    gone, new = (
        Subscription(SubscriptionId(id_), "offer", (PlanSpell("standard", T),), status)
        for id_, status in [
            ("a", SubscriptionStatus.SUBSCRIBED),
            ("b", SubscriptionStatus.UNSUBSCRIBED),
        ]
    )
    account = Account(AccountCode("acme"))
    assert AccountRecord(account).subscription is None
    assert AccountRecord(account, subscriptions=(gone, new)).subscription is new


def test_a_family_is_billed_and_kept_together() -> None:
    parent = Account(AccountCode("parent"))
    child = Account(AccountCode("child-3"), parent=parent.code)
    assert (parent.root, child.root) == (parent.code, parent.code)
    assert shard_of(child.code) != shard_of(parent.code) == parent.shard == child.shard
