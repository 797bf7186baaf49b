"""What every store of accounts keeps to."""

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict, TooLarge
from shared.domain.grants import Credit
from shared.domain.ids import AccountCode, PlanCode, SubscriptionId
from shared.domain.rating.bill import PeriodRecord
from shared.ports import Accounts, Answered
from shared.storage.accounts import TableAccounts
from tests.contract.samples import ADA, BOB, LONG, account_record, at
from tests.fakes.accounts import FakeAccounts

GUID = SubscriptionId("6f1c9d3a-0f4e-4a0c-9d58-1f6c2f1f1a11")


@pytest.fixture(params=["fake", "azurite"])
def accounts(request: pytest.FixtureRequest) -> Accounts:
    if request.param == "fake":
        return FakeAccounts()
    return TableAccounts(request.getfixturevalue("tables"))


def loaded(accounts: Accounts, code: AccountCode = ADA) -> AccountRecord:
    found = accounts.load(code)
    assert found is not None
    return found.value


def change(record: AccountRecord, kind: str, parts: tuple[object, ...]) -> AccountRecord:
    return replace(record, **{kind: parts})  # type: ignore[arg-type]  # the test knows the field


def period(attachment: str = "z", hour: int = 1, total: Decimal = LONG) -> PeriodRecord:
    return PeriodRecord(attachment, at(hour), at(hour + 1), total, 17)


def test_nothing_is_there_at_first(accounts: Accounts) -> None:
    assert accounts.load(ADA) is None
    assert accounts.account_of(GUID) is None
    assert list(accounts.codes()) == []


def test_an_account_comes_back_as_it_was_created(accounts: Accounts) -> None:
    etag = accounts.create(account_record())
    found = accounts.load(ADA)
    assert found is not None
    assert found.value == account_record()
    assert found.etag == etag
    assert accounts.load(BOB) is None


def test_a_code_is_taken_once(accounts: Accounts) -> None:
    accounts.create(account_record())
    with pytest.raises(Conflict):
        accounts.create(AccountRecord(replace(account_record().account, name="Other")))
    assert loaded(accounts) == account_record()


def test_an_account_is_saved_at_its_version_only(accounts: Accounts) -> None:
    old = accounts.create(account_record())
    renamed = replace(account_record(), account=replace(account_record().account, name="New"))
    newer = accounts.save(renamed, old)
    with pytest.raises(ConcurrentUpdate):
        accounts.save(account_record(), old)
    assert loaded(accounts) == renamed
    accounts.save(account_record(), newer)
    assert loaded(accounts) == account_record()


def test_what_does_not_exist_cannot_be_saved(accounts: Accounts) -> None:
    etag = accounts.create(account_record())
    with pytest.raises(ConcurrentUpdate):
        accounts.save(account_record(BOB), etag)
    assert accounts.load(BOB) is None


def test_saving_replaces_plans_and_subscriptions(accounts: Accounts) -> None:
    record = account_record()
    etag = accounts.create(record)
    plan = replace(record.plans[0], end=at(9))
    added = AccountPlan("new", PlanCode("bronze"), at(9))
    changed = replace(record, plans=(added, plan), subscriptions=record.subscriptions[::-1])
    etag = accounts.save(changed, etag)
    assert loaded(accounts) == changed
    bare = AccountRecord(Account(ADA))
    etag = accounts.save(bare, etag)
    assert loaded(accounts) == bare
    accounts.save(record, etag)
    assert loaded(accounts) == record


@pytest.mark.parametrize(
    "kind", ["prepayments", "credits", "charges", "children", "locked", "former"]
)
def test_saving_replaces_what_was_granted_and_charged(accounts: Accounts, kind: str) -> None:
    record = account_record()
    etag = accounts.create(record)
    first, second = getattr(record, kind)
    turned = change(record, kind, (second, first))
    etag = accounts.save(turned, etag)
    assert loaded(accounts) == turned
    fewer = change(record, kind, (second,))
    etag = accounts.save(fewer, etag)
    assert loaded(accounts) == fewer
    bare = change(record, kind, ())
    accounts.save(bare, etag)
    assert loaded(accounts) == bare


