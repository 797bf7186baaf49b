"""Receives a notice of Partner Center: checked against the Marketplace, decided, queued."""

import json
from dataclasses import dataclass
from datetime import timedelta

from shared.domain.errors import Rejected
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import Decision, Operation
from shared.ports import Clock, Fulfillment, Message, Messages
from shared.services.answer_operation import AnswerOperation

QUEUE = "lifecycle"
_NOT_OURS = frozenset({403, 404})


@dataclass(frozen=True, slots=True)
class Notice:
    """What a webhook's body claims. Nothing in it is believed."""

    operation: str
    subscription: SubscriptionId
    action: str


@dataclass(frozen=True, slots=True)
class Received:
    """The operation that a notice named, if the Marketplace knows it, and our decision."""

    operation: Operation | None = None
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class ReceiveNotice:
    """The webhook's work: fast, and harmless when repeated."""

    fulfillment: Fulfillment
    answer: AnswerOperation
    messages: Messages
    clock: Clock

    def __call__(self, notice: Notice) -> Received:
        """Answer a change, and queue a look at the subscription.

        An operation that the Marketplace does not know proves nothing: the subscription is then
        not looked at, since reconciliation does that every hour anyway. Whatever fails before
        the end makes the Marketplace send the notice again.
        """
        operation = self._fetched(notice)
        if operation is None:
            return Received()
        record = self.answer(operation)
        if not record.done:
            self.messages.publish(QUEUE, [message_of(operation, self.clock)])
        return Received(operation, record.decision)

    def _fetched(self, notice: Notice) -> Operation | None:
        """The operation by the Marketplace's own API; another publisher's is none."""
        try:
            return self.fulfillment.operation(notice.subscription, notice.operation)
        except Rejected as no:
            if no.status in _NOT_OURS:
                return None
            raise


def message_of(
    operation: Operation, clock: Clock, attempt: int = 0, after: timedelta | None = None
) -> Message:
    """The message by which an operation is followed to its end."""
    body = {
        "subscription": operation.subscription,
        "operation": operation.id,
        "action": operation.action,
        "plan": operation.plan,
        "at": (operation.at or clock.now()).isoformat(),
        "attempt": attempt,
    }
    session = str(operation.subscription)
    return Message(json.dumps(body), session=session, id=f"{operation.id}|{attempt}", after=after)
