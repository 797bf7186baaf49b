"""Receives a notice of Partner Center: checked against the Marketplace, queued, answered."""

import json
from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import SubscriptionId
from shared.ports import Clock, Fulfillment, Message, Messages

QUEUE = "lifecycle"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook's body claims. Nothing in it is believed."""

    operation: str
    subscription: SubscriptionId
    action: str


@dataclass(frozen=True, slots=True)
class ReceiveNotice:
    """The webhook's work: fast, and harmless when repeated."""

    fulfillment: Fulfillment
    messages: Messages
    clock: Clock

    def __call__(self, notice: Notice) -> bool:
        """Queue a look at the subscription; whether the operation is one the Marketplace knows.

        An operation that it does not know proves nothing either: the subscription is then not
        looked at, since reconciliation does that every hour anyway.
        """
        operation = self.fulfillment.operation(notice.subscription, notice.operation)
        if operation is None:
            return False
        happened: datetime = operation.at or self.clock.now()
        body = {
            "subscription": notice.subscription,
            "operation": operation.id,
            "action": operation.action,
            "at": happened.isoformat(),
        }
        message = Message(json.dumps(body), session=notice.subscription, id=operation.id)
        self.messages.publish(QUEUE, [message])
        return True
