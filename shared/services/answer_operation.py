"""Decides a change that the Marketplace announces, once and for all, and tells it."""

from dataclasses import dataclass, replace

from shared.domain.errors import Rejected
from shared.domain.lifecycle.operation import (
    Operation,
    OperationRecord,
    OperationStatus,
    decide,
)
from shared.ports import Accounts, Clock, Fulfillment, Operations
from shared.services.directory import CatalogCache


@dataclass(frozen=True, slots=True)
class AnswerOperation:
    """Stores a decision before it tells it, so that every repetition tells the same."""

    fulfillment: Fulfillment
    operations: Operations
    accounts: Accounts
    catalogs: CatalogCache
    clock: Clock
    max_quantity: int

    def __call__(self, operation: Operation) -> OperationRecord:
        """Store the operation with its decision and, while it waits, answer it.

        ``operation`` is what the Marketplace's API says now. Raises ``Throttled`` or
        ``Unavailable``; doing it again is right then.
        """
        record = self.operations.get(operation.subscription, operation.id)
        if record is None:
            decision = decide(
                operation, priced=self._priced(operation), max_quantity=self.max_quantity
            )
            record = self.operations.add(
                OperationRecord(operation, self.clock.now(), decision=decision)
            )
        if not operation.ended and record.decision is not None:
            self._tell(operation, accepted=record.decision.accepted)
        return replace(record, operation=operation)

    def _tell(self, operation: Operation, *, accepted: bool) -> None:
        """A refused answer means that the operation is over; what came of it, its
        subscription shows."""
        status = OperationStatus.SUCCESS if accepted else OperationStatus.FAILURE
        try:
            self.fulfillment.answer_operation(operation.subscription, operation.id, status)
        except Rejected:
            return

    def _priced(self, operation: Operation) -> bool:
        catalog = self.catalogs.current()
        offer = operation.offer or self._offer_of(operation)
        return catalog is not None and catalog.plan_for(offer, operation.plan) is not None

    def _offer_of(self, operation: Operation) -> str:
        account = self.accounts.account_of(operation.subscription)
        stored = None if account is None else self.accounts.load(account)
        sold = stored.value.subscription if stored else None
        return sold.offer if sold else ""
