"""Records refunds that Microsoft made, so that the ledger again says what was really paid."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from shared.domain.audit import AuditEntry
from shared.domain.errors import (
    ConcurrentUpdate,
    DifferentPayload,
    FieldError,
    InvalidInput,
    NotFound,
)
from shared.domain.ids import AccountCode, DimensionId, Resource, Shard, shard_of
from shared.domain.metering.delta import refunded
from shared.domain.metering.ledger import LedgerKey, Refund
from shared.domain.money import to_text
from shared.domain.period import hour_of
from shared.domain.wire import WIRE
from shared.ports import (
    Accounts,
    AgendaEntry,
    AuditTrail,
    Clock,
    Ledger,
    LedgerWrite,
    PutAgenda,
    PutRefund,
    PutRow,
)

ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """What the caller says: Microsoft gave ``units`` of a dimension back to ``account``.

    ``id`` makes the order repeatable: it takes effect once. Usage that is still due and was
    refunded would be charged again in the next hour; that must be said with ``charge_again``,
    or the account be granted a credit first.
    """

    __pydantic_config__: ClassVar = WIRE

    id: str
    account: AccountCode
    dimension: DimensionId
    units: Decimal
    plan: str | None = None
    note: str = ""
    charge_again: bool = False


@dataclass(frozen=True, slots=True)
class RecordRefund:
    """``POST /api/adjustments``."""

    accounts: Accounts
    ledger: Ledger
    clock: Clock
    trail: AuditTrail

    def __call__(self, order: RefundOrder, by: str) -> Refund:
        """Record a refund; the same order again is answered with what was recorded.

        Raises ``NotFound`` for an unknown account or a dimension it was never billed for,
        ``InvalidInput`` for more units than it has paid, ``DifferentPayload`` when the id was
        used for another refund.
        """
        stored = self.accounts.load(order.account)
        subscription = stored.value.subscription if stored else None
        if subscription is None:
            raise NotFound(f"account {order.account} has no subscription")
        shard = shard_of(order.account)
        key = LedgerKey(Resource(subscription.id), order.dimension, order.plan)
        for _ in range(ATTEMPTS):
            known = self._known(shard, key, order)
            if known is not None:
                return known
            try:
                return self._record(shard, key, order, by)
            except ConcurrentUpdate:
                continue
        raise ConcurrentUpdate(f"the ledger row of {order.account} keeps changing")

    def _known(self, shard: Shard, key: LedgerKey, order: RefundOrder) -> Refund | None:
        for refund in self.ledger.refunds(shard, key.resource):
            if refund.key == key and refund.id == order.id:
                if (refund.units, refund.note) != (order.units, order.note):
                    raise DifferentPayload(f"refund {order.id} was recorded with other contents")
                return refund
        return None

    def _record(self, shard: Shard, key: LedgerKey, order: RefundOrder, by: str) -> Refund:
        row = self.ledger.rows(shard, key.resource).get(key)
        if row is None:
            raise NotFound(f"{order.account} was never billed for {order.dimension}")
        if not 0 < order.units <= row.value.committed:
            fault = f"must be above 0 and at most {row.value.committed}, what was billed"
            raise InvalidInput("the refund cannot be recorded", [FieldError("/units", fault)])
        left = row.value.committed - order.units
        if row.value.rated > left and not order.charge_again:
            fault = (
                f"{row.value.rated} units are due and {left} would remain paid, so the difference "
                "would be charged again in the next hour: grant a credit first, or say true"
            )
            raise InvalidInput("the refund would be undone", [FieldError("/chargeAgain", fault)])
        now = self.clock.now()
        refund = Refund(key, order.id, order.units, now, by, order.note)
        writes: list[LedgerWrite] = [
            PutRefund(refund),
            PutRow(refunded(row.value, order.units), row.etag),
            PutAgenda(AgendaEntry(hour_of(now), order.account)),
        ]
        self._note(refund, order)
        self.ledger.write(shard, writes)
        return refund

    def _note(self, refund: Refund, order: RefundOrder) -> None:
        """Before it is written: whatever crashes, no money moves unrecorded."""
        detail = {
            "id": order.id,
            "dimension": order.dimension,
            "units": to_text(order.units),
            "note": order.note,
            "chargeAgain": str(order.charge_again).lower(),
        }
        entry = AuditEntry(order.account, refund.at, refund.by, "adjustment.create", detail)
        self.trail.append([entry])
