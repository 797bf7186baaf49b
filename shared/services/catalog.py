"""Reads and changes the catalogue: immutable versions, refused whole when anything is wrong."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.changes import changes_between
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
from shared.domain.ids import MeterCode, Shard, shard_of
from shared.domain.period import HOUR, hour_of
from shared.domain.usage.event import ACCEPTED_BACK
from shared.domain.wire import document_of
from shared.ports import (
    Accounts,
    AgendaEntry,
    Catalogs,
    CatalogVersion,
    Clock,
    Ledger,
    PutAgenda,
)

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
    and is aggregated again from the stored events when it is next rated.
    """

    version: CatalogVersion
    new: bool
    reaggregated: tuple[MeterCode, ...] = ()


@dataclass(frozen=True, slots=True)
class PutCatalog:
    """Stores new versions of the catalogue."""

    catalogs: Catalogs
    accounts: Accounts
    ledger: Ledger
    clock: Clock

    def __call__(
        self,
        catalog: Catalog,
        effective_from: datetime | None = None,
        condition: Condition | None = UNCONDITIONAL,
        *,
        dry_run: bool = False,
    ) -> CatalogChange:
        """Validate and store, or with ``dry_run`` only say what would be stored.

        A version takes effect at the next full hour, or at ``effective_from``, the first one for
        all time. The same catalogue again is no new version. Raises ``InvalidInput`` with every
        fault, what ``Condition`` raises, and ``StaleVersion`` when another version was stored at
        the same time.
        """
        now = self.clock.now()
        current = self.catalogs.current()
        if condition is not None:
            condition.check(current)
        faults = (*faults_of(catalog), *_effect_faults(effective_from, now))
        if faults:
            raise InvalidInput(f"the catalogue has {len(faults)} faults", faults)
        change = self._change(catalog, effective_from, current, now)
        if dry_run:
            return change
        if change.new:
            try:
                self.catalogs.add(change.version)
            except ConcurrentUpdate as exc:
                raise StaleVersion("another version was stored at the same time") from exc
        effective = change.version.effective_from
        if effective is not None and effective <= change.version.created:
            # Also when nothing is new: an earlier call may have ended before it came to this.
            self._look_at_all(now)
        return change

    def _change(
        self,
        catalog: Catalog,
        effective_from: datetime | None,
        current: CatalogVersion | None,
        now: datetime,
    ) -> CatalogChange:
        if current is None:
            return CatalogChange(CatalogVersion(1, now, catalog), new=True)
        old, new = document_of(current.catalog), document_of(catalog)
        if old == new:
            return CatalogChange(current, new=False)
        version = CatalogVersion(
            current.number + 1,
            now,
            catalog,
            effective_from or hour_of(now) + HOUR,
            tuple(changes_between(old, new)),
        )
        return CatalogChange(version, new=True, reaggregated=self._reaggregated(version))

    def _reaggregated(self, version: CatalogVersion) -> tuple[MeterCode, ...]:
        """Meters whose stored usage does not suffice for the new version."""
        heads = [*self.catalogs.heads(), version.head]
        timeline = Timeline(heads, _Loaded(self.catalogs, version))
        found = ((meter.code, timeline.demands(meter.code)) for meter in version.catalog.meters)
        number = version.number
        return tuple(code for code, demands in found if any(d.version == number for d in demands))

    def _look_at_all(self, now: datetime) -> None:
        """What has been rated already may cost something else now."""
        # Not before every process knows the new version: one that does not would rate as before.
        due = hour_of(now + TAKING_HOLD) + HOUR
        by_shard: dict[Shard, list[PutAgenda]] = {}
        for code in self.accounts.codes():
            entry = PutAgenda(AgendaEntry(due, code))
            by_shard.setdefault(shard_of(code), []).append(entry)
        for shard, entries in by_shard.items():
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


class _Loaded(dict[int, Catalog]):
    """Stored versions, read when they are needed, and the one that is not stored yet."""

    def __init__(self, catalogs: Catalogs, version: CatalogVersion) -> None:
        super().__init__({version.number: version.catalog})
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
