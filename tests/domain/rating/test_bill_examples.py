"""Worked examples of whole bills, each in a test of its own named by the example's id.

An example of a system whose convention is not ours says so with the rule that we follow, and
shows both figures.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shared.domain.catalog.billing import AmountBilling, Included, QuantityBilling
from shared.domain.catalog.billing import QuantityDimension as Dimension
from shared.domain.catalog.charges import FreeTrial, MinimumSpend, StandingCharge, Timing
from shared.domain.catalog.organization import BillNumber
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, AggregationCode, DimensionId, PlanCode, Resource
from shared.domain.lifecycle.subscription import PlanSpell, Subscription, SubscriptionStatus
from shared.domain.metering.delta import plan_intent
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.slots import MARKETPLACE_WINDOW, choose_slot, final_due
from shared.domain.money import ZERO, minor_digits, round_half_up
from shared.domain.period import HOUR, Cadence, Frequency, Period, hour_of
from shared.domain.rating.adjustments import Billed, split_off
from shared.domain.rating.charge import Band
from shared.domain.rating.draw_down import DrawDown, Grant, GrantKind, draw_down
from shared.domain.rating.entry import Entry, EntryKind
from shared.domain.rating.minimum import top_up
from shared.domain.rating.package import Block, Package
from shared.domain.rating.per_unit import PerUnit
from shared.domain.rating.proration import prorated, share
from shared.domain.rating.standing import standing_charges
from shared.domain.rating.tiered import Tiered
from shared.domain.usage.event import UsageEvent
from tests.customers import CONTOSO, UNITS, Customer, amounts, plan_of, price

D = Decimal
HERE = Path(__file__).parent
TESTS = HERE.parent.parent
EXAMPLES: dict[str, Callable[[], None]] = {}
DIFFERING: dict[str, str] = {}


def example(id_: str, differs: str = "") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Registers a worked example; ``differs`` names the rule where our convention is another."""

    def register(check: Callable[[], None]) -> Callable[[], None]:
        assert id_ not in EXAMPLES
        EXAMPLES[id_] = check
        if differs:
            DIFFERING[id_] = differs
        return check

    return register


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span(start: str, end: str) -> Period:
    return Period(day(start), day(end))


def part(amount: object, active: Period, whole: Period, currency: str = "USD") -> Decimal:
    exact = prorated(D(str(amount)), active, whole, "UTC")
    return round_half_up(exact, minor_digits(currency))


MONTH = span("2024-01-01", "2024-02-01")


def entry(
    amount: object,
    at: datetime = MONTH.start,
    *,
    key: str = "",
    kind: EntryKind = EntryKind.USAGE,
    whole: Period = MONTH,
    account: str = "acme",
) -> Entry:
    return Entry(
        kind=kind,
        key=key or f"{kind}|{at}|{amount}",
        account=AccountCode(account),
        attachment="p1",
        plan=PlanCode("basic"),
        at=at,
        amount=D(str(amount)),
        product=None,
        period=whole,
        whole=whole,
        billing=AmountBilling(),
        closed=True,
    )


def grant(
    id_: str,
    amount: object,
    *,
    start: str = "2000-01-01",
    end: str = "2999-01-01",
    priority: int = 1,
    granted: str = "2000-01-01",
    kind: GrantKind = GrantKind.CREDIT,
) -> Grant:
    return Grant(kind, id_, D(str(amount)), day(start), day(end), day(granted), priority)


type Figure = Decimal | int


def pay(owed: Sequence[Entry], *grants: Grant) -> tuple[dict[str, Figure], Figure, DrawDown]:
    """Balances afterwards, what is left to pay, and who paid what."""
    drawn = draw_down(owed, grants, {}, 2)
    left: dict[str, Figure] = {g.id: g.amount - drawn.used.get(g.id, ZERO) for g in grants}
    due = sum((e.amount for e in drawn.entries), ZERO) - sum(drawn.paid(), ZERO)
    return left, due, drawn


