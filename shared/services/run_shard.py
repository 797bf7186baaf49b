"""The hourly run of one shard: collect, fold, rate, intend, send, settle.

Idempotent, and safe beside itself: every write names the version it read.
"""

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from shared.domain.errors import ConcurrentUpdate, MeteringError
from shared.domain.ids import AccountCode, Resource, Shard
from shared.domain.metering.delta import plan_intent
from shared.domain.metering.ledger import LedgerRow
from shared.domain.metering.submission import Submission
from shared.domain.period import DAY, HOUR, day_of, days_between, hour_of
from shared.ports import (
    AgendaEntry,
    DropAgenda,
    Ledger,
    LedgerWrite,
    PutAgenda,
    PutRow,
    PutSubmission,
    Runs,
    UsageLog,
    Versioned,
)
from shared.services.rate_account import AccountTotals, RateAccount
from shared.services.submit import KnownRows, Submit, Submitted

OVERLAP = HOUR
"""Each run looks again at the hour before the last complete one began: a transaction may land
that much later than the hour it was marked with, clocks' differences included."""

BATCH_ENTITIES = 90
ROUNDS = 3
ATTEMPTS = 5

type Changes = dict[AccountCode, set[datetime]]
type Agenda = dict[AccountCode, list[Versioned[AgendaEntry]]]


@dataclass(slots=True)
class RunReport:
    """What a run found and did, for logs and metrics."""

    shard: Shard
    started: datetime
    accounts: int = 0
    intents: int = 0
    calls: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    failed: dict[AccountCode, str] = field(default_factory=dict)
    differing: list[Submission] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """What is written for one account: all or nothing."""

    totals: AccountTotals
    writes: list[LedgerWrite]

    @property
    def entities(self) -> int:
        """An upper bound of the entities its writes take."""
        return sum(2 if isinstance(write, PutSubmission) else 1 for write in self.writes)


