"""What the publisher asks of the Marketplace for a customer: another plan, quantity, or the end."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.domain.errors import Conflict, InvalidInput, NotFound, Rejected
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.follow import subscription_of
from shared.domain.lifecycle.operation import (
    Action,
    Decision,
    Operation,
    OperationRecord,
    Origin,
)
from shared.domain.lifecycle.subscription import Subscription, SubscriptionStatus
from shared.ports import Accounts, Clock, Fulfillment, Messages, Operations
from shared.services.chronicle import Chronicle
from shared.services.directory import CatalogCache
from shared.services.handle_operation import PAUSES, HandleOperation
from shared.services.receive_notice import QUEUE, message_of


@dataclass(frozen=True, slots=True)
class PublisherActions:
    """Asks, keeps the operation, and has it polled to its end: by the queue, by whoever looks at
    it, and by the hourly reconciliation. What a lost answer began shows there too."""

    fulfillment: Fulfillment
    accounts: Accounts
    operations: Operations
    handle: HandleOperation
    catalogs: CatalogCache
    messages: Messages
    clock: Clock
    chronicle: Chronicle
    max_quantity: int

    def change_plan(self, subscription: SubscriptionId, plan: str, actor: str) -> OperationRecord:
        """Ask for another plan, which the catalogue must price."""
        ours = self._active(subscription)
        catalog = self.catalogs.current()
        if catalog is None or catalog.plan_for(ours.offer, plan) is None:
            raise InvalidInput(f"the catalogue has no plan for {ours.offer}/{plan}")
        if plan == ours.plan:
            raise Conflict(f"the subscription is on plan {plan}")
        return self._asked(
            Operation("", ours.id, Action.CHANGE_PLAN, "InProgress", plan, ours.quantity),
            actor,
            lambda: self.fulfillment.change_plan(ours.id, plan),
        )

    def change_quantity(
        self, subscription: SubscriptionId, quantity: int, actor: str
    ) -> OperationRecord:
        """Ask for another number of seats."""
        ours = self._active(subscription)
        if not 1 <= quantity <= self.max_quantity:
            raise InvalidInput(f"the quantity must be from 1 to {self.max_quantity:,}")
        return self._asked(
            Operation("", ours.id, Action.CHANGE_QUANTITY, "InProgress", ours.plan, quantity),
            actor,
            lambda: self.fulfillment.change_quantity(ours.id, quantity),
        )

    def cancel(self, subscription: SubscriptionId, actor: str) -> OperationRecord:
        """Ask for the end of a subscription."""
        ours = self._known(subscription)
        if ours.status is SubscriptionStatus.UNSUBSCRIBED:
            raise Conflict("the subscription has ended")
        return self._asked(
            Operation("", ours.id, Action.UNSUBSCRIBE, "InProgress", ours.plan, ours.quantity),
            actor,
            lambda: self.fulfillment.cancel(ours.id),
        )

    def operation(self, subscription: SubscriptionId, operation: str) -> OperationRecord:
        """How far an operation is, by the Marketplace's word. Raises ``NotFound``."""
        record = self.operations.get(subscription, operation)
        if record is None:
            raise NotFound(f"there is no operation {operation}")
        if not record.done:
            self.handle.resume(record)
            record = self.operations.get(subscription, operation) or record
        return record

    def _asked(self, wanted: Operation, actor: str, ask: Callable[[], str]) -> OperationRecord:
        """Audited before it is asked for; what comes back is stored and followed."""
        now = self.clock.now()
        detail = {"plan": wanted.plan, "quantity": str(wanted.quantity or "")}
        action = f"asked.{wanted.action}"
        account = self.accounts.account_of(wanted.subscription) or wanted.subscription
        self.chronicle.did(account, now, actor, action, detail)
        try:
            operation = replace(wanted, id=ask(), at=now)
        except Rejected as no:
            raise Conflict(f"the Marketplace refused: HTTP {no.status}") from no
        record = OperationRecord(operation, now, Origin.PUBLISHER, Decision(True), by=actor)
        known = self.operations.add(record)
        if known != record:
            record = replace(known, origin=Origin.PUBLISHER, by=actor)
            self.operations.save(record)
        message = message_of(operation, self.clock, 1, PAUSES[0])
        self.messages.publish(QUEUE, [message])
        return record

    def _known(self, subscription: SubscriptionId) -> Subscription:
        account = self.accounts.account_of(subscription)
        stored = None if account is None else self.accounts.load(account)
        ours = stored and subscription_of(stored.value, subscription)
        if not ours:
            raise NotFound(f"there is no subscription {subscription}")
        return ours

    def _active(self, subscription: SubscriptionId) -> Subscription:
        ours = self._known(subscription)
        if ours.status is not SubscriptionStatus.SUBSCRIBED:
            raise Conflict(f"the subscription is {ours.status}, not Subscribed")
        return ours
