"""Slots: which hour a submission may still be reported for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.lifecycle.subscription import Subscription
from shared.domain.period import HOUR, hour_of

MARKETPLACE_WINDOW = timedelta(hours=24)
"""The Marketplace takes events at most this old (marketplace-metering-service-apis)."""

SAFETY = timedelta(minutes=15)
"""An hour this close to expiring is not chosen any more: the request still has to arrive."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An hour to report for; ``final`` marks the one after the end of the subscription."""

    hour: datetime
    effective_start: datetime
    plan: str
    final: bool = False


def final_due(subscription: Subscription, grace: timedelta) -> datetime | None:
    """When the last submission of an ended subscription is decided, or ``None``."""
    return None if subscription.end is None else subscription.end + grace


def choose_slot(
    subscription: Subscription,
    now: datetime,
    used: Collection[datetime],
    grace: timedelta,
    plan: str | None = None,
) -> Slot | None:
    """The newest unused closed hour inside the subscription, or ``None`` when there is none.

    After the end of a subscription its last hour is reserved for one final submission at end
    plus grace, so late usage inside the grace still has a slot; when that hour is taken, an
    older unused one serves. When the end became known without its time, that is the last hour in
    which the subscription certainly was active: the Marketplace would refuse a later one. With
    ``plan`` only hours count in which that plan was in force. ``now`` is the storage service's
    time.
    """
    if subscription.start is None:
        return None
    newest = hour_of(now) - HOUR
    final = False
    if subscription.end is not None and subscription.last_moment is not None:
        last = hour_of(subscription.last_moment)
        final = now >= subscription.end + grace
        newest = last if final else min(newest, last - HOUR)
    oldest = max(hour_of(subscription.start), hour_of(now - MARKETPLACE_WINDOW))
    hour = newest
    while hour >= oldest:
        effective = max(hour, subscription.start)
        if now - effective > MARKETPLACE_WINDOW - SAFETY:
            return None
        in_force = subscription.plan_at(effective)
        if hour not in used and plan in (None, in_force):
            return Slot(hour, effective, in_force, final)
        hour -= HOUR
    return None
