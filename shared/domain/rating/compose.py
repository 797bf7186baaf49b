"""Composes bills: the entries of a billing period as lines, with what was paid of each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from shared.domain.catalog.aggregation import Aggregation
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.plan import PricingKind
from shared.domain.catalog.segment import segment_text
from shared.domain.catalog.timeline import measured
from shared.domain.ids import AggregationCode
from shared.domain.money import CONTEXT, ZERO, minor_digits, round_half_up
from shared.domain.period import Period
from shared.domain.rating.account_bill import (
    Bill,
    BillLine,
    LineSource,
    LineSteps,
    Payment,
    bill_id,
)
from shared.domain.rating.bill import PeriodBill
from shared.domain.rating.discount import PricedLine
from shared.domain.rating.draw_down import Draw
from shared.domain.rating.entry import Entry, EntryKind
from shared.domain.rating.locked import LockedBill
from shared.domain.rating.rate import RatedPeriod
from shared.domain.rating.statement import Statement


def compose(statement: Statement, period: Period, now: datetime) -> Bill:
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
        zone=statement.zone,
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
        units=tuple(line for line in statement.unit_lines if line.whole == period),
    )


def _lines(
    entries: Sequence[Entry],
    draws: Sequence[Sequence[Draw]],
    windows: dict[str, RatedPeriod],
    currency: str,
) -> Iterator[BillLine]:
    usage: dict[str, tuple[Decimal, Decimal]] = {}
    rest: list[tuple[int, BillLine]] = []
    for entry, own in zip(entries, draws, strict=True):
        paid = sum((draw.amount for draw in own), ZERO)
        if entry.kind is EntryKind.USAGE and entry.key in windows:
            before, already = usage.get(entry.key, (ZERO, ZERO))
            usage[entry.key] = (before + entry.amount, already + paid)
        elif entry.amount:
            rest.append((list(EntryKind).index(entry.kind), _line(entry, paid)))
    for key, (amount, paid) in usage.items():
        yield from _usage_lines(windows[key], amount, paid, currency)
    yield from (line for _, line in sorted(rest, key=lambda placed: placed[0]))


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
            aggregation=line.aggregation,
            steps=None if line.steps is None else _steps(line.steps),
            sources=tuple(_sources(line.aggregation, section.span.catalog)),
        )


def _sources(code: AggregationCode, catalog: Catalog) -> Iterator[LineSource]:
    """Simple aggregations that a line was priced by, those that a compound one reads included."""
    for name in sorted(measured([code], catalog)):
        found = catalog.measure(name)
        if isinstance(found, Aggregation):
            yield LineSource(found.code, found.meter, found.type, found.field)


def _steps(priced: PricedLine) -> LineSteps:
    return LineSteps(
        billable=priced.billable,
        gross=priced.gross,
        discount=priced.gross - priced.after_discount,
        above_maximum=priced.after_discount - priced.after_maximum,
        top_up=priced.top_up,
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
