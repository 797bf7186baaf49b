"""Bills: made, recalculated, approved, locked, and what comes late for them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.billing import AmountBilling
from shared.domain.catalog.charges import Due, StandingCharge, Timing
from shared.domain.catalog.organization import BillNumber
from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
)
from shared.domain.grants import AdHocCharge, Credit
from shared.domain.ids import AccountCode, DimensionId, PlanCode, Shard, SubscriptionId, shard_of
from shared.domain.lifecycle.subscription import PlanSpell, SubscriptionStatus
from shared.domain.period import Frequency
from shared.domain.rating.account_bill import Bill, BillStatus
from shared.domain.rating.entry import EntryKind
from shared.domain.rating.per_unit import PerUnit
from shared.ports import CatalogVersion
from shared.services.bills import Wanted
from tests.services.world import BASIC, CATALOG, TIERED, World, catalog_of

D = Decimal
MARCH_5 = datetime(2026, 3, 5, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 0, 5, tzinfo=UTC)
MAY = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)


def customer(world: World, name: str) -> AccountCode:
    """An account whose subscription and plan begin now."""
    code = world.account(name)
    record, now = world.record(code), world.clock.now()
    sold = replace(record.subscriptions[0], start=now)
    world.change(code, subscriptions=(sold,), plans=(replace(record.plans[0], start=now),))
    return code


def make(world: World, code: AccountCode, **wanted: Frequency) -> list[Bill]:
    return world.process.bills.make(code, Wanted(world.clock.now(), **wanted))


def billed(at: datetime = APRIL, *, n: int = 1_000) -> tuple[World, AccountCode, Bill]:
    """A customer who used ``n`` tokens in March, with the bill of March."""
    world = World()
    code = customer(world, "acme")
    world.clock.at = MARCH_5
    world.use(code, n)
    world.next_run()
    world.clock.at = at
    world.run()
    *_, bill = make(world, code)
    return world, code, bill


def settle(world: World, bill: Bill) -> Bill:
    world.process.bills.approve(bill.id, "anna")
    return world.process.bills.lock(bill.id, "anna")


def test_a_bill_of_an_ended_period_with_its_line() -> None:
    world, code, bill = billed()
    (line,) = bill.lines
    assert (line.quantity, line.unit, line.before) == (D(1_000), "token", D(10))
    assert (bill.total, bill.status, bill.number) == (D(10), BillStatus.PENDING, "")
    assert sum(due.dollars for due in bill.due) == 10
    assert world.process.bills.get(bill.id) == bill
    assert list(world.process.bills.find(code)) == [bill]
    assert list(world.process.bills.find(status=BillStatus.LOCKED)) == []


def test_the_running_period_is_previewed_and_not_made() -> None:
    world, code, _ = billed()
    world.use(code, 300)
    world.next_run()
    (preview,) = world.process.bills.preview(code)
    assert (preview.total, preview.ended) == (D(3), False)
    assert len(make(world, code)) == 1


def test_a_bill_is_recalculated_until_it_is_locked() -> None:
    world, code, bill = billed()
    world.process.bills.approve(bill.id, "anna")
    world.use(code, 200, MARCH_5)
    world.next_run()
    (again,) = make(world, code)
    assert (again.total, again.status) == (D(12), BillStatus.PENDING), "what was approved is gone"
    assert world.process.bills.recalculate(bill.id) == again


def test_an_approval_outlives_a_recalculation_that_changes_nothing() -> None:
    world, code, bill = billed()
    approved = world.process.bills.approve(bill.id, "anna")
    assert make(world, code) == [approved]


def test_only_what_is_approved_is_locked_and_then_it_is_final() -> None:
    world, code, bill = billed()
    with pytest.raises(IllegalTransition):
        world.process.bills.lock(bill.id, "anna")
    locked = settle(world, bill)
    assert (locked.status, locked.number) == (BillStatus.LOCKED, "000001")
    assert world.process.bills.lock(bill.id, "anna") == locked
    for act in (world.process.bills.recalculate,):
        with pytest.raises(IllegalTransition):
            act(bill.id)
    with pytest.raises(IllegalTransition):
        world.process.bills.approve(bill.id, "anna")
    assert make(world, code) == []


def test_the_trail_says_who() -> None:
    world, code, bill = billed()
    settle(world, bill)
    told = [(e.action, e.actor) for e in world.trail.of(code) if e.action.startswith("bill.")]
    assert told == [("bill.approve", "anna"), ("bill.lock", "anna")]


def test_a_running_bill_cannot_be_approved() -> None:
    world, code, _ = billed()
    world.use(code, 1)
    world.next_run()
    (running,) = world.process.bills.preview(code)
    with pytest.raises(Conflict):
        running.approved(world.clock.now(), "anna")


def test_locking_changes_no_total() -> None:
    world, code, bill = billed()
    before = world.process.rate_account.preview(code, world.clock.now()).units
    settle(world, bill)
    assert world.process.rate_account.preview(code, world.clock.now()).units == before
    world.run()
    assert world.row(code).committed == 1_000


def test_locking_charges_no_standing_charge_again() -> None:
    fee = replace(BASIC, standing_charge=StandingCharge(Decimal(49), timing=Timing.IN_ADVANCE))
    world = World(catalog=replace(CATALOG, plans=(fee, *CATALOG.plans[1:])))
    code = customer(world, "acme")
    world.use(code, 100)
    world.next_run()
    world.clock.at = APRIL
    world.run()
    before = world.row(code).rated
    (march,) = make(world, code)
    settle(world, march)
    world.use(code, 1)
    world.next_run()
    assert world.row(code).rated == before + 1
    (running,) = world.process.bills.preview(code)
    assert [line.before for line in running.lines] == [D("0.01"), D(49)]


def test_late_usage_of_a_locked_bill_is_a_line_of_the_running_one() -> None:
    world, code, bill = billed()
    settle(world, bill)
    world.use(code, 500, MARCH_5)
    world.use(code, 100)
    world.next_run()
    (running,) = world.process.bills.preview(code)
    lines = [(line.kind, line.before) for line in running.lines]
    assert lines == [(EntryKind.USAGE, D(1)), (EntryKind.ADJUSTMENT, D(5))]
    assert "late, for 2026-03-02" in running.lines[1].description
    assert world.row(code).rated == 1_000 + 500 + 100
    assert world.process.bills.get(bill.id).total == 10
    world.clock.at = MAY
    (april,) = make(world, code)
    settle(world, april)
    world.run()
    assert world.row(code).rated == 1_600
    assert world.process.rate_account.preview(code, world.clock.now()).units.popitem()[1] == 1_600


def test_prices_of_a_locked_bill_stay_whatever_the_catalogue_says() -> None:
    world, code, bill = billed()
    settle(world, bill)
    dear = replace(BASIC, pricing=(replace(BASIC.pricing[0], charge=PerUnit(D(1))),))
    world.put_catalog(replace(CATALOG, plans=(dear, *CATALOG.plans[1:])))
    world.clock.at += timedelta(minutes=10)
    world.use(code, 100, MARCH_5)
    world.use(code, 3)
    world.next_run()
    (running,) = world.process.bills.preview(code)
    lines = [(line.kind, line.before) for line in running.lines]
    assert lines == [(EntryKind.USAGE, D(3)), (EntryKind.ADJUSTMENT, D(1))]


def test_a_plan_that_is_newer_than_a_locked_bill() -> None:
    world, code, bill = billed()
    settle(world, bill)
    gold = replace(BASIC, code=PlanCode("gold"), marketplace=())
    world.put_catalog(replace(CATALOG, plans=(*CATALOG.plans, gold)))
    world.clock.at += timedelta(minutes=10)
    (basic,) = world.record(code).plans
    change = world.clock.now().replace(hour=1, minute=0)
    plans = (replace(basic, end=change), AccountPlan("g", gold.code, change))
    world.change(code, plans=plans)
    world.clock.at += timedelta(hours=2)
    world.use(code, 7)
    world.next_run()
    assert world.row(code).rated == 1_007


def test_bills_are_numbered_in_the_order_of_locking_without_a_gap() -> None:
    world = World()
    numbered = replace(CATALOG.organization, bill_number=BillNumber("C-", 3, 7))
    world.put_catalog(replace(CATALOG, organization=numbered))
    codes = [customer(world, name) for name in ("zeta", "acme")]
    for code in codes:
        world.use(code, 100)
    world.clock.at = APRIL
    world.run()
    bills = [make(world, code)[0] for code in codes]
    assert [settle(world, bill).number for bill in bills] == ["C-007", "C-008"]


def test_an_earlier_bill_is_locked_first() -> None:
    world, code, march = billed(MAY)
    world.use(code, 1, datetime(2026, 4, 20, tzinfo=UTC))
    world.next_run()
    april, again = make(world, code)
    assert again.id == march.id
    world.process.bills.approve(april.id, "anna")
    with pytest.raises(Conflict, match=r"acme\.2026"):
        world.process.bills.lock(april.id, "anna")
    settle(world, march)
    assert world.process.bills.lock(april.id, "anna").number == "000002"


@pytest.mark.parametrize("numbered", [False, True])
def test_a_crash_after_a_bill_was_locked_is_mended(numbered: bool) -> None:
    world, code, bill = billed()
    world.process.bills.approve(bill.id, "anna")
    approved = world.bills.get(bill.id)
    assert approved is not None
    number = f"{world.bills.number(bill.id, 1):06}" if numbered else ""
    locked = replace(approved.value.locked(world.clock.now(), "anna"), number=number)
    world.bills.put(locked, approved.etag)
    assert world.record(code).locked == ()
    make(world, code)
    assert [frozen.id for frozen in world.record(code).locked] == [bill.id]
    assert world.process.bills.get(bill.id).number == "000001"


def test_no_number_is_spent_on_a_bill_that_changes_while_it_is_locked() -> None:
    world, code, bill = billed()
    world.process.bills.approve(bill.id, "anna")
    world.use(code, 200, MARCH_5)
    world.next_run()
    known = world.bills.get(bill.id)
    assert known is not None
    make(world, code)
    with pytest.raises(ConcurrentUpdate):
        world.bills.put(known.value.locked(world.clock.now(), "anna"), known.etag)
    with pytest.raises(IllegalTransition):
        world.process.bills.lock(bill.id, "anna")
    assert world.bills.number("another", 1) == 1


def test_a_credit_drawn_on_a_locked_bill_is_gone() -> None:
    world = World()
    code = customer(world, "acme")
    world.change(code, credits=(Credit("gift", Decimal(8), world.clock.now().replace(hour=0)),))
    world.use(code, 500)
    world.clock.at = APRIL
    world.run()
    (march,) = make(world, code)
    assert [(p.grant, p.amount) for p in march.payments] == [("credit|gift", D(5))]
    settle(world, march)
    world.use(code, 400)
    world.next_run()
    (running,) = world.process.bills.preview(code)
    assert (running.gross, running.total) == (D(4), D(1))
    assert world.row(code).rated == 100


def test_an_approval_comes_by_itself_when_the_grace_is_over() -> None:
    world, code, bill = billed()
    patient = replace(CATALOG.organization, bill_grace_hours=48)
    world.put_catalog(replace(CATALOG, organization=patient))
    world.clock.at += timedelta(hours=1)
    assert make(world, code)[0].status is BillStatus.PENDING
    world.clock.at = bill.period.end + timedelta(hours=48)
    (approved,) = make(world, code)
    assert (approved.status, approved.by) == (BillStatus.APPROVED, "auto-approval")


def test_the_timer_approves_what_nobody_objected_to_in_time() -> None:
    world, _, bill = billed()
    patient = replace(CATALOG.organization, bill_grace_hours=30)
    world.put_catalog(replace(CATALOG, organization=patient))
    for hours, status in ((6.5, BillStatus.PENDING), (30.5, BillStatus.APPROVED)):
        world.clock.at = bill.period.end + timedelta(hours=hours)
        world.messages.take("metering")
        world.process.run_bills.start_due()
        for message in world.messages.take("metering"):
            world.process.run_bills.take(json.loads(message.body))
        assert world.process.bills.get(bill.id).status is status


def test_a_missing_rate_fails_loudly_and_for_that_account_only() -> None:
    world, _, _ = billed()
    other = customer(world, "berlin")
    account = replace(world.record(other).account, currency="EUR")
    loaded = world.accounts.load(other)
    assert loaded is not None
    world.accounts.save(replace(loaded.value, account=account), loaded.etag)
    world.clock.at = MAY
    world.messages.take("metering")
    job = world.process.run_bills.start_due()
    for message in world.messages.take("metering"):
        world.process.run_bills.take(json.loads(message.body))
    parts = world.process.run_bills.progress(job)
    failed = {code: why for part in parts for code, why in part.failed.items()}
    assert failed.keys() == {other}
    assert "no exchange rate for EUR" in failed[other]
    assert [part.finished for part in parts if part.finished is None] == []


def test_a_family_has_one_bill() -> None:
    world = World()
    parent = customer(world, "acme")
    child = AccountCode("acme-labs")
    plan = AccountPlan("labs.1", PlanCode("basic"), world.clock.now())
    world.accounts.create(AccountRecord(Account(child, parent=parent), (plan,)))
    world.change(parent, children=(child,))
    world.use(parent, 100)
    world.use(child, 250)
    world.next_run()
    assert world.row(parent).rated == 350
    world.use(child, 50)
    world.next_run()
    assert world.row(parent).rated == 400
    world.clock.at = APRIL
    world.run()
    (bill,) = make(world, parent)
    assert bill.by_account() == {parent: 1, child: 3}
    assert bill.children == (child,)


# --- an account that comes back


def returned(*, locked: bool, **grants: Any) -> tuple[World, AccountCode]:  # noqa: ANN401 - fields
    """A customer who used 1,000 tokens, left on 10 March, came back on the 12th, and used 300."""
    world = World()
    code = customer(world, "acme")
    world.change(code, **grants)
    world.clock.at = MARCH_5
    world.use(code, 1_000)
    world.next_run()
    record = world.record(code)
    end, back = datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 3, 12, tzinfo=UTC)
    over = replace(record.subscriptions[0], end=end, status=SubscriptionStatus.UNSUBSCRIBED)
    plans = (replace(record.plans[0], end=end),)
    world.change(code, subscriptions=(over,), plans=plans)
    world.clock.at = end + timedelta(days=1)
    world.run()
    if locked:
        settle(world, make(world, code)[0])
    spells = (PlanSpell("standard", back),)
    new = replace(
        over, id=SubscriptionId("again"), spells=spells, start=back, end=None,
        status=SubscriptionStatus.SUBSCRIBED,
    )  # fmt: skip
    again = AccountPlan("again.1", PlanCode("basic"), back)
    world.change(code, subscriptions=(over, new), plans=(*plans, again))
    world.process = world.boot()
    world.clock.at = back + timedelta(days=3)
    world.use(code, 300)
    world.next_run()
    world.clock.at = APRIL
    world.run()
    return world, code


@pytest.mark.parametrize("locked", [False, True])
def test_each_subscription_of_a_month_has_its_bill(locked: bool) -> None:
    world, code = returned(locked=locked)
    made = make(world, code)
    assert [bill.total for bill in made] == ([3] if locked else [10, 3])
    assert [bill.id for bill in world.process.bills.find(code)] == [
        "acme.202603010000.202604010000",
        "acme.202603120000.202604010000",
    ]
    assert [bill.total for bill in world.process.bills.find(code)] == [10, 3]
    assert world.process.bills.recalculate(made[-1].id).total == 3
    assert make(world, code) == made


@pytest.mark.parametrize("locked", [False, True])
def test_a_credit_that_one_subscription_used_does_not_pay_for_the_next(
    locked: bool,
) -> None:
    gift = Credit("gift", Decimal(11), datetime(2026, 3, 1, tzinfo=UTC))
    world, code = returned(locked=locked, credits=(gift,))
    units = world.process.rate_account.preview(code, world.clock.now()).units
    assert list(units.values()) == [200], "11 were given, 10 of them were gone"
    make(world, code)
    assert [bill.total for bill in world.process.bills.find(code)] == [0, 2]


# --- jobs


def test_a_job_makes_the_bills_of_all_and_tells_its_progress() -> None:
    world = World()
    codes = [customer(world, f"a{n}") for n in range(5)]
    for code in codes:
        world.use(code, 100)
    world.change(codes[0], plans=(AccountPlan("x", PlanCode("unheard-of"), world.clock.now()),))
    world.clock.at = APRIL
    world.run([shard_of(code) for code in codes[1:]])
    world.messages.take("metering")
    job = world.process.run_bills.start(Wanted(world.clock.now()))
    assert [part.finished for part in world.process.run_bills.progress(job)] == [None] * 16
    for message in world.messages.take("metering"):
        world.process.run_bills.take(json.loads(message.body))
    parts = world.process.run_bills.progress(job)
    assert all(part.finished and part.done == part.accounts for part in parts)
    assert sum(part.bills for part in parts) == 4
    failed = {code: why for part in parts for code, why in part.failed.items()}
    assert failed.keys() == {codes[0]}
    assert len(list(world.process.bills.find())) == 4


def many(count: int) -> tuple[World, str]:
    """Customers of one shard who all used something in March, and a job for their bills."""
    world = World()
    names = (AccountCode(f"a{n:04}") for n in range(10_000))
    codes = list(islice((code for code in names if shard_of(code) == Shard(3)), count))
    for code in codes:
        customer(world, code)
        world.use(code, 100)
    world.clock.at = APRIL
    world.run([Shard(3)])
    world.messages.take("metering")
    return world, world.process.run_bills.start(Wanted(world.clock.now()))


def told(world: World, job: str) -> tuple[int, int, int, bool]:
    (part,) = (p for p in world.process.run_bills.progress(job) if p.shard == Shard(3))
    return part.done, part.accounts, part.bills, part.finished is not None


def test_a_shard_of_many_accounts_is_done_in_parts_that_can_be_repeated() -> None:
    world, job = many(130)
    orders = [json.loads(message.body) for message in world.messages.take("metering")]
    first = next(order for order in orders if order["shard"] == Shard(3))
    take = world.process.run_bills.take
    take(first)
    assert told(world, job) == (100, 130, 100, False)
    (rest,) = map(json.loads, (m.body for m in world.messages.take("metering")))
    take(first)
    assert told(world, job) == (100, 130, 100, False), "delivered again after a crash"
    world.messages.take("metering")
    take(rest)
    assert told(world, job) == (130, 130, 130, True)
    assert world.messages.take("metering") == []
    assert len(list(world.process.bills.find())) == 130


def test_only_bills_of_a_frequency() -> None:
    world, code, _ = billed()
    assert make(world, code, frequency=Frequency.WEEKLY) == []
    assert len(make(world, code, frequency=Frequency.MONTHLY)) == 1


def test_what_is_no_order_for_bills_is_refused() -> None:
    with pytest.raises(InvalidInput):
        World().process.run_bills.take({"bills": "x", "shard": 1})


@pytest.mark.parametrize("id_", ["nothing", "acme.1.2", "a/b.1.2", ""])
def test_a_bill_that_does_not_exist(id_: str) -> None:
    with pytest.raises(NotFound):
        World().process.bills.get(id_)
    with pytest.raises(NotFound):
        World().process.run_bills.progress(id_)


def charged_by_another_dimension(world: World, code: AccountCode) -> None:
    """From April 10 on the plan bills through another dimension; on April 20 there is a charge."""
    plan = replace(BASIC, billing=AmountBilling(dimension=DimensionId("fee2")))
    begin = datetime(2026, 4, 10, tzinfo=UTC)
    world.catalogs.add(CatalogVersion(2, world.clock.now(), catalog_of(plan, TIERED), begin))
    charge = AdHocCharge("x", datetime(2026, 4, 20, tzinfo=UTC), Due(D(5)))
    world.change(code, charges=(charge,))
    world.clock.at = datetime(2026, 4, 21, tzinfo=UTC)
    world.use(code, 100)


def test_a_charge_beside_a_locked_bill_goes_through_the_dimension_of_its_day() -> None:
    world, code, bill = billed()
    settle(world, bill)
    charged_by_another_dimension(world, code)
    world.next_run()
    units = world.process.rate_account.preview(code, world.clock.now()).units
    assert {key.dimension: amount for key, amount in units.items()} == {
        "usage_fee": D(1_000),
        "fee2": D(600),
    }


def test_locking_moves_no_charge_to_another_dimension() -> None:
    world, code, bill = billed()
    charged_by_another_dimension(world, code)
    world.next_run()
    settle(world, bill)
    world.use(code, 100)
    world.next_run()
    rated = {key.dimension: row.rated for key, row in world.rows(code).items()}
    assert rated == {"usage_fee": D(1_000), "fee2": D(700)}
