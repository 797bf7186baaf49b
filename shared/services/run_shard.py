"""The hourly run of one shard: collect, fold, rate, intend, send, settle.

Idempotent, and safe beside itself: every write names the version it read.
"""

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.account import Account
from shared.domain.errors import ConcurrentUpdate, UpstreamFailure
from shared.domain.ids import AccountCode, Resource, Shard
from shared.domain.metering.delta import left_over, plan_intent, taken_back
from shared.domain.metering.ledger import LedgerKey, LedgerRow
from shared.domain.metering.submission import Submission
from shared.domain.period import HOUR, hour_of
from shared.ports import (
    AgendaEntry,
    DropAgenda,
    Findings,
    Ledger,
    LedgerWrite,
    PutAgenda,
    PutRefund,
    PutRow,
    PutSubmission,
    Runs,
    UsageLog,
    Versioned,
)
from shared.services.collect import Changed, Collect
from shared.services.rate_account import AccountTotals, Family, RateAccount
from shared.services.run_report import RunReport, differing, findings_of, reason_of, written_off
from shared.services.settle_uncertain import SettleUncertain
from shared.services.submit import KnownRows, Submit

BATCH_ENTITIES = 90
ROUNDS = 3
ATTEMPTS = 5

type Changes = Mapping[AccountCode, Changed]
type Agenda = dict[AccountCode, list[Versioned[AgendaEntry]]]
type UnderWay = dict[tuple[LedgerKey, datetime | None], Versioned[Submission]]


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
        settle_uncertain: SettleUncertain,
        findings: Findings,
    ) -> None:
        self._collect = Collect(log)
        self._ledger = ledger
        self._runs = runs
        self._rate = rate_account
        self._submit = submit
        self._settle_uncertain = settle_uncertain
        self._findings = findings

    def __call__(self, shard: Shard) -> RunReport:
        """Handle the shard. An account that fails is reported and becomes an agenda entry, so
        the others and the note of completion do not wait for it."""
        start = self._runs.begin(shard)
        report = RunReport(shard, start.now)
        known: KnownRows = {}
        agenda = _by_account(self._ledger.agenda(shard, start.now))
        overdue = {account: min(e.value.due for e in due) for account, due in agenda.items()}
        changes = self._collect(shard, start.last_completed, start.now, overdue)
        unsettled = self._ledger.unsettled(shard)
        under_way = [s for s in unsettled if s.value.state.under_way]
        uncertain = [s for s in unsettled if not s.value.state.under_way]
        report.oldest_unsent = min((s.value.hour for s in under_way), default=None)
        accounts: set[AccountCode] = changes.keys() | agenda.keys()
        report.accounts = len(accounts)

        def tell(submission: Submission) -> None:
            self._findings.note([differing(submission, start.now)])

        waiting: UnderWay = {(s.value.key, s.value.hour): s for s in under_way}
        for _ in range(ROUNDS):
            intended = self._intend(shard, accounts, changes, agenda, known, waiting, report)
            sendable = [*waiting.values(), *intended]
            submitted = self._submit(shard, sendable, start.now, known, tell)
            report.note(submitted)
            accounts = submitted.unfinished - report.failed.keys()
            if not accounts:
                break
            changes, agenda, waiting = {}, {}, {}
        self._settle(shard, uncertain, report)
        findings = findings_of(report)
        if findings:
            self._findings.note(findings)
        self._runs.complete(shard, start.now)
        return report

    def _settle(
        self, shard: Shard, uncertain: Sequence[Versioned[Submission]], report: RunReport
    ) -> None:
        """What the usage report cannot settle now waits for a later run, and is not lost."""
        try:
            report.settled += self._settle_uncertain(shard, uncertain, report.started)
        except UpstreamFailure as exc:
            report.unsettled = f"{exc.code}: {exc}"
        report.uncertain = len(uncertain) - len(report.settled)

    def _intend(
        self,
        shard: Shard,
        accounts: Collection[AccountCode],
        changes: Changes,
        agenda: Agenda,
        known: KnownRows,
        waiting: UnderWay,
        report: RunReport,
    ) -> list[Versioned[Submission]]:
        """Rate every account and write the submissions that are due; returns those. What is
        taken back is no longer ``waiting`` to be sent."""
        intended: list[Versioned[Submission]] = []
        groups: list[_Group] = []
        for family in self._families(shard, accounts, changes, agenda, report):
            members = sorted(family.hours)
            due = [entry for account in members for entry in agenda.get(account, [])]
            try:
                totals = self._rate(shard, family, report.started)
                group = self._group(shard, totals, due, report.started, known, waiting)
            except Exception as exc:  # noqa: BLE001 - one account must not stop the others
                for account in members:
                    self._failed(shard, account, exc, changes, agenda, report)
                continue
            if group.writes:
                groups.append(group)
            if sum(g.entities for g in groups) > BATCH_ENTITIES:
                intended += self._write(shard, groups[:-1], report, known)
                groups = groups[-1:]
        intended += self._write(shard, groups, report, known)
        report.intents += len(intended)
        return intended

    def _families(
        self,
        shard: Shard,
        accounts: Collection[AccountCode],
        changes: Changes,
        agenda: Agenda,
        report: RunReport,
    ) -> Iterator[Family]:
        """Everyone to be rated, each with the accounts that it is billed with.

        An account alone comes as soon as it is read. Families come last: which of their members
        are to be rated shows only when all have been read.
        """
        families: dict[AccountCode, Family] = {}
        for account in sorted(accounts):
            try:
                record = self._rate.find(account)
            except Exception as exc:  # noqa: BLE001 - one account must not stop the others
                self._failed(shard, account, exc, changes, agenda, report)
                continue
            if record is not None and record.account.shard != shard:
                self._hand_over(shard, record.account, agenda.get(account, []))
                continue
            root = record.account.root if record else account
            family = families.get(root) or Family(root)
            family.hours[account] = changes[account].hours if account in changes else ()
            if record is not None:
                family.known[account] = record
            if record is None or (root == account and not record.children):
                yield family
            else:
                families[root] = family
        yield from families.values()

    def _hand_over(
        self, shard: Shard, account: Account, due: Sequence[Versioned[AgendaEntry]]
    ) -> None:
        """Give the agenda entries of an account to the shard in which its family is billed: here
        there is neither usage nor a ledger of it, and everything would be sent again."""
        for entry in due:
            moved = AgendaEntry(entry.value.due, account.root)
            self._ledger.write(account.shard, [PutAgenda(moved)])
            self._ledger.write(shard, [DropAgenda(entry)])

    def _failed(
        self,
        shard: Shard,
        account: AccountCode,
        exc: Exception,
        changes: Changes,
        agenda: Agenda,
        report: RunReport,
    ) -> None:
        report.failed[account] = reason_of(exc)
        due = agenda.get(account, [])
        self._try_again(shard, account, changes, due, report.started)

    def _try_again(
        self,
        shard: Shard,
        account: AccountCode,
        changes: Changes,
        due: Sequence[Versioned[AgendaEntry]],
        now: datetime,
    ) -> None:
        """Enter a failing account into the agenda under the hour from which on its usage has
        not been handled: an entry that is overdue makes the next run collect from there."""
        since = changes[account].since if account in changes else hour_of(now)
        if all(entry.value.due > since for entry in due):
            self._ledger.write(shard, [PutAgenda(AgendaEntry(since, account))])

    def _group(
        self,
        shard: Shard,
        totals: AccountTotals,
        due: Sequence[Versioned[AgendaEntry]],
        now: datetime,
        known: KnownRows,
        waiting: UnderWay,
    ) -> _Group:
        """The ledger changes of one account, and its next place in the agenda."""
        writes: list[LedgerWrite] = []
        remains = False
        subscription = totals.subscription
        if subscription is not None and totals.units:
            known.update(self._ledger.rows(shard, Resource(subscription.id)))
            if _behind(totals, known):
                totals = self._rate(shard, Family(totals.account), now)
            for key, units in totals.units.items():
                stored = known.get(key)
                row = stored.value if stored else LedgerRow(key, totals.account)
                held = waiting.get((key, row.open_hour))
                back = taken_back(row, held.value, subscription) if held else None
                if back and back.submission and held:
                    del waiting[key, row.open_hour]
                    row = back.row
                    writes.append(PutSubmission(back.submission, held.etag))
                intent = plan_intent(row, units, subscription, now, totals.grace) or back
                if intent is None:
                    remains |= left_over(row, units, subscription, now)
                    continue
                writes.append(PutRow(intent.row, stored.etag if stored else None))
                if intent.submission and intent is not back:
                    writes.append(PutSubmission(intent.submission, None))
                remains |= left_over(intent.row, units, subscription, now)
        look = totals.next_look if due else None
        if remains:
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
            return self._commit(shard, writes, report, known)
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
            anew = self._group(shard, group.totals, due, report.started, known, {})
            if not anew.writes:
                return []
            try:
                return self._commit(shard, anew.writes, report, known)
            except ConcurrentUpdate:
                continue
        report.failed[account] = "concurrent-update: its ledger rows keep changing"
        self._ledger.write(shard, [PutAgenda(AgendaEntry(hour_of(report.started) + HOUR, account))])
        return []

    def _commit(
        self,
        shard: Shard,
        writes: Sequence[LedgerWrite],
        report: RunReport,
        known: KnownRows,
    ) -> list[Versioned[Submission]]:
        lost = [
            write.row for write in writes if isinstance(write, PutRow) and write.row.written_off
        ]
        if lost:  # Before they are written: after a crash in between nobody would look again.
            self._findings.note(written_off(lost, report.started))
            report.written_off += lost
        etags = self._ledger.write(shard, writes)
        intended: list[Versioned[Submission]] = []
        for write, etag in zip(writes, etags, strict=True):
            match write:
                case PutRow(row, _):
                    known[row.key] = Versioned(row, etag)
                case PutSubmission(submission, _) if submission.state.under_way:
                    intended.append(Versioned(submission, etag))
                case PutSubmission() | PutAgenda() | DropAgenda() | PutRefund():
                    pass
        return intended


def _behind(totals: AccountTotals, known: KnownRows) -> bool:
    """Whether a row says more is due: another run may have rated later and written earlier.

    Rated again after the rows were read, a total that is still lower has really fallen, and one
    that is overtaken once more fails at the row's version.
    """
    return any(key in known and known[key].value.rated > due for key, due in totals.units.items())


def _by_account(entries: Iterable[Versioned[AgendaEntry]]) -> Agenda:
    agenda: Agenda = {}
    for entry in entries:
        agenda.setdefault(entry.value.account, []).append(entry)
    return agenda
