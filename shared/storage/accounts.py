"""Accounts: one partition each, guarded by the version of its ``account`` row."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from shared.domain.account import Account, AccountPlan, AccountRecord, FormerCustom
from shared.domain.catalog.custom import CustomFields
from shared.domain.errors import ConcurrentUpdate, Conflict, Unavailable
from shared.domain.grants import AdHocCharge, Credit, Prepayment
from shared.domain.ids import AccountCode, SubscriptionId
from shared.domain.lifecycle.subscription import Subscription
from shared.domain.money import to_text
from shared.domain.rating.bill import PeriodRecord
from shared.domain.rating.locked import LockedBill
from shared.ports import Answered, Etag, Versioned
from shared.storage import keys
from shared.storage.limits import Property, check_account, check_ids
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

PARTS: Final = (
    ("plans", keys.PLAN, "plan", AccountPlan),
    ("subscriptions", keys.SUBSCRIPTION, "subscription", Subscription),
    ("prepayments", keys.PREPAYMENT, "prepayment", Prepayment),
    ("credits", keys.CREDIT, "credit", Credit),
    ("charges", keys.CHARGE, "charge", AdHocCharge),
    ("locked", keys.BILL, "bill", LockedBill),
    ("former", keys.CUSTOM, "former", FormerCustom),
)
"""What stands in rows of its own: the field of the record, which the ``account`` row lists the
ids of too, the prefix of the rows, their property, and its type."""


GRANTS: Final[Mapping[str, type[Prepayment | Credit | AdHocCharge]]] = {
    "Prepayment": Prepayment,
    "Credit": Credit,
    "AdHocCharge": AdHocCharge,
}

VOID: Final = "void"
"""The property that the ``account`` row of a deleted account has instead of all others."""


class TableAccounts:
    """Fulfils ``Accounts``.

    The ``account`` row names everything in ``PARTS`` in its order, and the children, and is
    rewritten with every change, so its version is that of all of them. Records of ended periods
    stand apart.
    """

    def __init__(self, tables: Tables) -> None:
        self._accounts = tables.table(keys.ACCOUNTS)
        self._links = tables.table(keys.SUBSCRIPTIONS)

    def load(self, code: AccountCode) -> Versioned[AccountRecord] | None:
        """See the port. Raises ``ConcurrentUpdate`` when it changes while it is read."""
        rows = {row.key: row for row in self._accounts.query(keys.account_partition(code))}
        head = rows.get(keys.ACCOUNT)
        if head is None or VOID in head.properties:
            return None
        try:
            return Versioned(_record(head, rows), head.etag)
        except KeyError as exc:
            raise ConcurrentUpdate(f"account {code} changed while it was read") from exc

    def create(self, record: AccountRecord) -> Etag:
        """See the port; raises ``TooLarge`` for more than one transaction carries."""
        check_account(record)
        partition = keys.account_partition(record.account.code)
        parts = list(_parts(record, {}))
        match self._accounts.transact(partition, [Create(keys.ACCOUNT, _head(record)), *parts]):
            case Done(etags):
                return etags[0]
            case Clash():
                return self._create_again(record, parts)

    def _create_again(self, record: AccountRecord, parts: Iterable[Operation]) -> Etag:
        code = record.account.code
        partition = keys.account_partition(code)
        kept = self._accounts.get(partition, keys.ACCOUNT)
        if kept is not None and VOID in kept.properties:
            root = text_of(kept.properties, VOID)
            if root != record.account.root:
                raise Conflict(f"{code} was an account of {root} and can be no other's")
            again = Replace(keys.ACCOUNT, _head(record), kept.etag)
            done = self._accounts.transact(partition, [again, *parts])
            if isinstance(done, Done):
                return done.etags[0]
        raise Conflict(f"there is an account {code} already")

    def save(self, record: AccountRecord, etag: Etag, answered: Answered | None = None) -> Etag:
        check_ids(record)
        code = record.account.code
        parts = _parts(record, self._stored_parts(code))
        operations = [Replace(keys.ACCOUNT, _head(record), etag), *parts]
        if answered is not None:
            operations.append(Create(keys.answer_row(answered.key), _answer(answered)))
        match self._accounts.transact(keys.account_partition(code), operations):
            case Done(etags):
                return etags[0]
            case Clash():
                raise ConcurrentUpdate(f"account {code} is not at the version read")

    def answered(self, code: AccountCode, key: str) -> Answered | None:
        row = self._accounts.get(keys.account_partition(code), keys.answer_row(key))
        if row is None:
            return None
        kind = GRANTS[text_of(row.properties, "kind")]
        made = from_stored(kind, unpack(row.properties, "made"))
        return Answered(key, text_of(row.properties, "fingerprint"), made)

    def delete(self, code: AccountCode, etag: Etag) -> None:
        """The ``account`` row stays and says which family the code belonged to."""
        partition = keys.account_partition(code)
        kept = self._accounts.get(partition, keys.ACCOUNT)
        if kept is None or VOID in kept.properties or kept.etag != etag:
            raise ConcurrentUpdate(f"account {code} is not at the version read")
        root = from_stored(Account, unpack(kept.properties, "account")).root
        gone = [Delete(row, None) for row in self._stored_parts(code)]
        done = self._accounts.transact(
            partition, [Replace(keys.ACCOUNT, {VOID: root}, etag), *gone]
        )
        if isinstance(done, Clash):
            raise ConcurrentUpdate(f"account {code} is not at the version read")

    def _stored_parts(self, code: AccountCode) -> dict[str, Row]:
        """A part that changes after this look changes the version too."""
        partition = keys.account_partition(code)
        return {
            row.key: row
            for parts in keys.account_parts()
            for row in self._accounts.query(partition, parts)
        }

    def put_record(self, code: AccountCode, record: PeriodRecord) -> None:
        partition = keys.account_partition(code)
        row = keys.record_row(record.attachment, record.start)
        properties = {"record": to_stored(record)}
        for _ in range(ATTEMPTS):
            kept = self._accounts.get(partition, row)
            if kept is not None and _period(kept).rank > record.rank:
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
        for row in self._accounts.with_row_key(keys.ACCOUNT, ["PartitionKey", VOID]):
            if row.properties.get(VOID) is None:
                yield AccountCode(row.partition)

    def heads(self, after: str = "") -> Iterator[Account]:
        for row in self._accounts.with_row_key(keys.ACCOUNT, after=after):
            if VOID not in row.properties:
                yield _account(row)

    def subscriptions(self) -> Iterable[tuple[AccountCode, Subscription]]:
        for row in self._accounts.between(keys.subscription_rows()):
            text = unpack(row.properties, "subscription")
            yield AccountCode(row.partition), from_stored(Subscription, text)

    def attachments(self) -> Iterable[tuple[AccountCode, AccountPlan]]:
        for row in self._accounts.between(keys.starting_with(keys.PLAN)):
            text = unpack(row.properties, "plan")
            yield AccountCode(row.partition), from_stored(AccountPlan, text)

    def locked_bills(self) -> Iterable[tuple[AccountCode, LockedBill]]:
        for row in self._accounts.between(keys.starting_with(keys.BILL)):
            text = unpack(row.properties, "bill")
            yield AccountCode(row.partition), from_stored(LockedBill, text)


def _period(row: Row) -> PeriodRecord:
    return from_stored(PeriodRecord, text_of(row.properties, "record"))


def _head(record: AccountRecord) -> dict[str, Property]:
    account = record.account
    lists = {field: [part.id for part in getattr(record, field)] for field, _, _, _ in PARTS}
    if record.children:
        lists["children"] = list(record.children)
    head = pack("account", to_stored(replace(account, custom={})))
    if account.custom:
        head |= pack("custom", _custom_text(account.custom))
    for field, ids in lists.items():
        if ids or field in ("plans", "subscriptions"):
            head |= pack(field, dumps(ids))
    return head


def _answer(answered: Answered) -> dict[str, Property]:
    made = answered.made
    named: dict[str, Property] = {
        "kind": type(made).__name__,
        "fingerprint": answered.fingerprint,
    }
    return named | pack("made", to_stored(made))


def _custom_text(custom: CustomFields) -> str:
    """Texts stand in lists, so that numbers stay numbers."""
    return dumps(
        {name: to_text(v) if isinstance(v, Decimal) else [v] for name, v in custom.items()}
    )


def _custom_from(text: str) -> CustomFields:
    return {
        name: value[0] if isinstance(value, list) else Decimal(value)
        for name, value in json.loads(text).items()
    }


def _parts(record: AccountRecord, stored: dict[str, Row]) -> Iterator[Operation]:
    """What turns the stored parts into those of ``record``."""
    wanted = {
        keys.account_part_row(prefix, part.id): pack(name, to_stored(part))
        for field, prefix, name, _ in PARTS
        for part in getattr(record, field)
    }
    for row, properties in wanted.items():
        if row not in stored or dict(stored[row].properties) != properties:
            yield Put(row, properties)
    for row, gone in stored.items():
        if row not in wanted:
            yield Delete(row, gone.etag)


def _record(head: Row, rows: dict[str, Row]) -> AccountRecord:
    parts: dict[str, Any] = {
        field: tuple(
            from_stored(kind, unpack(rows[key].properties, name))
            for key in (keys.account_part_row(prefix, id_) for id_ in _listed(head, field))
        )
        for field, prefix, name, kind in PARTS
    }
    records = [_period(row) for key, row in rows.items() if key.startswith(keys.RECORD)]
    return AccountRecord(
        account=_account(head),
        records={record.key: record for record in records},
        children=tuple(AccountCode(code) for code in _listed(head, "children")),
        **parts,
    )


def _account(head: Row) -> Account:
    account = from_stored(Account, unpack(head.properties, "account"))
    if not _has(head.properties, "custom"):
        return account
    return replace(account, custom=_custom_from(unpack(head.properties, "custom")))


def _listed(head: Row, field: str) -> list[str]:
    """The ids that the ``account`` row lists; rows of older versions lack some of the lists."""
    if not _has(head.properties, field):
        return []
    ids: list[str] = json.loads(unpack(head.properties, field))
    return ids


def _has(properties: Mapping[str, Property], name: str) -> bool:
    return name in properties or f"{name}_0" in properties
