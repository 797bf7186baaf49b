"""Puts the parts together: settings, adapters, services. Built once a process, when first used.

Nothing here runs when the module is imported: an import that fails would make every function of
the app vanish.
"""

from __future__ import annotations

import threading
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.config import Settings, load_settings
from shared.domain.errors import InvalidInput, Misconfigured
from shared.services.activate import Activate
from shared.services.audit import Audit, TendTables
from shared.services.catalog import PutCatalog
from shared.services.daily import Daily
from shared.services.dead_letters import TendDeadLetters
from shared.services.directory import CatalogCache, Directory
from shared.services.fold import Fold
from shared.services.follow_subscription import FollowSubscription
from shared.services.ingest_usage import IngestUsage
from shared.services.queries import Queries
from shared.services.rate_account import RateAccount
from shared.services.receive_notice import ReceiveNotice
from shared.services.reconcile_usage import ReconcileUsage
from shared.services.refund import RecordRefund
from shared.services.replay_parked import ReplayParked
from shared.services.run_shard import RunShard
from shared.services.runs import StartRun
from shared.services.service_users import ManageServiceUsers
from shared.services.settle_uncertain import SettleUncertain
from shared.services.submit import Breaker, Submit
from shared.services.take_message import TakeMessage
from shared.services.usage_writer import UsageWriter

if TYPE_CHECKING:
    from datetime import datetime

    from azure.core.credentials import TokenCredential

    from shared.domain.caller import Right
    from shared.domain.ids import AccountCode
    from shared.domain.serviceuser import ServiceUser
    from shared.identity.authorize import Authorizer
    from shared.marketplace.fulfillment import MarketplaceFulfillment
    from shared.marketplace.transport import Transport
    from shared.messaging.connection import Connection
    from shared.messaging.publisher import ServiceBusMessages
    from shared.storage.accounts import TableAccounts
    from shared.storage.catalogs import TableCatalogs
    from shared.storage.clock import StorageClock
    from shared.storage.findings import TableFindings
    from shared.storage.ledger import TableLedger
    from shared.storage.parking import TableParking
    from shared.storage.refusals import TableRefusals
    from shared.storage.runs import TableRuns
    from shared.storage.service_users import TableServiceUsers
    from shared.storage.tables import Tables
    from shared.storage.usage_log import TableUsageLog
    from shared.threads import ThreadTasks

LANE_THREADS = 32
"""Transactions of the usage log that one process has under way at a time, at most."""


