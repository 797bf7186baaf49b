"""An account's bill: one billing period with all its lines, from pending to locked."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.account import AccountRecord
from shared.domain.catalog.plan import PricingKind
from shared.domain.catalog.segment import segment_text
from shared.domain.errors import Conflict, IllegalTransition
from shared.domain.ids import AccountCode, PlanCode, ProductCode
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import CONTEXT, ZERO, minor_digits, round_half_up
from shared.domain.period import Frequency, Period
from shared.domain.rating.bill import PeriodBill
from shared.domain.rating.charge import BandUse
from shared.domain.rating.draw_down import Draw
from shared.domain.rating.entry import Entry, EntryKind
from shared.domain.rating.locked import DimensionAmount, LockedBill
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.statement import Statement


class BillStatus(StrEnum):
    """Recalculated freely until locked (semantics, rule 31)."""

    PENDING = "PENDING"
    APPROVED = "APPROVED"
    LOCKED = "LOCKED"


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line: ``before`` is what it costs, ``paid`` what prepayments and credits paid of it.

    Both are in the bill's currency; ``original`` is the amount in the plan's where that differs.
    Of custom usage ``at`` is when its first event was.
    """

    kind: EntryKind
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
    """A bill. ``frozen`` is what rating will need of it once it is locked.

    ``number`` is given when it is locked; ``changed`` is when it last was something else.
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

    def recalculated(self, new: "Bill") -> "Bill":
        """``new`` in the place of this one: an approval holds for what was approved only.

        Raises ``IllegalTransition`` for a bill that is locked.
        """
        self._not_locked()
        same = replace(new, status=self.status, by=self.by, changed=self.changed)
        if same == self:
            return self
        keep = self.status if (new.lines, new.payments) == (self.lines, self.payments) else None
        return replace(new, status=keep or BillStatus.PENDING, by=self.by if keep else "")

    def approved(self, at: datetime, by: str) -> "Bill":
        """The bill approved. Raises ``Conflict`` before its period has ended."""
        self._not_locked()
        if not self.ended:
            raise Conflict(f"the period of bill {self.id} has not ended")
        if self.status is BillStatus.APPROVED:
            return self
        return replace(self, status=BillStatus.APPROVED, changed=at, by=by)

    def locked(self, number: str, at: datetime, by: str) -> "Bill":
        """The bill locked under its ``number``. Raises ``IllegalTransition`` unless approved."""
        if self.status is not BillStatus.APPROVED:
            raise IllegalTransition(f"bill {self.id} is {self.status}; approve it before locking")
        return replace(self, status=BillStatus.LOCKED, number=number, changed=at, by=by)

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


def compose(statement: Statement, period: Period, zone: str, now: datetime) -> Bill:
    """The bill of a billing period: every entry of it as lines, with what was paid of each.

    Windows that were rated anew show each priced line, others one line each.
    """
    payer = statement.members[0].record
    entries, draws = statement.of(period)
    id_ = bill_id(payer, statement.subscription, period)
    keys = {entry.key: entry for entry in entries if entry.kind is EntryKind.USAGE}
    windows = {
        key: rated
        for member in statement.members
        for rated in member.periods
        if (key := f"usage|{rated.record.key}") in keys
    }
    used: dict[str, Decimal] = {}
    for draw in (draw for each in draws for draw in each):
        used[draw.grant.id] = used.get(draw.grant.id, ZERO) + draw.amount
    return Bill(
        id=id_,
        account=payer.account.code,
        currency=statement.currency,
        period=period,
        frequencies=tuple(sorted({rated.plan.frequency for rated in windows.values()})),
        zone=zone,
        lines=tuple(_lines(entries, draws, windows, statement.currency)),
        payments=tuple(_payments(draws)),
        frozen=LockedBill(
            id_,
            statement.subscription.id,
            period,
            tuple(entries),
            tuple(statement.due(period)),
            used,
            statement.version,
        ),
        changed=now,
        ended=period.end <= now or (bool(keys) and all(e.closed for e in keys.values())),
        children=payer.children,
    )


def _lines(
    entries: Sequence[Entry],
    draws: Sequence[Sequence[Draw]],
    windows: dict[str, RatedPeriod],
    currency: str,
) -> Iterator[BillLine]:
    usage: dict[str, tuple[Decimal, Decimal]] = {}
    rest: list[BillLine] = []
    for entry, own in zip(entries, draws, strict=True):
        paid = sum((draw.amount for draw in own), ZERO)
        if entry.kind is EntryKind.USAGE and entry.key in windows:
            before, already = usage.get(entry.key, (ZERO, ZERO))
            usage[entry.key] = (before + entry.amount, already + paid)
        elif entry.amount:
            rest.append(_line(entry, paid))
    for key, (amount, paid) in usage.items():
        yield from _usage_lines(windows[key], amount, paid, currency)
    yield from sorted(rest, key=lambda line: list(EntryKind).index(line.kind))


def _line(entry: Entry, paid: Decimal) -> BillLine:
    return BillLine(
        entry.kind,
        entry.account,
        entry.plan,
        entry.product,
        entry.description or entry.kind.replace("_", " ").capitalize(),
        entry.period,
        entry.amount,
        paid,
    )


def _usage_lines(
    rated: RatedPeriod, amount: Decimal, paid: Decimal, currency: str
) -> Iterator[BillLine]:
    """The priced lines of a window, which together are ``amount``, of which ``paid`` is paid: the
    first lines are paid first."""
    section, bill = rated.window.section, rated.bill
    base = BillLine(
        EntryKind.USAGE,
        section.account,
        section.plan.code,
        section.plan.product,
        "Usage",
        rated.window.period,
        amount,
        paid,
        trial=rated.window.free,
    )
    if bill is None:
        if amount:
            yield base
        return
    debits = [line for line in bill.lines if line.kind is PricingKind.DEBIT]
    foreign = section.plan.currency != currency
    shares = _shared(bill, amount, minor_digits(currency)) if foreign else None
    for place, line in enumerate(debits):
        own = bill.line_amount(line)
        before = own if shares is None else shares[place]
        share = min(before, paid)
        paid -= share
        yield replace(
            base,
            description=line.description,
            before=before,
            paid=share,
            quantity=line.quantity,
            unit=line.unit,
            segment=segment_text(line.segment),
            bands=line.bands,
            original=own if foreign else None,
            at=line.at,
        )


def _shared(bill: PeriodBill, amount: Decimal, digits: int) -> list[Decimal]:
    """A converted amount divided over the lines in their proportion, so that it adds up."""
    own = [bill.line_amount(line) for line in bill.lines if line.kind is PricingKind.DEBIT]
    shares: list[Decimal] = []
    upto, given = ZERO, ZERO
    for part in own:
        upto += part
        exact = CONTEXT.multiply(amount, upto)
        reached = round_half_up(CONTEXT.divide(exact, bill.total), digits) if bill.total else ZERO
        shares.append(reached - given)
        given = reached
    return shares


def _payments(draws: Iterable[Iterable[Draw]]) -> Iterator[Payment]:
    sums: dict[str, Payment] = {}
    for draw in (draw for each in draws for draw in each):
        grant = draw.grant
        known = sums.get(grant.id) or Payment(grant.kind, grant.id, grant.description, ZERO)
        sums[grant.id] = replace(known, amount=known.amount + draw.amount)
    yield from sums.values()


def newest_first(bills: Iterable[Bill]) -> list[Bill]:
    """Bills by the end of their period, then by account."""
    return sorted(bills, key=lambda bill: (-bill.period.end.timestamp(), bill.id))
