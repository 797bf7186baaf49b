"""Bills: made of what was rated, previewed, approved, locked and recalculated."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.domain.audit import AuditEntry
from shared.domain.catalog.organization import BillNumber, Organization
from shared.domain.errors import ConcurrentUpdate, Conflict, NotFound
from shared.domain.ids import AccountCode, SubscriptionId, is_code
from shared.domain.period import Frequency, Period
from shared.domain.rating.account_bill import (
    Bill,
    BillStatus,
    account_of_bill,
    place_of_bill,
)
from shared.domain.rating.compose import compose
from shared.ports import Accounts, AuditTrail, Bills, Clock, Versioned
from shared.services.directory import CatalogCache
from shared.services.rate_account import RateAccount

ATTEMPTS = 5
GRACE = "auto-approval"
"""Who approves a bill that nobody objected to in time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which bills to make: of one frequency, and of periods that ended at ``until`` or before."""

    until: datetime
    frequency: Frequency | None = None

    def has(self, bill: Bill) -> bool:
        """Whether a bill is among them."""
        if not bill.ended or min(bill.period.end, bill.changed) > self.until:
            return False
        return self.frequency is None or self.frequency in bill.frequencies


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who sends a bill, and who gets it; a name is empty where none is known."""

    publisher: str
    customer: str


