"""What the in-memory Marketplace remembers: subscriptions, operations, and what falls due."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.errors import InvalidInput, Rejected
from shared.domain.ids import SubscriptionId, is_guid
from shared.domain.lifecycle.available_plan import AvailablePlan, PlanDimension
from shared.domain.lifecycle.operation import Operation
from shared.domain.lifecycle.purchase import MarketplaceSubscription
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import HOUR, hour_of
from shared.ports import Clock

ACCEPTED_AFTER = timedelta(seconds=10)
DELETED_AFTER = timedelta(seconds=1)

PLANS = (
    AvailablePlan("standard", dimensions=(PlanDimension("usage_fee"),)),
    AvailablePlan("scale", dimensions=(PlanDimension("usage_fee"),)),
    AvailablePlan("seats", dimensions=(PlanDimension("t1"), PlanDimension("t2"))),
    AvailablePlan("users", per_seat=True),
)


@dataclass(slots=True)
class Sold:
    """A subscription with what only the Marketplace knows of it."""

    seen: MarketplaceSubscription
    uri: str | None = None
    foreign: bool = False
    activated: datetime | None = None
    ended: datetime | None = None

    @property
    def status(self) -> SubscriptionStatus:
        return self.seen.status

    def become(self, status: SubscriptionStatus) -> None:
        self.seen = replace(self.seen, status=status)

    def takes_usage(self, start: datetime) -> bool:
        """While Subscribed, and of the time before the end; not of that before the beginning."""
        if self.activated is None or hour_of(start) + HOUR <= self.activated:
            return False
        if self.status is SubscriptionStatus.UNSUBSCRIBED:
            return self.ended is not None and start < self.ended
        return self.status is SubscriptionStatus.SUBSCRIBED


class Register:
    """Subscriptions and operations, with the verbs of customers.

    ``outbox`` holds the webhook's notifications in order. What fell due happens when the next
    verb or call comes, first and at its own time.
    """

    def __init__(self, clock: Clock, plans: Sequence[AvailablePlan] = PLANS) -> None:
        self.clock = clock
        self.plans = {plan.id: plan for plan in plans}
        self.sold: dict[SubscriptionId, Sold] = {}
        self.operations: dict[str, Operation] = {}
        self.outbox: list[Operation] = []
        self.tokens: dict[str, tuple[SubscriptionId, datetime]] = {}
        self._agenda: list[tuple[datetime, int, Callable[[datetime], object]]] = []
        self._number = 0

    def tick(self) -> datetime:
        """Let everything happen that is due; the time it is."""
        now = self.clock.now()
        while self._agenda and self._agenda[0][0] <= now:
            due, _, work = self._agenda.pop(0)
            work(due)
        return now

    def later(self, due: datetime, work: Callable[[datetime], object]) -> None:
        """Do ``work`` once it is ``due``."""
        self._number += 1
        self._agenda.append((due, self._number, work))
        self._agenda.sort(key=lambda entry: entry[:2])

    def new_id(self) -> str:
        """The next GUID; later ones are greater."""
        self._number += 1
        return f"00000000-0000-4000-8000-{self._number:012x}"

    # --- what customers and Microsoft do

    def buy(
        self,
        plan: str = "standard",
        *,
        quantity: int | None = None,
        uri: str | None = None,
        foreign: bool = False,
    ) -> tuple[SubscriptionId, str]:
        """A purchase and its landing page token; a managed application is active at once."""
        now = self.tick()
        status = SubscriptionStatus.SUBSCRIBED if uri else SubscriptionStatus.PENDING
        identity = SubscriptionId(self.new_id())
        seen = MarketplaceSubscription(
            identity, "Contoso", "contoso-ai", plan, status, quantity, created=now
        )
        self.sold[identity] = Sold(
            seen, uri.lower() if uri else None, foreign, activated=now if uri else None
        )
        return identity, self.token(identity)

    def token(self, subscription: SubscriptionId) -> str:
        """A fresh landing page token; like the real ones it changes when it is URL-encoded."""
        token = f"{self.new_id()}+/=="
        self.tokens[token] = (subscription, self.tick())
        return token

    def suspend(self, subscription: SubscriptionId) -> str:
        self.tick()
        self.subscribed(subscription).become(SubscriptionStatus.SUSPENDED)
        return self.announce("Suspend", subscription)

    def reinstate(self, subscription: SubscriptionId) -> str:
        """Announced, and carried out when answered or after 10 s."""
        now = self.tick()
        sold = self.mine(subscription)
        if sold.status is not SubscriptionStatus.SUSPENDED:
            raise Rejected("the subscription is not suspended", 400)
        return self.begin("Reinstate", sold.seen, now)

    def renew(self, subscription: SubscriptionId, *term: datetime) -> str:
        """The next term begins; ``term`` are its start and end where they are told."""
        self.tick()
        sold = self.subscribed(subscription)
        if term:
            start, end = term
            sold.seen = replace(sold.seen, term_start=start, term_end=end, term_unit="P1M")
        return self.announce("Renew", sold.seen.id)

    def unsubscribe(self, subscription: SubscriptionId) -> str:
        self.end(subscription, self.tick())
        return self.announce("Unsubscribe", subscription)

    def ask_for_plan(self, subscription: SubscriptionId, plan: str) -> str:
        """Announced, and carried out when answered or after 10 s."""
        now = self.tick()
        seen = self.subscribed(subscription).seen
        if plan not in self.plans or plan == seen.plan:
            raise Rejected("the plan cannot be changed to this", 400)
        return self.begin("ChangePlan", replace(seen, plan=plan), now)

    # --- subscriptions and operations

    def find(self, subscription: SubscriptionId) -> Sold | None:
        """A subscription of ours; refuses another publisher's."""
        if not is_guid(subscription.lower()):
            raise InvalidInput("a subscription's id is a GUID")
        sold = self.sold.get(SubscriptionId(subscription.lower()))
        if sold is not None and sold.foreign:
            raise Rejected("the subscription belongs to another application", 403)
        return sold

    def mine(self, subscription: SubscriptionId) -> Sold:
        sold = self.find(subscription)
        if sold is None:
            raise Rejected("there is no such subscription", 404)
        return sold

    def subscribed(self, subscription: SubscriptionId) -> Sold:
        sold = self.mine(subscription)
        if sold.status is not SubscriptionStatus.SUBSCRIBED:
            raise Rejected("the subscription is not active", 400)
        return sold

    def running(self, subscription: SubscriptionId) -> tuple[Operation, ...]:
        """Operations in progress, oldest first."""
        every = (each for each in self.operations.values() if each.subscription == subscription)
        return tuple(each for each in every if each.status == "InProgress")

    def announce(self, action: str, subscription: SubscriptionId) -> str:
        """Tell the webhook what has happened."""
        seen, now = self.sold[subscription].seen, self.clock.now()
        told = Operation(
            self.new_id(), seen.id, action, "Succeeded", seen.plan, seen.quantity, now, seen.offer
        )
        self.operations[told.id] = told
        self.outbox.append(told)
        return told.id

    def begin(self, action: str, asked: MarketplaceSubscription, now: datetime) -> str:
        """Start an operation; the webhook hears of a deletion only when it is done."""
        told = Operation(
            self.new_id(),
            asked.id,
            action,
            "InProgress",
            asked.plan,
            asked.quantity,
            now,
            asked.offer,
        )
        self.operations[told.id] = told
        silent = action == "Unsubscribe"
        if not silent:
            self.outbox.append(told)
        due = now + (DELETED_AFTER if silent else ACCEPTED_AFTER)
        self.later(due, lambda at: self.finish(told.id, at))
        return told.id

    def finish(self, operation: str, now: datetime) -> None:
        """Carry out an operation that is still in progress; older changes have lost to it."""
        asked = self.operations[operation]
        sold = self.sold[asked.subscription]
        if asked.status != "InProgress":
            return
        if asked.action == "Unsubscribe":
            self.close(operation, "Succeeded")
            self.end(asked.subscription, now)
            self.outbox.append(self.operations[operation])
            return
        reinstate = asked.action == "Reinstate"
        needed = SubscriptionStatus.SUSPENDED if reinstate else SubscriptionStatus.SUBSCRIBED
        if sold.status is not needed:
            self.close(operation, "Failed")
            return
        self.close(operation, "Succeeded")
        if reinstate:
            sold.become(SubscriptionStatus.SUBSCRIBED)
            return
        sold.seen = replace(sold.seen, plan=asked.plan, quantity=asked.quantity)
        for older in self.running(asked.subscription):
            if older.id < operation and older.action.startswith("Change"):
                self.close(older.id, "Conflict")

    def end(self, subscription: SubscriptionId, now: datetime) -> None:
        """The end; what was still open has failed."""
        sold = self.mine(subscription)
        if sold.status is SubscriptionStatus.UNSUBSCRIBED:
            raise Rejected("the subscription has ended", 400)
        sold.become(SubscriptionStatus.UNSUBSCRIBED)
        sold.ended = now
        for operation in self.running(subscription):
            self.close(operation.id, "Failed")

    def close(self, operation: str, status: str) -> None:
        """Give an operation its final status."""
        self.operations[operation] = replace(self.operations[operation], status=status)
