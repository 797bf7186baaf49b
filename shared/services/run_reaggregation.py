"""Aggregating stored events again, as a job over all accounts that goes on after a crash."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import ClassVar

from shared.domain.account import Account
from shared.domain.audit import AuditEntry
from shared.domain.errors import ConcurrentUpdate, FieldError, InvalidInput, NotFound
from shared.domain.ids import AccountCode, Shard, all_shards, is_code
from shared.domain.period import HOUR, day_of, hour_of
from shared.domain.usage.event import ACCEPTED_BACK
from shared.domain.wire import WIRE
from shared.ports import (
    Accounts,
    AgendaEntry,
    AuditTrail,
    Clock,
    Etag,
    Ledger,
    Message,
    Messages,
    PutAgenda,
    ReaggregationJob,
    ReaggregationPart,
    Reaggregations,
    Versioned,
)
from shared.services.directory import CatalogCache
from shared.services.fold import Fold
from shared.services.run_report import reason_of
from shared.services.runs import QUEUE

SUBJECT = "/api/reaggregations"
"""What the audit trail calls jobs of all accounts; no account has such a code."""

NOTED_EVERY = 25
"""Accounts after which a part notes how far it is: as many are done again after a crash."""

TURN = timedelta(seconds=30)
"""How long a part goes on before it lets other messages of the queue have their turn: the hourly
run must not wait for it."""

SILENT = timedelta(minutes=40)
"""A part that noted nothing for so long has lost its message: no message is held that long."""

RESUMED = timedelta(days=7)
MAX_ACCOUNTS = 1000
NEWEST = 10**10


@dataclass(frozen=True, slots=True)
class ReaggregationOrder:
    """What is to be aggregated again: the days of [``since``, ``until``], everything that events
    are kept for unless told; of ``accounts``, or of all when that is ``None``."""

    __pydantic_config__: ClassVar = WIRE

    since: datetime | None = None
    until: datetime | None = None
    accounts: tuple[AccountCode, ...] | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job and its parts, one for each shard that has any of its accounts."""

    job: ReaggregationJob
    parts: tuple[ReaggregationPart, ...]

    @property
    def finished(self) -> datetime | None:
        """When the last part was done; ``None`` while one is not."""
        ends = [part.finished for part in self.parts]
        return None if None in ends else max(end for end in ends if end is not None)


