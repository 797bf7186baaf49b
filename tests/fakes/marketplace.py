"""A Marketplace in memory: strict, repeatable, with faults on order."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import unquote

from shared.domain.errors import InvalidInput, Rejected, Throttled, Unavailable
from shared.domain.ids import DimensionId, Resource, SubscriptionId, is_guid
from shared.domain.lifecycle.available_plan import AvailablePlan
from shared.domain.lifecycle.operation import Operation, OperationStatus
from shared.domain.lifecycle.purchase import MarketplaceSubscription, Purchase
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.metering.reconciliation import ReportedUsage
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    Unknown,
)
from shared.domain.money import ZERO
from shared.domain.period import day_of, hour_of
from shared.marketplace.convert import fault_of_quantity
from shared.ports import Clock
from tests.fakes.marketplace_register import PLANS, Register, Sold

MAX_BATCH = 25
WINDOW = timedelta(hours=24)
TOKEN_LIFE = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class LoseRequest:
    """The request has no effect, and no answer comes."""


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The request takes effect, and no answer comes."""


@dataclass(frozen=True, slots=True)
class DelayRequest:
    """No answer comes, and the request takes effect ``by`` later, whatever happened since."""

    by: timedelta


@dataclass(frozen=True, slots=True)
class Throttle:
    """The whole call is refused for load; ``retry_after`` is in seconds."""

    retry_after: float = 1.0


@dataclass(frozen=True, slots=True)
class Refuse:
    """The whole call is refused with HTTP status 400, 401 or 403."""

    status: int = 403


@dataclass(frozen=True, slots=True)
class PartialBatch:
    """The last ``items`` of a batch have no answer; ``applied`` says whether they took effect."""

    items: int = 1
    applied: bool = False


type Fault = LoseRequest | LoseAnswer | DelayRequest | Throttle | Refuse | PartialBatch
type Slot = tuple[str, str, datetime]


@dataclass(frozen=True, slots=True)
class Held:
    """An accepted event, as the Marketplace holds it for good."""

    id: str
    submission: Submission
    at: datetime


def slot_of(submission: Submission) -> Slot:
    """What the Marketplace takes once: a resource, dimension and UTC hour."""
    key = submission.key
    return key.resource.lower(), key.dimension, hour_of(submission.effective_start)