@dataclass(frozen=True, slots=True)
class ManageBills:
    """All that is done with bills of one account at a time."""

    bills: Bills
    accounts: Accounts
    catalogs: CatalogCache
    rate_account: RateAccount
    trail: AuditTrail
    clock: Clock

    def get(self, id_: str) -> Bill:
        """One bill. Raises ``NotFound``."""
        return self._load(id_).value

    def letterhead(self, bill: Bill) -> Letterhead:
        """The names on a bill as they are now, so that an erased one is on none."""
        record = self.rate_account.find(bill.account)
        return Letterhead(self._organization().name, record.account.name if record else "")

    def find(
        self,
        account: AccountCode | None = None,
        status: BillStatus | None = None,
        after: str = "",
    ) -> Iterator[Bill]:
        """Bills, newest period first: of one account or of all, in one status or in any, those
        after a bill's id. Read as they are asked for."""
        for bill in self._listed(account, after):
            if status in (None, bill.status):
                yield bill

    def _listed(self, account: AccountCode | None, after: str) -> Iterator[Bill]:
        if account is None:
            found = (self.bills.get(id_) for id_ in self.bills.newest(after))
            yield from (stored.value for stored in found if stored is not None)
            return
        for bill in _newest_first(self.bills.of(account)):
            if not after or place_of_bill(bill.id) > place_of_bill(after):
                yield bill

    def preview(self, account: AccountCode) -> list[Bill]:
        """The bills of periods that run now, as they would be. Raises ``NotFound``."""
        now = self.clock.now()
        return [bill for bill in self._composed(account, now, lambda p: now in p) if not bill.ended]

    def make(self, account: AccountCode, wanted: Wanted) -> list[Bill]:
        """Make or recalculate the wanted bills of an account that are not locked, and approve
        those whose grace is over. Raises ``NotFound``, and ``InvalidInput`` for what cannot be
        rated."""
        self._mend(account)
        now = self.clock.now()
        made = [
            self._stored(bill, now)
            for bill in self._composed(account, now, lambda p: p.start < wanted.until)
            if wanted.has(bill)
        ]
        return _newest_first(made)

    def approve(self, id_: str, by: str) -> Bill:
        """Approve a bill. Raises ``NotFound``, ``Conflict`` before its period has ended, and
        ``IllegalTransition`` once it is locked."""
        stored, now = self._load(id_), self.clock.now()
        approved = stored.value.approved(now, by)
        return self._saved(stored, approved, "bill.approve", by)

    def lock(self, id_: str, by: str) -> Bill:
        """Give an approved bill its number and make it final. Locking it again is fine.

        Bills of an account are locked in the order of their periods. Raises ``NotFound``,
        ``Conflict`` while an earlier one is not locked, ``IllegalTransition`` unless approved.
        """
        stored, now = self._load(id_), self.clock.now()
        bill = stored.value
        if bill.status is not BillStatus.LOCKED:
            earlier = [b for b in self.bills.of(bill.account) if b.period.end <= bill.period.start]
            waiting = [b.id for b in earlier if b.status is not BillStatus.LOCKED]
            if waiting:
                raise Conflict(f"lock the earlier bill {min(waiting)} first")
            self._saved(stored, bill.locked(now, by), "bill.lock", by)
        return self._completed(id_)

    def recalculate(self, id_: str) -> Bill:
        """The bill from what is known now. Raises ``NotFound`` when nothing is owed in its period
        any more, and ``IllegalTransition`` once it is locked."""
        stored, now = self._load(id_), self.clock.now()
        self._mend(stored.value.account)
        bill = stored.value
        for new in self._composed(bill.account, now, lambda p: p == bill.period):
            if new.id != id_:
                continue
            again = bill.recalculated(new)
            self.bills.put(again, stored.etag)
            return again
        bill.recalculated(bill)
        raise NotFound(f"nothing is owed in the period of bill {id_}")

    def _composed(
        self, account: AccountCode, now: datetime, wanted: Callable[[Period], bool]
    ) -> Iterator[Bill]:
        """Bills of the wanted periods that are not locked, of every subscription that the account
        has had. Usage is read for these only, and what is known of other periods is believed."""
        for subscription in self._subscriptions(account):
            known = self.rate_account.preview(account, now, None, subscription).statement
            periods = [period for period in known.wholes() if wanted(period)] if known else []
            if not periods:
                continue
            span = Period(periods[0].start, max(period.end for period in periods))
            lined = self.rate_account.preview(account, now, span, subscription).statement
            if lined is not None:
                for period in lined.wholes():
                    if wanted(period):
                        yield compose(lined, period, now)

    def _subscriptions(self, account: AccountCode) -> list[SubscriptionId]:
        """Those that the account is billed through, its parent's if it has one."""
        record = self.rate_account.find(account)
        if record is not None and record.account.parent is not None:
            record = self.rate_account.find(record.account.parent)
        if record is None:
            raise NotFound(f"there is no account {account}")
        return [subscription.id for subscription in record.subscriptions]

    def _stored(self, bill: Bill, now: datetime) -> Bill:
        for _ in range(ATTEMPTS):
            known = self.bills.get(bill.id)
            new = bill if known is None else known.value.recalculated(bill)
            grace = self._organization().bill_grace_hours
            over = grace is not None and now - bill.period.end >= timedelta(hours=grace)
            if over and new.status is BillStatus.PENDING:
                new = new.approved(now, GRACE)
            if known is not None and new == known.value:
                return new
            try:
                self.bills.put(new, known.etag if known else None)
            except ConcurrentUpdate:
                continue
            return new
        raise ConcurrentUpdate(f"bill {bill.id} keeps changing")

    def _saved(self, stored: Versioned[Bill], bill: Bill, action: str, by: str) -> Bill:
        if bill == stored.value:
            return bill
        entry = AuditEntry(bill.account, bill.changed, by, action, {"bill": bill.id})
        self.trail.append([entry])
        self.bills.put(bill, stored.etag)
        return bill

    def _completed(self, id_: str) -> Bill:
        """A locked bill with its number, known to rating.

        Only what is locked is numbered, so that no number is spent on a bill that then changes.
        The bill itself says first that it is locked: what a crash leaves out after that is mended
        before the account's next bill is made.
        """
        for _ in range(ATTEMPTS):
            stored = self._load(id_)
            bill = stored.value
            if bill.number:
                self._freeze(bill)
                return bill
            numbers = self._organization().bill_number or BillNumber()
            text = numbers.text(self.bills.number(id_, numbers.start))
            try:
                self.bills.put(replace(bill, number=text), stored.etag)
            except ConcurrentUpdate:
                continue
        raise ConcurrentUpdate(f"bill {id_} keeps changing")

    def _freeze(self, bill: Bill) -> None:
        for _ in range(ATTEMPTS):
            loaded = self.accounts.load(bill.account)
            if loaded is None:
                raise NotFound(f"there is no account {bill.account}")
            record = loaded.value
            if any(locked.id == bill.id for locked in record.locked):
                return
            locked = sorted((*record.locked, bill.frozen), key=lambda b: b.period)
            try:
                self.accounts.save(replace(record, locked=tuple(locked)), loaded.etag)
            except ConcurrentUpdate:
                continue
            return
        raise ConcurrentUpdate(f"account {bill.account} keeps changing")

    def _mend(self, account: AccountCode) -> None:
        for bill in self.bills.of(account):
            if bill.status is BillStatus.LOCKED:
                self._completed(bill.id)

    def _load(self, id_: str) -> Versioned[Bill]:
        found = self.bills.get(id_) if is_code(account_of_bill(id_)) else None
        if found is None:
            raise NotFound(f"there is no bill {id_[:160]}")
        return found

    def _organization(self) -> Organization:
        catalog = self.catalogs.current()
        if catalog is None:
            raise NotFound("there is no catalogue yet")
        return catalog.organization


def _newest_first(bills: Iterable[Bill]) -> list[Bill]:
    return sorted(bills, key=lambda bill: place_of_bill(bill.id))
