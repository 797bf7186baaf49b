"""Changes decided, orders of the publisher, reconciliation, adoption, erasure and forwarding."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.api.lifecycle import Forwarding, parse_lifecycle_message
from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.catalog.billing import (
    Included,
    MarketplacePlan,
    QuantityBilling,
    QuantityDimension,
)
from shared.domain.errors import Conflict, InvalidInput, NotFound, Rejected, Unavailable
from shared.domain.finding import FindingKind
from shared.domain.ids import (
    AccountCode,
    AggregationCode,
    DimensionId,
    PlanCode,
    ProductCode,
    SubscriptionId,
)
from shared.domain.lifecycle.subscription import SubscriptionStatus
from shared.domain.period import DAY, HOUR
from shared.ports import Message
from shared.services import handle_operation
from shared.services.forward import PAUSES
from shared.services.handle_operation import HandleOperation, Task
from shared.services.receive_notice import Notice, Received
from tests.fakes.marketplace import LoseAnswer, LoseRequest
from tests.services.taps import Call
from tests.services.world import BASIC, OFFER, START, TIERED, World, catalog_of

PENDING, SUBSCRIBED, SUSPENDED, UNSUBSCRIBED = SubscriptionStatus
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return World()


def bought(world: World, plan: str = "standard") -> SubscriptionId:
    return SubscriptionId(world.customer(plan))


def notify(world: World, operation: str) -> Received:
    told = world.marketplace.operations[operation]
    return world.process.receive_notice(Notice(told.id, told.subscription, told.action))


def task_of(message: Message) -> Task:
    task = parse_lifecycle_message(message.body.encode())
    assert isinstance(task, Task)
    return task


def drain(world: World) -> None:
    """Handle what the queue holds, once each; what is kept back stays for later."""
    for message in world.messages.take("lifecycle"):
        world.process.handle(task_of(message))


def ours(world: World, id_: SubscriptionId) -> object:
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    return sold.status, sold.plan


def plans(world: World, id_: SubscriptionId) -> list[tuple[str, object, object]]:
    return [(p.plan, p.start, p.end) for p in world.record(AccountCode(id_)).plans]


# --- changes decided in the request


def test_a_plan_change_is_accepted_before_the_webhook_answers(world: World) -> None:
    id_ = bought(world)
    world.clock.advance(20 * MINUTE)
    asked = world.marketplace.ask_for_plan(id_, "scale")
    received = notify(world, asked)
    assert received.decision is not None
    assert received.decision.accepted
    assert world.marketplace.sold[id_].seen.plan == "scale"
    drain(world)
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    assert [(s.plan, s.start) for s in sold.spells] == [
        ("standard", START),
        ("scale", START + 20 * MINUTE),
    ]
    # The hour of the change belongs to the old plan, there and here.
    assert plans(world, id_) == [("basic", START, START + HOUR), ("tiered", START + HOUR, None)]
    assert not list(world.operations.unfinished())


def test_a_plan_without_price_list_is_refused_with_its_reason() -> None:
    world = World(catalog=catalog_of(BASIC))
    id_ = bought(world)
    asked = world.marketplace.ask_for_plan(id_, "scale")
    received = notify(world, asked)
    assert received.decision is not None
    assert not received.decision.accepted
    assert "scale" in received.decision.reason
    drain(world)
    assert world.marketplace.operations[asked].status == "Failed"
    assert ours(world, id_) == (SUBSCRIBED, "standard")
    (record,) = world.operations.of(id_)
    assert (record.decision, record.done) == (received.decision, True)


def test_the_first_decision_stands(world: World) -> None:
    id_ = bought(world)
    world.put_catalog(catalog_of(BASIC))
    world.process = world.boot()
    asked = world.marketplace.ask_for_plan(id_, "scale")
    world.marketplace.faults.extend([None, LoseRequest()])
    with pytest.raises(Unavailable):
        notify(world, asked)
    world.put_catalog(catalog_of(BASIC, TIERED))
    world.process = world.boot()
    received = notify(world, asked)
    assert received.decision is not None
    assert not received.decision.accepted
    assert world.marketplace.operations[asked].status == "Failed"


def test_a_change_that_came_true_without_price_list_goes_on_as_before_and_is_found() -> None:
    world = World(catalog=catalog_of(BASIC))
    id_ = bought(world)
    world.marketplace.ask_for_plan(id_, "scale")
    world.clock.advance(MINUTE)
    world.process.reconcile()
    assert plans(world, id_) == [("basic", START, None)]
    assert FindingKind.UNPRICED_PLAN in {f.kind for f in world.findings.all()}
    world.put_catalog(catalog_of(BASIC, TIERED))
    world.process = world.boot()
    world.clock.advance(HOUR)
    world.process.reconcile()
    assert [plan for plan, _, _ in plans(world, id_)] == ["basic", "tiered"]
    assert FindingKind.UNPRICED_PLAN not in {f.kind for f in world.findings.all()}


def test_two_changes_within_an_hour_leave_one_price_list_for_the_next(world: World) -> None:
    id_ = bought(world)
    for minutes, plan in ((10, "scale"), (10, "standard"), (10, "scale")):
        world.clock.advance(minutes * MINUTE)
        notify(world, world.marketplace.ask_for_plan(id_, plan))
        drain(world)
    assert plans(world, id_) == [("basic", START, START + HOUR), ("tiered", START + HOUR, None)]


def test_a_replayed_notice_does_nothing_more(world: World) -> None:
    id_ = bought(world)
    asked = world.marketplace.ask_for_plan(id_, "scale")
    notify(world, asked)
    drain(world)
    before = world.record(AccountCode(id_))
    world.journal.forget()
    for _ in range(3):
        assert notify(world, asked).operation is not None
    assert world.journal.writes == {}
    assert world.messages.take("lifecycle") == []
    assert world.record(AccountCode(id_)) == before


def test_a_notice_of_another_publishers_subscription_is_none_of_ours(world: World) -> None:
    foreign, _ = world.marketplace.buy(foreign=True)
    told = world.marketplace.announce("Unsubscribe", foreign)
    assert notify(world, told).operation is None
    assert list(world.operations.of(foreign)) == []


def test_an_unknown_action_is_recorded_and_changes_nothing(world: World) -> None:
    id_ = bought(world)
    received = notify(world, world.marketplace.announce("Subscribe", id_))
    assert received.operation is not None
    drain(world)
    (record,) = world.operations.of(id_)
    assert (record.operation.action, record.decision, record.done) == ("Subscribe", None, True)
    assert ours(world, id_) == (SUBSCRIBED, "standard")


def test_a_reinstatement_is_answered_and_followed(world: World) -> None:
    id_ = bought(world)
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    assert ours(world, id_) == (SUSPENDED, "standard")
    notify(world, world.marketplace.reinstate(id_))
    drain(world)
    assert ours(world, id_) == (SUBSCRIBED, "standard")


def metered_world() -> World:
    """A hundred units a month are included in the plan."""
    unit = QuantityDimension(
        DimensionId("t1"), AggregationCode("total"), included=Included(monthly=Decimal(100))
    )
    sold_as = (MarketplacePlan(OFFER, "seats"),)
    plan = replace(BASIC, marketplace=sold_as, billing=QuantityBilling((unit,)))
    return World(catalog=catalog_of(plan))


@pytest.mark.parametrize("told", [True, False], ids=["with its dates", "without dates"])
def test_a_renewal_is_stored_and_fills_up_what_is_included(told: bool) -> None:
    world = metered_world()
    id_ = bought(world, "seats")
    world.clock.advance(MINUTE)
    world.use(id_, 130)
    world.next_run()
    assert world.marketplace.total(id_, "t1") == 30
    april = datetime(2026, 4, 2, tzinfo=UTC)
    world.clock.at = april + 10 * MINUTE
    dates = (april, april + timedelta(days=29)) if told else ()
    notify(world, world.marketplace.renew(id_, *dates))
    drain(world)
    sold = world.record(AccountCode(id_)).subscription
    assert sold is not None
    assert (sold.term_start, sold.term_end) == (dates or (None, None))
    (record,) = world.operations.of(id_)
    assert (record.operation.action, record.done) == ("Renew", True)
    world.use(id_, 90)
    world.next_run()
    assert world.marketplace.total(id_, "t1") == 30
    world.use(id_, 25)
    world.next_run()
    assert world.marketplace.total(id_, "t1") == 30 + 15


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_nobody_sees_an_operation_done_beside_the_state_before_it(world: World, nth: int) -> None:
    """Whichever call of the reader the end of the operation comes before."""
    id_ = bought(world)
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    told = world.marketplace.reinstate(id_)
    notify(world, told)
    calls = iter(range(1, 100))
    ended: list[bool] = []

    def between(_: Call) -> None:
        if next(calls) == nth:
            drain(world)
            ended.append(True)

    world.journal.always = between
    view = world.process.subscriptions.one(id_)
    (shown,) = [record for record in view.operations if record.operation.id == told]
    assert ended
    assert (view.subscription.status is SUBSCRIBED) or not shown.done


def test_what_was_learnt_later_stays(world: World) -> None:
    """A look that is overtaken, between asking and storing, by one that sees a newer state."""
    id_ = bought(world)
    notify(world, world.marketplace.suspend(id_))
    other = world.boot()

    def overtaken(_: Call) -> None:
        other.follow(id_)
        told = world.marketplace.operations[world.marketplace.reinstate(id_)]
        other.receive_notice(Notice(told.id, told.subscription, told.action))
        assert other.follow(id_).after is SUBSCRIBED

    world.journal.after("marketplace.get", overtaken)
    world.process.follow(id_)
    assert ours(world, id_) == (SUBSCRIBED, "standard")


def test_a_reinstatement_that_takes_a_while_is_followed_until_it_is_done(world: World) -> None:
    """Answered, and for a while neither ended nor in force: it is looked at again."""
    id_ = bought(world)
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    world.marketplace.hesitant = True
    notify(world, world.marketplace.reinstate(id_))
    (first,) = world.messages.take("lifecycle")
    world.process.handle(task_of(first))
    assert ours(world, id_) == (SUSPENDED, "standard")
    (again,) = world.messages.take("lifecycle")
    assert again.after == handle_operation.PAUSES[0]
    world.clock.advance(handle_operation.PAUSES[0])
    world.process.handle(task_of(again))
    assert ours(world, id_) == (SUBSCRIBED, "standard")
    assert world.messages.take("lifecycle") == []
    assert list(world.operations.unfinished()) == []


def test_usage_of_a_suspension_is_sent_after_reinstatement(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    world.clock.advance(20 * MINUTE)
    world.use(account, 7)
    world.next_run(3)
    assert world.billed(account) == 0
    notify(world, world.marketplace.reinstate(id_))
    drain(world)
    world.next_run()
    assert world.billed(account) == 7


def test_usage_after_the_end_is_refused_and_before_it_flushed(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    world.clock.advance(20 * MINUTE)
    world.use(account, 7)
    notify(world, world.marketplace.unsubscribe(id_))
    drain(world)
    world.process = world.boot()
    world.clock.advance(10 * MINUTE)
    (late,) = world.send(world.event(account, 100))
    assert [error.pointer for error in late.errors] == ["/time"]
    world.next_run(5)
    assert world.billed(account) == 7
    assert world.row(account).flushed


# --- the publisher's orders


def test_an_order_is_followed_to_its_end(world: World) -> None:
    id_ = bought(world)
    record = world.process.actions.change_plan(id_, "scale", "me")
    assert (record.done, record.by) == (False, "me")
    assert world.marketplace.outbox[-1].id == record.operation.id
    world.clock.advance(MINUTE)
    drain(world)
    done = world.process.actions.operation(id_, record.operation.id)
    assert (done.done, done.operation.status) == (True, "Succeeded")
    assert ours(world, id_) == (SUBSCRIBED, "scale")
    assert "asked.ChangePlan" in {entry.action for entry in world.trail.of(id_)}


def test_an_order_whose_answer_was_lost_shows_at_the_next_reconciliation(world: World) -> None:
    id_ = bought(world)
    world.marketplace.faults.append(LoseAnswer())
    with pytest.raises(Unavailable):
        world.process.actions.cancel(id_, "me")
    world.clock.advance(MINUTE)
    world.process.reconcile()
    assert ours(world, id_) == (UNSUBSCRIBED, "standard")


def test_orders_that_make_no_sense_are_refused_before_they_are_sent(world: World) -> None:
    id_ = bought(world)
    actions = world.process.actions
    with pytest.raises(InvalidInput):
        actions.change_plan(id_, "unknown", "me")
    with pytest.raises(Conflict):
        actions.change_plan(id_, "standard", "me")
    with pytest.raises(InvalidInput):
        actions.change_quantity(id_, 0, "me")
    with pytest.raises(Conflict, match="refused"):
        actions.change_quantity(id_, 5, "me")
    with pytest.raises(NotFound):
        actions.cancel(SubscriptionId("00000000-0000-4000-8000-00000000ffff"), "me")
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    with pytest.raises(Conflict):
        actions.change_plan(id_, "scale", "me")
    assert list(world.marketplace.running(id_)) == []


# --- adoption


def test_what_was_activated_elsewhere_is_adopted(world: World) -> None:
    id_, _ = world.marketplace.buy()
    world.marketplace.activate(id_, "standard", None)
    world.clock.advance(3 * HOUR)
    world.process.reconcile()
    assert {f.kind for f in world.findings.all()} == {FindingKind.NOT_ADOPTED}
    record = world.process.adopt(id_, "acme", "me")
    assert record.account.code == "acme"
    world.process.reconcile()
    assert list(world.findings.all()) == []
    world.clock.advance(MINUTE)
    world.use("acme", 5)
    world.next_run()
    assert world.marketplace.total(id_, "usage_fee") == 5
    assert world.process.adopt(id_, None, "me").account.code == "acme"
    with pytest.raises(Conflict):
        world.process.adopt(id_, "other", "me")


def test_an_adoption_beside_another_ends_alike(world: World) -> None:
    id_, _ = world.marketplace.buy()
    world.marketplace.activate(id_, "standard", None)
    other = world.boot()
    world.journal.before("accounts.save", lambda _: other.adopt(id_, None, "you"))
    record = world.process.adopt(id_, None, "me")
    assert record == world.record(AccountCode(id_))
    begun = [e.actor for e in world.trail.of(id_) if e.action == "subscription.status"]
    assert begun == ["you"]


def test_a_purchase_is_adopted_only_when_it_is_to_be_activated(world: World) -> None:
    id_, _ = world.marketplace.buy()
    with pytest.raises(Conflict):
        world.process.adopt(id_, None, "me")
    world.process.adopt(id_, None, "me", pending=True)
    assert world.marketplace.sold[id_].status is SUBSCRIBED


def test_a_new_subscription_pays_for_the_account_once_the_old_one_is_settled(
    world: World,
) -> None:
    account = world.customer()
    old = SubscriptionId(account)
    world.clock.advance(20 * MINUTE)
    world.use(account, 7)
    new, _ = world.marketplace.buy("scale")
    world.marketplace.activate(new, "scale", None)
    with pytest.raises(Conflict):
        world.process.adopt(new, account, "me")
    notify(world, world.marketplace.unsubscribe(old))
    drain(world)
    world.next_run(5)
    assert world.marketplace.total(old, "usage_fee") == 7
    record = world.process.adopt(new, account, "me")
    assert [s.id for s in record.subscriptions] == [old, new]
    assert [p.plan for p in record.plans if p.end is None] == [PlanCode("tiered")]
    world.process = world.boot()
    world.clock.advance(MINUTE)
    world.use(account, 10)
    world.next_run()
    assert world.marketplace.total(new, "usage_fee") == 100
    assert world.marketplace.total(old, "usage_fee") == 7


# --- reconciliation


def test_reconciliation_asks_nothing_about_what_agrees(world: World) -> None:
    for _ in range(5):
        bought(world)
    world.process.reconcile()
    world.journal.forget()
    report = world.process.reconcile()
    assert (report.compared, report.repaired) == (5, [])
    calls = {n: c for n, c in world.journal.counts().items() if n.startswith("marketplace.")}
    assert calls == {"marketplace.list_subscriptions": 1}


def test_a_purchase_nobody_activates_is_reported(world: World) -> None:
    id_, _ = world.marketplace.buy()
    world.process.reconcile()
    assert list(world.findings.all()) == []
    world.clock.advance(2 * DAY)
    world.process.reconcile()
    (finding,) = world.findings.all()
    assert (finding.kind, finding.subject) == (FindingKind.NEVER_ACTIVATED, id_)
    assert "2 days" in finding.detail


def test_one_that_fails_does_not_hold_up_the_others(world: World) -> None:
    first, second = bought(world), bought(world)
    world.marketplace.suspend(first)
    world.marketplace.suspend(second)
    world.marketplace.faults.extend([None, LoseRequest()])
    report = world.process.reconcile()
    assert list(report.failed) == [first]
    assert world.checkpoints.read("subscriptions") is None
    assert ours(world, second) == (SUSPENDED, "standard")
    assert FindingKind.NOT_RECONCILED in {f.kind for f in world.findings.all()}
    assert not world.process.reconcile().failed
    assert ours(world, first) == (SUSPENDED, "standard")


def test_a_late_known_end_still_has_an_hour_to_bill(world: World) -> None:
    account = world.customer()
    world.next_run()
    world.process.reconcile()
    world.clock.advance(25 * MINUTE)
    world.use(account, 9)
    world.marketplace.unsubscribe(SubscriptionId(account))
    world.clock.advance(31 * MINUTE)
    world.process.reconcile()
    world.next_run(4)
    assert world.billed(account) == 9


@pytest.mark.parametrize("noticed", [False, True], ids=["notices lost", "notice late"])
def test_an_end_found_while_something_else_is_followed_has_an_hour_to_bill(
    world: World, noticed: bool
) -> None:
    """A change of plan is asked for, then the end comes, and its notice never does."""
    id_ = bought(world)
    world.clock.advance(HOUR + 25 * MINUTE)
    world.use(id_, 7)
    world.clock.advance(7 * MINUTE)
    world.process.actions.change_plan(id_, "scale", "me")
    world.marketplace.unsubscribe(id_)
    world.clock.advance(HOUR)
    if noticed:
        drain(world)
    world.next_run()
    world.process.reconcile()
    world.next_run(4)
    assert ours(world, id_) == (UNSUBSCRIBED, "standard")
    assert world.marketplace.total(id_, "usage_fee") == 7


def test_one_that_fails_for_days_costs_no_usage_of_others(world: World) -> None:
    """While it fails nothing is noted as compared; the end of another is learnt late meanwhile."""
    account, bad = world.customer(), bought(world)
    world.process.reconcile()
    world.marketplace.suspend(bad)

    def fails(call: Call) -> None:
        if call == Call("marketplace.get", (bad,)):
            raise Unavailable("down")

    world.journal.always = fails
    for _ in range(30):
        world.to_next_run()
        assert list(world.process.reconcile().failed) == [bad]
        world.run()
    world.clock.advance(10 * MINUTE)
    world.use(account, 7)
    world.clock.advance(10 * MINUTE)
    world.marketplace.unsubscribe(SubscriptionId(account))
    world.to_next_run()
    world.process.reconcile()
    world.next_run(4)
    assert world.marketplace.total(account, "usage_fee") == 7


def test_late_usage_after_a_late_known_end_takes_an_hour_that_azure_takes(world: World) -> None:
    account = world.customer()
    world.next_run()
    world.process.reconcile()
    world.clock.advance(25 * MINUTE)
    used = world.clock.now()
    world.clock.advance(10 * MINUTE)
    world.marketplace.unsubscribe(SubscriptionId(account))
    world.next_run(2)
    world.clock.advance(5 * MINUTE)
    world.process.reconcile()
    world.use(account, 4, used)
    world.next_run(4)
    assert world.billed(account) == 4


def test_usage_of_the_moment_in_which_the_end_is_asked_for_is_billed(world: World) -> None:
    account = world.customer()
    world.clock.advance(HOUR)
    world.process.actions.cancel(SubscriptionId(account), "me")
    world.use(account, 3)
    world.clock.advance(timedelta(seconds=30))
    drain(world)
    assert ours(world, SubscriptionId(account)) == (UNSUBSCRIBED, "standard")
    world.next_run(4)
    assert world.billed(account) == 3


# --- erasure


def test_personal_data_go_a_week_after_the_end(world: World) -> None:
    account = world.customer()
    id_ = SubscriptionId(account)
    with pytest.raises(Conflict):
        world.process.erase(account, "me")
    notify(world, world.marketplace.unsubscribe(id_))
    drain(world)
    world.clock.advance(6 * DAY)
    with pytest.raises(Conflict, match="kept until"):
        world.process.erase(account, "me")
    world.clock.advance(2 * DAY)
    for _ in range(2):
        record = world.process.erase(account, "me")
    assert (record.account.name, record.subscriptions[0].name) == ("", "")
    assert world.record(account) == record
    assert "account.erased" in {entry.action for entry in world.trail.of(account)}
    assert "Contoso" not in str(list(world.trail.of(account)))


# --- audit and forwarding


def test_every_change_is_audited_with_its_time(world: World) -> None:
    id_ = bought(world)
    world.clock.advance(HOUR)
    notify(world, world.marketplace.suspend(id_))
    drain(world)
    found = [(e.at, e.actor, e.detail["after"]) for e in world.trail.of(id_)]
    assert found == [
        (START, "buyer", "Subscribed"),
        (START + HOUR, "marketplace", "Suspended"),
    ]


def forwards(world: World) -> list[Forwarding]:
    messages = world.messages.take("lifecycle")
    parsed = [parse_lifecycle_message(message.body.encode()) for message in messages]
    return [each for each in parsed if isinstance(each, Forwarding)]


def test_changes_are_forwarded_until_they_are_taken() -> None:
    world = World(forwarding=True)
    id_ = bought(world)
    (first,) = forwards(world)
    assert (first.event["type"], first.event["status"]) == ("subscription.status", "Subscribed")
    world.forwarder.errors += [Unavailable("down"), Rejected("no", 410)]
    assert not world.process.forward(first.event, first.attempt)
    (message,) = world.messages.sent["lifecycle"]
    assert message.after == PAUSES[0]
    assert message.session == id_
    (second,) = forwards(world)
    assert second.event == first.event
    assert not world.process.forward(second.event, second.attempt)
    (third,) = forwards(world)
    assert world.process.forward(third.event, third.attempt)
    ((sent, body),) = world.forwarder.sent
    assert sent == first.event["id"]
    assert json.loads(body) == first.event


def test_forwarding_gives_up_with_a_finding() -> None:
    world = World(forwarding=True)
    bought(world)
    (first,) = forwards(world)
    world.forwarder.errors.append(Rejected("no", 400))
    assert not world.process.forward(first.event, len(PAUSES))
    assert forwards(world) == []
    (finding,) = world.findings.all()
    assert finding.kind is FindingKind.NOT_FORWARDED
    assert "400" in finding.detail


def test_an_operation_that_does_not_end_is_looked_at_later(world: World) -> None:
    id_ = bought(world)
    asked = world.process.actions.cancel(id_, "me")
    world.messages.take("lifecycle")
    handle: HandleOperation = world.process.handle
    handle.resume(asked)
    assert world.messages.take("lifecycle") == []
    assert [r.operation.id for r in world.operations.unfinished()] == [asked.operation.id]
    world.clock.advance(HOUR)
    world.process.reconcile()
    assert list(world.operations.unfinished()) == []
    assert ours(world, id_) == (UNSUBSCRIBED, "standard")


# --- plans of other products


SUPPORT = replace(BASIC, code=PlanCode("support"), product=ProductCode("support"), marketplace=())


def selling_support() -> World:
    catalog = catalog_of(BASIC, TIERED, SUPPORT)
    support = replace(catalog.products[0], code=ProductCode("support"))
    return World(catalog=replace(catalog, products=(*catalog.products, support)))


def add(world: World, code: AccountCode, plan: str, start: datetime) -> None:
    """Attach a plan by hand."""
    own = AccountPlan(f"by-hand-{plan}-{start:%d%H}", PlanCode(plan), start)
    world.change(code, plans=(*world.record(code).plans, own))


@pytest.mark.parametrize("start", [START, START + 29 * DAY])
def test_a_plan_change_leaves_plans_of_other_products(start: datetime) -> None:
    world = selling_support()
    id_ = bought(world)
    add(world, AccountCode(id_), "support", start)
    world.clock.advance(20 * MINUTE)
    notify(world, world.marketplace.ask_for_plan(id_, "scale"))
    drain(world)
    assert sorted(plans(world, id_)) == [
        ("basic", START, START + HOUR),
        ("support", start, None),
        ("tiered", START + HOUR, None),
    ]
    starts = [plan.start for plan in world.record(AccountCode(id_)).plans]
    assert starts == sorted(starts)
    # It is seen again, and the plan attached last is an add-on: nothing is attached twice.
    world.process.follow(id_)
    assert len(plans(world, id_)) == 3


def test_a_plan_change_replaces_a_plan_of_its_product_attached_by_hand() -> None:
    world = selling_support()
    id_ = bought(world)
    code = AccountCode(id_)
    (first,) = world.record(code).plans
    world.change(code, plans=(replace(first, end=START + HOUR),))
    add(world, code, "basic", START + HOUR)
    world.clock.advance(2 * HOUR + 20 * MINUTE)
    notify(world, world.marketplace.ask_for_plan(id_, "scale"))
    drain(world)
    assert plans(world, id_)[1:] == [
        ("basic", START + HOUR, START + 3 * HOUR),
        ("tiered", START + 3 * HOUR, None),
    ]


def test_a_plan_change_to_another_product_replaces_what_was_bought() -> None:
    catalog = catalog_of(BASIC, replace(TIERED, product=ProductCode("other")))
    other = replace(catalog.products[0], code=ProductCode("other"))
    world = World(catalog=replace(catalog, products=(*catalog.products, other)))
    id_ = bought(world)
    world.clock.advance(20 * MINUTE)
    notify(world, world.marketplace.ask_for_plan(id_, "scale"))
    drain(world)
    assert plans(world, id_) == [("basic", START, START + HOUR), ("tiered", START + HOUR, None)]


@pytest.mark.parametrize("start", [START - DAY, START + 2 * HOUR])
def test_a_purchase_leaves_plans_of_other_products(start: datetime) -> None:
    world = selling_support()
    code = AccountCode("acme")
    world.accounts.create(AccountRecord(Account(code)))
    add(world, code, "support", start)
    add(world, code, "basic", START + 3 * HOUR)
    id_, _ = world.marketplace.buy("standard")
    world.process.adopt(id_, code, "anna", pending=True)
    found = [(plan.plan, plan.start, plan.end) for plan in world.record(code).plans]
    assert sorted(found) == [("basic", START, None), ("support", start, None)]


def test_the_end_of_a_subscription_ends_its_plans_of_other_products() -> None:
    world = selling_support()
    id_ = bought(world)
    code = AccountCode(id_)
    add(world, code, "support", START)
    world.clock.advance(20 * MINUTE)
    world.marketplace.unsubscribe(id_)
    world.process.follow(id_)
    world.clock.advance(3 * DAY)
    add(world, code, "support", world.clock.now().replace(minute=0))
    again, _ = world.marketplace.buy("standard")
    world.process.adopt(again, code, "anna", pending=True)
    back = START + 3 * DAY
    assert sorted(plans(world, id_)) == [
        ("basic", START, back),
        ("basic", back, None),
        ("support", START, back),
        ("support", back, None),
    ]