class FakeMarketplace(Register):
    """The ports ``Metering`` and ``Fulfillment``.

    ``faults`` strike the next calls in order, a ``None`` lets one pass; after them ``decide`` is
    asked with the name of each call. ``held`` are the accepted events, ``calls`` the names of
    all calls. ``hesitant``: an answer to an operation takes effect only when its time is over.
    """

    def __init__(self, clock: Clock, plans: Sequence[AvailablePlan] = PLANS) -> None:
        super().__init__(clock, plans)
        self.held: dict[Slot, Held] = {}
        self.calls: list[str] = []
        self.faults: deque[Fault | None] = deque()
        self.decide: Callable[[str], Fault | None] = lambda _: None
        self.old_accepted_is_duplicate = False
        self.hesitant = False

    def total(self, resource: str, dimension: str, plan: str | None = None) -> Decimal:
        """What the Marketplace bills for a resource's dimension, in units; of ``plan`` only."""
        key = (resource.lower(), dimension)
        found = [event.submission for slot, event in self.held.items() if slot[:2] == key]
        return sum((s.quantity for s in found if plan in {None, s.plan}), ZERO)

    # --- metering

    def send(self, submissions: Sequence[Submission]) -> list[Answer]:
        if len(submissions) > MAX_BATCH:
            raise ValueError(f"a call takes at most {MAX_BATCH} submissions")
        answers: dict[int, Answer] = {}
        sent: dict[Slot, int] = {}
        for index, submission in enumerate(submissions):
            fault = fault_of_quantity(submission.quantity)
            if slot_of(submission) in sent:
                fault = "the hour stands in the batch twice"
            if fault is None:
                sent[slot_of(submission)] = index
            else:
                answers[index] = Refused(fault)
        if sent:
            batch = [submissions[index] for index in sent.values()]
            answers |= zip(sent.values(), self._batch(batch), strict=True)
        return [answers[index] for index in range(len(submissions))]

    def usage_of(self, day: date) -> list[ReportedUsage]:
        def work(_: datetime) -> list[ReportedUsage]:
            sums: dict[tuple[str, str], Decimal] = {}
            for (resource, dimension, hour), event in self.held.items():
                if day_of(hour) == day:
                    key = (resource, dimension)
                    sums[key] = sums.get(key, ZERO) + event.submission.quantity
            return [
                ReportedUsage(Resource(resource), DimensionId(dimension), day, total)
                for (resource, dimension), total in sums.items()
            ]

        return self._called("usage_of", work)

    def _batch(self, batch: list[Submission]) -> list[Answer]:
        def judge(count: int, at: datetime) -> list[Answer]:
            return [self._judge(submission, at) for submission in batch[:count]]

        now, fault, every = *self._arrive("send"), len(batch)
        match fault:
            case None:
                return judge(every, now)
            case Throttle():
                return [Refused("HTTP 429")] * every
            case Refuse(status):
                return [Refused(f"HTTP {status}", malformed_call=status == 400)] * every
            case PartialBatch(items, applied):
                healthy = max(0, every - items)
                judged = judge(every if applied else healthy, now)
                return judged[:healthy] + [Unknown("no answer")] * (every - healthy)
            case LoseAnswer():
                judge(every, now)
            case DelayRequest(by):
                self.later(now + by, lambda at: judge(every, at))
            case LoseRequest():
                pass
        return [Unknown("lost")] * every

    def _judge(self, submission: Submission, now: datetime) -> Answer:
        slot = slot_of(submission)
        taken = self.held.get(slot)
        refusal = self._refusal(submission, now)
        if isinstance(refusal, Expired) and taken is not None and self.old_accepted_is_duplicate:
            refusal = None
        if refusal is not None:
            return refusal
        if taken is not None:
            return Duplicate(taken.submission.quantity, taken.id)
        event = self.held[slot] = Held(self.new_id(), submission, now)
        return Accepted(submission.quantity, event.id)

    def _refusal(self, submission: Submission, now: datetime) -> Answer | None:
        sold = self._resource(submission.key.resource)
        plan = self.plans.get(submission.plan)
        start = submission.effective_start
        if sold is None:
            return Refused("ResourceNotFound")
        if sold.foreign:
            return Refused("ResourceNotAuthorized")
        if plan is None:
            return Refused("BadArgument")
        if submission.key.dimension not in {each.id for each in plan.dimensions}:
            return Refused("InvalidDimension")
        if not now - WINDOW <= start <= now:
            return Expired()
        return None if sold.takes_usage(start) else Refused("ResourceNotActive")

    def _resource(self, resource: str) -> Sold | None:
        wanted = resource.lower()
        if is_guid(wanted):
            return self.sold.get(SubscriptionId(wanted))
        return next((sold for sold in self.sold.values() if sold.uri == wanted), None)

    # --- fulfillment

    def resolve(self, token: str) -> Purchase:
        def work(now: datetime) -> Purchase:
            found = self.tokens.get(unquote(token).replace(" ", "+"))
            if found is None or now - found[1] > TOKEN_LIFE:
                raise InvalidInput("the marketplace token is malformed or expired")
            return Purchase(self.mine(found[0]).seen)

        return self._called("resolve", work)

    def activate(self, subscription: SubscriptionId, plan: str, quantity: int | None) -> None:
        def work(now: datetime) -> None:
            sold = self.mine(subscription)
            if sold.status is SubscriptionStatus.SUBSCRIBED:
                return
            if sold.status is SubscriptionStatus.UNSUBSCRIBED:
                raise Rejected("the subscription has ended", 404)
            suspended = sold.status is SubscriptionStatus.SUSPENDED
            if suspended or plan != sold.seen.plan or quantity not in (None, sold.seen.quantity):
                raise Rejected("this is not what was bought", 400)
            sold.activated = now
            sold.become(SubscriptionStatus.SUBSCRIBED)

        self._called("activate", work)

    def get(self, subscription: SubscriptionId) -> MarketplaceSubscription | None:
        def work(_: datetime) -> MarketplaceSubscription | None:
            sold = self.find(subscription)
            return None if sold is None else sold.seen

        return self._called("get", work)

    def list_subscriptions(self) -> Iterator[MarketplaceSubscription]:
        def work(_: datetime) -> list[MarketplaceSubscription]:
            return [sold.seen for sold in self.sold.values() if not sold.foreign]

        yield from self._called("list_subscriptions", work)

    def available_plans(
        self, subscription: SubscriptionId, plan: str | None = None
    ) -> tuple[AvailablePlan, ...]:
        def work(_: datetime) -> tuple[AvailablePlan, ...]:
            self.mine(subscription)
            return tuple(each for each in self.plans.values() if plan in (None, each.id))

        return self._called("available_plans", work)

    def operation(self, subscription: SubscriptionId, operation: str) -> Operation | None:
        def work(_: datetime) -> Operation | None:
            sold, found = self.find(subscription), self.operations.get(operation)
            known = sold is not None and found is not None and found.subscription == sold.seen.id
            return found if known else None

        return self._called("operation", work)

    def outstanding_operations(self, subscription: SubscriptionId) -> tuple[Operation, ...]:
        return self._called("outstanding", lambda _: self.running(self.mine(subscription).seen.id))

    def answer_operation(
        self, subscription: SubscriptionId, operation: str, status: OperationStatus
    ) -> None:
        def work(now: datetime) -> None:
            found = self.operations.get(operation)
            if found is None or found.subscription != self.mine(subscription).seen.id:
                raise Rejected("there is no such operation", 404)
            if found.action == "Unsubscribe" or self.hesitant:
                return
            if status is OperationStatus.SUCCESS:
                self.finish(operation, now)
            elif found.status == "InProgress" and found.action.startswith("Change"):
                self.close(operation, "Failed")

        self._called("answer_operation", work)

    def change_plan(self, subscription: SubscriptionId, plan: str) -> str:
        return self._called("change_plan", lambda _: self.ask_for_plan(subscription, plan))

    def change_quantity(self, subscription: SubscriptionId, quantity: int) -> str:
        def work(now: datetime) -> str:
            seen = self.subscribed(subscription).seen
            if not self.plans[seen.plan].per_seat or quantity < 1 or quantity == seen.quantity:
                raise Rejected("the quantity cannot be changed to this", 400)
            return self.begin("ChangeQuantity", replace(seen, quantity=quantity), now)

        return self._called("change_quantity", work)

    def cancel(self, subscription: SubscriptionId) -> str:
        def work(now: datetime) -> str:
            sold = self.mine(subscription)
            if sold.status is SubscriptionStatus.UNSUBSCRIBED:
                raise Rejected("the subscription has ended", 400)
            if any(each.action != "Reinstate" for each in self.running(sold.seen.id)):
                raise Rejected("another operation is under way", 409)
            return self.begin("Unsubscribe", sold.seen, now)

        return self._called("cancel", work)

    def _arrive(self, call: str) -> tuple[datetime, Fault | None]:
        self.calls.append(call)
        return self.tick(), self.faults.popleft() if self.faults else self.decide(call)

    def _called[T](self, call: str, work: Callable[[datetime], T]) -> T:
        now, fault = self._arrive(call)
        match fault:
            case None:
                return work(now)
            case Throttle(retry_after):
                raise Throttled("the Marketplace is throttling", retry_after)
            case Refuse(status):
                raise Rejected(f"the Marketplace answered HTTP {status}", status)
            case LoseAnswer():
                _unheard(work, now)
            case DelayRequest(by):
                self.later(now + by, lambda at: _unheard(work, at))
            case LoseRequest() | PartialBatch():
                pass
        raise Unavailable("the Marketplace gave no answer")


def _unheard(work: Callable[[datetime], object], now: datetime) -> None:
    """Do it although nobody hears whether it was refused."""
    try:
        work(now)
    except (Rejected, InvalidInput):
        return