def test_many_children_are_no_matter(accounts: Accounts) -> None:
    codes = tuple(AccountCode(f"child-{n:05}-{'x' * 50}") for n in range(3000))
    record = replace(account_record(), children=codes)
    accounts.create(record)
    assert loaded(accounts) == record


def test_saving_without_a_change_gives_a_new_version(accounts: Accounts) -> None:
    old = accounts.create(account_record())
    newer = accounts.save(account_record(), old)
    assert newer != old
    with pytest.raises(ConcurrentUpdate):
        accounts.save(account_record(), old)


def test_records_of_periods_stand_apart(accounts: Accounts) -> None:
    etag = accounts.create(account_record())
    first, second = period(), period("a / b|c", 5, Decimal("-0.01"))
    accounts.put_record(ADA, first)
    accounts.put_record(ADA, second)
    accounts.save(account_record(), etag)
    assert loaded(accounts).records == {first.key: first, second.key: second}
    corrected = period(total=Decimal(0))
    accounts.put_record(ADA, corrected)
    assert loaded(accounts).records == {first.key: corrected, second.key: second}


def test_a_record_never_gives_way_to_one_of_fewer_events(accounts: Accounts) -> None:
    accounts.create(account_record())
    newer = replace(period(total=Decimal(9)), events=10)
    accounts.put_record(ADA, newer)
    accounts.put_record(ADA, replace(period(total=Decimal(8)), events=9))
    assert loaded(accounts).records == {newer.key: newer}
    repriced = replace(newer, total=Decimal(7))
    accounts.put_record(ADA, repriced)
    assert loaded(accounts).records == {newer.key: repriced}
    divided = replace(newer, events=3, version=2)
    accounts.put_record(ADA, divided)
    accounts.put_record(ADA, newer)
    assert loaded(accounts).records == {newer.key: divided}


def test_records_alone_make_no_account(accounts: Accounts) -> None:
    accounts.put_record(ADA, period())
    assert accounts.load(ADA) is None
    assert list(accounts.codes()) == []


def test_a_subscription_is_tied_for_good(accounts: Accounts) -> None:
    assert accounts.link(GUID, ADA) == ADA
    assert accounts.link(GUID, BOB) == ADA
    assert accounts.link(GUID, ADA) == ADA
    assert accounts.account_of(GUID) == ADA
    assert accounts.account_of(SubscriptionId("00000000-0000-0000-0000-000000000000")) is None


def test_codes_are_those_of_all_accounts(accounts: Accounts) -> None:
    codes = {AccountCode(f"a.{n}_-") for n in range(5)}
    for code in codes:
        accounts.create(account_record(code))
        accounts.put_record(code, period())
    found = list(accounts.codes())
    assert set(found) == codes
    assert len(found) == 5


def test_a_hundred_rows_are_changed_at_once_at_most(accounts: Accounts) -> None:
    plans = tuple(AccountPlan(str(n), PlanCode("gold"), at(1)) for n in range(100))
    bare = AccountRecord(account_record().account)
    with pytest.raises(TooLarge):
        accounts.create(replace(bare, plans=plans))
    fits = replace(bare, plans=plans[:99])
    etag = accounts.create(fits)
    assert loaded(accounts) == fits
    credits_ = tuple(Credit(str(n), Decimal(n), at(1)) for n in range(99))
    with pytest.raises(TooLarge):
        accounts.save(replace(fits, plans=plans, credits=credits_), etag)
    accounts.save(replace(fits, credits=credits_), etag)
    assert loaded(accounts) == replace(fits, credits=credits_)


def test_an_id_is_there_once(accounts: Accounts) -> None:
    plan = account_record().plans[0]
    with pytest.raises(ValueError, match="once"):
        accounts.create(replace(account_record(), plans=(plan, plan)))
    etag = accounts.create(account_record())
    with pytest.raises(ValueError, match="once"):
        accounts.save(replace(account_record(), plans=(plan, plan)), etag)


def test_every_subscription_is_listed_with_its_account(accounts: Accounts) -> None:
    assert list(accounts.subscriptions()) == []
    record = account_record()
    accounts.create(record)
    accounts.create(AccountRecord(replace(record.account, code=BOB)))
    found = sorted(accounts.subscriptions(), key=lambda item: item[1].id)
    assert found == sorted(((ADA, s) for s in record.subscriptions), key=lambda item: item[1].id)
    assert found


