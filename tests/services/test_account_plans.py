"""Plans of accounts by API: at cell boundaries, one a product, nothing that has been billed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.account import Account, AccountPlan
from shared.domain.accounts.attachments import PlanOrder
from shared.domain.accounts.granting import CreditOrder
from shared.domain.errors import Conflict, InvalidInput, NotFound, StaleVersion
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, PlanCode, ProductCode, SubscriptionId
from shared.domain.period import HOUR, Period
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.services.account_grants import Repeatable
from tests.services.desk import BY, Desk
from tests.services.world import BASIC, START, TIERED, World, catalog_of, plan_of
from tests.services.world import CHEAP as PRICE

BASIC_CODE = PlanCode("basic")
OTHER = replace(plan_of("other", PRICE, "other"), product=ProductCode("other"))
FEB, MARCH = datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def desk() -> Desk:
    catalog = catalog_of(BASIC, TIERED, OTHER)
    product = replace(catalog.products[0], code=ProductCode("other"))
    desk = Desk(World(catalog=replace(catalog, products=(*catalog.products, product))))
    desk.account()
    return desk


def attach(desk: Desk, plan: str = "basic", code: str = "acme", **more: Any) -> AccountPlan:  # noqa: ANN401 - fields of the order
    order = PlanOrder(PlanCode(plan), **more)
    return desk.plans.attach(code, order, None, BY).plan


def refused(desk: Desk, plan: str = "basic", code: str = "acme", **more: Any) -> dict[str, str]:  # noqa: ANN401 - fields of the order
    before = desk.record(code)
    with pytest.raises(InvalidInput) as exc:
        attach(desk, plan, code, **more)
    assert desk.record(code) == before
    return {fault.pointer: fault.message for fault in exc.value.fields}


def billed(desk: Desk, start: datetime, end: datetime) -> None:
    record = PeriodRecord("old", start, end, Decimal(5), 1)
    desk.world.accounts.put_record(AccountCode("acme"), record)


def test_a_plan_is_attached_from_the_present_hour_on(desk: Desk) -> None:
    desk.world.clock.advance(timedelta(minutes=59))
    plan = attach(desk)
    assert (plan.plan, plan.start, plan.end) == ("basic", START, None)
    assert desk.record().plans == (plan,)
    entry = desk.entries()[-1]
    assert (entry.action, entry.detail["plan"]) == ("plan.attach", "basic")


def test_plans_stand_in_the_order_of_time_in_utc(desk: Desk) -> None:
    late = attach(desk, start=START + 48 * HOUR)
    zoned = (START + 24 * HOUR).astimezone(timezone(2 * HOUR))
    early = attach(desk, start=zoned, end=START + 48 * HOUR)
    assert early.start.tzinfo is UTC
    assert desk.record().plans == (early, late)
    assert early.id != late.id


def test_every_fault_of_an_order_is_told_at_once(desk: Desk) -> None:
    found = refused(
        desk, "basics", start=START + timedelta(minutes=5), end=START - timedelta(minutes=7)
    )
    assert "did you mean basic" in found["/plan"]
    assert "full hour" in found["/start"]
    assert set(found) == {"/plan", "/start", "/end"}


def test_a_time_without_a_zone_is_refused(desk: Desk) -> None:
    found = refused(desk, start=datetime(2026, 3, 5), end=datetime(2026, 3, 6))  # noqa: DTZ001 - that is the fault
    assert set(found.values()) == {"must name its zone, such as Z"}


def test_quarters_of_an_hour_are_cells_where_the_zone_has_them(desk: Desk) -> None:
    desk.accounts.create(Account(AccountCode("pune"), time_zone="Asia/Kolkata"), BY)
    half = START + timedelta(minutes=30)
    assert attach(desk, code="pune", start=half).start == half
    assert "quarter" in refused(desk, code="pune", start=half + timedelta(minutes=5))["/start"]


def test_without_a_catalogue_there_is_no_plan() -> None:
    desk = Desk(World(catalog=None))
    desk.account()
    assert "no catalogue" in refused(desk)["/plan"]


def test_a_catalogue_that_was_just_stored_is_known(desk: Desk) -> None:
    refused(desk, "brand-new")
    catalog = desk.world.catalogs.current()
    assert catalog is not None
    new = plan_of("brand-new", PRICE, "new")
    changed = replace(catalog.catalog, plans=(*catalog.catalog.plans, new))
    desk.world.put_catalog(changed)
    assert attach(desk, "brand-new").plan == "brand-new"


# --- one active plan of a product


@pytest.mark.parametrize(
    ("start", "end", "clash"),
    [
        (0, None, True),
        (0, 10, False),
        (0, 11, True),
        (12, 13, True),
        (15, 25, True),
        (20, None, False),
        (19, None, True),
    ],
)
def test_plans_of_a_product_do_not_overlap(
    desk: Desk, start: int, end: int | None, clash: bool
) -> None:
    first = attach(desk, "tiered", start=START + 10 * HOUR, end=START + 20 * HOUR)
    span: dict[str, Any] = {"start": START + start * HOUR, "end": end and START + end * HOUR}
    if clash:
        message = refused(desk, **span)["/start"]
        assert first.id in message
        assert "allowOverlap" in message
        attach(desk, allow_overlap=True, **span)
    else:
        attach(desk, **span)
    assert len(desk.record().plans) == 2


def test_a_repeated_request_attaches_nothing_beside_itself(desk: Desk) -> None:
    attach(desk, "tiered")
    assert "is needed with allowOverlap" in refused(desk, allow_overlap=True)["/start"]
    second = attach(desk, allow_overlap=True, start=START)
    desk.world.clock.advance(2 * HOUR)
    again = refused(desk, allow_overlap=True, start=START)["/start"]
    assert second.id in again
    assert len(desk.record().plans) == 2


def test_plans_of_several_products_go_side_by_side(desk: Desk) -> None:
    attach(desk)
    assert attach(desk, "other").plan == "other"


# --- what has been billed stays


def test_a_plan_begins_in_the_past_but_not_in_a_period_that_has_ended(desk: Desk) -> None:
    billed(desk, FEB, MARCH)
    message = refused(desk, start=MARCH - HOUR)["/start"]
    assert MARCH.isoformat() in message
    assert attach(desk, start=MARCH).start == MARCH < desk.world.clock.now()


def test_a_late_start_bills_what_was_used_since() -> None:
    desk = Desk()
    customer = desk.world.customer()
    desk.world.change(customer, plans=())
    desk.world.use(customer, 100)
    desk.world.next_run(3)
    assert desk.world.billed(customer) == 0
    attach(desk, code=customer, start=START)
    desk.world.next_run(2)
    assert desk.world.billed(customer) == 100


def test_of_a_plan_in_force_only_the_end_changes() -> None:
    desk = Desk()
    customer = desk.world.customer()
    (plan,) = desk.world.record(customer).plans
    desk.world.clock.advance(2 * HOUR)

    def put(order: PlanOrder) -> AccountPlan:
        return desk.plans.update(customer, plan.id, order, None, BY).plan

    end = START + 5 * HOUR
    assert put(PlanOrder(BASIC_CODE, end=end)) == replace(plan, end=end)
    for order in (PlanOrder(PlanCode("tiered")), PlanOrder(BASIC_CODE, plan.start + HOUR)):
        with pytest.raises(InvalidInput, match="cannot be changed") as exc:
            put(order)
        assert "end it and attach another" in exc.value.fields[0].message
    assert put(PlanOrder(BASIC_CODE)) == plan
    with pytest.raises(Conflict, match="end instead"):
        desk.plans.detach(customer, plan.id, None, BY)
    assert desk.record(customer).plans == (plan,)


def test_a_change_of_plan_is_billed_on_both_sides() -> None:
    desk = Desk()
    customer = desk.world.customer()
    (plan,) = desk.world.record(customer).plans
    at = START + 2 * HOUR
    desk.plans.update(customer, plan.id, PlanOrder(BASIC_CODE, end=at), None, BY)
    attach(desk, "tiered", code=customer, start=at)
    desk.world.use(customer, 10)
    desk.world.clock.advance(2 * HOUR)
    desk.world.use(customer, 10)
    desk.world.next_run(2)
    assert desk.world.billed(customer) == 10 * 1 + 10 * 10


def test_an_end_in_a_billed_period_stays(desk: Desk) -> None:
    plan = attach(desk, start=FEB, end=MARCH + 24 * HOUR)
    billed(desk, FEB, MARCH)

    def put(end: datetime | None) -> AccountPlan:
        order = PlanOrder(BASIC_CODE, FEB, end)
        return desk.plans.update("acme", plan.id, order, None, BY).plan

    with pytest.raises(InvalidInput, match="cannot be changed") as exc:
        put(MARCH - HOUR)
    assert {fault.pointer for fault in exc.value.fields} >= {"/end"}
    desk.world.change(AccountCode("acme"), plans=(replace(plan, end=MARCH - HOUR),))
    with pytest.raises(InvalidInput, match="cannot be changed"):
        put(MARCH)


def test_an_attachment_is_replaced_and_removed_before_it_begins(desk: Desk) -> None:
    plan = attach(desk, start=START + 24 * HOUR)
    tag = desk.tag()
    order = PlanOrder(PlanCode("tiered"), START + 48 * HOUR, START + 72 * HOUR)
    new = desk.plans.update("acme", plan.id, order, tag, BY).plan
    assert new == AccountPlan(plan.id, PlanCode("tiered"), order.start or START, order.end)
    for stale in (
        lambda: desk.plans.update("acme", plan.id, order, tag, BY),
        lambda: desk.plans.detach("acme", plan.id, tag, BY),
    ):
        with pytest.raises(StaleVersion):
            stale()
    desk.plans.detach("acme", plan.id, desk.tag(), BY)
    assert desk.record().plans == ()
    for gone in (
        lambda: desk.plans.update("acme", plan.id, order, None, BY),
        lambda: desk.plans.detach("acme", plan.id, None, BY),
    ):
        with pytest.raises(NotFound):
            gone()
    assert [e.action for e in desk.entries()[1:]] == ["plan.attach", "plan.update", "plan.detach"]


def test_what_a_child_has_does_not_reach_into_a_locked_bill_of_its_parent(desk: Desk) -> None:
    lab = desk.account("lab", parent="acme")
    sold, period = SubscriptionId("s"), Period(FEB, MARCH)
    desk.world.change(AccountCode("acme"), locked=(LockedBill("feb", sold, period, (), ()),))
    desk.world.clock.at = MARCH + HOUR
    assert MARCH.isoformat() in refused(desk, code=lab, start=MARCH - HOUR)["/start"]
    assert attach(desk, code=lab, start=MARCH).start == MARCH
    credit = CreditOrder(Decimal(5), MARCH - HOUR)
    with pytest.raises(InvalidInput) as raised:
        desk.grants.add(lab, Credit, credit, Repeatable("k", "f"), None, BY)
    assert [fault.pointer for fault in raised.value.fields] == ["/start"]


def test_one_plan_is_read_by_its_id(desk: Desk) -> None:
    plan = attach(desk)
    assert desk.plans.get("acme", plan.id).plan == plan
    for code, identity in (("acme", "x"), ("nobody", plan.id)):
        with pytest.raises(NotFound):
            desk.plans.get(code, identity)
