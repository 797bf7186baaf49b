"""Short histories for faults that need two runs to meet within a few calls: chance would find them,
but not soon."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from shared.domain.ids import AccountCode, Shard
from shared.domain.period import cell_of
from shared.domain.usage.event import UsageEvent
from shared.domain.usage.partial import Partial
from shared.ports import CatalogVersion, EventRow, PartialKey, PartialWrite, UsageBatch
from shared.services.directory import CatalogCache
from shared.services.fold import Fold
from tests.fakes.accounts import FakeAccounts
from tests.fakes.catalogs import FakeCatalogs
from tests.fakes.clock import FakeClock
from tests.fakes.usage_days import FakeUsageDays
from tests.fakes.usage_log import FakeUsageLog
from tests.services.taps import Journal, tap
from tests.simulation.pricing import TARIFFS, TOKENS, catalog
from tests.simulation.process import Kit
from tests.simulation.watch import must

NOON = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
ACCOUNT, SHARD = AccountCode("a"), Shard(0)


class TwoFolds:
    """Two runs that fold the same account; ``first`` can be interrupted by ``second``."""

    def __init__(self, kit: Kit) -> None:
        self.log, self.days, self.journal = FakeUsageLog(), FakeUsageDays(), Journal()
        catalogs = FakeCatalogs()
        catalogs.add(CatalogVersion(1, NOON, catalog((TARIFFS[0], TARIFFS[1]), "UTC")))
        cache, accounts = CatalogCache(catalogs, FakeClock(NOON)), FakeAccounts()
        self.first: Fold = kit.fold(self.log, tap(self.days, "days", self.journal), cache, accounts)
        self.second: Fold = kit.fold(self.log, self.days, cache, accounts)
        self._number = 0

    def use(self, time: datetime) -> None:
        """Store an event, as a writer of its own."""
        self._number += 1
        event = UsageEvent(f"e{self._number}", ACCOUNT, TOKENS, time, {"n": Decimal(1)})
        partial = Partial()
        partial.add(event)
        key = PartialKey(ACCOUNT, cell_of(time, 60), TOKENS)
        row = EventRow(ACCOUNT, event.key, "", event)
        write = PartialWrite(key, partial, None)
        writer = f"w{self._number}"
        self.log.append(UsageBatch(event.day, SHARD, writer, (row,), (write,), ()))

    def check(self) -> None:
        """Everything stored is folded."""
        folded = self.days.read(SHARD, ACCOUNT, NOON.date(), NOON.date())
        events = sum(p.events for row in folded.values() for p in row.value.cells.values())
        must(events == self._number, "what was folded is gone", events, self._number)


def another_hour_is_folded_in_between(kit: Kit) -> None:
    """The second run folds another hour of the day while the first is about to write."""
    folds = TwoFolds(kit)

    def interrupt(_: object) -> None:
        folds.use(NOON + timedelta(hours=1))
        folds.second(SHARD, ACCOUNT, [NOON + timedelta(hours=1)], None)

    folds.use(NOON)
    folds.journal.before("days.write", interrupt)
    folds.first(SHARD, ACCOUNT, [NOON], None)
    folds.check()


def the_same_hour_is_folded_in_between(kit: Kit) -> None:
    """The second run folds more of the same hour while the first has not read the rows."""
    folds = TwoFolds(kit)

    def interrupt(_: object) -> None:
        folds.use(NOON)
        folds.second(SHARD, ACCOUNT, [NOON], None)

    folds.use(NOON)
    folds.journal.before("days.read", interrupt)
    folds.first(SHARD, ACCOUNT, [NOON], None)
    folds.check()


TRIALS = (another_hour_is_folded_in_between, the_same_hour_is_folded_in_between)
