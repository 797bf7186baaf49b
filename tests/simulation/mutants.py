"""Deliberate faults in the protocol, each of which the simulation must notice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from shared.domain.metering import delta, slots
from shared.domain.metering.submission import (
    Accepted,
    Answer,
    Duplicate,
    Expired,
    Refused,
    Submission,
    Unknown,
)
from shared.domain.rating import rate
from shared.services import (
    collect,
    fold,
    ingest_usage,
    rate_account,
    replay_parked,
    run_shard,
    settle_uncertain,
    submit,
    usage_writer,
)
from tests.simulation.altering import Hearing, NoEtags, NoEtagsOfPartials, altered, misheard
from tests.simulation.chaos import KINDS
from tests.simulation.process import Kit
from tests.simulation.trials import (
    another_hour_is_folded_in_between,
    the_same_hour_is_folded_in_between,
)

type Plot = Mapping[str, Any]

CALM: Plot = {"rate": 0.0, "hours": 30, "customers": 8}
ROUGH: Plot = {"rate": 0.05, "hours": 30, "customers": 8}
WILD: Plot = {**ROUGH, "rate": 0.1}
BUSY: Plot = {**WILD, "instances": 3, "doubled_runs": 0.6}
DARK: Plot = {**ROUGH, "hours": 60, "lost_runs": 0.3}
LATE: Plot = {**ROUGH, "hours": 96, "customers": 5, "late": 0.5, "lost_runs": 0.1}
MARKET: Plot = {**ROUGH, "market_rate": 0.5, "hours": 60}
OUTAGES: Plot = {**MARKET, "hours": 72}


def _mostly(*kinds: str) -> Plot:
    """A plot in which nearly nothing but these disturbances happens."""
    return {
        "weights": {kind: 1.0 if kind in kinds else 0.02 for kind in KINDS},
        "rate": 0.1,
        "daily": False,
        "outages": (),
        "blackouts": (),
        "market_rate": 0.0,
    }


DELAYS: Plot = {**CALM, **_mostly("pause before", "delayed request"), "requests_an_hour": 12.0}
LOSSES: Plot = {**LATE, **_mostly("lost answer", "crash after")}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault, the processes that have it, and what to play so that it soon shows.

    ``first`` is the seed to begin with: one that was seen to show it.
    """

    name: str
    kit: Callable[[], Kit]
    focus: Plot
    first: int = 0
    trial: Callable[[Kit], None] | None = None


def _writer(edit: str) -> Kit:
    return Kit(writer=altered(usage_writer, edit).UsageWriter)


def _ingest(edit: str) -> Kit:
    copy = altered(ingest_usage, edit, EventResult=ingest_usage.EventResult)
    return Kit(ingest=copy.IngestUsage)


def _fold(edit: str) -> Kit:
    return Kit(fold=altered(fold, edit).Fold)


def _rate(edit: str = "", **names: object) -> Kit:
    return Kit(rate_account=altered(rate_account, edit, **names).RateAccount)


def _run(edit: str = "", **names: object) -> Kit:
    return Kit(run_shard=altered(run_shard, edit, **names).RunShard)


def _collect(edit: str = "", **names: object) -> Kit:
    return _run(Collect=altered(collect, edit, **names).Collect)


def _delta(edit: str = "", **names: object) -> Kit:
    return _run(plan_intent=altered(delta, edit, **names).plan_intent)


def _slots(edit: str) -> Kit:
    return _delta(choose_slot=altered(slots, edit).choose_slot)


def _submit(edit: str, **names: object) -> Kit:
    return Kit(submit=altered(submit, edit, **names).Submit)


def _hears(hearing: Hearing) -> Kit:
    return _submit("", settle=misheard(hearing))


def _heard_as(
    kind: type,
    answer: Callable[[Submission], Answer] | None = None,
    *,
    certain: bool = True,
) -> Hearing:
    """Answers of ``kind`` are taken for another, as if no earlier attempt were in doubt."""

    def hearing(submission: Submission, heard: Answer) -> tuple[Submission, Answer]:
        if not isinstance(heard, kind):
            return submission, heard
        seen = replace(submission, attempts=1) if certain else submission
        return seen, answer(submission) if answer else heard

    return hearing


def _stubborn() -> Kit:
    kit = _writer(
        """
        - except UpstreamFailure as exc:
        -     self._start_over()
        + except UpstreamFailure as exc:
        """
    )
    return replace(kit, wrappers={"log": NoEtagsOfPartials})  # type: ignore[dict-item]  # a wrapper knows its store


