"""An account's bill: one billing period with all its lines, from pending to locked."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.account import AccountRecord
from shared.domain.errors import Conflict, IllegalTransition
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    FieldCode,
    MeterCode,
    PlanCode,
    ProductCode,
)
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import ZERO
from shared.domain.period import Frequency, Period
from shared.domain.rating.charge import BandUse
from shared.domain.rating.entry import EntryKind
from shared.domain.rating.locked import DimensionAmount, LockedBill
from shared.domain.rating.unit_lines import UnitLine
from shared.domain.usage.aggregate import AggregationType


class BillStatus(StrEnum):
    """Recalculated freely until locked (semantics, rule 31)."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    LOCKED = "LOCKED"


class SummaryKind(StrEnum):
    """What stands for other lines where a bill is shown in short."""

    CHILD = "CHILD"


@dataclass(frozen=True, slots=True)
class LineSteps:
    """How a line of usage came to its amount, in the plan's currency and not rounded.

    ``billable`` units, beyond what is included or discounted, cost ``gross``; a ``discount`` comes
    off, then what is ``above_maximum``, and a ``top_up`` leads to the line's minimum.
    """

    billable: Decimal
    gross: Decimal
    discount: Decimal = ZERO
    above_maximum: Decimal = ZERO
    top_up: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class LineSource:
    """An aggregation of events that a line was priced by, as the catalogue had it then."""

    aggregation: AggregationCode
    meter: MeterCode
    type: AggregationType
    field: FieldCode | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: ``before`` is what it costs, ``paid`` what prepayments and credits paid of it.

    Both are in the bill's currency; ``original`` is the amount in the plan's where that differs.
    Of custom usage ``at`` is when its first event was. Usage names the ``aggregation`` that was
    priced, the ``sources`` that it is made of, and the ``steps`` to the amount.
    """

    kind: EntryKind | SummaryKind
    account: AccountCode
    plan: PlanCode
    product: ProductCode | None
    description: str
    period: Period
    before: Decimal
    paid: Decimal = ZERO
    quantity: Decimal | None = None
    unit: str = ""
    segment: str = ""
    bands: tuple[BandUse, ...] = ()
    original: Decimal | None = None
    trial: bool = False
    at: datetime | None = None
    aggregation: str = ""
    steps: LineSteps | None = None
    sources: tuple[LineSource, ...] = ()

    @property
    def after(self) -> Decimal:
        """What is left to pay."""
        return self.before - self.paid


@dataclass(frozen=True, slots=True)
class Payment:
    """What one prepayment or credit paid of a bill."""

    kind: str
    grant: str
    description: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill. ``units`` are what plans billed by quantity report of its period; ``frozen`` is what
    rating will need of it once it is locked.

    ``number`` is given once it is locked; ``changed`` is when it last was something else.
    """

    id: str
    account: AccountCode
    currency: str
    period: Period
    frequencies: tuple[Frequency, ...]
    zone: str
    lines: tuple[BillLine, ...]
    payments: tuple[Payment, ...]
    frozen: LockedBill
    changed: datetime
    ended: bool
    status: BillStatus = BillStatus.PENDING
    number: str = ""
    by: str = ""
    children: tuple[AccountCode, ...] = field(default=())
    units: tuple[UnitLine, ...] = ()

    @property
    def gross(self) -> Decimal:
        """The sum of the lines before payment."""
        return sum((line.before for line in self.lines), ZERO)

    @property
    def total(self) -> Decimal:
        """The sum of the lines after payment."""
        return sum((line.after for line in self.lines), ZERO)

    @property
    def due(self) -> tuple[DimensionAmount, ...]:
        """What the Marketplace is told of it, in US dollars by dimension."""
        return self.frozen.due

    def by_account(self) -> dict[AccountCode, Decimal]:
        """The total of each account of the family that has lines (rule 30)."""
        sums: dict[AccountCode, Decimal] = {}
        for line in self.lines:
            sums[line.account] = sums.get(line.account, ZERO) + line.after
        return sums

    @property
    def contents(self) -> tuple[object, ...]:
        """All that people approve."""
        return (self.lines, self.payments, self.units)

    def summarized(self) -> "Bill":
        """The same bill with one line for all that each child owes (rule 30)."""
        own = [line for line in self.lines if line.account == self.account]
        theirs: dict[AccountCode, BillLine] = {}
        for line in self.lines:
            if line.account != self.account:
                known = theirs.get(line.account) or BillLine(
                    SummaryKind.CHILD,
                    line.account,
                    line.plan,
                    None,
                    f"Charges of {line.account}",
                    self.period,
                    ZERO,
                )
                theirs[line.account] = replace(
                    known, before=known.before + line.before, paid=known.paid + line.paid
                )
        return replace(self, lines=(*own, *theirs.values()))

    def recalculated(self, new: "Bill") -> "Bill":
        """``new`` in the place of this one: an approval holds for what was approved only.

        Raises ``IllegalTransition`` for a bill that is locked.
        """
        self._not_locked()
        same = replace(new, status=self.status, by=self.by, changed=self.changed)
        if same == self:
            return self
        keep = self.status if new.contents == self.contents else None
        return replace(new, status=keep or BillStatus.PENDING, by=self.by if keep else "")

    def approved(self, at: datetime, by: str) -> "Bill":
        """The bill approved. Raises ``Conflict`` before its period has ended."""
        self._not_locked()
        if not self.ended:
            raise Conflict(f"the period of bill {self.id} has not ended")
        if self.status is BillStatus.APPROVED:
            return self
        return replace(self, status=BillStatus.APPROVED, changed=at, by=by)

    def locked(self, at: datetime, by: str) -> "Bill":
        """The bill locked; its number follows. Raises ``IllegalTransition`` unless approved."""
        if self.status is not BillStatus.APPROVED:
            raise IllegalTransition(f"bill {self.id} is {self.status}; approve it before locking")
        return replace(self, status=BillStatus.LOCKED, changed=at, by=by)

    def _not_locked(self) -> None:
        if self.status is BillStatus.LOCKED:
            raise IllegalTransition(f"bill {self.id} is locked")


def bill_id(payer: AccountRecord, subscription: Subscription, period: Period) -> str:
    """The id of an account's bill of a billing period. One that begins in the middle of it, with
    a later subscription, has a bill of its own beside that of the one before."""
    start = period.start
    if subscription.start is not None and subscription.id != payer.subscriptions[0].id:
        start = max(start, subscription.start)
    return f"{payer.account.code}.{start:%Y%m%d%H%M}.{period.end:%Y%m%d%H%M}"


def account_of_bill(id_: str) -> AccountCode:
    """The account that a bill's id names; codes may have dots themselves."""
    return AccountCode(id_.rsplit(".", 2)[0])


def place_of_bill(id_: str) -> tuple[int, str]:
    """What lists of bills are ordered by: the end of the period, latest first, then the id.

    Raises ValueError for what is no id of a bill.
    """
    return (-int(id_.rsplit(".", 1)[-1]), id_)
