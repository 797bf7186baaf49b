"""Handles a message of the queue `lifecycle`: follows one operation to its end."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.errors import Rejected
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import Operation, OperationRecord
from shared.ports import Clock, Fulfillment, Messages, Operations
from shared.services.answer_operation import AnswerOperation
from shared.services.follow_subscription import Followed, FollowSubscription, Hint
from shared.services.receive_notice import QUEUE, message_of

PAUSES = (
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
)
"""How long to wait between looks at an operation that has not ended; later ones are the hourly
reconciliation's."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a message asks for."""

    subscription: SubscriptionId
    operation: str
    at: datetime
    action: str = ""
    plan: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class HandleOperation:
    """Mends what a crash left undone, follows the subscription, and notes when all is done."""

    fulfillment: Fulfillment
    operations: Operations
    answer: AnswerOperation
    follow: FollowSubscription
    messages: Messages
    clock: Clock

    def __call__(self, task: Task, known_active: datetime | None = None) -> Followed:
        """Answer the operation if it still waits, then make our state what the Marketplace says.

        ``known_active``: when the Marketplace was last seen to have the subscription, if known.
        Raises ``Throttled`` or ``Unavailable``: the message then comes again.
        """
        operation = self.fetched(task.subscription, task.operation)
        record = None if operation is None else self.answer(operation)
        if operation is not None and not operation.ended:
            operation = self.fetched(task.subscription, task.operation)
        hint = Hint(task.at, task.action, task.plan, known_active)
        followed = self.follow(task.subscription, hint=hint)
        if record is not None and operation is not None:
            self._close(record, operation, task.attempt)
        return followed

    def resume(self, record: OperationRecord, known_active: datetime | None = None) -> Followed:
        """Go on with an operation that is not done, as often as it takes."""
        told = record.operation
        at = told.at or record.received
        last = len(PAUSES)
        task = Task(told.subscription, told.id, at, told.action, told.plan, last)
        return self(task, known_active)

    def fetched(self, subscription: SubscriptionId, operation: str) -> Operation | None:
        """The operation as the Marketplace knows it; ``None`` for one that is gone."""
        try:
            return self.fulfillment.operation(subscription, operation)
        except Rejected:
            return None

    def _close(self, record: OperationRecord, operation: Operation, attempt: int) -> None:
        if operation.ended:
            if not record.done:
                self.operations.save(replace(record, operation=operation, done=True))
            return
        if attempt < len(PAUSES):
            again = message_of(operation, self.clock, attempt + 1, PAUSES[attempt])
            self.messages.publish(QUEUE, [again])