def test_attached_plans_and_locked_bills_are_listed_with_their_accounts(accounts: Accounts) -> None:
    assert [*accounts.attachments(), *accounts.locked_bills()] == []
    record = account_record()
    etag = accounts.create(record)
    accounts.create(AccountRecord(replace(record.account, code=BOB)))
    plans = sorted(accounts.attachments(), key=lambda item: item[1].id)
    assert plans == sorted(((ADA, p) for p in record.plans), key=lambda item: item[1].id)
    bills = sorted(accounts.locked_bills(), key=lambda item: item[1].id)
    assert bills == sorted(((ADA, b) for b in record.locked), key=lambda item: item[1].id)
    assert plans
    assert bills
    accounts.delete(ADA, etag)
    assert [*accounts.attachments(), *accounts.locked_bills()] == []


def test_what_a_request_made_is_kept_with_it(accounts: Accounts) -> None:
    etag = accounts.create(account_record())
    record = account_record()
    for made in (record.prepayments[0], record.credits[0], record.charges[0]):
        answered = Answered(f"key {made.id} / größe", "f" * 64, made)
        assert accounts.answered(ADA, answered.key) is None
        if made is not record.credits[0]:
            etag = accounts.save(record, etag, answered)
            assert accounts.answered(ADA, answered.key) == answered
        assert accounts.answered(BOB, answered.key) is None
    assert loaded(accounts) == record


def test_a_request_is_answered_once(accounts: Accounts) -> None:
    record = account_record()
    etag = accounts.create(record)
    answered = Answered("key", "first", record.credits[0])
    etag = accounts.save(record, etag, answered)
    with pytest.raises(ConcurrentUpdate):
        accounts.save(AccountRecord(Account(ADA)), etag, replace(answered, fingerprint="second"))
    assert accounts.answered(ADA, "key") == answered
    assert loaded(accounts) == record


def test_what_was_not_saved_was_not_answered(accounts: Accounts) -> None:
    old = accounts.create(account_record())
    accounts.save(account_record(), old)
    with pytest.raises(ConcurrentUpdate):
        accounts.save(account_record(), old, Answered("key", "f", account_record().credits[0]))
    assert accounts.answered(ADA, "key") is None


def test_a_deleted_account_is_gone(accounts: Accounts) -> None:
    old = accounts.create(account_record())
    etag = accounts.save(account_record(), old)
    with pytest.raises(ConcurrentUpdate):
        accounts.delete(ADA, old)
    accounts.delete(ADA, etag)
    assert accounts.load(ADA) is None
    assert list(accounts.codes()) == []
    assert list(accounts.heads()) == []
    assert list(accounts.subscriptions()) == []
    for late in (old, etag):
        with pytest.raises(ConcurrentUpdate):
            accounts.delete(ADA, late)
        with pytest.raises(ConcurrentUpdate):
            accounts.save(account_record(), late)


def test_a_code_stays_in_its_family(accounts: Accounts) -> None:
    accounts.delete(ADA, accounts.create(account_record()))
    with pytest.raises(Conflict, match="root"):
        accounts.create(AccountRecord(Account(ADA)))
    again = AccountRecord(Account(ADA, "Again", parent=account_record().account.parent))
    etag = accounts.create(again)
    found = accounts.load(ADA)
    assert found is not None
    assert (found.value, found.etag) == (again, etag)
    with pytest.raises(Conflict, match="already"):
        accounts.create(again)


def test_heads_are_in_order_and_begin_where_one_says(accounts: Accounts) -> None:
    codes = [AccountCode(code) for code in ("a", "a.1", "a_1", "b-2", "b2")]
    for code in reversed(codes):
        accounts.create(account_record(code))
    heads = list(accounts.heads())
    assert [head.code for head in heads] == sorted(codes)
    assert heads[0] == account_record(AccountCode("a")).account
    assert [head.code for head in accounts.heads("a.1")] == sorted(codes)[2:]
    assert [head.code for head in accounts.heads("b")] == ["b-2", "b2"]
    assert list(accounts.heads("c")) == []
