"""A Marketplace subscription: its states, the moves between them, and the plan of every hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.errors import IllegalTransition
from shared.domain.ids import SubscriptionId


class SubscriptionStatus(StrEnum):
    """``saasSubscriptionStatus`` of the fulfillment API (pc-saas-fulfillment-life-cycle)."""

    PENDING = "PendingFulfillmentStart"
    SUBSCRIBED = "Subscribed"
    SUSPENDED = "Suspended"
    UNSUBSCRIBED = "Unsubscribed"


_MOVES = {
    SubscriptionStatus.PENDING: {SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.UNSUBSCRIBED},
    SubscriptionStatus.SUBSCRIBED: {SubscriptionStatus.SUSPENDED, SubscriptionStatus.UNSUBSCRIBED},
    SubscriptionStatus.SUSPENDED: {SubscriptionStatus.SUBSCRIBED, SubscriptionStatus.UNSUBSCRIBED},
    SubscriptionStatus.UNSUBSCRIBED: set(),
}


@dataclass(frozen=True, slots=True)
class PlanSpell:
    """From ``start`` on, the subscription is on this Marketplace plan."""

    plan: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a customer bought. Usage is billable in [start, end); both are UTC instants.

    ``known_active`` is set when the end was learnt without its time: the last moment at which
    the Marketplace certainly had the subscription. ``unpriced``: the catalogue had no price list
    for the plan in force, so that the one before goes on. ``answers`` are the buyer's, from the
    landing page.
    """

    id: SubscriptionId
    offer: str
    spells: tuple[PlanSpell, ...]
    status: SubscriptionStatus
    name: str = ""
    quantity: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    term_start: datetime | None = None
    term_end: datetime | None = None
    term_unit: str = ""
    known_active: datetime | None = None
    unpriced: bool = False
    answers: Mapping[str, str] = field(default_factory=dict)

    @property
    def last_moment(self) -> datetime | None:
        """The last instant for which the Marketplace takes usage for certain; ``None`` while
        there is no end."""
        if self.end is None:
            return None
        last = self.end - timedelta(microseconds=1)
        return last if self.known_active is None else min(last, self.known_active)

    @property
    def plan(self) -> str:
        """The Marketplace plan now in force."""
        return self.spells[-1].plan

    def plan_at(self, moment: datetime) -> str:
        """The Marketplace plan in force at ``moment``; before the first spell, the first."""
        plan = self.spells[0].plan
        for spell in self.spells:
            if spell.start <= moment:
                plan = spell.plan
        return plan

    def plan_end(self, plan: str) -> datetime | None:
        """When ``plan`` was in force for the last time; ``None`` while it is, or for a plan that
        never was."""
        ends = zip(self.spells, self.spells[1:], strict=False)
        left = [following.start for spell, following in ends if spell.plan == plan]
        return None if plan == self.plan or not left else left[-1]

    def moved(self, to: SubscriptionStatus, at: datetime) -> "Subscription":
        """The subscription in state ``to`` from ``at`` on; itself when it is there already.

        Raises ``IllegalTransition`` for a move the life cycle does not know.
        """
        if to is self.status:
            return self
        if to not in _MOVES[self.status]:
            raise IllegalTransition(f"subscription {self.id} is {self.status}, not to be {to}")
        start, end = self.start, self.end
        if to is SubscriptionStatus.SUBSCRIBED and start is None:
            start = at
        if to is SubscriptionStatus.UNSUBSCRIBED:
            end = at
        return replace(self, status=to, start=start, end=end)

    def on_plan(self, plan: str, at: datetime) -> "Subscription":
        """The subscription with ``plan`` in force from ``at`` on, or from its last change."""
        if plan == self.plan:
            return self
        start = max(at, self.spells[-1].start)
        kept = tuple(spell for spell in self.spells if spell.start < start)
        return replace(self, spells=(*kept, PlanSpell(plan, start)))
