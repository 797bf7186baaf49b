"""A Marketplace subscription: its states, the moves between them, and the plan of every hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shared.domain.errors import IllegalTransition
from shared.domain.ids import SubscriptionId
from shared.domain.period import Cadence, Frequency, day_start


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
class Term:
    """A term that began on the day of ``start``; ``unit`` is like P1M. The months of it and of
    the terms that follow it are counted from that day."""

    start: datetime
    unit: str = ""

    def continues(self, later: "Term") -> bool:
        """Whether ``later`` is this term or follows it on a day that is counted from this one."""
        if (later.unit or self.unit) != self.unit or later.start.date() < self.start.date():
            return False
        months = Cadence(Frequency.MONTHLY, 1, self.start.date(), "UTC")
        return months.boundary(months.index_at(day_start(later.start.date()))) == later.start.date()


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a customer bought. Usage is billable in [start, end); both are UTC instants.

    ``known_active`` is set when the end was learnt without its time: the last moment at which
    the Marketplace certainly had the subscription. ``unpriced``: the catalogue had no price list
    for the plan in force, so that the one before goes on. ``answers`` are the buyer's, from the
    landing page. ``terms`` are the first term and every one whose day is not counted from the one
    before it; what was measured by an earlier one stays measured by it.
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
    terms: tuple[Term, ...] = ()

    @property
    def last_moment(self) -> datetime | None:
        """The last instant for which the Marketplace takes usage for certain; ``None`` while
        there is no end."""
        if self.end is None:
            return None
        last = self.end - timedelta(microseconds=1)
        return last if self.known_active is None else min(last, self.known_active)

    @property
    def term_history(self) -> tuple[Term, ...]:
        """``terms``, or the only one that is known, which may be none."""
        begun = self.term_start or self.start
        return self.terms or ((Term(begun, self.term_unit),) if begun else ())

    def in_term(self, start: datetime, unit: str) -> tuple[Term, ...]:
        """The history of terms once one of ``unit`` that began at ``start`` is known."""
        term = Term(start, unit or self.term_unit)
        known = self.term_history
        if self.term_start is None or not known:
            return (term,)
        if known[-1].continues(term):
            return known
        return (*(each for each in known if each.start.date() < term.start.date()), term)

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