TIERS = Tiered(
    (
        Band(ZERO, D(5), D(100)),
        Band(ZERO, D(10), D(50)),
        Band(D(1)),
    )
)


def tiered(quantity: int, credit: object, minimum: object = 0) -> tuple[Customer, list[int]]:
    """A customer of the three tiers, and cents while the period is open and at its end."""
    gifts = (Credit("c", D(str(credit)), day("2026-03-01")),)
    least = MinimumSpend(D(str(minimum)))
    customer = Customer(plan_of(price(TIERS), minimum_spend=least), grants={"credits": gifts})
    customer.use(day("2026-03-05"), quantity)
    return customer, [customer.cents(day("2026-03-06")), customer.cents(day("2026-04-01"))]


# --- periods


def boundaries(anchor: str, instant: str) -> tuple[str, str]:
    cadence = Cadence(Frequency.MONTHLY, 1, date.fromisoformat(anchor), "UTC")
    period = cadence.period_at(day(instant))
    return f"{period.start:%Y-%m-%d}", f"{period.end:%Y-%m-%d}"


@example("om-recur-2025-08-13", differs="15: a period begins at a midnight, theirs at 15:00")
def _() -> None:
    assert boundaries("2025-01-31", "2025-08-13T20:00") == ("2025-07-31", "2025-08-31")


@example("om-recur-2025-02-13", differs="15: a period begins at a midnight, theirs at 15:00")
def _() -> None:
    assert boundaries("2025-01-30", "2025-02-13T20:00") == ("2025-01-30", "2025-02-28")


@example("orb-period-bounds")
def _() -> None:
    december = Cadence(Frequency.MONTHLY, 1, date(2021, 1, 1), "UTC").period_at(day("2021-12-15"))
    moments = "2021-11-30T23:59:59", "2021-12-01", "2021-12-31T23:59:59", "2022-01-01"
    assert [day(moment) in december for moment in moments] == [False, True, True, False]


@example("m3ter-invoice-date")
def _() -> None:
    september = Cadence(Frequency.MONTHLY, 1, date(2023, 1, 1), "UTC").period_at(day("2023-09-10"))
    assert september.end.date() == date(2023, 10, 1)


@example("m3ter-invoice-number", differs="31: the first number is the start itself, theirs +1")
def _() -> None:
    numbers = BillNumber("INVOICE-", 3, 100)
    assert (numbers.text(100), numbers.text(101)) == ("INVOICE-100", "INVOICE-101")


@example("killbill-cancel-day")
def _() -> None:
    blocks = Package(
        (Block(D(100), D("2.95"), D(1000)), Block(D(1000), D("5.95"))),
    )
    customer = Customer(
        plan_of(price(blocks)), day("2012-05-01"), end=day("2012-05-16T18:00"),
        organization=replace(CONTOSO, epoch=date(2012, 1, 1)),
    )  # fmt: skip
    customer.use(day("2012-05-01T09:00"), 50)
    customer.use(day("2012-05-16T09:00"), 300)
    assert customer.cents(day("2012-05-17")) == 1180


@example("killbill-price-change")
def _() -> None:
    dearer = price(PerUnit(D("2.25")), from_=date(2024, 12, 14))
    customer = Customer(
        plan_of(price(PerUnit(D("1.25"))), dearer),
        day("2024-11-14"),
        organization=replace(CONTOSO, epoch=date(2024, 1, 14)),
    )
    customer.use(day("2024-11-20"), 10)
    customer.use(day("2024-12-20"), 20)
    found = customer.rate(day("2025-01-14")).periods
    assert [period.total for period in found] == [D("12.5"), 45]


# --- prepayments and credits


@example("m3ter-commit-end")
def _() -> None:
    commitment = grant("c", 100, end="2022-06-01", kind=GrantKind.PREPAYMENT)
    owed = [entry(5, day("2022-05-31T23:59")), entry(7, day("2022-06-01"))]
    assert [bool(paid) for paid in pay(owed, commitment)[2].paid()] == [True, False]


