"""Accounts by API: made, changed, deleted and listed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from shared import telemetry
from shared.domain.account import Account, AccountRecord
from shared.domain.accounts.custom_fields import counts_from, custom_field_faults
from shared.domain.accounts.faults import account_faults, change_faults, family_faults
from shared.domain.accounts.scene import Scene
from shared.domain.errors import (
    Conflict,
    FieldError,
    InvalidInput,
    MeteringError,
)
from shared.domain.ids import AccountCode, is_code
from shared.domain.wire import camel
from shared.ports import Versioned
from shared.services.account_changes import (
    ChangeAccount,
    Edit,
    Expected,
    check_version,
)

MAX_CHILDREN = 5000
MAX_SHOWN = 200
"""Characters of a value in the audit trail."""


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """Which accounts: those after ``after`` whose code begins with ``code`` and whose name has
    ``name`` in it, ``only`` these if not ``None``; at most ``limit``."""

    after: str = ""
    limit: int = 50
    code: str = ""
    name: str = ""
    only: frozenset[AccountCode] | None = None


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Accounts in the order of their codes; ``after`` asks for the next ones, if there are."""

    records: tuple[AccountRecord, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class ManageAccounts:
    """Accounts themselves; plans, prepayments and the like hang on them by services of their own.

    ``replay`` tries the parked events of a new account.
    """

    change: ChangeAccount
    replay: Callable[[AccountCode], object]

    def payer(self, code: AccountCode) -> AccountCode:
        """Who is billed for an account: its parent, or it itself. Raises ``NotFound``."""
        return self.change.load(code).value.account.root

    def create(self, account: Account, by: str) -> Versioned[AccountRecord]:
        """A new account. Raises ``InvalidInput`` with every fault, ``Conflict`` for a code that
        is taken."""
        change = self.change
        record = AccountRecord(account)
        scene = change.scene(record)
        faults = [*_faults(account, scene), *self._family_faults(account)]
        if faults:
            raise InvalidInput("the account cannot be made", faults)
        if change.accounts.load(account.code) is not None:
            raise Conflict(f"there is an account {account.code} already")
        detail = _changed(Account(account.code), account)
        change.note(account.code, scene.now, by, "account.create", detail)
        if account.parent is not None:
            # Before it exists: a child that its parent does not know would never be billed.
            self._announce(account.parent, account.code, by)
        etag = change.accounts.create(record)
        try:
            self.replay(account.code)
        except MeteringError as exc:
            # The account is there, and the hourly run tries again.
            telemetry.event("replay_put_off", account=account.code, code=exc.code)
        return Versioned(record, etag)

    def update(
        self, code: str, account: Account, expected: Expected, by: str
    ) -> Versioned[AccountRecord]:
        """Replace name, custom fields and, before its first plan begins, zone, currency and epoch.

        Custom fields of an account with a plan count from a full hour on that is yet to come.

        Raises ``NotFound``, ``StaleVersion``, ``InvalidInput`` with every fault.
        """

        def edit(scene: Scene) -> Edit:
            faults = [*_faults(account, scene), *change_faults(account, scene)]
            if faults:
                raise InvalidInput("the account cannot be changed so", faults)
            detail = _changed(scene.record.account, account)
            since, former = counts_from(scene), scene.record.former
            if since is not None:
                former = scene.record.customs.changed(account.custom, since).former
            record = replace(scene.record, account=account, former=former)
            return Edit(record, "account.update", detail)

        return self.change(code, expected, by, edit)

    def delete(self, code: str, expected: Expected, by: str) -> None:
        """Forget an account on which nothing hangs. Raises ``NotFound``, ``StaleVersion``, and
        ``Conflict`` with what hangs on it."""
        stored = self.change.load(code)
        check_version(stored.etag, expected)
        record = stored.value
        reason = _hanging(record)
        if reason is not None:
            raise Conflict(f"account {code} {reason}")
        account = record.account
        self.change.note(account.code, self.change.clock.now(), by, "account.delete", {})
        self.change.accounts.delete(account.code, stored.etag)
        if account.parent is not None:
            self._disown(account.parent, account.code, by)

    def page(self, query: AccountQuery) -> AccountPage:
        """Some accounts."""
        codes: list[AccountCode] = []
        more = False
        for account in self._heads(query):
            if query.name.casefold() not in account.name.casefold():
                continue
            if len(codes) == query.limit:
                more = True
                break
            codes.append(account.code)
        found = (self.change.accounts.load(code) for code in codes)
        records = tuple(stored.value for stored in found if stored is not None)
        return AccountPage(records, codes[-1] if more else None)

    def _heads(self, query: AccountQuery) -> Iterator[Account]:
        if query.only is not None:
            for code in sorted(query.only):
                if code > query.after and code.startswith(query.code):
                    stored = self.change.accounts.load(code)
                    if stored is not None:
                        yield stored.value.account
            return
        if query.code > query.after and is_code(query.code):
            first = self.change.accounts.load(AccountCode(query.code))
            if first is not None:
                yield first.value.account
        for account in self.change.accounts.heads(max(query.after, query.code)):
            if not account.code.startswith(query.code):
                return
            yield account

    def _family_faults(self, account: Account) -> Iterator[FieldError]:
        if account.parent is None:
            return
        parent = self.change.accounts.load(account.parent) if is_code(account.parent) else None
        yield from family_faults(account, None if parent is None else parent.value)

    def _announce(self, parent: AccountCode, child: AccountCode, by: str) -> None:
        def edit(scene: Scene) -> Edit:
            children = scene.record.children
            if child not in children:
                children = (*children, child)
            if len(children) > MAX_CHILDREN:
                raise Conflict(f"account {parent} has {MAX_CHILDREN} children already")
            return Edit(replace(scene.record, children=children), "account.child", {"child": child})

        self.change(parent, None, by, edit)

    def _disown(self, parent: AccountCode, child: AccountCode, by: str) -> None:
        def edit(scene: Scene) -> Edit:
            children = tuple(code for code in scene.record.children if code != child)
            detail = {"removed": child}
            return Edit(replace(scene.record, children=children), "account.child", detail)

        self.change(parent, None, by, edit)


def _faults(account: Account, scene: Scene) -> Iterator[FieldError]:
    organization = scene.catalogs[0].organization if scene.catalogs else None
    yield from account_faults(account, organization)
    yield from custom_field_faults(account, scene)


def _hanging(record: AccountRecord) -> str | None:
    """Why an account cannot be forgotten."""
    if record.subscriptions:
        return "has a subscription, and what it was billed must stay; end its plans instead"
    if record.children:
        return "has child accounts; delete them first"
    if record.records:
        return "has been billed; end its plans instead"
    for name in ("plans", "prepayments", "credits", "charges"):
        if getattr(record, name):
            return f"has {name}; delete them first"
    return None


def _changed(before: Account, after: Account) -> dict[str, str]:
    """Old and new values of what differs."""
    found = {}
    for field in fields(Account):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            found[camel(field.name)] = f"{_shown(old)} → {_shown(new)}"
    return found


def _shown(value: object) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)[:MAX_SHOWN]
