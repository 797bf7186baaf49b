"""Customers who leave and come back: what is due once is billed once, by the right subscription."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.charges import Due, Milestone, ScheduledCharge, Upfront
from shared.domain.catalog.organization import ExchangeRate
from shared.domain.catalog.validation import faults_of
from shared.domain.grants import AdHocCharge, Credit
from shared.domain.ids import AccountCode, PlanCode, SubscriptionId, shard_of
from shared.domain.usage.event import Outcome
from tests.services.test_bills import make, returned
from tests.services.world import BASIC, CATALOG, START, TIERED, World, catalog_of

D = Decimal
HOUR = timedelta(hours=1)


def leave(world: World, account: AccountCode) -> SubscriptionId:
    sold = world.record(account).subscription
    assert sold is not None
    world.marketplace.unsubscribe(sold.id)
    world.process.follow(sold.id)
    return sold.id


def come_back(world: World, account: AccountCode) -> SubscriptionId:
    id_, _ = world.marketplace.buy("standard")
    world.process.adopt(id_, account, "anna", pending=True)
    return id_


def child_of(world: World, account: AccountCode, plan: str, *charges: AdHocCharge) -> None:
    child = AccountCode("labs")
    plans = (AccountPlan("labs.1", PlanCode(plan), START),)
    record = AccountRecord(Account(child, parent=account), plans, charges=charges)
    world.accounts.create(record)
    world.change(account, children=(child,))


def fees(world: World, *ids: SubscriptionId) -> list[Decimal]:
    return [world.marketplace.total(id_, "usage_fee") for id_ in ids]


@pytest.mark.parametrize(
    ("after", "expected"),
    [(timedelta(minutes=10), [540, 0]), (timedelta(hours=24), [40, 500])],
)
def test_a_charge_after_the_end_is_billed_once(after: timedelta, expected: list[int]) -> None:
    """The old one's final submission takes it; else, a day after the end, the next one does."""
    world = World()
    account = world.customer()
    world.use(account, 40)
    world.next_run()
    world.clock.advance(timedelta(minutes=10))
    old = leave(world, account)
    fee = AdHocCharge("fee", world.clock.now() + after, Due(D(5)), description="Cancellation fee")
    world.change(account, charges=(fee,))
    world.next_run(30)
    new = come_back(world, account)
    world.next_run(2)
    assert fees(world, old, new) == expected


def test_a_charge_of_a_child_is_not_billed_again() -> None:
    world = World()
    account = world.customer()
    child_of(world, account, "basic", AdHocCharge("move", START + HOUR, Due(D(5))))
    world.use(account, 40)
    world.next_run(3)
    old = leave(world, account)
    world.next_run(30)
    new = come_back(world, account)
    world.next_run(2)
    assert fees(world, old, new) == [540, 0]


@pytest.mark.parametrize(
    ("charge", "expected"),
    [
        (Upfront("setup", Due(D(7))), [700, 0]),
        (Milestone("trained", Due(D(7)), after_days=0), [700, 0]),
        (Milestone("built", Due(D(7)), after_days=2), [0, 700]),
    ],
)
def test_a_charge_due_once_of_a_childs_plan_is_not_due_again(
    charge: ScheduledCharge, expected: list[int]
) -> None:
    lab = replace(BASIC, code=PlanCode("lab"), marketplace=(), charges=(charge,))
    world = World(catalog=catalog_of(BASIC, TIERED, lab))
    account = world.customer()
    child_of(world, account, "lab")
    world.next_run(3)
    old = leave(world, account)
    world.next_run(30)
    new = come_back(world, account)
    world.next_run(50)
    assert fees(world, old, new) == expected


def test_a_new_charge_leaves_the_old_statement_and_its_credits_alone() -> None:
    world, code = returned(locked=False)
    charge = AdHocCharge("move", datetime(2026, 3, 20, tzinfo=UTC), Due(D(5)))
    gift = Credit("gift", D(5), datetime(2026, 3, 15, tzinfo=UTC))
    world.change(code, charges=(charge,), credits=(gift,))
    world.run()
    units = world.process.rate_account.preview(code, world.clock.now()).units
    assert sum(bill.total for bill in make(world, code)) == 10 + 3 + 5 - 5
    assert list(units.values()) == [300]


def test_a_charge_after_the_return_makes_no_second_bill_of_the_same_id() -> None:
    world, code = returned(locked=False)
    make(world, code)
    charge = AdHocCharge("move", datetime(2026, 4, 3, tzinfo=UTC), Due(D(5)))
    world.change(code, charges=(charge,))
    world.clock.at = datetime(2026, 4, 5, tzinfo=UTC)
    world.use(code, 200)
    world.next_run()
    world.clock.at = datetime(2026, 5, 1, 0, 5, tzinfo=UTC)
    world.run()
    (april,) = (bill for bill in make(world, code) if bill.period.start.month == 4)
    assert april.total == 7
    assert world.process.bills.recalculate(april.id).total == 7


@pytest.mark.parametrize("since", [date(2026, 3, 2), date(2026, 12, 1)])
def test_a_currency_whose_rate_begins_later_stops_no_billing(since: date) -> None:
    rates = (ExchangeRate("EUR", D("1.1"), since), ExchangeRate("EUR", D(9), date(2027, 1, 1)))
    organization = replace(CATALOG.organization, exchange_rates=rates)
    catalog = replace(catalog_of(BASIC, TIERED), organization=organization)
    assert not faults_of(catalog)
    world = World(catalog=catalog)
    account = world.customer()
    data: dict[str, Decimal | str] = {
        "unit": "h",
        "unitPrice": D(2),
        "currency": "EUR",
        "quantity": D(1),
    }
    (taken,) = world.send(world.event(account, meter="custom", data=data))
    assert taken.outcome is Outcome.ACCEPTED
    world.to_next_run()
    report = world.process.run_shard(shard_of(account))
    assert not report.failed
    assert world.billed(account) == 220
