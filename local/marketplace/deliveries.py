"""The webhook's outgoing post: what is to be delivered when, and when to stop trying."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from local.marketplace.config import Webhook
from local.marketplace.faults import Fault, FaultKind
from local.marketplace.register import CHANGES
from local.marketplace.subscription import Notification

_KEPT: Final = 10_000
_HELD_FOR: Final = timedelta(seconds=60)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    REFUSED = "refused"
    GAVE_UP = "gaveUp"
    LOST = "lost"
    UNADDRESSED = "unaddressed"


@dataclass(frozen=True, slots=True)
class Try:
    """One POST and its answer: a status, or why there was none."""

    at: datetime
    status: int | None
    error: str
    token_version: str


@dataclass(slots=True)
class Delivery:
    """One notification on its way."""

    number: int
    notification: Notification
    body: str
    created: datetime
    due: datetime
    state: DeliveryState = DeliveryState.WAITING
    fault: FaultKind | None = None
    held: bool = False
    tries: list[Try] = field(default_factory=list)

    @property
    def subscription_id(self) -> str:
        """Whose news it is; deliveries of one subscription never overlap."""
        return self.notification.operation.subscription_id


class Post:
    """Deliveries in the order they were posted, and the retry rule."""

    def __init__(self) -> None:
        self.all: deque[Delivery] = deque(maxlen=_KEPT)
        self._waiting: dict[int, Delivery] = {}
        self._last = 0

    def add(
        self, notification: Notification, body: str, fault: Fault | None, now: datetime
    ) -> None:
        """Post a notification, in the manner the fault demands."""
        kind = fault.kind if fault else None
        first = self._enter(notification, body, kind, now)
        match kind:
            case FaultKind.LOST:
                self._settle(first, DeliveryState.LOST)
            case FaultKind.DUPLICATED:
                self._enter(notification, body, kind, now)
            case FaultKind.POSTPONED if fault is not None:
                first.due = now + timedelta(seconds=fault.seconds)
            case FaultKind.REORDERED:
                first.held = True
                first.due = now + _HELD_FOR
            case _:
                pass

    def due(self, now: datetime) -> list[Delivery]:
        """What has to be sent by now, oldest first."""
        ready = [item for item in self._waiting.values() if item.due <= now]
        return sorted(ready, key=lambda item: (item.due, item.number))

    def record(self, delivery: Delivery, attempt: Try, rule: Webhook, now: datetime) -> None:
        """Note an attempt and decide what follows: done, refused, again later, or given up.

        A 4xx to a change refuses it; every other failure is retried, 500 tries in 8 hours.
        """
        delivery.tries.append(attempt)
        status = attempt.status or 0
        if 200 <= status < 300:
            self._settle(delivery, DeliveryState.DELIVERED)
        elif 400 <= status < 500 and delivery.notification.operation.action in CHANGES:
            self._settle(delivery, DeliveryState.REFUSED)
        else:
            delivery.due = now + timedelta(seconds=rule.interval_seconds)
            last = delivery.created + timedelta(seconds=rule.within_seconds)
            if len(delivery.tries) >= rule.tries or delivery.due > last:
                self._settle(delivery, DeliveryState.GAVE_UP)
        if not delivery.held:
            self._release(now)

    def unaddressed(self, delivery: Delivery) -> None:
        """There is no webhook to send it to."""
        self._settle(delivery, DeliveryState.UNADDRESSED)

    def _enter(
        self, notification: Notification, body: str, kind: FaultKind | None, now: datetime
    ) -> Delivery:
        self._last += 1
        delivery = Delivery(self._last, notification, body, now, now, fault=kind)
        self.all.append(delivery)
        self._waiting[delivery.number] = delivery
        return delivery

    def _settle(self, delivery: Delivery, state: DeliveryState) -> None:
        delivery.state = state
        self._waiting.pop(delivery.number, None)

    def _release(self, now: datetime) -> None:
        """A later notification has gone first: those held back follow."""
        for item in self._waiting.values():
            if item.held and not item.tries:
                item.held, item.due = False, now