@dataclass(frozen=True, slots=True)
class RunReaggregation:
    """Makes anew every cell that lacks what the catalogue needs of it, and has what changed rated.

    Whatever is done twice is done once: cells are written at the version read, and a part that
    another message carries on finds its own note overtaken, and stops.
    """

    jobs: Reaggregations
    accounts: Accounts
    fold: Fold
    catalogs: CatalogCache
    ledger: Ledger
    messages: Messages
    trail: AuditTrail
    clock: Clock

    def start(self, order: ReaggregationOrder, by: str) -> JobStatus:
        """Begin a job. Raises ``InvalidInput`` with every fault."""
        now = self.clock.now()
        faults = list(self._faults(order, now))
        if faults:
            raise InvalidInput("the job cannot be started", faults)
        first, last = day_of(order.since or now - ACCEPTED_BACK), day_of(order.until or now)
        job = ReaggregationJob(f"{now:%Y%m%dT%H%M%S%fZ}", now, by, first, last, order.accounts)
        parts = tuple(ReaggregationPart(job.id, shard, now) for shard in self._shards(order))
        subjects = order.accounts or (SUBJECT,)
        detail = {"job": job.id, "days": f"{first.isoformat()}/{last.isoformat()}"}
        action = "reaggregation.start"
        self.trail.append([AuditEntry(s, now, by, action, detail) for s in subjects])
        self.jobs.add(job, parts)
        self._ask(parts)
        return JobStatus(job, parts)

    def start_since(self, moment: datetime, by: str) -> JobStatus:
        """Begin a job for all usage of ``moment`` or later, as far back as events are kept."""
        now = self.clock.now()
        since = min(max(moment, now - ACCEPTED_BACK), now)
        return self.start(ReaggregationOrder(since), by)

    def status(self, id_: str) -> JobStatus:
        """How far a job is. Raises ``NotFound``."""
        job = self.jobs.get(id_)
        if job is None:
            raise NotFound(f"there is no job {id_[:64]}")
        return JobStatus(job, tuple(part.value for part in self.jobs.parts(id_)))

    def recent(self) -> list[JobStatus]:
        """The jobs of the last days, newest first."""
        jobs = self.jobs.since(self.clock.now() - ACCEPTED_BACK)
        return [self.status(job.id) for job in reversed(jobs)]

    def resume(self) -> int:
        """Ask again for every part that is not done and has been silent; returns how many.

        A message may have been lost between its job and the queue, or with a dying process.
        """
        now = self.clock.now()
        silent = [
            part.value
            for job in self.jobs.since(now - RESUMED)
            for part in self.jobs.parts(job.id)
            if part.value.finished is None and now - part.value.noted >= SILENT
        ]
        self._ask(silent)
        return len(silent)

    def take(self, message: Mapping[str, object]) -> ReaggregationPart | None:
        """Carry on with a shard's part of a job, for one turn; ``None`` where there is nothing to
        do. Accounts that fail are noted and cost the others nothing.

        Raises ``InvalidInput`` for a message that is none of ours.
        """
        id_, shard = str(message.get("reaggregation", "")), message.get("shard")
        job = self.jobs.get(id_)
        if job is None:
            raise InvalidInput("this message asks for no job that is known")
        for part in self.jobs.parts(id_):
            if part.value.shard == shard and part.value.finished is None:
                return self._carry_on(job, part)
        return None

    def _carry_on(
        self, job: ReaggregationJob, stored: Versioned[ReaggregationPart]
    ) -> ReaggregationPart:
        """One turn. Ends without a word when another message has overtaken it."""
        # Every process must see the version that asked for this before it judges what is lacking.
        self.catalogs.timeline(at_least=NEWEST)
        part, etag, begun = stored.value, stored.etag, self.clock.now()
        for number, account in enumerate(self._accounts(job, part)):
            now = self.clock.now()
            if now - begun >= TURN:
                if self._noted(part, etag) is not None:
                    self._ask([part])
                return part
            # What a crash cut off was changed perhaps, and never entered.
            part = self._again(job, account, part, enter=number < NOTED_EVERY)
            if part.done % NOTED_EVERY == 0:
                noted = self._noted(part, etag)
                if noted is None:
                    return part
                etag = noted
        part = replace(part, finished=self.clock.now())
        self._noted(part, etag)
        return part

    def _again(
        self, job: ReaggregationJob, account: Account, part: ReaggregationPart, *, enter: bool
    ) -> ReaggregationPart:
        code, failed, days = account.code, part.failed, 0
        try:
            days = self.fold(account.shard, code, (), (job.first, job.last)).improved
            if days or enter:
                entry = AgendaEntry(hour_of(self.clock.now()) + HOUR, account.root)
                self.ledger.write(account.shard, [PutAgenda(entry)])
        except Exception as exc:  # noqa: BLE001 - one account must not stop the others
            failed = {**failed, code: reason_of(exc)}
        return replace(
            part,
            after=code,
            done=part.done + 1,
            changed=part.changed + (days > 0),
            days=part.days + days,
            failed=failed,
        )

    def _noted(self, part: ReaggregationPart, etag: Etag) -> Etag | None:
        """The version of the note; ``None`` when another message was faster."""
        try:
            return self.jobs.note(replace(part, noted=self.clock.now()), etag)
        except ConcurrentUpdate:
            return None

    def _accounts(self, job: ReaggregationJob, part: ReaggregationPart) -> Iterator[Account]:
        """The accounts that are not done, in the order of their codes."""
        if job.accounts is None:
            heads = self.accounts.heads(part.after)
            yield from (account for account in heads if account.shard == part.shard)
            return
        for code in sorted(job.accounts):
            stored = self.accounts.load(code) if code > part.after else None
            if stored is not None and stored.value.account.shard == part.shard:
                yield stored.value.account

    def _shards(self, order: ReaggregationOrder) -> list[Shard]:
        if order.accounts is None:
            return list(all_shards())
        found = (self.accounts.load(code) for code in order.accounts)
        return sorted({stored.value.account.shard for stored in found if stored is not None})

    def _ask(self, parts: Sequence[ReaggregationPart]) -> None:
        orders = [{"shard": part.shard, "reaggregation": part.job} for part in parts]
        if orders:
            self.messages.publish(QUEUE, [Message(json.dumps(order)) for order in orders])

    def _faults(self, order: ReaggregationOrder, now: datetime) -> Iterator[FieldError]:
        oldest = day_of(now - ACCEPTED_BACK)
        days: dict[str, date] = {}
        for pointer, moment in {"/since": order.since, "/until": order.until}.items():
            if moment is None:
                continue
            if moment.tzinfo is None:
                yield FieldError(pointer, "must name its zone, such as Z")
                continue
            days[pointer] = day_of(moment)
            if not oldest <= days[pointer] <= day_of(now):
                message = f"must lie from {oldest.isoformat()} to now: older events are gone"
                yield FieldError(pointer, message)
        if days.get("/since", oldest) > days.get("/until", day_of(now)):
            yield FieldError("/until", "must not be before since")
        codes = order.accounts or ()
        if order.accounts == () or len(codes) > MAX_ACCOUNTS:
            message = f"name 1 to {MAX_ACCOUNTS} accounts, or leave it out for all of them"
            yield FieldError("/accounts", message)
            return
        for place, code in enumerate(codes):
            if not is_code(code) or self.accounts.load(code) is None:
                yield FieldError(f"/accounts/{place}", f"there is no account {code[:64]}")
