"""What every store of bills keeps to."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.domain.rating.account_bill import Bill
from shared.domain.rating.compose import compose
from shared.ports import BillJob, Bills
from shared.storage.bills import TableBills
from tests.customers import Customer, plan_of, price, utc
from tests.fakes.bills import FakeBills

NOW = utc(5, 1, 3)
SECOND = datetime(2026, 5, 1, 3, 0, 0, 123456, tzinfo=UTC)


def bill_of(code: str = "acme", n: int = 5) -> Bill:
    customer = Customer(plan_of(price()), grants={})
    customer.account = replace(customer.account, code=AccountCode(code))
    customer.use(utc(3, 5), n)
    statement = customer.state(NOW)
    return compose(statement, statement.wholes()[0], NOW)


@pytest.fixture(params=["fake", "azurite"])
def bills(request: pytest.FixtureRequest) -> Bills:
    if request.param == "fake":
        return FakeBills()
    return TableBills(request.getfixturevalue("tables"))


def test_nothing_is_there_at_first(bills: Bills) -> None:
    assert bills.get(bill_of("first").id) is None
    assert list(bills.of(AccountCode("first"))) == []
    assert bills.job("nothing") == []


def test_a_bill_comes_back_as_it_was(bills: Bills) -> None:
    bill = bill_of("whole.dots-1")
    assert bill.lines
    assert bill.frozen.entries
    etag = bills.put(bill, None)
    stored = bills.get(bill.id)
    assert stored is not None
    assert (stored.value, stored.etag) == (bill, etag)
    assert list(bills.of(bill.account)) == [bill]
    assert bill.id in list(bills.newest())


def test_bills_are_listed_by_the_end_of_their_period_and_from_any_of_them_on(bills: Bills) -> None:
    march = [bill_of(f"list-{n}") for n in range(3)]
    april = replace(march[0], id="list-0.202604010000.202605010000")
    for bill in (march[1], april, march[2], march[0]):
        bills.put(bill, None)
    wanted = [april.id, *(bill.id for bill in march)]
    assert [id_ for id_ in bills.newest() if id_.startswith("list-")] == wanted
    for place, id_ in enumerate(wanted):
        later = [each for each in bills.newest(id_) if each.startswith("list-")]
        assert later == wanted[place + 1 :]
    assert list(bills.newest("list-9.202001010000.202001020000")) == []


def test_a_bill_is_replaced_at_its_version_only(bills: Bills) -> None:
    bill = bill_of("versions")
    first = bills.put(bill, None)
    with pytest.raises(ConcurrentUpdate):
        bills.put(bill, None)
    approved = bill.approved(NOW, "anna")
    second = bills.put(approved, first)
    with pytest.raises(ConcurrentUpdate):
        bills.put(bill, first)
    stored = bills.get(bill.id)
    assert stored is not None
    assert (stored.value, stored.etag) == (approved, second)


def test_numbers_follow_one_another_and_a_bill_keeps_its_own(bills: Bills) -> None:
    first = bills.number("n.1.2", 100)
    assert bills.number("n.3.4", 100) == first + 1
    assert bills.number("n.1.2", 100) == first
    assert bills.number("n.5.6", 1) == first + 2


def test_numbers_given_at_once_have_no_gap_and_no_double(bills: Bills) -> None:
    """Twelve bills from four threads, each asked for twice."""
    first = bills.number("at once.0.0", 500)
    ids = [f"at once.{n % 12 + 1}.0" for n in range(24)]
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda id_: bills.number(id_, 500), ids))
    assert sorted(set(numbers)) == list(range(first + 1, first + 13))
    assert numbers[:12] == numbers[12:]


def test_jobs_tell_how_far_each_shard_is(bills: Bills) -> None:
    half = BillJob("j1", Shard(3), SECOND, accounts=4, done=2)
    other = BillJob("j1", Shard(11), SECOND, failed={AccountCode("x"): "broken"})
    bills.put_job(half)
    bills.put_job(other)
    bills.put_job(BillJob("j2", Shard(3), SECOND))
    done = replace(half, done=4, finished=SECOND)
    bills.put_job(done)
    assert bills.job("j1") == [done, other]
