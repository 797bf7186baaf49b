"""Refunds that Microsoft made: recorded once, and not undone by the next run unawares."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.errors import DifferentPayload, InvalidInput, NotFound, Unavailable
from shared.domain.ids import AccountCode, DimensionId
from shared.domain.metering.ledger import Refund
from shared.services.refund import RefundOrder
from tests.services.taps import Call
from tests.services.world import World

FEE = DimensionId("usage_fee")


@pytest.fixture
def account(world: World) -> AccountCode:
    code = world.customer()
    world.use(code, 100)
    world.next_run()
    return code


@pytest.fixture
def world() -> World:
    return World()


def order(account: AccountCode, units: int, *, again: bool = True) -> RefundOrder:
    return RefundOrder("case-1", account, FEE, Decimal(units), charge_again=again)


def record(world: World, refund: RefundOrder) -> Refund:
    return world.process.refund(refund, "ada")


def test_a_refund_of_usage_that_is_still_due_must_be_meant(
    world: World, account: AccountCode
) -> None:
    with pytest.raises(InvalidInput) as refused:
        record(world, order(account, 40, again=False))
    assert [f.pointer for f in refused.value.fields] == ["/chargeAgain"]
    assert world.row(account).committed == 100
    record(world, order(account, 40))
    assert world.row(account).committed == 60
    assert world.row(account).refunded == 40
    world.next_run(2)
    assert world.row(account).committed == 100


def test_the_same_order_again_is_one_refund(world: World, account: AccountCode) -> None:
    first = record(world, order(account, 40))
    assert record(world, order(account, 40)) == first
    assert world.row(account).refunded == 40
    with pytest.raises(DifferentPayload):
        record(world, order(account, 41))


@pytest.mark.parametrize("units", [0, -1, 101])
def test_more_than_was_paid_cannot_be_refunded(
    world: World, account: AccountCode, units: int
) -> None:
    with pytest.raises(InvalidInput):
        record(world, order(account, units))


def test_who_was_never_billed_has_nothing_to_refund(world: World, account: AccountCode) -> None:
    with pytest.raises(NotFound):
        record(world, order(AccountCode("nobody"), 1))
    with pytest.raises(NotFound):
        record(world, replace(order(account, 1), dimension=DimensionId("other")))


def test_a_refund_is_in_the_trail_before_it_is_recorded(world: World, account: AccountCode) -> None:
    def fails(_: Call) -> None:
        raise Unavailable("no answer")

    world.journal.before("audit.append", fails)
    with pytest.raises(Unavailable):
        record(world, order(account, 40))
    assert world.row(account).refunded == 0
    record(world, order(account, 40))
    record(world, order(account, 40))
    (entry,) = [e for e in world.trail.of(account) if e.action == "adjustment.create"]
    assert (entry.actor, entry.detail["units"], entry.detail["id"]) == ("ada", "40", "case-1")
