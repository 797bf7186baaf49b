"""Accounts: one partition each, guarded by the version of its ``account`` row."""

import json
from collections.abc import Iterable, Iterator

from shared.domain.account import Account, AccountPlan, AccountRecord
from shared.domain.errors import ConcurrentUpdate, Conflict, Unavailable
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.rating.bill import PeriodRecord
from shared.ports import Etag, Versioned
from shared.storage import keys
from shared.storage.limits import Property, check_account
from shared.storage.mapping import dumps, from_stored, pack, text_of, to_stored, unpack
from shared.storage.operations import (
    Clash,
    Create,
    Delete,
    Done,
    Operation,
    Put,
    Replace,
    create_or_replace,
)
from shared.storage.tables import Row, Tables

ATTEMPTS = 5


class TableAccounts:
    """Fulfils ``Accounts``.

    The ``account`` row names plans and subscriptions in their order and is rewritten with every
    change, so its version is that of all of them. Records of ended periods stand apart.
    """

    def __init__(self, tables: Tables) -> None:
        self._accounts = tables.table(keys.ACCOUNTS)
        self._links = tables.table(keys.SUBSCRIPTIONS)

    def load(self, code: AccountCode) -> Versioned[AccountRecord] | None:
        """See the port. Raises ``ConcurrentUpdate`` when it changes while it is read."""
        rows = {row.key: row for row in self._accounts.query(keys.account_partition(code))}
        head = rows.get(keys.ACCOUNT)
        if head is None:
            return None
        try:
            return Versioned(_record(head, rows), head.etag)
        except KeyError as exc:
            raise ConcurrentUpdate(f"account {code} changed while it was read") from exc

    def create(self, record: AccountRecord) -> Etag:
        """See the port; raises ``TooLarge`` for more than one transaction carries."""
        check_account(record)
        code = record.account.code
        operations = [Create(keys.ACCOUNT, _head(record)), *_parts(record, {})]
        match self._accounts.transact(keys.account_partition(code), operations):
            case Done(etags):
                return etags[0]
            case Clash():
                raise Conflict(f"there is an account {code} already")

    def save(self, record: AccountRecord, etag: Etag) -> Etag:
        """See the port; raises ``TooLarge`` for more than one transaction carries."""
        check_account(record)
        code = record.account.code
        partition = keys.account_partition(code)
        # A part that changes after this look changes the version too, and the write is refused.
        stored = {
            row.key: row
            for prefix in keys.ACCOUNT_PARTS
            for row in self._accounts.query(partition, keys.starting_with(prefix))
        }
        operations = [Replace(keys.ACCOUNT, _head(record), etag), *_parts(record, stored)]
        match self._accounts.transact(partition, operations):
            case Done(etags):
                return etags[0]
            case Clash():
                raise ConcurrentUpdate(f"account {code} is not at the version read")

    def put_record(self, code: AccountCode, record: PeriodRecord) -> None:
        partition = keys.account_partition(code)
        row = keys.record_row(record.attachment, record.start)
        properties = {"record": to_stored(record)}
        for _ in range(ATTEMPTS):
            kept = self._accounts.get(partition, row)
            if kept is not None and _period(kept).events > record.events:
                return
            write = create_or_replace(row, properties, kept.etag if kept else None)
            if isinstance(self._accounts.transact(partition, [write]), Done):
                return
        raise ConcurrentUpdate(f"a record of {code} keeps changing")

    def account_of(self, subscription: SubscriptionId) -> AccountCode | None:
        row = self._links.get(keys.part(subscription), keys.ACCOUNT)
        return None if row is None else AccountCode(text_of(row.properties, "account"))

    def link(self, subscription: SubscriptionId, account: AccountCode) -> AccountCode:
        partition = keys.part(subscription)
        properties = {"account": account, "subscription": subscription}
        if self._links.create(partition, keys.ACCOUNT, properties) is not None:
            return account
        tied = self.account_of(subscription)
        if tied is None:
            raise Unavailable(f"the link of {subscription} is there and cannot be read")
        return tied

    def codes(self) -> Iterable[AccountCode]:
        for row in self._accounts.with_row_key(keys.ACCOUNT, ["PartitionKey"]):
            yield AccountCode(row.partition)

    def subscriptions(self) -> Iterable[tuple[AccountCode, Subscription]]:
        for row in self._accounts.between(keys.subscription_rows()):
            text = unpack(row.properties, "subscription")
            yield AccountCode(row.partition), from_stored(Subscription, text)


def _period(row: Row) -> PeriodRecord:
    return from_stored(PeriodRecord, text_of(row.properties, "record"))


def _head(record: AccountRecord) -> dict[str, Property]:
    return {
        **pack("account", to_stored(record.account)),
        "plans": dumps([plan.id for plan in record.plans]),
        "subscriptions": dumps([subscription.id for subscription in record.subscriptions]),
    }


def _parts(record: AccountRecord, stored: dict[str, Row]) -> Iterator[Operation]:
    """What turns the stored plans and subscriptions into those of ``record``."""
    wanted: dict[str, dict[str, Property]] = {}
    for plan in record.plans:
        wanted[keys.plan_row(plan.id)] = pack("plan", to_stored(plan))
    for subscription in record.subscriptions:
        row = keys.subscription_row(subscription.id)
        wanted[row] = pack("subscription", to_stored(subscription))
    for row, properties in wanted.items():
        if row not in stored or dict(stored[row].properties) != properties:
            yield Put(row, properties)
    for row, gone in stored.items():
        if row not in wanted:
            yield Delete(row, gone.etag)


def _record(head: Row, rows: dict[str, Row]) -> AccountRecord:
    plans = json.loads(text_of(head.properties, "plans"))
    subscriptions = json.loads(text_of(head.properties, "subscriptions"))
    records = [_period(row) for key, row in rows.items() if key.startswith(keys.RECORD)]
    return AccountRecord(
        account=from_stored(Account, unpack(head.properties, "account")),
        plans=tuple(
            from_stored(AccountPlan, unpack(rows[keys.plan_row(plan)].properties, "plan"))
            for plan in plans
        ),
        subscriptions=tuple(
            from_stored(Subscription, unpack(rows[key].properties, "subscription"))
            for key in map(keys.subscription_row, subscriptions)
        ),
        records={record.key: record for record in records},
    )
