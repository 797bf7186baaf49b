"""Accounts by API: made, changed at a version, deleted when nothing hangs on them, listed."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from shared.domain.account import Account
from shared.domain.accounts.attachments import PlanOrder
from shared.domain.accounts.granting import CreditOrder
from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    InvalidInput,
    NotFound,
    StaleVersion,
    Unavailable,
)
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, PlanCode, shard_of
from shared.domain.period import HOUR, hour_of
from shared.domain.usage.event import Outcome
from shared.services.account_changes import ANY
from shared.services.account_grants import Repeatable
from shared.services.accounts import AccountQuery
from tests.services.desk import BY, Desk
from tests.services.taps import Call
from tests.services.world import World

ACME = AccountCode("acme")


@pytest.fixture
def desk() -> Desk:
    return Desk()


def lost(_: Call) -> None:
    raise Unavailable("no answer")


def rename(desk: Desk, name: str) -> None:
    """Another process changes the account."""
    stored = desk.world.accounts.load(ACME)
    assert stored is not None
    renamed = replace(stored.value, account=replace(stored.value.account, name=name))
    desk.world.accounts.save(renamed, stored.etag)


def faults(exc: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {fault.pointer: fault.message for fault in exc.value.fields}


# --- making


def test_an_account_is_made_and_noted(desk: Desk) -> None:
    account = Account(
        ACME, "Acme", "Europe/Berlin", epoch=date(2026, 1, 15), custom={"seats": Decimal(5)}
    )
    made = desk.accounts.create(account, BY)
    assert made == desk.stored()
    assert made.value.account == account
    (entry,) = desk.entries()
    assert (entry.actor, entry.action) == (BY, "account.create")
    assert entry.detail["timeZone"] == " → Europe/Berlin"
    assert entry.detail["custom"] == " → seats=5"
    with pytest.raises(Conflict):
        desk.accounts.create(account, BY)


def test_every_fault_of_an_account_is_told_at_once(desk: Desk) -> None:
    bad = Account(
        AccountCode("a b"),
        "x" * 201,
        "Mars/Olympus",
        "EUR",
        date(1066, 1, 1),
        AccountCode("nobody"),
        {"x": "y" * 600},
    )
    with pytest.raises(InvalidInput) as exc:
        desk.accounts.create(bad, BY)
    found = faults(exc)
    assert set(found) == {
        "/code", "/name", "/timeZone", "/currency", "/epoch", "/parent", "/custom/x"
    }  # fmt: skip
    assert "exchange rate" in found["/currency"]
    assert list(desk.world.accounts.codes()) == []
    assert desk.entries("a b") == []


def test_parked_usage_of_a_new_account_is_taken(desk: Desk) -> None:
    world = desk.world
    (parked,) = world.send(world.event("acme", 7))
    assert parked.outcome is Outcome.PARKED
    desk.account()
    assert world.parking.accounts() == {}
    world.check()


def test_an_account_is_there_although_its_parked_usage_has_to_wait() -> None:
    world = World()
    desk = Desk(world)
    world.send(world.event("acme", 7))
    world.journal.before("parking.of_account", lost)
    desk.account()
    assert world.parking.accounts() == {ACME: 1}
    world.process.replay_parked()
    assert world.parking.accounts() == {}


# --- families


def test_a_child_is_known_to_its_parent(desk: Desk) -> None:
    desk.account("parent")
    child = desk.account("child", "parent")
    assert desk.record("parent").children == (child,)
    assert desk.record("child").account.root == "parent"


def test_a_child_is_announced_before_it_exists(desk: Desk) -> None:
    desk.account("parent")
    desk.journal.before("accounts.create", lost)
    with pytest.raises(Unavailable):
        desk.account("child", "parent")
    assert desk.record("parent").children == ("child",)
    desk.account("child", "parent")
    assert desk.record("parent").children == ("child",)


def test_a_code_that_was_announced_and_taken_by_another_is_not_billed_to_the_parent() -> None:
    world = World()
    desk = Desk(world)
    parent, other = world.customer(), AccountCode("other")
    desk.journal.before("accounts.create", lost)
    with pytest.raises(Unavailable):
        desk.account(other, parent)
    desk.account(other)
    desk.plans.attach(other, PlanOrder(PlanCode("basic")), None, BY)
    world.use(parent, 100)
    world.use(other, 5)
    world.next_run(3)
    assert world.billed(parent) == 100


@pytest.mark.parametrize(
    ("parent", "says"),
    [("nobody", "no account"), ("child", "give parent"), ("new", "itself"), ("a b", "no account")],
)
def test_there_is_one_level_of_children(desk: Desk, parent: str, says: str) -> None:
    desk.account("parent")
    desk.account("child", "parent")
    with pytest.raises(InvalidInput) as exc:
        desk.account("new", parent)
    assert says in faults(exc)["/parent"]


def test_a_child_is_billed_through_its_parent() -> None:
    world = World()
    desk = Desk(world)
    parent = world.customer()
    child = desk.account("child", parent)
    if shard_of(child) == shard_of(parent):
        child = desk.account("child-1", parent)
    assert desk.record(child).account.shard == shard_of(parent) != shard_of(child)
    desk.plans.attach(child, PlanOrder(PlanCode("basic")), None, BY)
    world.use(child, 250)
    world.use(parent, 50)
    world.next_run(2)
    assert world.billed(parent) == 300


# --- changing


def test_an_account_is_changed_at_the_version_that_was_read(desk: Desk) -> None:
    desk.account()
    old = desk.tag()
    changed = desk.accounts.update("acme", Account(ACME, "Acme Ltd"), old, BY)
    assert changed == desk.stored()
    with pytest.raises(StaleVersion):
        desk.accounts.update("acme", Account(ACME, "Other"), old, BY)
    assert desk.record().account.name == "Acme Ltd"
    desk.accounts.update("acme", Account(ACME, "Other"), frozenset({ANY}), BY)
    assert [entry.detail for entry in desk.entries()[1:]] == [
        {"name": " → Acme Ltd"},
        {"name": "Acme Ltd → Other"},
    ]


def test_a_writer_that_was_faster_is_not_overwritten(desk: Desk) -> None:
    desk.account()

    def faster(_: Call) -> None:
        rename(desk, "Faster")

    desk.journal.before("accounts.save", faster)
    with pytest.raises(StaleVersion):
        desk.accounts.update("acme", Account(ACME, "Slower"), desk.tag(), BY)
    assert desk.record().account.name == "Faster"


def test_without_a_version_a_change_is_made_to_what_it_then_finds(desk: Desk) -> None:
    desk.account()

    def faster(_: Call) -> None:
        rename(desk, "Faster")

    desk.journal.before("accounts.save", faster)
    desk.plans.attach("acme", PlanOrder(PlanCode("basic")), None, BY)
    record = desk.record()
    assert record.account.name == "Faster"
    assert [plan.plan for plan in record.plans] == ["basic"]
    attached = [entry for entry in desk.entries() if entry.action == "plan.attach"]
    assert len(attached) == 1


def test_an_account_that_keeps_changing_is_given_up(desk: Desk) -> None:
    desk.account()

    def faster(call: Call) -> None:
        if call.name == "accounts.save":
            rename(desk, "Faster")

    desk.journal.always = faster
    with pytest.raises(ConcurrentUpdate):
        desk.plans.attach("acme", PlanOrder(PlanCode("basic")), None, BY)


def test_what_billing_periods_are_counted_by_is_fixed_once_a_plan_has_begun(desk: Desk) -> None:
    desk.account()
    zoned = Account(ACME, time_zone="Asia/Tokyo", epoch=date(2026, 3, 1))
    desk.accounts.update("acme", zoned, None, BY)
    desk.plans.attach("acme", PlanOrder(PlanCode("basic")), None, BY)
    with pytest.raises(InvalidInput) as exc:
        desk.accounts.update("acme", Account(ACME, parent=AccountCode("p")), None, BY)
    assert set(faults(exc)) == {"/parent", "/timeZone", "/epoch"}
    renamed = replace(zoned, name="Acme", custom={"tier": "gold"})
    assert desk.accounts.update("acme", renamed, None, BY).value.account == renamed
    with pytest.raises(InvalidInput) as exc:
        desk.accounts.update("acme", Account(AccountCode("other")), None, BY)
    assert "/code" in faults(exc)


def test_every_change_is_rated_at_once_and_again_should_the_first_look_come_too_early(
    desk: Desk,
) -> None:
    desk.account()
    shard, now = shard_of(ACME), desk.world.clock.now()
    start = hour_of(now) + 5 * HOUR
    desk.plans.attach("acme", PlanOrder(PlanCode("basic"), start, start + HOUR), None, BY)
    due = [e.value.due for e in desk.world.ledger.agenda(shard, now + timedelta(days=1))]
    assert due == [hour_of(now) + n * HOUR for n in (0, 1, 5, 6)]


def test_no_change_without_its_entry_and_its_look(desk: Desk) -> None:
    desk.account()
    desk.journal.after("accounts.save", lost)
    with pytest.raises(Unavailable):
        desk.plans.attach("acme", PlanOrder(PlanCode("basic")), None, BY)
    assert desk.record().plans
    assert desk.entries()[-1].action == "plan.attach"
    assert desk.world.ledger.agenda(shard_of(ACME), desk.world.clock.now() + HOUR)


@pytest.mark.parametrize("code", ["nobody", "a b", "../x|y", ""])
def test_what_is_not_there_is_not_found(desk: Desk, code: str) -> None:
    for call in (
        lambda: desk.accounts.update(code, Account(ACME), None, BY),
        lambda: desk.accounts.delete(code, None, BY),
        lambda: desk.plans.attach(code, PlanOrder(PlanCode("basic")), None, BY),
        lambda: desk.grants.add(
            code, Credit, CreditOrder(Decimal(1)), Repeatable("k", "f"), None, BY
        ),
    ):
        with pytest.raises(NotFound):
            call()


# --- deleting


def test_an_account_is_deleted_when_nothing_hangs_on_it(desk: Desk) -> None:
    desk.account("parent")
    desk.account("child", "parent")
    with pytest.raises(Conflict, match="child accounts"):
        desk.accounts.delete("parent", None, BY)
    stale = desk.tag("child")
    desk.accounts.update("child", replace(desk.record("child").account, name="x"), None, BY)
    with pytest.raises(StaleVersion):
        desk.accounts.delete("child", stale, BY)
    desk.accounts.delete("child", desk.tag("child"), BY)
    assert desk.record("parent").children == ()
    desk.accounts.delete("parent", desk.tag("parent"), BY)
    assert list(desk.world.accounts.codes()) == []
    assert [e.action for e in desk.entries("child")] == [
        "account.create", "account.update", "account.delete"
    ]  # fmt: skip


def test_what_was_sold_stays(desk: Desk) -> None:
    sold = desk.world.account("sold")
    with pytest.raises(Conflict, match="subscription"):
        desk.accounts.delete(sold, None, BY)
    desk.account()
    order, request = CreditOrder(Decimal(1)), Repeatable("k", "f")
    credit = desk.grants.add("acme", Credit, order, request, None, BY).grant
    with pytest.raises(Conflict, match="credits"):
        desk.accounts.delete("acme", None, BY)
    desk.grants.remove("acme", Credit, credit.id, None, BY)
    desk.accounts.delete("acme", None, BY)


# --- listing


@pytest.fixture
def listed(desk: Desk) -> Desk:
    for code, name in [("a1", "Ada"), ("a2", "Bob"), ("b1", "Ada & Bob"), ("b2", ""), ("c", "ADA")]:
        desk.accounts.create(Account(AccountCode(code), name), BY)
    return desk


def codes(desk: Desk, query: AccountQuery) -> list[str]:
    """All pages of a query; none of them but the last may be short."""
    found: list[str] = []
    after: str | None = query.after
    while after is not None:
        page = desk.accounts.page(replace(query, after=after))
        assert len(page.records) == query.limit or page.after is None
        found += [record.account.code for record in page.records]
        after = page.after
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (AccountQuery(), ["a1", "a2", "b1", "b2", "c"]),
        (AccountQuery(after="a2"), ["b1", "b2", "c"]),
        (AccountQuery(code="a"), ["a1", "a2"]),
        (AccountQuery(code="b1"), ["b1"]),
        (AccountQuery(code="c", name="ada"), ["c"]),
        (AccountQuery(name="ada"), ["a1", "b1", "c"]),
        (AccountQuery(code="z"), []),
        (AccountQuery(code="a|b c"), []),
        (AccountQuery(only=frozenset(map(AccountCode, ["b2", "a2", "gone"]))), ["a2", "b2"]),
        (AccountQuery(only=frozenset(), name="ada"), []),
        (AccountQuery(only=frozenset([AccountCode("b2")]), code="a"), []),
    ],
)
def test_accounts_are_listed_page_by_page(
    listed: Desk, query: AccountQuery, expected: list[str], limit: int
) -> None:
    assert codes(listed, replace(query, limit=limit)) == expected
