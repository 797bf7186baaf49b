"""Accounts in memory."""

from collections.abc import Iterable
from dataclasses import replace

from shared.domain.account import AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.rating.bill import PeriodRecord
from shared.ports import Etag, Versioned
from shared.storage.limits import check_account
from tests.fakes.versions import Versions


class FakeAccounts:
    """Records of ended periods stand beside the versioned part, as in the real store."""

    def __init__(self) -> None:
        self._accounts: dict[AccountCode, Versioned[AccountRecord]] = {}
        self._records: dict[AccountCode, dict[str, PeriodRecord]] = {}
        self._links: dict[SubscriptionId, AccountCode] = {}
        self._versions = Versions()

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
        check_account(record)
        return self._put(record)

    def save(self, record: AccountRecord, etag: Etag) -> Etag:
        code = record.account.code
        stored = self._accounts.get(code)
        if stored is None or stored.etag != etag:
            raise ConcurrentUpdate(f"account {code} is not at the version read")
        check_account(record, stored.value)
        return self._put(record)

    def put_record(self, code: AccountCode, record: PeriodRecord) -> None:
        records = self._records.setdefault(code, {})
        kept = records.get(record.key)
        if kept is None or kept.events <= record.events:
            records[record.key] = record

    def account_of(self, subscription: SubscriptionId) -> AccountCode | None:
        return self._links.get(subscription)

    def link(self, subscription: SubscriptionId, account: AccountCode) -> AccountCode:
        return self._links.setdefault(subscription, account)

    def codes(self) -> Iterable[AccountCode]:
        return sorted(self._accounts)

    def subscriptions(self) -> Iterable[tuple[AccountCode, Subscription]]:
        return [
            (code, sold)
            for code, stored in self._accounts.items()
            for sold in stored.value.subscriptions
        ]

    def _put(self, record: AccountRecord) -> Etag:
        etag = self._versions.new()
        self._accounts[record.account.code] = Versioned(replace(record, records={}), etag)
        return etag
