"""All parts of one running simulator, and putting them back to their beginning."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from local.clock import FileClock
from local.marketplace.config import Settings, Webhook
from local.marketplace.entra import Entra
from local.marketplace.faults import Faults
from local.marketplace.keys import KeyRing
from local.marketplace.options import Options
from local.marketplace.register import Ids
from local.marketplace.reports import DayKey, Ruling
from local.marketplace.requestlog import RequestLog
from local.marketplace.state import Marketplace
from local.marketplace.usage import UsageBook


class Simulator:
    """The simulator's memory; everything in it is touched by the event loop's thread only.

    ``noise`` gives the identifiers that depend on traffic, so that those of subscriptions and
    operations depend on the seed and on what was ordered alone.
    """

    def __init__(self, settings: Settings, clock: FileClock, base_url: str) -> None:
        self.settings = settings
        self.clock = clock
        self.base_url = base_url
        self.ring = KeyRing()
        self.options: Options
        self.webhook: Webhook
        self.market: Marketplace
        self.noise: Ids
        self.usage: UsageBook
        self.entra: Entra
        self.faults: Faults
        self.log: RequestLog
        self.rulings: dict[DayKey, Ruling]
        self.batches = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but the signing keys and the time."""
        settings = self.settings
        self.options = settings.options
        self.webhook = settings.webhook
        self.noise = Ids(settings.seed + 1)
        self.market = Marketplace(settings.offers, settings.seed, settings.customer)
        self.usage = UsageBook(self.noise)
        self.entra = Entra(settings, self.noise, self.ring)
        self.faults = Faults(settings.seed)
        self.log = RequestLog(settings.request_log)
        self.rulings = {}
        self.batches = 0
        self._later: list[tuple[datetime, int, Callable[[datetime], None]]] = []

    def tick(self) -> datetime:
        """Let everything happen that is due by now; the time it is."""
        now = self.clock.now()
        self.market.tick(now)
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2](now)
        return now

    def later(self, due: datetime, work: Callable[[datetime], None]) -> None:
        """Do ``work`` once the stack's time has reached ``due``."""
        heapq.heappush(self._later, (due, self.log.next_number(), work))

    def rule(self, key: DayKey, status: str, processed: Decimal) -> None:
        """Decide by hand how one day's usage is reconciled."""
        self.rulings[key] = Ruling(status, processed)

    def point_webhook(self, url: str | None) -> None:
        """Send notifications elsewhere from now on."""
        self.webhook = replace(self.webhook, url=url)