@example("om-credits-full")
def _() -> None:
    owed = [entry(100, key="a"), entry(50, key="b")]
    _, due, drawn = pay(owed, grant("c", 150))
    assert [int(paid) for paid in drawn.paid()] == [100, 50]
    assert due == 0
    assert tiered(10, 150)[1] == [0, 0]


@example("om-credits-over")
def _() -> None:
    assert tiered(15, 150)[1] == [500, 500]


@example("om-credits-min")
def _() -> None:
    customer, cents = tiered(10, 175, minimum=200)
    assert cents == [0, 2500]
    assert amounts(customer.state(day("2026-04-01"))) == [("USAGE", "150"), ("MINIMUM", "50")]


@example("kong-credit-then-invoice")
def _() -> None:
    left, due, _ = pay([entry(100)], grant("c", 40))
    assert (left["c"], due) == (0, 60)


@example("killbill-account-credit")
def _() -> None:
    left, due, _ = pay([entry(100)], grant("c", 20))
    assert (left["c"], due) == (0, 80)


@example("om-grant-expired")
def _() -> None:
    """What is left after its end is not paid out, so its balance is of no use: 50 are due."""
    expired = grant("g1", 100, start="2023-01-01", end="2023-01-02")
    assert pay([entry(50, day("2024-01-01T01:00"))], expired)[1] == 50


@example("om-grant-expiry")
def _() -> None:
    owed = [entry(120, day("2024-01-05"))]
    left, due, _ = pay(owed, grant("g2", 100, end="2124-01-01"), grant("g1", 100, end="2024-01-31"))
    assert (left, due) == ({"g1": 0, "g2": 80}, 0)


@example("om-grant-priority")
def _() -> None:
    owed = [entry(120, day("2024-01-05"))]
    second = grant("g2", 100, priority=2, end="2024-01-31")
    left, due, _ = pay(owed, second, grant("g1", 100, priority=1, end="2024-01-31"))
    assert (left, due) == ({"g1": 0, "g2": 80}, 0)


@example("om-grant-none")
def _() -> None:
    assert pay([entry(50)])[:2] == ({}, 50)


@example("om-grant-late", differs="13: a grant pays for usage in [start, end), not for what was")
def _() -> None:
    owed = [entry(25, day("2023-12-31T23:00")), entry(25, day("2024-01-01T01:00"))]
    left, due, _ = pay(owed, grant("g1", 100, start="2024-01-01"))
    assert (left["g1"], due) == (75, 25)


@example("om-grant-void")
def _() -> None:
    """Voiding is an end of now: the rest is lost."""
    owed = [entry(50, day("2024-01-01T00:59")), entry(50, day("2024-01-01T01:01"))]
    assert pay(owed, grant("g1", 100, start="2024-01-01", end="2024-01-01T01:00"))[1] == 50


@example("lago-wallet-granted-first")
def _() -> None:
    gift, bought = grant("granted", 30, priority=1), grant("purchased", 70, priority=2)
    left, due, _ = pay([entry(80)], bought, gift)
    assert (left, due) == ({"granted": 0, "purchased": 20}, 0)


@example("lago-wallet-simple")
def _() -> None:
    left, due, _ = pay([entry(40)], grant("w", 100, kind=GrantKind.PREPAYMENT))
    assert (left["w"], due) == (60, 0)


@example("lago-wallet-two-invoices")
def _() -> None:
    february = span("2024-02-01", "2024-03-01")
    owed = [entry(25), entry(35, february.start, whole=february)]
    left, due, _ = pay(owed, grant("w", 100, kind=GrantKind.PREPAYMENT))
    assert (left["w"], due) == (40, 0)


@example("lago-round-cap-1", differs="DESIGN 12: taxes are the Marketplace's, so 2 are due, not 3")
def _() -> None:
    cents = ["0.4"] * 6 + ["1.0"] * 2
    owed = [entry(round_half_up(D(c) / 100, 2), key=str(n)) for n, c in enumerate(cents)]
    left, due, drawn = pay(owed, grant("w", 100, kind=GrantKind.PREPAYMENT))
    assert sum(drawn.paid()) == D("0.02")
    assert (left["w"], due) == (D("99.98"), 0)


