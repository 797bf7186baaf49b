"""How mutants are made: a private copy of a module with some lines changed, a wrapper around a
store, or answers that are taken for others. The product itself knows nothing of it."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from textwrap import dedent
from types import ModuleType

from shared.domain.ids import Shard
from shared.domain.metering.submission import Answer, Settlement, Submission, settle
from shared.ports import AppendAnswer, Etag, LedgerWrite, PutRow, PutSubmission, UsageBatch
from tests.simulation.watch import WatchedLedger, WatchedLog


def altered(module: ModuleType, edit: str = "", **names: object) -> ModuleType:
    """A copy of ``module`` after ``edit``, with some names bound to something else.

    ``edit`` reads like a patch: lines after ``-`` are replaced by the lines after ``+`` that
    follow, a blank line ends a change; what is replaced stands in the module exactly once,
    whatever its indentation. Raises ``LookupError`` when it does not.
    """
    source = inspect.getsource(module)
    for before, after in _changes(edit):
        source = _changed(source, before, after)
    copy = ModuleType(f"{module.__name__}_altered")
    exec(compile(source, f"<{copy.__name__}>", "exec", dont_inherit=True), copy.__dict__)
    copy.__dict__.update(names)
    return copy


def _changes(edit: str) -> Iterator[tuple[list[str], list[str]]]:
    for hunk in dedent(edit).strip().split("\n\n") if edit.strip() else ():
        lines = hunk.splitlines()
        before = [line[2:] for line in lines if line.startswith("-")]
        after = [line[2:] for line in lines if line.startswith("+")]
        yield before, after


def _changed(source: str, before: Sequence[str], after: Sequence[str]) -> str:
    lines = source.splitlines()
    size = len(before)
    found = [
        at
        for at in range(len(lines) - size + 1)
        if dedent("\n".join(lines[at : at + size])) == dedent("\n".join(before))
    ]
    if len(found) != 1:
        raise LookupError(f"stands {len(found)} times in the module: {before}")
    indent = lines[found[0]][: -len(lines[found[0]].lstrip())]
    lines[found[0] : found[0] + size] = [indent + line for line in after]
    return "\n".join(lines)


type Hearing = Callable[[Submission, Answer], tuple[Submission, Answer]]


def misheard(hearing: Hearing) -> Callable[[Submission, Answer, datetime], Settlement]:
    """A ``settle`` to which each answer comes as ``hearing`` has it."""

    def wrong(submission: Submission, answer: Answer, retry_at: datetime) -> Settlement:
        return settle(*hearing(submission, answer), retry_at)

    return wrong


class NoEtags:
    """A ledger that takes every write for current."""

    def __init__(self, ledger: WatchedLedger) -> None:
        self._ledger = ledger

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def write(self, shard: Shard, writes: Sequence[LedgerWrite]) -> list[Etag]:
        """Write whatever the versions are."""
        return self._ledger.write(shard, [self._current(shard, write) for write in writes])

    def _current(self, shard: Shard, write: LedgerWrite) -> LedgerWrite:
        if isinstance(write, PutRow):
            row = self._ledger.rows(shard, write.row.key.resource).get(write.row.key)
            return replace(write, etag=row.etag if row else None)
        if isinstance(write, PutSubmission) and write.etag is not None:
            for stored in self._ledger.unsettled(shard):
                there, here = stored.value, write.submission
                if (there.key, there.hour) == (here.key, here.hour):
                    return replace(write, etag=stored.etag)
        return write


class NoEtagsOfPartials:
    """A usage log whose partials are replaced whatever their version."""

    def __init__(self, log: WatchedLog) -> None:
        self._log = log

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    def append(self, batch: UsageBatch) -> AppendAnswer:
        """Append whatever the versions of the partials are."""
        partition = self._log._partitions.get((batch.day, batch.shard))
        writes = []
        for write in batch.partials:
            stored = partition.partial(write.key, batch.writer) if partition else None
            writes.append(replace(write, etag=stored.etag if stored else None))
        return self._log.append(replace(batch, partials=tuple(writes)))
