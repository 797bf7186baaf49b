"""The agenda: when an account has to be looked at although no usage arrives."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shared.domain.account import AccountRecord
from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.domain.metering.slots import MARKETPLACE_WINDOW, final_due
from shared.domain.period import DAY, HOUR, hour_of
from shared.domain.rating.rate import Step


def ceil_hour(moment: datetime) -> datetime:
    """The first full hour that is not before ``moment``."""
    hour = hour_of(moment)
    return hour if hour == moment else hour + HOUR


def next_look(
    record: AccountRecord, steps: Iterable[Step], now: datetime, grace: timedelta
) -> datetime | None:
    """The next hour at which something happens to the account by itself; ``None``: never.

    Ends of running periods, starts of attached plans, the final submission and the last check
    after the end of the subscription. A subscription that is not active yet is looked at daily.
    """
    subscription = record.subscription
    if subscription is None:
        return None
    if subscription.status is SubscriptionStatus.PENDING:
        return ceil_hour(now + DAY)
    moments = [step.window.end for step in steps]
    moments += [plan.start for plan in record.plans]
    moments += _end_moments(subscription, grace)
    coming = [ceil_hour(moment) for moment in moments if moment > now]
    return min(coming, default=None)


def _end_moments(subscription: Subscription, grace: timedelta) -> list[datetime]:
    due = final_due(subscription, grace)
    if due is None or subscription.end is None:
        return []
    return [due, subscription.end + MARKETPLACE_WINDOW]
