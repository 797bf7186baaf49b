"""The register of subscriptions and operations: how operations run and what time brings."""

import base64
import heapq
import random
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from local.marketplace.catalog import Offer
from local.marketplace.subscription import (
    Action,
    Notification,
    Operation,
    PlanPeriod,
    Progress,
    Quirk,
    Status,
    Subscription,
)

ACCEPTED_AFTER: Final = timedelta(seconds=10)
DELETED_AFTER: Final = timedelta(seconds=1)
GRACE: Final = timedelta(days=30)
CUSTOMER: Final = "Azure"
PUBLISHER: Final = "Partner"
CHANGES: Final = (Action.CHANGE_PLAN, Action.CHANGE_QUANTITY)
NO_QUIRKS: Final[frozenset[Quirk]] = frozenset()


class Kind(StrEnum):
    """Why a request is refused."""

    INVALID = "BadRequest"
    FORBIDDEN = "Forbidden"
    NOT_FOUND = "NotFound"
    CONFLICT = "Conflict"


class Refused(Exception):
    """A request that the Marketplace turns down; nothing has changed."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Ids:
    """Identifiers drawn from a seed, so that a run can be repeated exactly."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - identifiers of a simulator

    def guid(self) -> str:
        """A version 4 GUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def token(self) -> str:
        """A marketplace token that changes when URL-encoded, so forgotten decoding shows."""
        return base64.b64encode(b"\x03\xef\xc1" + self._random.randbytes(46)).decode()


class Register:
    """Everything Microsoft remembers; every method takes the time it happens at.

    Operations run by themselves: they succeed when their deadline passes unanswered.
    Sources: learn.microsoft.com/partner-center, pc-saas-fulfillment-life-cycle and -webhook.
    """

    def __init__(self, offers: Iterable[Offer], seed: int) -> None:
        self.ids = Ids(seed)
        self.offers: dict[str, Offer] = {offer.id: offer for offer in offers}
        self.subscriptions: dict[str, Subscription] = {}
        self.operations: dict[str, Operation] = {}
        self.outbox: list[Notification] = []
        self._operations_of: dict[str, list[str]] = {}
        self._agenda: list[tuple[datetime, int, str]] = []
        self._sequence = 0

    def subscription(self, subscription_id: str) -> Subscription:
        """One subscription. Raises Refused."""
        found = self.subscriptions.get(subscription_id.lower())
        if found is None:
            raise Refused(Kind.NOT_FOUND, f"no subscription {subscription_id}")
        return found

    def owned(self, subscription_id: str) -> Subscription:
        """One subscription of this publisher. Raises Refused."""
        found = self.subscription(subscription_id)
        if found.resource_uri is not None:
            raise Refused(Kind.NOT_FOUND, "a managed application is no SaaS subscription")
        if found.foreign:
            raise Refused(Kind.FORBIDDEN, "the subscription belongs to another application")
        return found

    def operation(self, subscription_id: str, operation_id: str) -> Operation:
        """One operation of one subscription. Raises Refused."""
        found = self.operations.get(operation_id)
        if found is None or found.subscription_id != self.owned(subscription_id).id:
            raise Refused(Kind.NOT_FOUND, f"no operation {operation_id}")
        return found

    def outstanding(self, subscription_id: str) -> list[Operation]:
        """Operations still in progress, oldest first."""
        every = (self.operations[key] for key in self._operations_of.get(subscription_id, ()))
        return [operation for operation in every if operation.status is Progress.IN_PROGRESS]

    def renew(
        self, subscription_id: str, now: datetime, quirks: frozenset[Quirk] = NO_QUIRKS
    ) -> Operation:
        """The next term begins. Raises Refused unless Subscribed."""
        subscription = self.expect(subscription_id, Status.SUBSCRIBED)
        if subscription.term is not None:
            term = subscription.term.following
            self.store(replace(subscription, term=term))
            self.due(term.renewal, subscription.id)
        return self.announce(subscription.id, Action.RENEW, now, CUSTOMER, quirks)

    def unsubscribe(
        self, subscription_id: str, now: datetime, quirks: frozenset[Quirk] = NO_QUIRKS
    ) -> Operation:
        """The end; what was still open has failed. Raises Refused when it is over already."""
        subscription = self.subscription(subscription_id)
        if subscription.status is Status.UNSUBSCRIBED:
            raise Refused(Kind.INVALID, "the subscription is Unsubscribed")
        self._end(subscription, now)
        return self.announce(subscription.id, Action.UNSUBSCRIBE, now, CUSTOMER, quirks)

    def tick(self, now: datetime) -> None:
        """Let everything happen that falls due until ``now``, in order and at its own time."""
        while self._agenda and self._agenda[0][0] <= now:
            due, _, key = heapq.heappop(self._agenda)
            if key in self.operations:
                operation = self.operations[key]
                if operation.status is Progress.IN_PROGRESS:
                    self.finish(operation, due)
            else:
                self._elapsed(self.subscriptions[key], due)

    def _elapsed(self, subscription: Subscription, due: datetime) -> None:
        """A deadline of a subscription has come, unless it has moved on since."""
        match subscription.status:
            case Status.PENDING if due - subscription.created >= GRACE:
                self.unsubscribe(subscription.id, due)
            case Status.SUSPENDED if subscription.suspended and (
                due - subscription.suspended >= GRACE
            ):
                self.unsubscribe(subscription.id, due)
            case Status.SUBSCRIBED if subscription.term and due >= subscription.term.renewal:
                if subscription.auto_renew:
                    self.renew(subscription.id, due)
                else:
                    self.unsubscribe(subscription.id, due)
            case _:
                pass

    def store(self, subscription: Subscription) -> Subscription:
        """Keep the newest version."""
        self.subscriptions[subscription.id] = subscription
        return subscription

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def due(self, when: datetime, key: str) -> None:
        """Look at a subscription or operation again at ``when``."""
        heapq.heappush(self._agenda, (when, self._next(), key))

    def expect(self, subscription_id: str, status: Status) -> Subscription:
        """A subscription in exactly this status. Raises Refused."""
        subscription = self.subscription(subscription_id)
        if subscription.status is not status:
            raise Refused(Kind.INVALID, f"the subscription is {subscription.status}")
        return subscription

    def _record(
        self,
        asked: Subscription,
        action: str,
        now: datetime,
        source: str,
        quirks: frozenset[Quirk],
        completes: datetime | None,
    ) -> Operation:
        guid = self.ids.guid()
        operation = Operation(
            id=f"org:{guid},{self.ids.guid()}" if Quirk.COMPOSITE_ID in quirks else guid,
            activity_id=self.ids.guid(),
            subscription_id=asked.id,
            offer_id=asked.offer_id,
            publisher_id=self.offers[asked.offer_id].publisher_id,
            action=action,
            plan_id=asked.plan_id,
            quantity=asked.quantity,
            status=Progress.IN_PROGRESS if completes else Progress.SUCCEEDED,
            created=now,
            source=source,
            sequence=self._next(),
            completes=completes,
        )
        self.operations[operation.id] = operation
        self._operations_of.setdefault(asked.id, []).append(operation.id)
        return operation

    def announce(
        self,
        subscription_id: str,
        action: str,
        now: datetime,
        source: str,
        quirks: frozenset[Quirk],
    ) -> Operation:
        """Record something that has happened and tell the webhook."""
        subscription = self.subscriptions[subscription_id]
        operation = self._record(subscription, action, now, source, quirks, None)
        self._tell(Notification(operation, subscription, quirks))
        return operation

    def open(
        self,
        asked: Subscription,
        action: Action,
        now: datetime,
        source: str,
        quirks: frozenset[Quirk],
    ) -> Operation:
        """Begin an operation; a deletion is told to the webhook only when it is done."""
        silent = action is Action.UNSUBSCRIBE
        completes = now + (DELETED_AFTER if silent else ACCEPTED_AFTER)
        operation = self._record(asked, action, now, source, quirks, completes)
        self.due(completes, operation.id)
        if not silent:
            current = self.subscriptions[asked.id]
            self._tell(Notification(operation, current, quirks))
        return operation

    def _tell(self, news: Notification) -> None:
        """Managed applications have no SaaS webhook."""
        if news.subscription.resource_uri is None:
            self.outbox.append(news)

    def finish(self, operation: Operation, now: datetime) -> Operation:
        """Carry an operation out; it fails where the subscription no longer allows it."""
        subscription = self.subscriptions[operation.subscription_id]
        needed = Status.SUSPENDED if operation.action == Action.REINSTATE else Status.SUBSCRIBED
        if operation.action != Action.UNSUBSCRIBE and subscription.status is not needed:
            return self.close(operation, Progress.FAILED, f"the status is {subscription.status}")
        match operation.action:
            case Action.REINSTATE:
                self.resume(subscription, now)
            case Action.UNSUBSCRIBE:
                done = self.close(operation, Progress.SUCCEEDED)
                self._end(subscription, now)
                self._tell(Notification(done, self.subscriptions[subscription.id]))
                return done
            case Action.CHANGE_QUANTITY if operation.plan_id != subscription.plan_id:
                return self.close(operation, Progress.CONFLICT, "the plan has changed since")
            case _:
                self._apply(subscription, operation, now)
        return self.close(operation, Progress.SUCCEEDED)

    def close(self, operation: Operation, status: Progress, error: str = "") -> Operation:
        """Give an operation its final status."""
        closed = replace(operation, status=status, error=error)
        self.operations[operation.id] = closed
        return closed

    def resume(self, subscription: Subscription, now: datetime) -> None:
        """A suspended subscription is Subscribed again; a renewal missed meanwhile is due now."""
        self.store(replace(subscription, status=Status.SUBSCRIBED, suspended=None))
        if subscription.term is not None:
            self.due(max(subscription.term.renewal, now), subscription.id)

    def _apply(self, subscription: Subscription, change: Operation, now: datetime) -> None:
        history = subscription.plans
        if change.plan_id != subscription.plan_id:
            history = (*history, PlanPeriod(now, change.plan_id))
        self.store(
            replace(subscription, plan_id=change.plan_id, quantity=change.quantity, plans=history)
        )
        for older in self.outstanding(subscription.id):
            if older.sequence < change.sequence and older.action in CHANGES:
                self.close(older, Progress.CONFLICT, "a newer update was fulfilled")

    def _end(self, subscription: Subscription, now: datetime) -> None:
        self.store(replace(subscription, status=Status.UNSUBSCRIBED, ended=now))
        for operation in self.outstanding(subscription.id):
            self.close(operation, Progress.FAILED, "the subscription is Unsubscribed")