# --- standing charges, proration, trials

MONTHS = Cadence(Frequency.MONTHLY, 1, date(2011, 1, 1), "UTC")


@example("om-prorate-USD-15")
def _() -> None:
    january = span("2026-01-01", "2026-02-01")
    assert part(100, span("2026-01-17", "2026-02-01"), january) == D("48.39")


@example("om-prorate-JPY-10")
def _() -> None:
    january = span("2026-01-01", "2026-02-01")
    assert part(1000, span("2026-01-22", "2026-02-01"), january, "JPY") == 323


@example("killbill-fixed30-2023-05-15")
def _() -> None:
    whole = span("2023-04-23", "2023-05-23")
    assert part("19.95", span("2023-05-15", "2023-05-23"), whole) == D("5.32")


@example("killbill-fixed30-2023-05-23", differs="12: the days the period has, not 30: 23 of 31")
def _() -> None:
    whole = span("2023-05-15", "2023-06-15")
    assert part("19.95", span("2023-05-23", "2023-06-15"), whole) == D("14.80")


def fraction(start: str, end: str, whole: Period) -> Decimal:
    return share(span(start, end), whole, "UTC")


@example("killbill-prorate-lead-2023-05-23")
def _() -> None:
    found = fraction("2023-05-23", "2023-06-15", span("2023-05-15", "2023-06-15"))
    assert round_half_up(found, 9) == D("0.741935484")


@example("killbill-prorate-lead-2023-02-23")
def _() -> None:
    found = fraction("2023-02-23", "2023-03-15", span("2023-02-15", "2023-03-15"))
    assert round_half_up(found, 9) == D("0.714285714")


@example("killbill-prorate-lead-12-31")
def _() -> None:
    cadence = Cadence(Frequency.MONTHLY, 1, date(2011, 1, 13), "UTC")
    charge = StandingCharge(D(1), timing=Timing.IN_ADVANCE)
    active = span("2011-02-01", "2012-01-01")
    due = standing_charges(charge, cadence, active.start, active, day("2011-02-13"))
    assert round_half_up(sum((each.amount for each in due), ZERO), 6) == D("1.387097")


@example("lago-start-credit", differs="DESIGN 12: taxes are the Marketplace's: 38.71 without 20 %")
def _() -> None:
    fee = part(50, span("2023-01-08", "2023-02-01"), span("2023-01-01", "2023-02-01"))
    assert fee == D("38.71")
    assert round_half_up(fee * D("1.2"), 2) == D("46.45")


@example("killbill-plan-change")
def _() -> None:
    first = StandingCharge(D(5), timing=Timing.IN_ADVANCE)
    active = span("2011-09-01", "2011-10-15")
    until = day("2011-12-03")
    due = list(standing_charges(first, MONTHS, active.start, active, until))
    second = Cadence(Frequency.MONTHLY, 1, date(2011, 10, 15), "UTC")
    later = span("2011-10-15", "2013-01-01")
    due += standing_charges(replace(first, amount=D(10)), second, later.start, later, until)
    assert len(due) == 4
    assert sum(round_half_up(each.amount, 2) for each in due) == D("27.26")


@example("lago-downgrade")
def _() -> None:
    active, year = span("2023-11-19", "2024-07-19"), span("2023-07-19", "2024-07-19")
    assert part(1188, active, year) == D("788.75")


@example("lago-terminate-quarter")
def _() -> None:
    quarter = span("2024-04-01", "2024-07-01")
    assert part(910, span("2024-05-20", "2024-06-21"), quarter) == 320


@example("lago-terminate-creditnote")
def _() -> None:
    """Cancelled, the period in advance costs what it lasted; the rest is worked off."""
    fee = plan_of(standing_charge=StandingCharge(D(50), timing=Timing.IN_ADVANCE))
    contoso = replace(CONTOSO, epoch=date(2023, 1, 1))
    customer = Customer(fee, day("2023-01-01"), organization=contoso)
    paid = customer.cents(day("2023-02-10"))
    ended = replace(customer, end=day("2023-02-26"), records={})
    assert paid - ended.cents(day("2023-02-26")) == 536


