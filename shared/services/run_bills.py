"""Runs of bills: a job over all accounts, by messages for some of them, that tells its progress."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Self

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import AccountCode, Shard, all_shards
from shared.domain.period import Frequency
from shared.ports import Accounts, BillJob, Bills, Clock, Message, Messages
from shared.services.bills import ManageBills, Wanted
from shared.services.run_report import reason_of
from shared.services.runs import QUEUE

BATCH = 100
"""Accounts that one message is for, so that neither the hourly run waits long behind it nor a
time limit ends it."""
NOTED_EVERY = 25
"""Accounts after which progress is noted again."""


@dataclass(frozen=True, slots=True)
class RunBills:
    """Makes the bills of all accounts whose period has ended."""

    bills: Bills
    accounts: Accounts
    manage: ManageBills
    messages: Messages
    clock: Clock

    def start(self, wanted: Wanted) -> str:
        """Ask every shard; returns the id of the job. Asking again is harmless: bills are
        recalculated until they are locked."""
        started = self.clock.now()
        id_ = f"{started:%Y%m%dT%H%M%S%fZ}"
        for shard in all_shards():
            self.bills.put_job(BillJob(id_, shard, started))
        orders = [_Order(id_, shard, wanted) for shard in all_shards()]
        self.messages.publish(QUEUE, [Message(order.text()) for order in orders])
        return id_

    def start_due(self) -> str:
        """Ask for the bills of every period that has ended by now."""
        return self.start(Wanted(self.clock.now()))

    def progress(self, id_: str) -> list[BillJob]:
        """How far every shard is. Raises ``NotFound``."""
        found = self.bills.job(id_)
        if not found:
            raise NotFound(f"there is no job {id_[:64]}")
        return found

    def take(self, message: dict[str, str | int | None]) -> BillJob:
        """Do some of a shard's part of a job, and ask for the rest of it. Accounts that fail are
        noted and cost the others nothing.

        Doing it again is harmless: a message says how far those before it came. Raises
        ``InvalidInput`` for a message that is none of ours.
        """
        try:
            order = _Order.of(message)
        except (KeyError, ValueError) as exc:
            raise InvalidInput("this message asks for no bills") from exc
        return self._part(order)

    def _part(self, order: "_Order") -> BillJob:
        codes = self._payers(order)
        batch = list(islice(codes, BATCH))
        known = [job for job in self.bills.job(order.job) if job.shard == order.shard]
        started = known[0].started if known else self.clock.now()
        failed = known[0].failed if known else {}
        of = order.of_accounts or len(batch) + sum(1 for _ in codes)
        job = BillJob(order.job, order.shard, started, of, order.done, order.made, failed)
        self.bills.put_job(job)
        for place, code in enumerate(batch, 1):
            job = self._made(job, code, order.wanted)
            if place % NOTED_EVERY == 0:
                self.bills.put_job(job)
        if len(batch) < BATCH:
            job = replace(job, finished=self.clock.now())
        else:
            rest = replace(order, after=batch[-1], done=job.done, made=job.bills, of_accounts=of)
            self.messages.publish(QUEUE, [Message(rest.text())])
        self.bills.put_job(job)
        return job

    def _made(self, job: BillJob, code: AccountCode, wanted: Wanted) -> BillJob:
        failed = {known: why for known, why in job.failed.items() if known != code}
        made = 0
        try:
            made = len(self.manage.make(code, wanted))
        except Exception as exc:  # noqa: BLE001 - one account must not stop the others
            failed[code] = reason_of(exc)
        return replace(job, done=job.done + 1, bills=job.bills + made, failed=failed)

    def _payers(self, order: "_Order") -> Iterator[AccountCode]:
        """Accounts of the shard that are billed themselves, in the order of their codes."""
        for account in self.accounts.heads(order.after):
            if account.parent is None and account.shard == order.shard:
                yield account.code


@dataclass(frozen=True, slots=True)
class _Order:
    """What a message asks for: a shard's accounts after a code, and what was done before."""

    job: str
    shard: Shard
    wanted: Wanted
    after: str = ""
    done: int = 0
    made: int = 0
    of_accounts: int = 0

    @classmethod
    def of(cls, message: Mapping[str, str | int | None]) -> Self:
        """Read a message. Raises ``KeyError`` or ``ValueError`` for what is none."""
        name = message.get("frequency")
        frequency = Frequency(str(name)) if name else None
        return cls(
            str(message["bills"]),
            Shard(int(message["shard"] or 0)),
            Wanted(datetime.fromisoformat(str(message["until"])), frequency),
            str(message.get("after") or ""),
            int(message.get("done") or 0),
            int(message.get("made") or 0),
            int(message.get("of") or 0),
        )

    def text(self) -> str:
        """The message."""
        return json.dumps(
            {
                "bills": self.job,
                "shard": self.shard,
                "until": self.wanted.until.isoformat(),
                "frequency": self.wanted.frequency,
                "after": self.after,
                "done": self.done,
                "made": self.made,
                "of": self.of_accounts,
            }
        )
