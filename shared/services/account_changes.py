"""Changes an account: at the version the caller knows, with an audit entry, and rated anew."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.domain.account import Account, AccountRecord
from shared.domain.accounts.scene import Scene
from shared.domain.audit import AuditEntry
from shared.domain.errors import ConcurrentUpdate, NotFound, StaleVersion
from shared.domain.ids import AccountCode, is_code
from shared.domain.lifecycle.agenda import ceil_hour
from shared.domain.period import HOUR, hour_of
from shared.ports import (
    Accounts,
    AgendaEntry,
    Answered,
    AuditTrail,
    Clock,
    Etag,
    Ledger,
    PutAgenda,
    Versioned,
)
from shared.services.directory import CatalogCache

ATTEMPTS = 5

type Expected = frozenset[str] | None
"""Tags of the versions that a caller wants to change, or ``ANY``; ``None``: whichever it is."""

ANY = "*"

NEWEST = 10**10
"""More than the number of any version of the catalogue: what was read before may lack one."""


def tag_of(etag: Etag) -> str:
    """A version as callers see it: short, and without what storage puts into it."""
    return hashlib.sha256(etag.encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to become of an account, how the audit trail calls it, and when it takes effect."""

    record: AccountRecord
    action: str
    detail: Mapping[str, str] = field(default_factory=dict)
    moments: tuple[datetime | None, ...] = ()
    answered: Answered | None = None


@dataclass(frozen=True, slots=True)
class ChangeAccount:
    """What every change of an account has in common.

    The audit trail and the agenda are written first: whatever crashes, no change goes unrecorded
    or unrated. An entry of the trail may tell of a change that then failed.
    """

    accounts: Accounts
    ledger: Ledger
    catalogs: CatalogCache
    trail: AuditTrail
    clock: Clock

    def load(self, code: str) -> Versioned[AccountRecord]:
        """One account. Raises ``NotFound``."""
        found = self.accounts.load(AccountCode(code)) if is_code(code) else None
        if found is None:
            raise NotFound(f"there is no account {code[:64]}")
        return found

    def scene(self, record: AccountRecord) -> Scene:
        """What changes of an account are judged by; the catalogue is looked for anew."""
        parent = record.account.parent
        payer = self.accounts.load(parent) if parent is not None and is_code(parent) else None
        timeline = self.catalogs.timeline(at_least=NEWEST)
        return Scene(record, timeline, self.clock.now(), payer.value if payer else None)

    def __call__(
        self, code: str, expected: Expected, by: str, edit: Callable[[Scene], Edit]
    ) -> Versioned[AccountRecord]:
        """Carry out ``edit``, again from the start when another writer was first.

        Raises ``NotFound``, ``StaleVersion`` and whatever ``edit`` raises.
        """
        begun: datetime | None = None
        for _ in range(ATTEMPTS):
            stored = self.load(code)
            check_version(stored.etag, expected)
            scene = self.scene(stored.value)
            begun = begun or scene.now
            wanted = edit(scene)
            account = wanted.record.account
            self.note(account.code, begun, by, wanted.action, wanted.detail)
            self.enter(account, scene.now, (scene.now + HOUR, *wanted.moments))
            try:
                etag = self.accounts.save(wanted.record, stored.etag, wanted.answered)
            except ConcurrentUpdate:
                continue
            self.enter(account, scene.now, (hour_of(scene.now),))
            saved = replace(wanted.record, records=stored.value.records)
            return Versioned(saved, etag)
        raise ConcurrentUpdate(f"account {code} keeps changing")

    def note(
        self, code: str, at: datetime, by: str, action: str, detail: Mapping[str, str]
    ) -> None:
        """Enter a change into the audit trail."""
        self.trail.append([AuditEntry(code, at, by, action, detail)])

    def enter(self, account: Account, now: datetime, at: tuple[datetime | None, ...]) -> None:
        """Have the account's family rated in these hours, as far as they are not over."""
        hours = {ceil_hour(m) for m in at if m is not None and m >= hour_of(now)}
        entries = [PutAgenda(AgendaEntry(hour, account.root)) for hour in sorted(hours)]
        if entries:
            self.ledger.write(account.shard, entries)


def check_version(etag: Etag, expected: Expected) -> None:
    """Raises ``StaleVersion`` unless the stored version is an expected one."""
    if expected is not None and ANY not in expected and tag_of(etag) not in expected:
        raise StaleVersion("the account was changed meanwhile; read it and change what you find")