def after_trial(start: str, days: int, fee: int, end: str) -> int:
    plan = plan_of(
        standing_charge=StandingCharge(D(fee), timing=Timing.IN_ADVANCE),
        free_trial=FreeTrial(days),
    )
    contoso = replace(CONTOSO, epoch=date(2022, 1, 1))
    return Customer(plan, day(start), organization=contoso).cents(day(end) - HOUR)


@example("lago-trial-doc")
def _() -> None:
    assert after_trial("2022-04-01", 5, 50, "2022-05-01") == 4167


@example("lago-trial-7")
def _() -> None:
    assert after_trial("2024-03-04T21:00", 7, 35, "2024-04-01") == 2371


# --- minimums


@example(
    "lago-min-prorated", differs="DESIGN 12: taxes are the Marketplace's; the top-up is theirs"
)
def _() -> None:
    contoso = replace(CONTOSO, epoch=date(2023, 1, 1))
    plan = plan_of(minimum_spend=MinimumSpend(D(10)))
    customer = Customer(plan, day("2023-02-01"), end=day("2023-02-26"), organization=contoso)
    customer.use(day("2023-02-10"), 8)
    assert amounts(customer.state(day("2023-02-26"))) == [("USAGE", "8"), ("MINIMUM", "0.93")]


FEE_APART = "10: a minimum is compared with usage; the standing charge does not count towards it"


def committed(start: str, end: str, whole: Period) -> tuple[Figure, Figure]:
    """The top-up of 10,000 without usage, and theirs, which a fee of 1,000 lowers."""
    active = span(start, end)
    least = part(10_000, active, whole)
    return top_up(least, ZERO, closed=True), least - part(1_000, active, whole)


@example("lago-commit-anniv", differs=FEE_APART)
def _() -> None:
    whole = span("2023-02-01", "2023-03-01")
    assert committed("2023-02-01", "2023-03-01", whole) == (10_000, 9_000)


@example("lago-commit-weekly", differs=FEE_APART)
def _() -> None:
    whole = span("2023-01-30", "2023-02-06")
    assert committed("2023-02-01", "2023-02-06", whole) == (D("7142.86"), D("6428.57"))


@example("lago-commit-quarterly", differs=FEE_APART)
def _() -> None:
    whole = span("2023-01-01", "2023-04-01")
    assert committed("2023-02-04", "2023-04-01", whole) == (D("6222.22"), 5_600)


# --- adjustments


@example("killbill-item-adj-unpaid")
def _() -> None:
    """An adjustment in the customer's favour is a credit; a bill not locked is computed anew."""
    assert pay([entry(100)], grant("a", 10))[1] == 90


def told(total: object, committed: object, **changes: object) -> tuple[Decimal | None, LedgerRow]:
    """What is sent for a total in cents, given what was told before, and the row afterwards."""
    start = day("2024-01-01")
    sold = Subscription(
        Resource("sub"),  # type: ignore[arg-type]  # any id does
        "offer",
        (PlanSpell("standard", start),),
        SubscriptionStatus.SUBSCRIBED,
        start=start,
    )
    key = LedgerKey(Resource("sub"), DimensionId("usage_fee"))
    row = LedgerRow(key, AccountCode("acme"), committed=D(str(committed)))
    row = replace(row, **changes)  # type: ignore[arg-type]  # fields of the row
    intent = plan_intent(row, D(str(total)), sold, start + 5 * HOUR, 2 * HOUR)
    if intent is None:
        return None, row
    return intent.submission.quantity if intent.submission else None, intent.row


@example("killbill-item-adj-paid")
def _() -> None:
    """Billed already, the surplus of 10 is worked off: nothing is sent until it is used up."""
    assert told(90_00, 100_00)[0] is None
    assert told(100_00 - 10_00 + 15_00, 100_00)[0] == 5_00


