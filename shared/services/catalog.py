"""Reads and changes the catalogue: immutable versions, refused whole when anything is wrong."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import batched

from shared.domain.audit import AuditEntry
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import changes_between
from shared.domain.catalog.impact import Step
from shared.domain.catalog.timeline import TAKING_HOLD, Timeline, VersionHead
from shared.domain.catalog.validation import faults_of
from shared.domain.errors import (
    ConcurrentUpdate,
    FieldError,
    InvalidInput,
    NotFound,
    PreconditionRequired,
    StaleVersion,
)
from shared.domain.ids import AccountCode, MeterCode, Shard
from shared.domain.period import HOUR, hour_of
from shared.domain.usage.event import ACCEPTED_BACK
from shared.domain.wire import document_of
from shared.ports import (
    Accounts,
    AgendaEntry,
    AuditTrail,
    Catalogs,
    CatalogVersion,
    Clock,
    Ledger,
    PutAgenda,
)
from shared.services.catalog_impact import CheckImpact

SUBJECT = "/api/catalog"
"""What the audit trail calls the catalogue; no account has such a code."""

PATHS_NOTED = 20
"""Changes of a version that its audit entry names; all of them are kept with the version."""

FURTHEST = timedelta(days=400)
"""How far ahead a version may take effect."""

_ENTRIES = 90
"""Agenda entries of one transaction."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a caller knows of the catalogue: the number of the version that it wants to change.

    Without any ``numbers`` the caller knows nothing, which suffices while there is no catalogue.
    """

    numbers: frozenset[int] | None = None

    def check(self, current: CatalogVersion | None) -> None:
        """Raises ``PreconditionRequired`` without knowledge, ``StaleVersion`` with an old one."""
        if self.numbers is None:
            if current is not None:
                message = "a catalogue exists; send its ETag in If-Match, so nobody is overwritten"
                raise PreconditionRequired(message)
        elif current is None or current.number not in self.numbers:
            found = "no catalogue" if current is None else f"version {current.number}"
            raise StaleVersion(f"{found} is stored; read it and apply the change to it")


UNCONDITIONAL: Condition | None = None


@dataclass(frozen=True, slots=True)
class CatalogChange:
    """A version that was stored, or that would be; ``new`` unless it changes nothing.

    Usage of ``reaggregated`` meters from its effective hour on lacks what the version needs of it
    and is aggregated again from the stored events: by ``job``, or when it is rated before.
    """

    version: CatalogVersion
    new: bool
    reaggregated: tuple[MeterCode, ...] = ()
    job: str | None = None


type StartJob = Callable[[datetime, str], str]
"""Has usage since a moment aggregated again, for whom; returns the job's id."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody wants to do with a document: ``by`` whom, from when, only to look
    (``dry_run``), and whether accounts keep what the document takes out (``withdraw``)."""

    by: str
    effective_from: datetime | None = None
    dry_run: bool = False
    withdraw: bool = False


@dataclass(frozen=True, slots=True)
class PutCatalog:
    """Stores new versions of the catalogue."""

    catalogs: Catalogs
    accounts: Accounts
    ledger: Ledger
    trail: AuditTrail
    start_job: StartJob
    clock: Clock

    def __call__(
        self, catalog: Catalog, intent: Intent, condition: Condition | None = UNCONDITIONAL
    ) -> CatalogChange:
        """Validate and store, or only say what would be stored.

        A version takes effect at the next full hour, or when ``intent`` says, the first one for
        all time. The same catalogue again is no new version. Raises ``InvalidInput`` with every
        fault, what ``Condition`` raises, and ``StaleVersion`` when another version was stored at
        the same time.
        """
        now = self.clock.now()
        current = self.catalogs.current()
        if condition is not None:
            condition.check(current)
        _refuse((*faults_of(catalog), *_effect_faults(intent.effective_from, now)))
        change = self._change(catalog, intent, current, now)
        if intent.dry_run:
            return change
        if change.new:
            self._store(change.version, intent)
        effective = change.version.effective_from
        if effective is not None and effective <= change.version.created:
            # Also when nothing is new: an earlier call may have ended before it came to this.
            self._look_at_all(now)
        if not change.reaggregated or effective is None:
            return change
        return replace(change, job=self.start_job(effective, intent.by))

    def _store(self, version: CatalogVersion, intent: Intent) -> None:
        """The trail is written first: whatever crashes, no version goes unrecorded."""
        paths = [change.path for change in version.changes]
        detail = {"version": str(version.number), "changes": str(len(paths))}
        if version.effective_from is not None:
            detail["effectiveFrom"] = version.effective_from.isoformat()
        if paths:
            more = ["…"] if len(paths) > PATHS_NOTED else []
            detail["paths"] = ", ".join([*paths[:PATHS_NOTED], *more])
        if intent.withdraw:
            detail["withdraw"] = "true"
        entry = AuditEntry(SUBJECT, version.created, intent.by, "catalog.put", detail)
        self.trail.append([entry])
        try:
            self.catalogs.add(version)
        except ConcurrentUpdate as exc:
            raise StaleVersion("another version was stored at the same time") from exc

    def _change(
        self,
        catalog: Catalog,
        intent: Intent,
        current: CatalogVersion | None,
        now: datetime,
    ) -> CatalogChange:
        if current is None:
            return CatalogChange(CatalogVersion(1, now, catalog), new=True)
        old, new = document_of(current.catalog), document_of(catalog)
        if old == new:
            return CatalogChange(current, new=False)
        since = intent.effective_from or hour_of(now) + HOUR
        changes = tuple(changes_between(old, new))
        version = CatalogVersion(current.number + 1, now, catalog, since, changes)
        heads, loaded = self.catalogs.heads(), _Loaded(self.catalogs, current, version)
        after = Timeline([*heads, version.head], loaded)
        step = Step(current.catalog, catalog, Timeline(heads, loaded), after, since)
        _refuse(CheckImpact(self.accounts)(step, now, withdraw=intent.withdraw))
        return CatalogChange(version, new=True, reaggregated=_reaggregated(after, version))

    def _look_at_all(self, now: datetime) -> None:
        """What has been rated already may cost something else now."""
        # Not before every process knows the new version: one that does not would rate as before.
        due = hour_of(now + TAKING_HOLD) + HOUR
        payers: dict[Shard, set[AccountCode]] = {}
        for account in self.accounts.heads():
            payers.setdefault(account.shard, set()).add(account.root)
        for shard, codes in payers.items():
            entries = [PutAgenda(AgendaEntry(due, code)) for code in sorted(codes)]
            for some in batched(entries, _ENTRIES, strict=False):
                self.ledger.write(shard, some)

    def current(self) -> CatalogVersion:
        """The newest version. Raises ``NotFound`` while there is none."""
        current = self.catalogs.current()
        if current is None:
            raise NotFound("no catalogue was stored yet")
        return current

    def version(self, number: int) -> CatalogVersion:
        """The version of that number. Raises ``NotFound``."""
        found = self.catalogs.get(number)
        if found is None:
            raise NotFound(f"the catalogue has no version {number}")
        return found

    def heads(self) -> list[VersionHead]:
        """Every version without its contents, newest first."""
        return sorted(self.catalogs.heads(), key=lambda head: head.number, reverse=True)


def _refuse(faults: Collection[FieldError]) -> None:
    if faults:
        raise InvalidInput(f"the catalogue has {len(faults)} faults", tuple(faults))


def _reaggregated(timeline: Timeline, version: CatalogVersion) -> tuple[MeterCode, ...]:
    """Meters whose stored usage does not suffice for the new version."""
    found = ((meter.code, timeline.demands(meter.code)) for meter in version.catalog.meters)
    number = version.number
    return tuple(code for code, demands in found if any(d.version == number for d in demands))


class _Loaded(dict[int, Catalog]):
    """Stored versions, read when they are needed, and those that are known already."""

    def __init__(self, catalogs: Catalogs, *known: CatalogVersion) -> None:
        super().__init__({version.number: version.catalog for version in known})
        self._catalogs = catalogs

    def __missing__(self, number: int) -> Catalog:
        found = self._catalogs.get(number)
        if found is None:
            raise NotFound(f"the catalogue has no version {number}")
        self[number] = found.catalog
        return found.catalog


def _effect_faults(effective_from: datetime | None, now: datetime) -> Collection[FieldError]:
    if effective_from is None:
        return ()
    pointer = "?effectiveFrom"
    if hour_of(effective_from) != effective_from:
        return (FieldError(pointer, "must be a full hour, such as 2026-12-01T00:00:00Z"),)
    if now - effective_from > ACCEPTED_BACK:
        message = f"must not be more than {ACCEPTED_BACK.days} days back: older usage is final"
        return (FieldError(pointer, message),)
    if effective_from - now > FURTHEST:
        return (FieldError(pointer, f"must not be more than {FURTHEST.days} days ahead"),)
    return ()
