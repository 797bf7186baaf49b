"""Prepayments, credits and charges by API: once for a request, nothing that has been billed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.domain.account import AccountPlan
from shared.domain.accounts.granting import ChargeOrder, CreditOrder, GrantOrder, PrepaymentOrder
from shared.domain.catalog.charges import Due
from shared.domain.errors import (
    Conflict,
    DifferentPayload,
    InvalidInput,
    NotFound,
    StaleVersion,
    Unavailable,
)
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, DimensionId, PlanCode, ProductCode
from shared.domain.period import HOUR
from shared.domain.rating.bill import PeriodRecord
from shared.services.account_grants import Granted, Kind, Repeatable
from tests.services.desk import BY, Desk
from tests.services.taps import Call
from tests.services.world import START

TEN = Decimal(10)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
KINDS: list[tuple[Kind, GrantOrder]] = [
    (Prepayment, PrepaymentOrder(TEN)),
    (Credit, CreditOrder(TEN)),
    (AdHocCharge, ChargeOrder(Due(amount=TEN))),
]
each_kind = pytest.mark.parametrize(("kind", "order"), KINDS, ids=lambda value: str(value)[:12])


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.account()
    return desk


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def add(desk: Desk, kind: Kind, order: GrantOrder, key: str = "k", contents: str = "c") -> Granted:
    return desk.grants.add("acme", kind, order, Repeatable(key, contents), None, BY)


def put(desk: Desk, kind: Kind, id_: str, order: GrantOrder) -> Granted:
    return desk.grants.update("acme", kind, id_, order, None, BY)


def all_of(desk: Desk, kind: Kind) -> tuple[object, ...]:
    record = desk.record()
    return tuple(
        one for one in (*record.prepayments, *record.credits, *record.charges)
        if isinstance(one, kind)
    )  # fmt: skip


def refusal(call: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(InvalidInput) as exc:
        call()
    return {fault.pointer: fault.message for fault in exc.value.fields}


# --- once


@each_kind
def test_the_same_request_again_makes_nothing_more(
    desk: Desk, kind: Kind, order: GrantOrder
) -> None:
    first = add(desk, kind, order)
    assert first.etag == desk.stored().etag
    before = desk.stored()
    desk.world.clock.advance(3 * HOUR)
    again = add(desk, kind, order)
    assert again.grant == first.grant
    assert again.etag is None
    assert desk.stored() == before
    assert all_of(desk, kind) == (first.grant,)
    assert add(desk, kind, order, key="another").grant != first.grant
    assert len(all_of(desk, kind)) == 2


@each_kind
def test_a_key_is_for_one_request(desk: Desk, kind: Kind, order: GrantOrder) -> None:
    first = add(desk, kind, order)
    with pytest.raises(DifferentPayload):
        add(desk, kind, order, contents="other")
    assert all_of(desk, kind) == (first.grant,)


def test_keys_of_several_kinds_and_accounts_are_apart(desk: Desk) -> None:
    for kind, order in KINDS:
        add(desk, kind, order)
    desk.account("other")
    desk.grants.add("other", Credit, CreditOrder(TEN), Repeatable("k", "c"), None, BY)
    assert len(desk.record().credits) == len(desk.record("other").credits) == 1


@each_kind
@pytest.mark.parametrize("answer", ["lost", "refused"])
def test_a_lost_answer_is_given_when_asked_again(
    desk: Desk, kind: Kind, order: GrantOrder, answer: str
) -> None:
    around = desk.journal.after if answer == "lost" else desk.journal.before
    around("accounts.save", lost)
    with pytest.raises(Unavailable):
        add(desk, kind, order)
    add(desk, kind, order)
    assert len(all_of(desk, kind)) == 1


def test_the_same_request_at_the_same_time_makes_one(desk: Desk) -> None:
    twin = Desk(desk.world)

    def faster(_: Call) -> None:
        add(twin, Credit, CreditOrder(TEN))

    desk.journal.before("accounts.save", faster)
    given = desk.grants.add("acme", Credit, CreditOrder(TEN), Repeatable("k", "c"), desk.tag(), BY)
    assert desk.record().credits == (given.grant,)


def test_what_was_given_and_changed_since_is_answered_as_it_was_given(desk: Desk) -> None:
    first = add(desk, Credit, CreditOrder(TEN))
    put(desk, Credit, first.grant.id, CreditOrder(Decimal(20)))
    assert add(desk, Credit, CreditOrder(TEN)).grant == first.grant
    desk.grants.remove("acme", Credit, first.grant.id, None, BY)
    assert add(desk, Credit, CreditOrder(TEN)).grant == first.grant
    assert desk.record().credits == ()


def test_at_an_old_version_nothing_is_given(desk: Desk) -> None:
    old = desk.tag()
    add(desk, Credit, CreditOrder(TEN))
    with pytest.raises(StaleVersion):
        desk.grants.add("acme", Credit, CreditOrder(TEN), Repeatable("2", ""), old, BY)
    assert len(desk.record().credits) == 1


# --- what is given


def test_what_an_order_leaves_open(desk: Desk) -> None:
    desk.world.clock.advance(timedelta(minutes=30))
    now = desk.world.clock.now()
    credit = add(desk, Credit, CreditOrder(TEN, description="welcome")).grant
    assert credit == Credit(credit.id, TEN, START, granted=now, description="welcome")
    charge = add(desk, AdHocCharge, ChargeOrder(Due(amount=TEN))).grant
    assert charge == AdHocCharge(charge.id, now, Due(amount=TEN))
    order = PrepaymentOrder(
        TEN, START + HOUR, START + 9 * HOUR, 5, (ProductCode("ai"),), Decimal(20)
    )
    paid = add(desk, Prepayment, order).grant
    assert paid == Prepayment(
        paid.id, TEN, START + HOUR, START + 9 * HOUR, now, 5, (ProductCode("ai"),), Decimal(20)
    )


def test_credits_pay_before_anything_is_sent() -> None:
    desk = Desk()
    customer = desk.world.customer()
    desk.grants.add(customer, Credit, CreditOrder(Decimal("0.60")), Repeatable("k", ""), None, BY)
    desk.world.use(customer, 100)
    desk.world.next_run(2)
    assert desk.world.billed(customer) == 40


def test_a_charge_is_sent_when_it_falls_due() -> None:
    desk = Desk()
    customer = desk.world.customer()
    order = ChargeOrder(Due(amount=TEN), START + 5 * HOUR)
    desk.grants.add(customer, AdHocCharge, order, Repeatable("k", ""), None, BY)
    desk.world.next_run(4)
    assert desk.world.billed(customer) == 0
    desk.world.next_run(3)
    assert desk.world.billed(customer) == 1000


LONG = "x" * 501


@pytest.mark.parametrize(
    ("kind", "order", "pointers"),
    [
        (Credit, CreditOrder(Decimal(0)), {"/amount"}),
        (Credit, CreditOrder(Decimal(-5), priority=-1, description=LONG), {
            "/amount", "/priority", "/description"
        }),
        (Credit, CreditOrder(Decimal("1e15")), {"/amount"}),
        (Credit, CreditOrder(TEN, products=(ProductCode("aii"), ProductCode("ai"))), {
            "/products/0"
        }),
        (Credit, CreditOrder(TEN, products=(ProductCode("ai"),) * 2), {"/products/1"}),
        (Credit, CreditOrder(TEN, START + HOUR, START + HOUR), {"/end"}),
        (Credit, CreditOrder(TEN, START.replace(minute=1)), {"/start"}),
        (Credit, CreditOrder(TEN, START.replace(tzinfo=None)), {"/start"}),
        (Prepayment, PrepaymentOrder(Decimal(0), overage_surcharge_percent=Decimal(-101)), {
            "/amount", "/overageSurchargePercent"
        }),
        (Prepayment, PrepaymentOrder(TEN, overage_surcharge_percent=Decimal("1e-10")), {
            "/overageSurchargePercent"
        }),
        (AdHocCharge, ChargeOrder(Due()), {"/due"}),
        (AdHocCharge, ChargeOrder(Due(TEN, quantity=TEN)), {"/due"}),
        (AdHocCharge, ChargeOrder(Due(quantity=TEN)), {"/due"}),
        (AdHocCharge, ChargeOrder(Due(dimension=DimensionId("seats"), quantity=Decimal(0))), {
            "/due/dimension", "/due/quantity"
        }),
        (AdHocCharge, ChargeOrder(Due(Decimal(-1)), START.replace(tzinfo=None)), {
            "/due/amount", "/at"
        }),
        (AdHocCharge, ChargeOrder(Due(TEN), product=ProductCode("ia")), {"/product"}),
    ],
)  # fmt: skip
def test_every_fault_is_told_at_once(
    desk: Desk, kind: Kind, order: GrantOrder, pointers: set[str]
) -> None:
    found = refusal(lambda: add(desk, kind, order))
    assert set(found) == pointers
    assert all_of(desk, kind) == ()
    if "/products/0" in found:
        assert "did you mean ai" in found["/products/0"]


# --- what has been billed stays


def billed_until_march(desk: Desk) -> None:
    record = PeriodRecord("x", MARCH - 24 * HOUR, MARCH, Decimal(5), 1)
    desk.world.accounts.put_record(AccountCode("acme"), record)


def test_nothing_is_given_into_a_billed_period(desk: Desk) -> None:
    billed_until_march(desk)
    before = MARCH - HOUR
    assert "/start" in refusal(lambda: add(desk, Credit, CreditOrder(TEN, before)))
    assert "/start" in refusal(lambda: add(desk, Prepayment, PrepaymentOrder(TEN, before)))
    assert "/at" in refusal(lambda: add(desk, AdHocCharge, ChargeOrder(Due(TEN), before)))
    add(desk, Credit, CreditOrder(TEN, MARCH))
    add(desk, AdHocCharge, ChargeOrder(Due(TEN), MARCH))


def test_what_a_billed_period_may_have_used_keeps_all_but_its_end(desk: Desk) -> None:
    start = MARCH - 24 * HOUR
    order = CreditOrder(TEN, start)
    old = add(desk, Credit, order).grant
    assert isinstance(old, Credit)
    billed_until_march(desk)
    end = MARCH + HOUR
    kept = put(desk, Credit, old.id, CreditOrder(TEN, end=end, description="why")).grant
    assert kept == replace(old, end=end, description="why")
    assert "" in refusal(lambda: put(desk, Credit, old.id, CreditOrder(Decimal(11), start)))
    early = CreditOrder(TEN, start, MARCH - HOUR)
    assert "/end" in refusal(lambda: put(desk, Credit, old.id, early))
    with pytest.raises(Conflict, match="counted"):
        desk.grants.remove("acme", Credit, old.id, None, BY)
    assert desk.record().credits == (kept,)


def test_a_charge_that_was_billed_stays(desk: Desk) -> None:
    order = ChargeOrder(Due(amount=TEN), MARCH - HOUR)
    old = add(desk, AdHocCharge, order).grant
    billed_until_march(desk)
    described = replace(order, description="set-up")
    assert put(desk, AdHocCharge, old.id, described).grant == replace(old, description="set-up")
    twice = replace(order, due=Due(amount=Decimal(20)))
    message = refusal(lambda: put(desk, AdHocCharge, old.id, twice))[""]
    assert "another charge" in message
    with pytest.raises(Conflict):
        desk.grants.remove("acme", AdHocCharge, old.id, None, BY)


@each_kind
def test_before_it_counted_everything_changes(desk: Desk, kind: Kind, order: GrantOrder) -> None:
    old = add(desk, kind, order).grant
    if isinstance(order, ChargeOrder):
        changed: GrantOrder = replace(order, due=Due(amount=Decimal(20)))
    else:
        changed = replace(order, amount=Decimal(20), priority=1)
    desk.world.clock.advance(5 * HOUR)
    new = put(desk, kind, old.id, changed).grant
    assert all_of(desk, kind) == (new,)
    assert new.id == old.id
    assert new != old
    if not isinstance(old, AdHocCharge) and not isinstance(new, AdHocCharge):
        assert (new.start, new.granted) == (old.start, old.granted)
    desk.grants.remove("acme", kind, old.id, desk.tag(), BY)
    assert all_of(desk, kind) == ()
    actions = [entry.action.split(".")[1] for entry in desk.entries()]
    assert actions == ["create", "create", "update", "delete"]


@each_kind
def test_what_is_not_there(desk: Desk, kind: Kind, order: GrantOrder) -> None:
    with pytest.raises(NotFound):
        put(desk, kind, "nothing", order)
    with pytest.raises(NotFound):
        desk.grants.remove("acme", kind, "nothing", None, BY)


def test_a_dimension_of_the_account_s_plans_can_be_charged(desk: Desk) -> None:
    stored = AccountPlan("p", PlanCode("basic"), START)
    desk.world.change(AccountCode("acme"), plans=(stored,))
    due = Due(dimension=DimensionId("usage_fee"), quantity=TEN)
    # The dimension of amount billing takes amounts only.
    assert "/due/dimension" in refusal(lambda: add(desk, AdHocCharge, ChargeOrder(due)))
