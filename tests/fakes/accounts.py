"""Accounts in memory."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.ports import Answered, Etag, Versioned
from shared.storage.limits import check_account
from tests.fakes.versions import Versions


class FakeAccounts:
    """Records of ended periods stand beside the versioned part, as in the real store."""

    def __init__(self) -> None:
        self._accounts: dict[AccountCode, Versioned[AccountRecord]] = {}
        self._records: dict[AccountCode, dict[str, PeriodRecord]] = {}
        self._links: dict[SubscriptionId, AccountCode] = {}
        self._versions = Versions()
        self._answers: dict[tuple[AccountCode, str], Answered] = {}
        self._roots: dict[AccountCode, AccountCode] = {}

    def load(self, code: AccountCode) -> Versioned[AccountRecord] | None:
        stored = self._accounts.get(code)
        if stored is None:
            return None
        records = dict(self._records.get(code, {}))
        return Versioned(replace(stored.value, records=records), stored.etag)

    def create(self, record: AccountRecord) -> Etag:
        code = record.account.code
        if code in self._accounts:
            raise Conflict(f"there is an account {code} already")
        root = self._roots.get(code, record.account.root)
        if root != record.account.root:
            raise Conflict(f"{code} was an account of {root} and can be no other's")
        check_account(record)
        return self._put(record)

    def save(self, record: AccountRecord, etag: Etag, answered: Answered | None = None) -> Etag:
        code = record.account.code
        stored = self._at(code, etag)
        check_account(record, stored)
        if answered is not None:
            if (code, answered.key) in self._answers:
                raise ConcurrentUpdate(f"request {answered.key} was answered")
            self._answers[code, answered.key] = answered
        return self._put(record)

    def answered(self, code: AccountCode, key: str) -> Answered | None:
        return self._answers.get((code, key))

    def delete(self, code: AccountCode, etag: Etag) -> None:
        self._roots[code] = self._at(code, etag).account.root
        del self._accounts[code]

    def _at(self, code: AccountCode, etag: Etag) -> AccountRecord:
        stored = self._accounts.get(code)
        if stored is None or stored.etag != etag:
            raise ConcurrentUpdate(f"account {code} is not at the version read")
        return stored.value

    def put_record(self, code: AccountCode, record: PeriodRecord) -> None:
        records = self._records.setdefault(code, {})
        kept = records.get(record.key)
        if kept is None or kept.rank <= record.rank:
            records[record.key] = record

    def account_of(self, subscription: SubscriptionId) -> AccountCode | None:
        return self._links.get(subscription)

    def link(self, subscription: SubscriptionId, account: AccountCode) -> AccountCode:
        return self._links.setdefault(subscription, account)

    def codes(self) -> Iterable[AccountCode]:
        return sorted(self._accounts)

    def heads(self, after: str = "") -> Iterator[Account]:
        return iter([self._accounts[code].value.account for code in self.codes() if code > after])

    def subscriptions(self) -> Iterable[tuple[AccountCode, Subscription]]:
        return [
            (code, sold)
            for code, stored in self._accounts.items()
            for sold in stored.value.subscriptions
        ]

    def attachments(self) -> Iterable[tuple[AccountCode, AccountPlan]]:
        accounts = self._accounts.items()
        return [(code, plan) for code, stored in accounts for plan in stored.value.plans]

    def locked_bills(self) -> Iterable[tuple[AccountCode, LockedBill]]:
        accounts = self._accounts.items()
        return [(code, bill) for code, stored in accounts for bill in stored.value.locked]

    def _put(self, record: AccountRecord) -> Etag:
        etag = self._versions.new()
        self._accounts[record.account.code] = Versioned(replace(record, records={}), etag)
        return etag
