"""The product in this process on a real storage service, with accounts, for benchmarks."""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

from local.azurite.process import connection_string, running_azurite
from local.clients import Simulator
from local.clock import FileClock
from local.marketplace import defaults, server
from local.marketplace.config import Settings as MarketplaceSettings
from local.play import METER
from local.samples.files import CATALOG
from shared.api.catalog import catalog_of
from shared.api.catalog_yaml import parse_yaml
from shared.api.usage import ingest
from shared.bootstrap import App
from shared.config import Settings
from shared.domain.account import Account, AccountRecord
from shared.domain.ids import AccountCode
from shared.domain.usage.event import Outcome
from shared.services.catalog import Intent
from shared.storage.accounts import TableAccounts
from shared.storage.tables import open_tables
from tests.benchmarks.parts.relay import Relay, relaying

SETUP_THREADS = 16


@dataclass(frozen=True, slots=True)
class Stage:
    """Storage behind a relay that counts, and a Marketplace; every ``boot`` is a new process to
    them."""

    relay: Relay
    clock: FileClock
    marketplace: str

    @property
    def settings(self) -> Settings:
        """What the product is started with."""
        return Settings(
            tables_connection=connection_string(self.relay.port),
            service_bus_connection="Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=a;"
            "SharedAccessKey=b;UseDevelopmentEmulator=true;",
            marketplace_url=self.marketplace,
            marketplace_tenant_id=defaults.PUBLISHER_TENANT,
            marketplace_client_id=defaults.MARKETPLACE_APP,
            marketplace_client_secret=defaults.MARKETPLACE_SECRET,
            entra_url=self.marketplace,
            api_tenant_id=defaults.PUBLISHER_TENANT,
            api_client_id=defaults.API_APP,
            local_clock_file=self.clock_file,
        )

    clock_file: Path

    def boot(self) -> App:
        """The product with an empty memory."""
        return App(self.settings)

    def to_minute(self, minute: int) -> datetime:
        """Move time to that minute of the next hour, so that the hour does not end meanwhile."""
        now = self.clock.now()
        target = now.replace(minute=minute, second=0, microsecond=0) + timedelta(hours=1)
        return self.clock.advance(target - now)

    def load_catalog(self, app: App) -> None:
        """Store the sample catalogue."""
        app.put_catalog(catalog_of(parse_yaml(CATALOG.read_bytes())), Intent("benchmark"))

    def make_accounts(self, codes: Sequence[str]) -> None:
        """Store accounts without a subscription."""
        tables = open_tables(self.settings)
        accounts = TableAccounts(tables)

        def make(code: str) -> None:
            accounts.create(AccountRecord(Account(AccountCode(code))))

        with ThreadPoolExecutor(SETUP_THREADS) as pool:
            list(pool.map(make, codes))
        tables.close()

    def buy(self, app: App, count: int) -> list[str]:
        """Accounts whose subscriptions are bought and active."""
        simulator = Simulator(self.marketplace)
        bought = []
        for number in range(count):
            subscription, page = simulator.buy("standard", f"Customer {number}")
            app.activate(unquote(page.partition("?token=")[2]))
            bought.append(subscription)
        return bought


_NUMBERS = itertools.count(1)


def events_of(accounts: Sequence[str], moment: datetime) -> list[object]:
    """One event of the sample meter for every item of ``accounts``, as parsed from JSON."""
    from decimal import Decimal

    return [
        {
            "id": f"event-{next(_NUMBERS)}",
            "account": account,
            "meter": METER,
            "time": moment.astimezone(UTC).isoformat(),
            "data": {"contextTokens": Decimal(1_500), "generatedTokens": Decimal(400)},
        }
        for account in accounts
    ]


def post(app: App, events: Sequence[object], outcome: Outcome = Outcome.ACCEPTED) -> None:
    """Have the product take events as one request. Raises AssertionError for other outcomes."""
    results = ingest(app.ingest, list(events), None)
    others = {result.outcome for result in results} - {outcome}
    if others:
        raise AssertionError(f"outcomes other than {outcome}: {others}")


@contextlib.contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Azurite, a relay before it, and the Marketplace, all of them anew."""
    clock_file = directory / "clock"
    clock = FileClock(clock_file)
    with (
        running_azurite() as azurite,
        relaying(azurite.port) as relay,
        server.running(MarketplaceSettings(), clock) as marketplace,
    ):
        yield Stage(relay, clock, marketplace.url, clock_file)