@example("killbill-repair")
def _() -> None:
    april = span("2012-04-25", "2012-05-25")
    addons = (
        part(5, span("2012-04-28", "2012-05-25"), april),
        part(20, span("2012-04-28", "2012-05-25"), april),
    )
    assert sum(addons) == D("22.5")
    billed = (
        entry(10, key="base", whole=april),
        entry(addons[0], key="addon1", whole=april),
        entry(addons[1], key="addon2", whole=april),
    )
    now = [entry(13, key="base", whole=april), billed[1]]
    home = span("2012-05-25", "2012-06-25")
    kept, adjusted = split_off(now, Billed(frozenset({april}), billed), home)
    assert kept == []
    assert sum(each.amount for each in adjusted) == -15
    assert {each.key: each.amount for each in adjusted} == {"base": 3, "addon2": -18}


@example("killbill-late-window", differs="19: April's late usage is billed, too, with 2.95")
def _() -> None:
    blocks = Package((Block(D(100), D("2.95"), D(1000)), Block(D(1000), D("5.95"))))
    contoso = replace(CONTOSO, epoch=date(2012, 1, 1))
    customer = Customer(plan_of(price(blocks)), day("2012-04-01"), organization=contoso)
    customer.use(day("2012-04-10"), 200)
    customer.use(day("2012-06-10"), 400)
    assert customer.cents(day("2012-07-01")) == 590 + 0 + 1180
    late = [customer.use(day("2012-04-30"), 100), customer.use(day("2012-05-01"), 199)]
    customer.use(day("2012-07-01"), 50)
    customer.use(day("2012-07-16"), 300)
    assert customer.cents(day("2012-08-01"), late) == 590 + 1180 + 295 + 590 + 1180


@example("killbill-parent")
def _() -> None:
    owed = [entry("249.95", account="child1"), entry("29.95", account="child2")]
    assert [e.amount for e in pay(owed)[2].entries] == [D("249.95"), D("29.95")]
    assert pay(owed)[1] == D("279.90")


# --- the Marketplace


@example("metronome-catchup")
def _() -> None:
    assert told(100_00, 75_00)[0] == 2_500


@example("metronome-pause")
def _() -> None:
    first = grant("c", 100)
    assert pay([entry(600)], first)[1] == 500
    assert pay([entry(600)], first, grant("more", 900))[1] == 0
    assert told(0, 500_00)[0] is None


@example("metronome-outage")
def _() -> None:
    sent, committed, totals = [], 0, [10_00, 25_00, 40_00, 70_00]
    for hour, total in enumerate(totals, 1):
        busy = day("2024-01-01T01:00") if hour == 3 else None
        quantity, row = told(total, committed, open_hour=busy)
        failed = hour in (2, 3)
        sent.append(None if failed else quantity)
        committed = committed if failed else int(row.committed)
    assert sent == [10_00, None, None, 60_00]


@example("lago-progressive")
def _() -> None:
    assert told(20_000, 0)[0] == 20_000
    assert told(40_000 + 3_100, 20_000)[0] == 23_100


@example("metronome-grace")
def _() -> None:
    end = day("2024-05-01")
    spell = PlanSpell("standard", day("2024-04-01"))
    sold = Subscription(
        Resource("sub"),  # type: ignore[arg-type]  # any id does
        "offer",
        (spell,),
        SubscriptionStatus.UNSUBSCRIBED,
        start=day("2024-04-01"),
        end=end,
    )
    assert final_due(sold, HOUR) == day("2024-05-01T01:00")
    slot = choose_slot(sold, day("2024-05-01T01:00"), (), HOUR)
    assert slot is not None
    assert slot.final, "what came by then goes out in the one final submission"
    row = LedgerRow(LedgerKey(Resource("sub"), DimensionId("usage_fee")), AccountCode("acme"))
    final = plan_intent(row, D(5), sold, day("2024-05-01T01:00"), HOUR)
    assert final is not None
    assert final.row.flushed