class RunShard:
    """Handles one shard once."""

    def __init__(
        self,
        log: UsageLog,
        ledger: Ledger,
        runs: Runs,
        rate_account: RateAccount,
        submit: Submit,
        grace: timedelta,
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._runs = runs
        self._rate = rate_account
        self._submit = submit
        self._grace = grace

    def __call__(self, shard: Shard) -> RunReport:
        """Handle the shard. An account that fails is reported and becomes an agenda entry, so
        the others and the note of completion do not wait for it."""
        start = self._runs.begin(shard)
        report = RunReport(shard, start.now)
        known: KnownRows = {}
        changes = self._collect(shard, start.last_completed, start.now)
        agenda = _by_account(self._ledger.agenda(shard, start.now))
        under_way = self._ledger.unsettled(shard)
        accounts: set[AccountCode] = changes.keys() | agenda.keys()
        report.accounts = len(accounts)
        for _ in range(ROUNDS):
            intended = self._intend(shard, accounts, changes, agenda, known, report)
            submitted = self._submit(shard, [*under_way, *intended], start.now, known)
            _note(report, submitted)
            accounts = submitted.unfinished - report.failed.keys()
            if not accounts:
                break
            changes, agenda, under_way = {}, {}, []
        self._runs.complete(shard, start.now)
        return report

    def _collect(self, shard: Shard, last_completed: datetime | None, now: datetime) -> Changes:
        """Which hours of which accounts may have changed since the last complete run."""
        changes: Changes = {}
        if last_completed is None:
            since = datetime.min.replace(tzinfo=now.tzinfo)
            days: Iterable[date] = self._log.days()
        else:
            since = hour_of(last_completed - OVERLAP)
            recent = days_between(day_of(since - DAY), day_of(now))
            days = set(recent) | self._log.hinted_days(shard, since)
        for day in sorted(days):
            for mark in self._log.marks(day, shard, since):
                changes.setdefault(mark.account, set()).add(mark.event_hour)
        return changes

    def _intend(
        self,
        shard: Shard,
        accounts: Collection[AccountCode],
        changes: Changes,
        agenda: Agenda,
        known: KnownRows,
        report: RunReport,
    ) -> list[Versioned[Submission]]:
        """Rate every account and write the submissions that are due; returns those."""
        intended: list[Versioned[Submission]] = []
        groups: list[_Group] = []
        for account in sorted(accounts):
            try:
                hours = changes.get(account, set())
                totals = self._rate(shard, account, hours, report.started)
                due = agenda.get(account, [])
                group = self._group(shard, totals, due, report.started, known)
            except MeteringError as exc:
                report.failed[account] = f"{exc.code}: {exc}"
                retry = AgendaEntry(hour_of(report.started) + HOUR, account)
                self._ledger.write(shard, [PutAgenda(retry)])
                continue
            if group.writes:
                groups.append(group)
            if sum(g.entities for g in groups) > BATCH_ENTITIES:
                intended += self._write(shard, groups[:-1], report, known)
                groups = groups[-1:]
        intended += self._write(shard, groups, report, known)
        report.intents += len(intended)
        return intended

    def _group(
        self,
        shard: Shard,
        totals: AccountTotals,
        due: Sequence[Versioned[AgendaEntry]],
        now: datetime,
        known: KnownRows,
    ) -> _Group:
        """The ledger changes of one account, and its next place in the agenda."""
        writes: list[LedgerWrite] = []
        left_over = False
        subscription = totals.subscription
        if subscription is not None and totals.units:
            known.update(self._ledger.rows(shard, Resource(subscription.id)))
            for key, units in totals.units.items():
                stored = known.get(key)
                row = stored.value if stored else LedgerRow(key, totals.account)
                intent = plan_intent(row, units, subscription, now, self._grace)
                if intent is None:
                    left_over |= units > row.committed
                    continue
                writes.append(PutRow(intent.row, stored.etag if stored else None))
                if intent.submission:
                    writes.append(PutSubmission(intent.submission, None))
                left_over |= units > intent.row.committed
        look = totals.next_look if due else None
        if left_over:
            look = min(hour_of(now) + HOUR, look or datetime.max.replace(tzinfo=now.tzinfo))
        kept = {entry.value.due for entry in due}
        if look is not None and look not in kept:
            writes.append(PutAgenda(AgendaEntry(look, totals.account)))
        writes += [DropAgenda(entry) for entry in due if entry.value.due != look]
        return _Group(totals, writes)

    def _write(
        self, shard: Shard, groups: Sequence[_Group], report: RunReport, known: KnownRows
    ) -> list[Versioned[Submission]]:
        """Write groups together; if another run was faster somewhere, each by itself."""
        writes = [write for group in groups for write in group.writes]
        if not writes:
            return []
        try:
            return self._commit(shard, writes, known)
        except ConcurrentUpdate:
            return list(
                itertools.chain.from_iterable(
                    self._write_alone(shard, group, report, known) for group in groups
                )
            )

    def _write_alone(
        self, shard: Shard, group: _Group, report: RunReport, known: KnownRows
    ) -> list[Versioned[Submission]]:
        """Write one account's group, planned anew from what is stored as often as needed."""
        account = group.totals.account
        for _ in range(ATTEMPTS):
            entries = self._ledger.agenda(shard, report.started)
            due = [entry for entry in entries if entry.value.account == account]
            anew = self._group(shard, group.totals, due, report.started, known)
            if not anew.writes:
                return []
            try:
                return self._commit(shard, anew.writes, known)
            except ConcurrentUpdate:
                continue
        report.failed[account] = "concurrent-update: its ledger rows keep changing"
        self._ledger.write(shard, [PutAgenda(AgendaEntry(hour_of(report.started) + HOUR, account))])
        return []

    def _commit(
        self, shard: Shard, writes: Sequence[LedgerWrite], known: KnownRows
    ) -> list[Versioned[Submission]]:
        etags = self._ledger.write(shard, writes)
        intended: list[Versioned[Submission]] = []
        for write, etag in zip(writes, etags, strict=True):
            match write:
                case PutRow(row, _):
                    known[row.key] = Versioned(row, etag)
                case PutSubmission(submission, _):
                    intended.append(Versioned(submission, etag))
                case PutAgenda() | DropAgenda():
                    pass
        return intended


def _by_account(entries: Iterable[Versioned[AgendaEntry]]) -> Agenda:
    agenda: Agenda = {}
    for entry in entries:
        agenda.setdefault(entry.value.account, []).append(entry)
    return agenda


def _note(report: RunReport, submitted: Submitted) -> None:
    report.calls += submitted.calls
    report.differing += submitted.differing
    for name, count in submitted.answers.items():
        report.answers[name] = report.answers.get(name, 0) + count
