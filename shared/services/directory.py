"""What the hot path knows without asking: where an account's usage goes, and the catalogue."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.account import AccountPlan, AccountRecord, CustomHistory
from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.timeline import Timeline, VersionHead
from shared.domain.errors import Unavailable
from shared.domain.ids import AccountCode, Shard
from shared.domain.period import cell_minutes
from shared.ports import Accounts, Catalogs, Clock

LIFE = timedelta(seconds=30)
"""How long something read is believed. An account's shard never changes; the end of its
subscription and the catalogue do."""

MAX_PLACES = 200_000

NOTHING = CustomHistory({})


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an account's usage is kept, in cells of how many minutes, from when until when.

    What was used before ``ends`` is taken until ``closes``; ``plans`` are those attached, and
    ``customs`` the account's custom fields.
    """

    account: AccountCode
    shard: Shard
    cell_minutes: int
    starts: datetime | None
    ends: datetime | None
    closes: datetime | None
    plans: tuple[AccountPlan, ...] = ()
    customs: CustomHistory = NOTHING


class Directory:
    """Placements of accounts, kept for a short life. What is unknown is asked every time, so a
    new account is usable at once. Usage is taken for ``grace`` after a subscription's end, unless
    the catalogue says how long."""

    def __init__(self, accounts: Accounts, catalogs: "CatalogCache", grace: timedelta) -> None:
        self._accounts = accounts
        self._catalogs = catalogs
        self._grace = grace
        self._known: dict[AccountCode, tuple[datetime, Placement]] = {}

    def place(self, code: AccountCode, now: datetime) -> Placement | None:
        """Where ``code``'s usage goes; ``None`` for an unknown account."""
        known = self._known.get(code)
        if known is not None and now - known[0] < LIFE:
            return known[1]
        found = self._accounts.load(code)
        if found is None:
            return None
        if len(self._known) >= MAX_PLACES:
            self._known.clear()
        placement = self._placement(found.value)
        self._known[code] = (now, placement)
        return placement

    def _placement(self, record: AccountRecord) -> Placement:
        account = record.account
        catalog = self._catalogs.current()
        zone = account.time_zone or (catalog.organization.time_zone if catalog else "UTC")
        payer = record if account.parent is None else self._payer(account.parent)
        subscription = payer.subscription if payer else None
        starts = subscription.start if subscription else None
        ends = subscription.end if subscription else None
        closes = None if ends is None else ends + self._catalogs.usage_grace(ends, self._grace)
        minutes = cell_minutes(zone)
        return Placement(
            account.code,
            account.shard,
            minutes,
            starts,
            ends,
            closes,
            record.plans,
            record.customs,
        )

    def _payer(self, parent: AccountCode) -> AccountRecord | None:
        found = self._accounts.load(parent)
        return None if found is None else found.value


class CatalogCache:
    """The catalogue in force and its history, looked for again after a short life.

    Versions are immutable: each is read once a process, when something first needs it.
    """

    def __init__(self, catalogs: Catalogs, clock: Clock) -> None:
        self._catalogs = catalogs
        self._clock = clock
        self._read: datetime | None = None
        self._heads: list[VersionHead] = []
        self._versions = _Versions(catalogs)
        self._timeline: Timeline | None = None

    def current(self) -> Catalog | None:
        """The catalogue in force now; ``None`` while none was ever stored."""
        timeline = self.timeline()
        return None if timeline is None else timeline.at(self._clock.now())

    def usage_grace(self, end: datetime, otherwise: timedelta) -> timedelta:
        """How long usage is taken after ``end``: what the catalogue says, else ``otherwise``."""
        timeline = self.timeline()
        stated = None if timeline is None else timeline.usage_grace(end)
        return otherwise if stated is None else stated

    def timeline(self, at_least: int = 0) -> Timeline | None:
        """All versions; ``None`` while none was ever stored.

        What was read is believed for ``LIFE``, unless it lacks the version ``at_least``.
        """
        now = self._clock.now()
        known = self._heads[-1].number if self._heads else 0
        fresh = self._read is not None and now - self._read < LIFE
        if self._timeline is None or not fresh or known < at_least:
            heads = self._catalogs.heads()
            if heads != self._heads:
                self._timeline = Timeline(heads, self._versions)
                self._heads = heads
            self._read = now
        return self._timeline


class _Versions(Mapping[int, Catalog]):
    """Versions by number, each read when it is first asked for."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._known: dict[int, Catalog] = {}

    def __getitem__(self, number: int) -> Catalog:
        known = self._known.get(number)
        if known is None:
            version = self._catalogs.get(number)
            if version is None:
                raise Unavailable(f"version {number} of the catalogue is missing")
            known = self._known[number] = version.catalog
        return known

    def __iter__(self) -> Iterator[int]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)