@example("azacc-hourly")
def _() -> None:
    customer = Customer(
        plan_of(
            billing=QuantityBilling(
                (Dimension(DimensionId("d"), AggregationCode("units"), None, Included(D(1000))),)
            )
        ),
        day("2021-11-01"),
        organization=replace(CONTOSO, epoch=date(2021, 1, 1)),
    )
    usage = [
        ("17:04:03", 999), ("18:00:01", 2), ("19:00:01", 2), ("19:00:02", 2), ("19:00:03", 1),
        ("20:00:03", 1), ("21:00:03", 1),
    ]  # fmt: skip
    reported, told_so_far = {}, ZERO
    for hour in range(17, 22):
        for moment, n in usage:
            if moment.startswith(str(hour)):
                customer.use(day(f"2021-11-29T{moment}"), n)
        (total,) = customer.totals(day(f"2021-11-29T{hour + 1}:00")).values()
        if total > told_so_far:
            reported[hour], told_so_far = total - told_so_far, total
    assert reported == {18: 1, 19: 5, 20: 1, 21: 1}
    assert told_so_far == 8


@example("azacc-hourclose")
def _() -> None:
    cases = [
        ("2021-01-10T11:59:58", "2021-01-10T11:59:59"),
        ("2021-01-10T11:59:58", "2021-01-10T12:00:00"),
        ("2021-01-10T12:00:00", "2021-01-11T12:00:00"),
    ]
    closed = [hour_of(day(now)) >= hour_of(day(last)) + HOUR for last, now in cases]
    assert closed == [False, True, True]


@example("azure-hour-slot")
def _() -> None:
    """The key of a submission is its calendar hour: the same hour is a duplicate."""
    first = hour_of(day("2024-05-01T08:05:00"))
    others = day("2024-05-01T08:59:59"), day("2024-05-01T09:00:00")
    assert [hour_of(moment) == first for moment in others] == [True, False]


@example("azure-24h")
def _() -> None:
    used = day("2024-05-01T13:00")
    moments = day("2024-05-02T12:59:59"), day("2024-05-02T13:00:01")
    assert [moment - used <= MARKETPLACE_WINDOW for moment in moments] == [True, False]


@example("m3ter-dedupe")
def _() -> None:
    """An event keeps its identity however often it is sent: its time is part of it."""
    sent = day("2026-03-05"), 5
    events = [
        UsageEvent(id_, AccountCode("acme"), UNITS, sent[0], {"n": D(sent[1])})
        for id_ in ("a", "a", "b")
    ]
    stored = {(e.account, e.day, e.key): e for e in events}
    assert len(stored) == 2
    assert sum(D(str(e.data["n"])) for e in stored.values()) == 10


# --- all of them


@pytest.mark.parametrize("id_", EXAMPLES)
def test_example(id_: str) -> None:
    EXAMPLES[id_]()


def test_what_differs_names_its_rule() -> None:
    assert all(reason.split(":")[0] for reason in DIFFERING.values())
    assert len(DIFFERING) < 15


def ids_in(path: Path) -> set[str]:
    found: set[str] = set()

    def visit(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("id"), str):
                found.add(value["id"])
            value = list(value.values())
        if isinstance(value, list):
            for item in value:
                visit(item)

    visit(json.loads(path.read_text()))
    return found


def test_every_worked_example_is_run_or_has_a_reason_not_to_be() -> None:
    known = set(json.loads((TESTS / "worked_example_ids.json").read_text()))
    not_applicable = json.loads((HERE / "examples_not_applicable.json").read_text())
    run = EXAMPLES.keys() | ids_in(HERE / "worked_examples.json")
    run |= ids_in(TESTS / "domain/usage/worked_examples.json")
    run |= ids_in(TESTS / "domain/period_examples.json")
    assert len(known) == 168
    assert all(not_applicable.values())
    assert len(not_applicable) <= 8
    assert known - run - not_applicable.keys() == set()
    assert run & not_applicable.keys() == set()
    assert not_applicable.keys() <= known