class App:
    """Everything a trigger may use; each part is made when it is first asked for, and adapters
    import their SDKs then, so a function loads only what it needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    # --- adapters --------------------------------------------------------------------------

    @cached_property
    def _credential(self) -> TokenCredential | None:
        if self.settings.tables_connection and self.settings.service_bus_connection:
            return None
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self.settings.identity_client_id or None)

    @cached_property
    def _tables(self) -> Tables:
        from shared.storage.tables import open_tables

        return open_tables(self.settings, self._credential)

    @cached_property
    def _tasks(self) -> ThreadTasks:
        from shared.threads import ThreadTasks

        return ThreadTasks(LANE_THREADS)

    @property
    def clock(self) -> StorageClock:
        """The storage service's time; in a local run, moved by the stack's clock."""
        return self._tables.clock

    @cached_property
    def _log(self) -> TableUsageLog:
        from shared.storage.usage_log import TableUsageLog

        return TableUsageLog(self._tables)

    @cached_property
    def _ledger(self) -> TableLedger:
        from shared.storage.ledger import TableLedger

        return TableLedger(self._tables)

    @cached_property
    def _runs(self) -> TableRuns:
        from shared.storage.runs import TableRuns

        return TableRuns(self._tables)

    @cached_property
    def _accounts(self) -> TableAccounts:
        from shared.storage.accounts import TableAccounts

        return TableAccounts(self._tables)

    @cached_property
    def _catalogs(self) -> TableCatalogs:
        from shared.storage.catalogs import TableCatalogs

        return TableCatalogs(self._tables)

    @cached_property
    def _parking(self) -> TableParking:
        from shared.storage.parking import TableParking

        return TableParking(self._tables)

    @cached_property
    def _refusals(self) -> TableRefusals:
        from shared.storage.refusals import TableRefusals

        return TableRefusals(self._tables)

    @cached_property
    def _findings(self) -> TableFindings:
        from shared.storage.findings import TableFindings

        return TableFindings(self._tables)

    @cached_property
    def _service_users(self) -> TableServiceUsers:
        from shared.storage.service_users import TableServiceUsers

        return TableServiceUsers(self._tables)

    @cached_property
    def _transport(self) -> Transport:
        from shared.identity.assertion import CertificateAssertion
        from shared.marketplace.tokens import ClientCertificate, MarketplaceTokens, proof_of
        from shared.marketplace.transport import Transport

        settings = self.settings
        certificate = settings.marketplace_certificate
        tokens = MarketplaceTokens(
            settings.entra_url,
            settings.marketplace_tenant_id,
            settings.marketplace_client_id,
            ClientCertificate(CertificateAssertion(certificate))
            if certificate
            else proof_of(settings),
        )
        return Transport(settings.marketplace_url, tokens, correlation=_correlation)

    @cached_property
    def _fulfillment(self) -> MarketplaceFulfillment:
        from shared.marketplace.fulfillment import MarketplaceFulfillment

        return MarketplaceFulfillment(self._transport)

    @cached_property
    def _messages(self) -> ServiceBusMessages:
        from shared.messaging.publisher import ServiceBusMessages

        return ServiceBusMessages(self._service_bus)

    @cached_property
    def _service_bus(self) -> Connection:
        from shared.messaging.connection import Connection

        return Connection(self.settings, self._credential)

    # --- services --------------------------------------------------------------------------

    @cached_property
    def authorize(self) -> Authorizer:
        """Who may call what."""
        from shared.identity.authorize import authorizer

        return authorizer(self.settings, self._service_users, self.clock.now)

    @cached_property
    def _catalog_cache(self) -> CatalogCache:
        return CatalogCache(self._catalogs, self.clock)

    @cached_property
    def ingest(self) -> IngestUsage:
        """Takes usage events."""
        writer = UsageWriter(self._log, self.clock, self._tasks, uuid.uuid4().hex[:12])
        directory = Directory(self._accounts, self._catalog_cache)
        return IngestUsage(writer, directory, self._catalog_cache, self._parking, self.clock)

    @cached_property
    def take_message(self) -> TakeMessage:
        """Takes usage from the queue."""
        return TakeMessage(self.ingest, self._refusals, self.clock)

    @cached_property
    def replay_parked(self) -> ReplayParked:
        """Tries parked events again."""
        return ReplayParked(self._parking, self.ingest)

    @cached_property
    def _fold(self) -> Fold:
        from shared.storage.usage_days import TableUsageDays

        return Fold(self._log, TableUsageDays(self._tables), self._catalog_cache)

    @cached_property
    def _rate_account(self) -> RateAccount:
        return RateAccount(
            self._accounts, self._catalog_cache, self._fold, self.settings.usage_grace
        )

    @cached_property
    def run_shard(self) -> RunShard:
        """Handles one shard of the hourly run."""
        from shared.marketplace.metering import MarketplaceMetering

        metering = MarketplaceMetering(self._transport)
        return RunShard(
            self._log,
            self._ledger,
            self._runs,
            self._rate_account,
            Submit(self._ledger, metering, Breaker(self.clock)),
            SettleUncertain(self._ledger, metering, self._findings),
            self._findings,
            self.settings.usage_grace,
        )

    @cached_property
    def _audit(self) -> Audit:
        return Audit(self._log, self._fold, self._ledger, self._findings, self.clock)

    @cached_property
    def daily(self) -> Daily:
        """The daily work: audit, day tables, the Marketplace's report."""
        from shared.marketplace.metering import MarketplaceMetering

        tend = TendTables(self._log, self._audit, self.clock, self.settings.event_retention)
        reconcile = ReconcileUsage(
            self._accounts,
            self._ledger,
            MarketplaceMetering(self._transport),
            self._findings,
        )
        return Daily(self._audit, tend, reconcile, self.clock)

    @cached_property
    def service_users(self) -> ManageServiceUsers:
        """Makes and revokes API keys."""
        from shared.identity.apikeys import mint

        def minted(
            name: str,
            rights: frozenset[Right],
            accounts: tuple[AccountCode, ...] | None,
            now: datetime,
            expires: datetime | None,
        ) -> tuple[ServiceUser, str]:
            made = mint(name, rights, accounts, now, expires)
            return made.user, made.key

        return ManageServiceUsers(self._service_users, minted, self.clock)

    @cached_property
    def record_refund(self) -> RecordRefund:
        """Records refunds that Microsoft made."""
        return RecordRefund(self._accounts, self._ledger, self.clock)

    @cached_property
    def dead_letters(self) -> TendDeadLetters:
        """Looks at dead letters and sends them again."""
        from shared.messaging.dead_letters import ServiceBusDeadLetters

        return TendDeadLetters(ServiceBusDeadLetters(self._service_bus, self._messages))

    @cached_property
    def start_run(self) -> StartRun:
        """Starts the hourly run."""
        return StartRun(self._messages, self._runs, self.clock)

    @cached_property
    def put_catalog(self) -> PutCatalog:
        """Replaces the catalogue."""
        return PutCatalog(self._catalogs, self._accounts, self._ledger, self.clock)

    @cached_property
    def activate(self) -> Activate:
        """Turns a purchase into an account."""
        return Activate(
            self._fulfillment, self._accounts, self._ledger, self._catalog_cache, self.clock
        )

    @cached_property
    def receive_notice(self) -> ReceiveNotice:
        """Receives notices of Partner Center."""
        return ReceiveNotice(self._fulfillment, self._messages, self.clock)

    @cached_property
    def follow_subscription(self) -> FollowSubscription:
        """Makes our state what the Marketplace says."""
        return FollowSubscription(self._fulfillment, self._accounts, self._ledger, self.clock)

    @cached_property
    def queries(self) -> Queries:
        """Answers questions."""
        return Queries(
            self._accounts,
            self._ledger,
            self._catalogs,
            self._parking,
            self._refusals,
            self._findings,
            self._rate_account,
            self.clock,
        )


def _correlation() -> str:
    return telemetry.correlation.get() or str(uuid.uuid4())


_LOCK = threading.Lock()
_APP: list[App] = []


def app() -> App:
    """The app of this process. Raises ``Misconfigured`` while settings are missing."""
    with _LOCK:
        if not _APP:
            try:
                _APP.append(App(load_settings()))
            except InvalidInput as exc:
                faults = "; ".join(f"{f.pointer[1:]}: {f.message}" for f in exc.fields)
                raise Misconfigured(f"{exc}: {faults}") from exc
        return _APP[0]
