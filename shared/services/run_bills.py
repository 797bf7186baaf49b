"""Runs of bills: a job over all accounts, one message a shard, that tells how far it is."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.account import AccountRecord
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.ids import AccountCode, Shard, all_shards, shard_of
from shared.domain.period import Frequency
from shared.ports import Accounts, BillJob, Bills, Clock, Message, Messages
from shared.services.bills import ManageBills, Wanted
from shared.services.run_report import reason_of
from shared.services.runs import QUEUE

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
        order = {
            "bills": id_,
            "until": wanted.until.isoformat(),
            "frequency": wanted.frequency,
        }
        messages = [Message(json.dumps({"shard": shard, **order})) for shard in all_shards()]
        self.messages.publish(QUEUE, messages)
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
        """Do a shard's part of a job. Accounts that fail are noted and cost the others nothing.

        Raises ``InvalidInput`` for a message that is none of ours.
        """
        try:
            shard = Shard(int(message["shard"] or 0))
            until = datetime.fromisoformat(str(message["until"]))
            name = message.get("frequency")
            wanted = Wanted(until, Frequency(str(name)) if name else None)
        except (KeyError, ValueError) as exc:
            raise InvalidInput("this message asks for no bills") from exc
        return self._shard(str(message["bills"]), shard, wanted)

    def _shard(self, id_: str, shard: Shard, wanted: Wanted) -> BillJob:
        codes = [code for code in self.accounts.codes() if shard_of(code) == shard]
        job = BillJob(id_, shard, self.clock.now(), len(codes))
        self.bills.put_job(job)
        for record in self._payers(codes):
            code = record.account.code
            try:
                made = self.manage.make(code, wanted)
                job = replace(job, bills=job.bills + len(made))
            except Exception as exc:  # noqa: BLE001 - one account must not stop the others
                job = replace(job, failed={**job.failed, code: reason_of(exc)})
            job = replace(job, done=job.done + 1)
            if job.done % NOTED_EVERY == 0:
                self.bills.put_job(job)
        job = replace(job, done=len(codes), finished=self.clock.now())
        self.bills.put_job(job)
        return job

    def _payers(self, codes: list[AccountCode]) -> Iterator[AccountRecord]:
        """Accounts that are billed themselves."""
        for code in codes:
            loaded = self.accounts.load(code)
            if loaded is not None and loaded.value.account.parent is None:
                yield loaded.value
