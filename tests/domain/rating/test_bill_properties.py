"""What must hold of every bill, whatever is used, granted and charged."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.api.bills import bill_view
from shared.domain.catalog.charges import (
    Due,
    FreeTrial,
    MinimumSpend,
    Recurrence,
    Recurring,
    StandingCharge,
    Timing,
    Upfront,
)
from shared.domain.catalog.plan import Plan, PricingKind
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.money import ZERO
from shared.domain.period import Frequency
from shared.domain.rating.charge import Band
from shared.domain.rating.compose import compose
from shared.domain.rating.models import QuantityModel
from shared.domain.rating.package import Block, Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.statement import Statement
from shared.domain.rating.tiered import Tiered
from shared.domain.rating.totals import totals
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from tests.customers import REFUNDS, UNITS, Customer, plan_of, price, utc

D = Decimal
MODELS: st.SearchStrategy[QuantityModel] = st.sampled_from(
    [
        PerUnit(D("0.001")),
        Tiered((Band(D("0.017"), D(50), D("0.3")), Band(D("0.0033")))),
        Package((Block(D("0.125"), D(7)),)),
    ]
)
MOMENTS = st.integers(0, 60 * 24 * 75).map(lambda m: utc(3, 1) + timedelta(minutes=m))
USAGE = st.lists(st.tuples(MOMENTS, st.decimals(0, 40, places=3)), max_size=12)
AMOUNTS = st.decimals(0, 5, places=2)


HOURLY_USAGE = st.lists(
    st.tuples(
        st.integers(0, 36 * 60).map(lambda m: utc(3, 1) + timedelta(minutes=m)),
        st.decimals(0, 40, places=3),
    ),
    max_size=12,
)


@st.composite
def plans(draw: st.DrawFn, *, daily: bool = False) -> Plan:
    """A plan with any of the charges that only ever add up, by the month or the day."""
    optional: dict[str, Any] = {"frequency": Frequency.DAILY} if daily else {}
    if draw(st.booleans()):
        timing = draw(st.sampled_from(Timing))
        optional["standing_charge"] = StandingCharge(draw(AMOUNTS), timing=timing)
    if draw(st.booleans()):
        optional["minimum_spend"] = MinimumSpend(draw(AMOUNTS))
    if draw(st.booleans()):
        optional["free_trial"] = FreeTrial(draw(st.integers(1, 40)))
    if draw(st.booleans()):
        again = Recurring("again", Due(draw(AMOUNTS)), draw(st.sampled_from(Recurrence)), 24)
        optional["charges"] = (Upfront("first", Due(draw(AMOUNTS))), again)
    return plan_of(price(draw(MODELS)), **optional)


@st.composite
def grants(draw: st.DrawFn) -> dict[str, Any]:
    """Prepayments and credits of any span."""
    made: list[tuple[datetime, datetime | None, Decimal, int]] = []
    for _ in range(draw(st.integers(0, 3))):
        start, other = sorted((draw(MOMENTS), draw(MOMENTS)))
        end = None if draw(st.booleans()) or start == other else other
        made.append((start, end, draw(st.decimals(0, 3, places=2)), draw(st.integers(1, 2))))
    percent = draw(st.sampled_from([None, D(10), D("-25.5"), D(-100)]))
    return {
        "prepayments": tuple(
            Prepayment(f"p{n}", amount, start, end, None, priority, (), percent)
            for n, (start, end, amount, priority) in enumerate(made[:1])
        ),
        "credits": tuple(
            Credit(f"c{n}", amount, start, end, None, priority)
            for n, (start, end, amount, priority) in enumerate(made[1:])
        ),
    }


def customer_of(plan: Plan, usage: list[tuple[datetime, Decimal]], **fields: Any) -> Customer:  # noqa: ANN401 - fields of Customer
    customer = Customer(plan, utc(3, 1), **fields)
    for moment, n in usage:
        customer.use(moment, n)
    return customer


END = utc(5, 20)


def bytes_of(statement: Statement) -> bytes:
    """All bills of a statement as they go over the wire."""
    bills = [compose(statement, whole, END) for whole in statement.wholes()]
    return json.dumps([bill_view(bill) for bill in bills]).encode()


@given(plans(), USAGE, grants())
def test_a_bill_is_the_sum_of_its_lines(
    plan: Plan, usage: list[tuple[datetime, Decimal]], given_: dict[str, Any]
) -> None:
    statement = customer_of(plan, usage, grants=given_).state(END)
    for whole in statement.wholes():
        entries, draws = statement.of(whole)
        paid = [sum((draw.amount for draw in each), ZERO) for each in draws]
        due = sum(e.amount - p for e, p in zip(entries, paid, strict=True))
        assert due == sum(amount.dollars for amount in statement.due(whole))
        assert due >= 0, "no grant makes a bill negative"
    for whole in statement.wholes():
        bill = compose(statement, whole, END)
        entries, _ = statement.of(whole)
        assert bill.gross == sum(entry.amount for entry in entries)
        assert bill.total == bill.gross - sum(payment.amount for payment in bill.payments)
        assert bill.total == sum(line.after for line in bill.lines)
        assert all(line.after >= 0 for line in bill.lines if line.before >= 0)
    for member in statement.members:
        for period in member.periods:
            if period.bill is not None:
                lines = sum(map(period.bill.line_amount, period.bill.lines), ZERO)
                assert lines == period.total
                slices = period.record.slices(period.window.cuts)
                assert sum(amount for _, amount in slices) == period.total
                assert all(amount >= 0 for _, amount in slices)


@given(plans(), USAGE, grants())
def test_grants_never_pay_more_than_they_hold_or_than_is_owed(
    plan: Plan, usage: list[tuple[datetime, Decimal]], given_: dict[str, Any]
) -> None:
    customer = customer_of(plan, usage, grants=given_)
    drawn = customer.state(END).drawn
    held = {f"prepayment|{p.id}": p.amount for p in given_["prepayments"]}
    held |= {f"credit|{c.id}": c.amount for c in given_["credits"]}
    assert all(ZERO <= used <= held[id_] for id_, used in drawn.used.items())
    for entry, paid in zip(drawn.entries, drawn.paid(), strict=True):
        assert ZERO <= paid <= max(entry.amount, ZERO)
    for draw in drawn.draws:
        assert draw.amount > 0
        assert draw.grant.start <= drawn.entries[draw.entry].at < draw.grant.end


@settings(max_examples=25)
@given(plans(), USAGE, grants())
def test_computed_every_few_days_and_once_at_the_end_a_bill_is_the_same(
    plan: Plan, usage: list[tuple[datetime, Decimal]], given_: dict[str, Any]
) -> None:
    often = Customer(plan, utc(3, 1), grants=given_)
    now, waiting = utc(3, 1, 1), sorted(usage)
    while now < END:
        come = [often.use(moment, n) for moment, n in waiting if moment < now]
        waiting = [(moment, n) for moment, n in waiting if moment >= now]
        often.totals(now, come)
        now += timedelta(days=2, hours=7)
    come = [often.use(moment, n) for moment, n in waiting]
    once = customer_of(plan, sorted(usage), grants=given_)
    last, only = often.state(END, come), once.state(END)
    assert last.entries == only.entries
    assert last.drawn.draws == only.drawn.draws
    assert often.totals(END) == once.totals(END)


@settings(max_examples=10)
@given(plans(daily=True), HOURLY_USAGE, grants())
def test_computed_every_hour_and_once_at_the_end_a_bill_is_the_same(
    plan: Plan, usage: list[tuple[datetime, Decimal]], given_: dict[str, Any]
) -> None:
    """Days as billing periods, so that several of them end; each hour the total only rises."""
    hourly = Customer(plan, utc(3, 1), grants=given_)
    waiting, before = sorted(usage), -1
    for hour in range(1, 38):
        now = utc(3, 1) + timedelta(hours=hour, minutes=5)
        come = [hourly.use(moment, n) for moment, n in waiting if moment < now]
        waiting = [(moment, n) for moment, n in waiting if moment >= now]
        owed = hourly.cents(now, come)
        if not any(grant for kind in given_.values() for grant in kind):
            assert owed >= before
        before = owed
    end = utc(3, 2, 13, 5)
    last, only = hourly.state(end), customer_of(plan, sorted(usage), grants=given_).state(end)
    assert (last.entries, last.drawn.draws) == (only.entries, only.drawn.draws)
    assert (last.due(), totals(last)) == (only.due(), totals(only))


@given(plans(), USAGE, st.data())
def test_splitting_usage_over_hours_or_instances_never_changes_a_bill(
    plan: Plan, usage: list[tuple[datetime, Decimal]], data: st.DataObject
) -> None:
    """The same events in one cell a day or in one a quarter of an hour, each taken by any of four
    instances, whose partials are merged in any order."""
    whole = customer_of(plan, usage)
    parted = customer_of(plan, [])
    written: dict[tuple[datetime, int], Partial] = {}
    for number, (moment, n) in enumerate(usage, 1):
        if data.draw(st.booleans()):
            cell = max(moment.replace(hour=0, minute=0), parted.start)
        else:
            cell = moment.replace(minute=moment.minute - moment.minute % 15)
        instance = data.draw(st.integers(0, 3))
        event = UsageEvent(f"e{number}", parted.account.code, UNITS, moment, {"n": n})
        written.setdefault((cell, instance), Partial()).add(event)
    for cell, instance in data.draw(st.permutations(sorted(written))):
        parted.cells.setdefault((UNITS, cell), Partial()).merge(written[cell, instance])
    assert bytes_of(whole.state(END)) == bytes_of(parted.state(END))


@given(plans(), USAGE, st.lists(st.integers(1, 60 * 24 * 10), min_size=1, max_size=12))
def test_the_running_total_never_falls_while_usage_only_grows(
    plan: Plan, usage: list[tuple[datetime, Decimal]], steps: list[int]
) -> None:
    customer = Customer(plan, utc(3, 1))
    now, before, waiting = utc(3, 1, 1), 0, sorted(usage)
    for minutes in steps:
        now += timedelta(minutes=minutes)
        come = [customer.use(moment, n) for moment, n in waiting if moment < now]
        waiting = [(moment, n) for moment, n in waiting if moment >= now]
        owed = customer.cents(now, come)
        assert owed >= before
        before = owed


CHARGES = st.lists(st.tuples(MOMENTS, AMOUNTS), max_size=3)
FREQUENCIES = st.sampled_from([None, Frequency.WEEKLY, Frequency.ANNUALLY])


@settings(max_examples=60)
@given(plans(), FREQUENCIES, USAGE, USAGE, CHARGES, st.integers(1, 2))
def test_locking_changes_no_total_and_late_usage_costs_what_it_would_have_in_time(
    plan: Plan,
    frequency: Frequency | None,
    usage: list[tuple[datetime, Decimal]],
    late: list[tuple[datetime, Decimal]],
    charges: list[tuple[datetime, Decimal]],
    months: int,
) -> None:
    if plan.standing_charge is not None:
        plan = replace(plan, standing_charge=replace(plan.standing_charge, frequency=frequency))
    extra = {
        "charges": tuple(
            AdHocCharge(f"c{n}", at, Due(amount)) for n, (at, amount) in enumerate(charges)
        )
    }
    locking, other = (customer_of(plan, usage, grants=extra) for _ in range(2))
    for month in range(months):
        now = utc(4 + month, 1, 3)
        other.state(now)
        statement = locking.state(now)
        first = statement.wholes()[0]
        bill = compose(statement, first, now)
        assert bill.ended
        before = locking.totals(now)
        locking.locked = (*locking.locked, bill.frozen)
        assert locking.totals(now) == before
        for customer in (locking, other):
            come = [customer.use(at, n) for at, n in late[month::2] if at < now]
            customer.state(now, come)
    assert locking.cents(END) == other.cents(END)


@given(MODELS, USAGE, st.decimals(0, 5, places=2))
def test_with_a_credit_for_all_time_it_never_falls_either(
    model: QuantityModel, usage: list[tuple[datetime, Decimal]], amount: Decimal
) -> None:
    gift = {"credits": (Credit("c", amount, utc(1, 1)),)}
    customer = Customer(plan_of(price(model)), utc(3, 1), grants=gift)
    before = 0
    for moment, n in usage:
        come = customer.use(moment, n)
        owed = customer.cents(END, [come])
        assert owed >= before
        before = owed


@given(plans(), USAGE, grants(), st.randoms())
def test_played_again_in_any_order_a_statement_has_the_same_bytes(
    plan: Plan, usage: list[tuple[datetime, Decimal]], given_: dict[str, Any], random: Random
) -> None:
    first = customer_of(plan, usage, grants=given_)
    shuffled = list(usage)
    random.shuffle(shuffled)
    second = customer_of(plan, shuffled, grants=given_)
    one, other = first.state(END), second.state(END)
    assert bytes_of(one) == bytes_of(other)
    assert repr((one.entries, one.drawn, one.due())) == repr(
        (other.entries, other.drawn, other.due())
    )


@given(USAGE, USAGE)
def test_credits_of_usage_never_exceed_what_they_pay_for(
    usage: list[tuple[datetime, Decimal]], refunds: list[tuple[datetime, Decimal]]
) -> None:
    for kind in (PricingKind.PRODUCT_CREDIT, PricingKind.GLOBAL_CREDIT):
        plan = plan_of(price(PerUnit(D("0.1"))), price(PerUnit(D(1)), "refunds", kind))
        customer = customer_of(plan, usage)
        without = replace(customer, cells=dict(customer.cells), records={}).cents(END)
        for moment, n in refunds:
            customer.use(moment, n, REFUNDS)
        given_back = sum((n for moment, n in refunds if moment < END), ZERO)
        owed = customer.cents(END)
        assert max(without - 100 * given_back - 3, ZERO) <= owed <= without
