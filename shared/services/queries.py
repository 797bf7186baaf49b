"""Answers questions: accounts, totals, submissions. Writes nothing."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from shared.domain.account import AccountRecord
from shared.domain.errors import NotFound
from shared.domain.finding import Finding
from shared.domain.ids import AccountCode, DimensionId, Resource, is_code
from shared.domain.metering.submission import Submission
from shared.domain.money import ZERO
from shared.domain.rating.statement import Statement
from shared.ports import (
    Accounts,
    Catalogs,
    Clock,
    Findings,
    Ledger,
)
from shared.services.rate_account import RateAccount


@dataclass(frozen=True, slots=True)
class DimensionTotal:
    """A dimension's units: due by usage folded so far, and what the Marketplace was told."""

    dimension: DimensionId
    total: Decimal
    committed: Decimal


@dataclass(frozen=True, slots=True)
class TotalsView:
    """An account's running totals and what they come from."""

    account: AccountCode
    dimensions: tuple[DimensionTotal, ...]
    statement: Statement | None


@dataclass(frozen=True, slots=True)
class Queries:
    """Everything that is only read."""

    accounts_port: Accounts
    ledger: Ledger
    catalogs: Catalogs
    findings_port: Findings
    rate_account: RateAccount
    clock: Clock

    def account(self, code: str) -> AccountRecord:
        """One account. Raises ``NotFound``, also for what cannot be a code."""
        if not is_code(code):
            raise NotFound("there is no account of that code")
        found = self.accounts_port.load(AccountCode(code))
        if found is None:
            raise NotFound(f"there is no account {code}")
        return found.value

    def totals(self, code: str) -> TotalsView:
        """What an account owes now. Raises ``NotFound``."""
        account = AccountCode(code)
        shard = self.account(code).account.shard
        rated = self.rate_account.preview(account, self.clock.now())
        if rated.subscription is None or rated.statement is None:
            return TotalsView(account, (), None)
        rows = self.ledger.rows(shard, Resource(rated.subscription.id))
        dimensions = tuple(
            DimensionTotal(key.dimension, units, rows[key].value.committed if key in rows else ZERO)
            for key, units in rated.units.items()
        )
        return TotalsView(account, dimensions, rated.statement)

    def submissions(self, code: str, since: datetime) -> list[Submission]:
        """An account's submissions for hours from ``since`` on, oldest first."""
        record = self.account(code)
        subscription = record.subscription
        if subscription is None:
            return []
        found = self.ledger.submissions(record.account.shard, Resource(subscription.id), since)
        return sorted(found, key=lambda s: (s.hour, s.key.dimension))

    def findings(self) -> list[Finding]:
        """Findings, newest first."""
        return sorted(self.findings_port.all(), key=lambda f: (f.at, f.subject), reverse=True)

    def publisher(self) -> str:
        """The publisher's name by the catalogue in force, empty without one."""
        version = self.catalogs.current()
        return version.catalog.organization.name if version else ""

    def catalog_version(self) -> int | None:
        """The number of the catalogue in force."""
        version = self.catalogs.current()
        return version.number if version else None
