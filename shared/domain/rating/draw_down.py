"""Drawing down: which prepayment and which credit pays how much of what is owed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

from shared.domain.account import AccountRecord
from shared.domain.grants import Credit, Prepayment
from shared.domain.ids import AccountCode, ProductCode
from shared.domain.money import ZERO, floor_to, round_half_up
from shared.domain.rating.discount import surcharge_on
from shared.domain.rating.entry import Entry, EntryKind

_NEVER = datetime.max.replace(tzinfo=UTC)
_ALWAYS = datetime.min.replace(tzinfo=UTC)


class GrantKind(StrEnum):
    """What pays: in this order (semantics, rule 13)."""

    USAGE_CREDIT = "USAGE_CREDIT"
    """Made by prices whose kind is a credit, for the span they are measured in."""
    PREPAYMENT = "PREPAYMENT"
    CREDIT = "CREDIT"


@dataclass(frozen=True, slots=True)
class Grant:
    """An amount that pays what is owed at moments in [start, end).

    ``products`` empty means all of them; with ``account`` it pays for that account alone.
    """

    kind: GrantKind
    id: str
    amount: Decimal
    start: datetime
    end: datetime = _NEVER
    granted: datetime = _ALWAYS
    priority: int = 100
    products: tuple[ProductCode, ...] = ()
    overage_percent: Decimal | None = None
    account: AccountCode | None = None
    description: str = ""

    def pays(self, entry: Entry) -> bool:
        """Whether it may pay an entry at all. What belongs to no product, every grant may pay
        that is not bound to one."""
        return (
            self.start <= entry.at < self.end
            and (not self.products or entry.product in self.products)
            and (self.account is None or self.account == entry.account)
        )

    @property
    def order(self) -> tuple[object, ...]:
        """Kind, then lower priority, then earliest end, then earliest granted."""
        return (_KINDS[self.kind], self.priority, self.end, self.granted, self.id)


_KINDS = {kind: place for place, kind in enumerate(GrantKind)}


def grants_of(record: AccountRecord, *, alone: bool = False) -> list[Grant]:
    """What an account was given, as drawing down sees it; ``alone``: it pays for itself only."""
    account = record.account.code if alone else None
    owner = f"{account}|" if account else ""
    prepaid = [
        _grant(GrantKind.PREPAYMENT, owner, p, account, p.overage_surcharge_percent)
        for p in record.prepayments
    ]
    return [*prepaid, *(_grant(GrantKind.CREDIT, owner, c, account) for c in record.credits)]


def _grant(
    kind: GrantKind,
    owner: str,
    given: Prepayment | Credit,
    account: AccountCode | None,
    percent: Decimal | None = None,
) -> Grant:
    return Grant(
        kind=kind,
        id=f"{kind.lower()}|{owner}{given.id}",
        amount=given.amount,
        start=given.start,
        end=given.end or _NEVER,
        granted=given.granted or given.start,
        priority=given.priority,
        products=given.products,
        overage_percent=percent,
        account=account,
        description=given.description or given.id,
    )


@dataclass(frozen=True, slots=True)
class Draw:
    """``amount`` of an entry (by its place) is paid by a grant."""

    entry: int
    grant: Grant
    amount: Decimal


@dataclass(frozen=True, slots=True)
class DrawDown:
    """Who paid what. ``entries`` are those given, in the order of paying, and the surcharges."""

    entries: tuple[Entry, ...]
    draws: tuple[Draw, ...]
    used: Mapping[str, Decimal] = field(default_factory=dict)
    """What every grant has paid by now, what it paid on locked bills included."""

    def paid(self) -> list[Decimal]:
        """How much of each entry is paid."""
        paid = [ZERO] * len(self.entries)
        for draw in self.draws:
            paid[draw.entry] += draw.amount
        return paid


def draw_down(
    entries: Sequence[Entry],
    grants: Iterable[Grant],
    used: Mapping[str, Decimal],
    digits: int,
) -> DrawDown:
    """Pay ``entries`` from ``grants``, of which ``used`` is gone already (semantics, rule 13).

    ``entries`` stand in the order in which they are paid. No grant pays more than it holds, no
    entry is paid more than it is, and what is owed after payment only grows with every entry:
    each grant takes the first of what is left to it. Usage beyond prepayments bears the surcharge
    of the last prepayment that it could have drawn on, before credits pay.
    """
    work = _Work(list(entries), _offset(entries), dict(used), digits)
    ordered = sorted(grants, key=lambda grant: grant.order)
    prepaid = [grant for grant in ordered if grant.kind is not GrantKind.CREDIT]
    for grant in prepaid:
        work.draw(grant)
    for place in range(len(entries)):
        work.surcharge(place, prepaid)
    for grant in ordered:
        if grant.kind is GrantKind.CREDIT:
            work.draw(grant)
    return DrawDown(tuple(work.entries), tuple(work.draws), work.used)


def _offset(entries: Sequence[Entry]) -> list[Decimal]:
    """What is owed for each entry once what is taken off a bill has lowered its other entries."""
    left = [entry.amount for entry in entries]
    for place, entry in enumerate(entries):
        if entry.amount >= 0:
            continue
        for other, target in enumerate(entries):
            if target.whole == entry.whole and left[other] > 0:
                taken = min(left[other], -left[place])
                left[other] -= taken
                left[place] += taken
    return left


@dataclass(slots=True)
class _Work:
    entries: list[Entry]
    left: list[Decimal]
    used: dict[str, Decimal]
    digits: int
    draws: list[Draw] = field(default_factory=list)

    def draw(self, grant: Grant) -> None:
        used = self.used.get(grant.id, ZERO)
        balance = floor_to(grant.amount, self.digits) - used
        for place, entry in enumerate(self.entries):
            if balance <= 0:
                break
            amount = min(self.left[place], balance)
            if amount > 0 and grant.pays(entry):
                self.left[place] -= amount
                balance -= amount
                used += amount
                self.draws.append(Draw(place, grant, amount))
        if used:
            self.used[grant.id] = used

    def surcharge(self, place: int, prepaid: Sequence[Grant]) -> None:
        entry, beyond = self.entries[place], self.left[place]
        if entry.kind not in (EntryKind.USAGE, EntryKind.ADJUSTMENT) or beyond <= 0:
            return
        percents = [g.overage_percent for g in prepaid if g.overage_percent and g.pays(entry)]
        if not percents:
            return
        rounding = round_half_up if entry.closed else floor_to
        amount = rounding(surcharge_on(beyond, percents[-1]), self.digits)
        if not amount:
            return
        if amount < 0:
            self.left[place] += amount
        extra = _surcharge(entry, amount, percents[-1])
        self.entries.append(extra)
        self.left.append(max(amount, ZERO))


def _surcharge(entry: Entry, amount: Decimal, percent: Decimal) -> Entry:
    return Entry(
        EntryKind.SURCHARGE,
        f"{entry.key}|overage",
        entry.account,
        entry.attachment,
        entry.plan,
        entry.at,
        amount,
        entry.product,
        entry.period,
        entry.whole,
        entry.billing,
        entry.closed,
        f"Overage {percent} %",
    )