INGESTION: Sequence[Mutant] = (
    Mutant(
        "acknowledges what it could not store",
        lambda: _ingest("""
            - raise _again(entry.failure) from entry.failure
            + return EventResult(event.id, Outcome.ACCEPTED)
        """),
        ROUGH,
    ),
    Mutant(
        "takes an unanswered transaction for stored",
        lambda: _writer("""
            - hopeless = not isinstance(exc, Unavailable)
            + hopeless = not isinstance(exc, Unavailable)
            + for entry in plan.entries:
            +     entry.stored = Stored.NEW
        """),
        ROUGH,
    ),
    Mutant(
        "drops the rest of a transaction with a duplicate",
        lambda: _writer("""
            - self._look_up(plan.entries if all_of_them else [plan.entries[index]])
            + self._look_up(plan.entries if all_of_them else [plan.entries[index]])
            + for entry in plan.entries:
            +     entry.stored = entry.stored or Stored.SAME
        """),
        {**ROUGH, "duplicates": 0.5},
    ),
    Mutant("keeps its id and its memory after an answer that never came", _stubborn, ROUGH),
    Mutant(
        "writes no change marks",
        lambda: _writer("""
            - batch = UsageBatch(self.day, self.shard, writer, rows, writes, tuple(marks))
            + batch = UsageBatch(self.day, self.shard, writer, rows, writes, ())
        """),
        CALM,
    ),
    Mutant(
        "remembers a change mark before its transaction was answered",
        lambda: _writer("""
            - marks[mark] = None
            + marks[mark] = None
            + self._marked.add(mark)
        """),
        ROUGH,
    ),
    Mutant(
        "remembers change marks of a transaction that met a duplicate",
        lambda: _writer("""
            - case EventExists(index):
            + case EventExists(index):
            +     self._marked.update(plan.batch.marks)
        """),
        {**ROUGH, "duplicates": 0.8},
    ),
    Mutant(
        "remembers change marks by their hour only",
        lambda: _writer("""
            - needs_mark = mark not in self._marked and mark not in marks
            + known = any(m.arrival_hour == hour for m in self._marked)
            + needs_mark = not known and mark not in marks
        """),
        CALM,
    ),
    Mutant(
        "marks with an hour that was read long ago",
        lambda: _writer("""
            - hour = hour_of(self.clock.now())
            + hour = hour_of(self.clock.now() - DAY / 8)
        """),
        CALM,
    ),
    Mutant(
        "hints at no unusual day",
        lambda: _writer("""
            - self._hint(hour)
        """),
        LATE,
    ),
    Mutant(
        "hints once, and not again in another hour",
        lambda: _writer("""
            - if self.day in (arrival, arrival - DAY) or self._hinted == hour:
            + if self.day in (arrival, arrival - DAY) or self._hinted is not None:
        """),
        {**LATE, **_mostly("throttled")},
    ),
    Mutant(
        "hints after the transaction",
        lambda: _writer("""
            - self._hint(hour)
            + pass

            - case Appended(etags):
            + case Appended(etags):
            +     self._hint(hour_of(self.clock.now()))
        """),
        LOSSES,
    ),
    Mutant(
        "forgets a parked event before it is stored",
        lambda: Kit(
            replay_parked=altered(
                replay_parked,
                """
                - results = self.ingest.again(some)
                + self.parking.drop(some)
                + results = self.ingest.again(some)
                """,
            ).ReplayParked
        ),
        WILD,
    ),
)

HOURLY_RUN: Sequence[Mutant] = (
    Mutant("looks at no hour again", lambda: _collect(OVERLAP=timedelta()), DELAYS),
    Mutant(
        "reads the tables of today and yesterday only",
        lambda: _collect("""
            - recent = days_between(day_of(first - DAY), day_of(now))
            + recent = days_between(day_of(now - DAY), day_of(now))
        """),
        {**DARK, "hours": 72, "lost_runs": 0.97},
    ),
    Mutant(
        "notes its completion at the start",
        lambda: _run("""
            - report = RunReport(shard, start.now)
            + report = RunReport(shard, start.now)
            + self._runs.complete(shard, start.now)
        """),
        DARK,
    ),
    Mutant(
        "notes a later instant than that of its start",
        lambda: _run("""
            - self._runs.complete(shard, start.now)
            + self._runs.complete(shard, self._runs.begin(shard).now + 2 * HOUR)
        """),
        DARK,
    ),
    Mutant(
        "forgets an account that failed",
        lambda: _run("""
            - if all(entry.value.due > since for entry in due):
            + if not due and since > now:
        """),
        WILD,
    ),
    Mutant(
        "breaks the chain of an account's looks",
        lambda: _run("""
            - look = totals.next_look if due else None
            + look = None
        """),
        CALM,
    ),
    Mutant(
        "takes a version that moved for written",
        lambda: _fold("""
            - except ConcurrentUpdate:
            -     continue
            + except ConcurrentUpdate:
            +     pass
        """),
        CALM,
        trial=another_hour_is_folded_in_between,
    ),
    Mutant(
        "reads partials before the rows, and compares no ranks",
        lambda: _fold("""
            - rows = self._days.read(shard, account, min(wanted), max(wanted))
            - fresh = self._fresh_cells(shard, account, changed)
            + fresh = self._fresh_cells(shard, account, changed)
            + rows = self._days.read(shard, account, min(wanted), max(wanted))

            - if start not in old or partial.rank > old[start].rank
            + if start not in old or partial != old[start]
        """),
        CALM,
        trial=the_same_hour_is_folded_in_between,
    ),
    Mutant(
        "rates only what its own fold wrote",
        lambda: _rate("""
            - planned += steps
            + if hours and not folded.improved:
            +     return None
            + planned += steps
        """),
        WILD,
    ),
    Mutant(
        "takes an ended period from its record though late usage came",
        lambda: _rate(plan_rating=altered(rate, _touched=lambda *_: False).plan_rating),
        LATE,
    ),
)

