"""Puts the parts together: settings, adapters, services. Built once a process, when first used.

Nothing here runs when the module is imported: an import that fails would make every function of
the app vanish.
"""

from __future__ import annotations

import threading
import time
import uuid
from functools import cached_property
from typing import TYPE_CHECKING

from shared import telemetry
from shared.domain.errors import InvalidInput, Misconfigured

if TYPE_CHECKING:
    from datetime import datetime

    from azure.core.credentials import TokenCredential

    from shared.config import Settings
    from shared.domain.caller import Right
    from shared.domain.ids import AccountCode
    from shared.domain.serviceuser import ServiceUser
    from shared.identity.authorize import Authorizer
    from shared.marketplace.fulfillment import MarketplaceFulfillment
    from shared.marketplace.transport import Transport
    from shared.messaging.connection import Connection
    from shared.messaging.publisher import ServiceBusMessages
    from shared.ports import SignIn
    from shared.services.account_changes import ChangeAccount
    from shared.services.account_grants import ManageGrants
    from shared.services.account_plans import AttachPlans
    from shared.services.accounts import ManageAccounts
    from shared.services.activate import Activate
    from shared.services.adopt import Adopt
    from shared.services.answer_operation import AnswerOperation
    from shared.services.audit import Audit
    from shared.services.bills import ManageBills
    from shared.services.catalog import PutCatalog
    from shared.services.chronicle import Chronicle
    from shared.services.daily import Daily
    from shared.services.dead_letters import TendDeadLetters
    from shared.services.directory import CatalogCache
    from shared.services.erase_account import EraseAccount
    from shared.services.explain import Explain
    from shared.services.fold import Fold
    from shared.services.follow_subscription import FollowSubscription
    from shared.services.forward import Forward
    from shared.services.handle_operation import HandleOperation
    from shared.services.ingest_usage import IngestUsage
    from shared.services.parked import ParkedInput
    from shared.services.publisher_actions import PublisherActions
    from shared.services.queries import Queries
    from shared.services.rate_account import RateAccount
    from shared.services.receive_notice import ReceiveNotice
    from shared.services.reconcile_subscriptions import ReconcileSubscriptions
    from shared.services.refund import RecordRefund
    from shared.services.replay_parked import ReplayParked
    from shared.services.run_bills import RunBills
    from shared.services.run_reaggregation import RunReaggregation
    from shared.services.run_shard import RunShard
    from shared.services.runs import StartRun
    from shared.services.service_users import ManageServiceUsers
    from shared.services.set_up import SetUp
    from shared.services.simulate import Simulate
    from shared.services.subscription_queries import SubscriptionQueries
    from shared.services.take_message import TakeMessage
    from shared.services.trail import ReadTrail
    from shared.storage.accounts import TableAccounts
    from shared.storage.audit_trail import TableAuditTrail
    from shared.storage.bills import TableBills
    from shared.storage.catalogs import TableCatalogs
    from shared.storage.checkpoints import TableCheckpoints
    from shared.storage.clock import StorageClock
    from shared.storage.findings import TableFindings
    from shared.storage.ledger import TableLedger
    from shared.storage.parking import TableParking
    from shared.storage.refusals import TableRefusals
    from shared.storage.runs import TableRuns
    from shared.storage.service_users import TableServiceUsers
    from shared.storage.subscription_operations import TableOperations
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
    def _operations(self) -> TableOperations:
        from shared.storage.subscription_operations import TableOperations

        return TableOperations(self._tables)

    @cached_property
    def _audit_trail(self) -> TableAuditTrail:
        from shared.storage.audit_trail import TableAuditTrail

        return TableAuditTrail(self._tables)

    @cached_property
    def _checkpoints(self) -> TableCheckpoints:
        from shared.storage.checkpoints import TableCheckpoints

        return TableCheckpoints(self._tables)

    @cached_property
    def _service_users(self) -> TableServiceUsers:
        from shared.storage.service_users import TableServiceUsers

        return TableServiceUsers(self._tables)

    @cached_property
    def _transport(self) -> Transport:
        from shared.identity.assertion import CertificateAssertion
        from shared.marketplace.tokens import MarketplaceTokens, proof_of
        from shared.marketplace.transport import Transport

        settings = self.settings
        tokens = MarketplaceTokens(
            settings.entra_url,
            settings.marketplace_tenant_id,
            settings.marketplace_client_id,
            proof_of(settings, CertificateAssertion),
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
        from shared.services.directory import CatalogCache

        return CatalogCache(self._catalogs, self.clock)

    @cached_property
    def ingest(self) -> IngestUsage:
        """Takes usage events."""
        from shared.services.directory import Directory
        from shared.services.ingest_usage import IngestUsage
        from shared.services.usage_writer import UsageWriter

        writer = UsageWriter(self._log, self.clock, self._tasks, uuid.uuid4().hex[:12])
        directory = Directory(self._accounts, self._catalog_cache, self.settings.usage_grace)
        return IngestUsage(writer, directory, self._catalog_cache, self._parking, self.clock)

    @cached_property
    def take_message(self) -> TakeMessage:
        """Takes usage from the queue."""
        from shared.services.take_message import TakeMessage

        return TakeMessage(self.ingest, self._refusals, self._messages, self.clock, time.sleep)

    @cached_property
    def replay_parked(self) -> ReplayParked:
        """Tries parked events again."""
        from shared.services.replay_parked import ReplayParked

        return ReplayParked(self._parking, self.ingest, self._messages, self.clock)

    @cached_property
    def parked_input(self) -> ParkedInput:
        """Shows and drops parked and refused input."""
        from shared.services.parked import ParkedInput

        return ParkedInput(self._parking, self._refusals, self.clock, self._chronicle)

    @cached_property
    def _fold(self) -> Fold:
        from shared.services.fold import Fold
        from shared.storage.usage_days import TableUsageDays

        return Fold(self._log, TableUsageDays(self._tables), self._catalog_cache, self._accounts)

    @cached_property
    def _rate_account(self) -> RateAccount:
        from shared.services.rate_account import RateAccount

        return RateAccount(
            self._accounts, self._catalog_cache, self._fold, self.settings.usage_grace
        )

    @cached_property
    def run_shard(self) -> RunShard:
        """Handles one shard of the hourly run."""
        from shared.marketplace.metering import MarketplaceMetering
        from shared.services.run_shard import RunShard
        from shared.services.settle_uncertain import SettleUncertain
        from shared.services.submit import Breaker, Submit

        metering = MarketplaceMetering(self._transport)
        return RunShard(
            self._log,
            self._ledger,
            self._runs,
            self._rate_account,
            Submit(self._ledger, metering, Breaker(self.clock)),
            SettleUncertain(self._ledger, metering, self._findings),
            self._findings,
        )

    @cached_property
    def _audit(self) -> Audit:
        from shared.services.audit import Audit

        return Audit(self._log, self._fold, self._ledger, self._findings, self.clock)

    @cached_property
    def daily(self) -> Daily:
        """The daily work: audit, day tables, the Marketplace's report."""
        from shared.marketplace.metering import MarketplaceMetering
        from shared.services.audit import TendTables
        from shared.services.daily import Daily
        from shared.services.reconcile_usage import ReconcileUsage

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
        from shared.services.service_users import ManageServiceUsers

        def minted(
            name: str,
            rights: frozenset[Right],
            accounts: tuple[AccountCode, ...] | None,
            now: datetime,
            expires: datetime | None,
        ) -> tuple[ServiceUser, str]:
            made = mint(name, rights, accounts, now, expires)
            return made.user, made.key

        return ManageServiceUsers(self._service_users, minted, self._audit_trail, self.clock)

    @cached_property
    def record_refund(self) -> RecordRefund:
        """Records refunds that Microsoft made."""
        from shared.services.refund import RecordRefund

        return RecordRefund(self._accounts, self._ledger, self.clock, self._audit_trail)

    @cached_property
    def dead_letters(self) -> TendDeadLetters:
        """Looks at dead letters and sends them again."""
        from shared.messaging.dead_letters import ServiceBusDeadLetters
        from shared.services.dead_letters import TendDeadLetters

        return TendDeadLetters(ServiceBusDeadLetters(self._service_bus, self._messages))

    @cached_property
    def start_run(self) -> StartRun:
        """Starts the hourly run."""
        from shared.services.runs import StartRun

        return StartRun(self._messages, self._runs, self.clock)

    @cached_property
    def put_catalog(self) -> PutCatalog:
        """Replaces the catalogue."""
        from shared.services.catalog import PutCatalog

        def start_job(since: datetime, by: str) -> str:
            return self.run_reaggregation.start_since(since, by).job.id

        return PutCatalog(
            self._catalogs, self._accounts, self._ledger, self._audit_trail, start_job, self.clock
        )

    @cached_property
    def run_reaggregation(self) -> RunReaggregation:
        """Aggregates stored events again, as a job."""
        from shared.services.run_reaggregation import RunReaggregation
        from shared.storage.reaggregations import TableReaggregations

        return RunReaggregation(
            TableReaggregations(self._tables),
            self._accounts,
            self._fold,
            self._catalog_cache,
            self._ledger,
            self._messages,
            self._audit_trail,
            self.clock,
        )

    # --- accounts ----------------------------------------------------------------------------

    @cached_property
    def _change_account(self) -> ChangeAccount:
        from shared.services.account_changes import ChangeAccount

        return ChangeAccount(
            self._accounts, self._ledger, self._catalog_cache, self._audit_trail, self.clock
        )

    @cached_property
    def accounts(self) -> ManageAccounts:
        """Makes, changes and lists accounts."""
        from shared.services.accounts import ManageAccounts

        return ManageAccounts(self._change_account, self.replay_parked)

    @cached_property
    def account_plans(self) -> AttachPlans:
        """Attaches plans to accounts."""
        from shared.services.account_plans import AttachPlans

        return AttachPlans(self._change_account)

    @cached_property
    def grants(self) -> ManageGrants:
        """Gives prepayments and credits to accounts, and charges them once."""
        from shared.services.account_grants import ManageGrants

        return ManageGrants(self._change_account)

    @cached_property
    def read_trail(self) -> ReadTrail:
        """Reads the audit trail."""
        from shared.services.trail import ReadTrail

        return ReadTrail(self._audit_trail, self.clock)

    # --- the life of subscriptions -----------------------------------------------------------

    @cached_property
    def _chronicle(self) -> Chronicle:
        from shared.services.chronicle import Chronicle

        forwarding = bool(self.settings.forward_url)
        return Chronicle(self._audit_trail, self._messages, forwarding)

    @cached_property
    def _set_up(self) -> SetUp:
        from shared.services.set_up import SetUp

        return SetUp(
            self._fulfillment,
            self._accounts,
            self._ledger,
            self._catalog_cache,
            self.clock,
            self._chronicle,
        )

    @cached_property
    def sign_in(self) -> SignIn:
        """How people sign in to the landing page."""
        from shared.identity.buyers import sign_in_of
        from shared.identity.entra import keys_url

        settings = self.settings
        url = keys_url(settings.entra_url, settings.marketplace_tenant_id)
        return sign_in_of(settings, url, self.clock.now)

    @cached_property
    def activate(self) -> Activate:
        """Turns a purchase into an account."""
        from shared.services.activate import Activate

        return Activate(self._fulfillment, self._set_up, self.settings.landing_fields)

    @cached_property
    def adopt(self) -> Adopt:
        """Sets up a subscription at the publisher's word."""
        from shared.services.adopt import Adopt

        return Adopt(self._fulfillment, self._set_up)

    @cached_property
    def _answer_operation(self) -> AnswerOperation:
        from shared.services.answer_operation import AnswerOperation

        return AnswerOperation(
            self._fulfillment,
            self._operations,
            self._accounts,
            self._catalog_cache,
            self.clock,
            self.settings.max_quantity,
        )

    @cached_property
    def receive_notice(self) -> ReceiveNotice:
        """Receives notices of Partner Center."""
        from shared.services.receive_notice import ReceiveNotice

        return ReceiveNotice(self._fulfillment, self._answer_operation, self._messages, self.clock)

    @cached_property
    def _follow_subscription(self) -> FollowSubscription:
        from shared.services.follow_subscription import FollowSubscription

        return FollowSubscription(
            self._fulfillment,
            self._accounts,
            self._ledger,
            self._catalog_cache,
            self.clock,
            self._chronicle,
        )

    @cached_property
    def handle_operation(self) -> HandleOperation:
        """Follows an operation to its end."""
        from shared.services.handle_operation import HandleOperation

        return HandleOperation(
            self._fulfillment,
            self._operations,
            self._answer_operation,
            self._follow_subscription,
            self._messages,
            self.clock,
        )

    @cached_property
    def forward(self) -> Forward:
        """Forwards lifecycle events to the publisher's endpoint."""
        from shared.messaging.forwarder import HttpForwarder
        from shared.services.forward import Forward

        forwarder = HttpForwarder(self.settings, self.clock.now)
        return Forward(forwarder, self._messages, self._findings, self.clock)

    @cached_property
    def reconcile_subscriptions(self) -> ReconcileSubscriptions:
        """Compares every subscription with the Marketplace's list."""
        from shared.services.reconcile_subscriptions import ReconcileSubscriptions

        return ReconcileSubscriptions(
            self._fulfillment,
            self._accounts,
            self._operations,
            self._follow_subscription,
            self.handle_operation,
            self._findings,
            self._checkpoints,
            self.clock,
        )

    @cached_property
    def publisher_actions(self) -> PublisherActions:
        """What the publisher asks of the Marketplace for a customer."""
        from shared.services.publisher_actions import PublisherActions

        return PublisherActions(
            self._fulfillment,
            self._accounts,
            self._operations,
            self.handle_operation,
            self._catalog_cache,
            self._messages,
            self.clock,
            self._chronicle,
            self.settings.max_quantity,
        )

    @cached_property
    def erase_account(self) -> EraseAccount:
        """Erases the personal data of a customer that has left."""
        from shared.services.erase_account import EraseAccount

        return EraseAccount(self._accounts, self._parking, self.clock, self._chronicle)

    @cached_property
    def subscriptions(self) -> SubscriptionQueries:
        """Answers questions about subscriptions."""
        from shared.services.subscription_queries import SubscriptionQueries

        return SubscriptionQueries(self._accounts, self._operations, self._audit_trail)

    @cached_property
    def _bills(self) -> TableBills:
        from shared.storage.bills import TableBills

        return TableBills(self._tables)

    @cached_property
    def bills(self) -> ManageBills:
        """Makes, approves and locks bills."""
        from shared.services.bills import ManageBills

        return ManageBills(
            self._bills,
            self._accounts,
            self._catalog_cache,
            self._rate_account,
            self._audit_trail,
            self.clock,
        )

    @cached_property
    def run_bills(self) -> RunBills:
        """Makes the bills of all accounts."""
        from shared.services.run_bills import RunBills

        return RunBills(self._bills, self._accounts, self.bills, self._messages, self.clock)

    @cached_property
    def simulate(self) -> Simulate:
        """Makes bills that are stored nowhere."""
        from shared.services.simulate import Simulate

        return Simulate(self._accounts, self._catalog_cache, self._fold, self.clock)

    @cached_property
    def explain(self) -> Explain:
        """Tells what a bill is made of."""
        from shared.services.explain import Explain
        from shared.storage.usage_days import TableUsageDays

        days = TableUsageDays(self._tables)
        return Explain(
            self._rate_account, self._ledger, days, self._log, self.clock, self._catalog_cache
        )

    @cached_property
    def queries(self) -> Queries:
        """Answers questions."""
        from shared.services.queries import Queries

        return Queries(
            self._accounts,
            self._ledger,
            self._catalogs,
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
    from shared.config import load_settings

    with _LOCK:
        if not _APP:
            try:
                _APP.append(App(load_settings()))
            except InvalidInput as exc:
                faults = "; ".join(f"{f.pointer[1:]}: {f.message}" for f in exc.fields)
                raise Misconfigured(f"{exc}: {faults}") from exc
        return _APP[0]