LEDGER: Sequence[Mutant] = (
    Mutant(
        "sends before the intent is stored",
        lambda: _run("""
            - etags = self._ledger.write(shard, writes)
            + new = [write.submission for write in writes if isinstance(write, PutSubmission)]
            + self._submit._metering.send(new[:25])
            + etags = self._ledger.write(shard, writes)
        """),
        CALM,
    ),
    Mutant(
        "intends again while a submission is under way",
        lambda: _delta("""
            - if row.open_hour is not None or not _chargeable(subscription):
            + if not _chargeable(subscription):
        """),
        {**CALM, "market_rate": 0.3},
    ),
    Mutant(
        "sends without writing the attempt",
        lambda: _submit("""
            - etags = self._ledger.write(shard, writes)
            - return [Versioned(v, etag) for v, etag in zip(counted, etags, strict=True)]
            + etags = [s.etag for s in submissions]
            + return [Versioned(v, etag) for v, etag in zip(counted, etags, strict=True)]
        """),
        CALM,
    ),
    Mutant(
        "asks for more when it sends again",
        lambda: _submit("""
            - counted = [replace(s.value, attempts=s.value.attempts + 1) for s in submissions]
            + counted = [
            +     replace(
            +         s.value,
            +         attempts=s.value.attempts + 1,
            +         quantity=s.value.quantity + s.value.attempts,
            +     )
            +     for s in submissions
            + ]
        """),
        {**ROUGH, "market_rate": 0.3},
    ),
    Mutant(
        "takes no answer for a no",
        lambda: _submit(
            """
            - if isinstance(answer, Unknown):
            -     continue
            """,
            settle=misheard(_heard_as(Unknown, lambda _: Expired())),
        ),
        MARKET,
    ),
    Mutant("takes Expired for a no", lambda: _hears(_heard_as(Expired)), OUTAGES),
    Mutant("forgets its doubt when it is refused", lambda: _hears(_heard_as(Refused)), OUTAGES),
    Mutant(
        "takes a duplicate for its own quantity",
        lambda: _hears(_heard_as(Duplicate, lambda s: Accepted(s.quantity))),
        {**CALM, "foreign": 0.2},
    ),
    Mutant(
        "takes a duplicate for a no",
        lambda: _hears(_heard_as(Duplicate, lambda _: Expired())),
        MARKET,
    ),
    Mutant(
        "writes the ledger without versions",
        lambda: Kit(wrappers={"ledger": NoEtags}),  # type: ignore[dict-item]  # a wrapper knows its store
        BUSY,
    ),
    Mutant(
        "settles what is uncertain with nothing, whatever the report says",
        lambda: Kit(
            settle_uncertain=altered(
                settle_uncertain,
                """
                - settlements = settle_day(every, reported)
                + settlements = settle_day(every, ZERO)
                """,
            ).SettleUncertain
        ),
        OUTAGES,
    ),
    Mutant(
        "reports for the hour that still runs",
        lambda: _slots("""
            - newest = hour_of(now) - HOUR
            + newest = hour_of(now)
        """),
        CALM,
    ),
    Mutant(
        "reports from before the subscription began",
        lambda: _slots("""
            - effective = max(hour, subscription.start)
            + effective = hour
        """),
        CALM,
    ),
)

MUTANTS: Sequence[Mutant] = (*INGESTION, *HOURLY_RUN, *LEDGER)
