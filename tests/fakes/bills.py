"""Bills in memory."""

from collections.abc import Iterable

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode, Shard
from shared.domain.rating.account_bill import Bill, place_of_bill
from shared.ports import BillJob, Etag, Versioned
from tests.fakes.versions import Versions


class FakeBills:
    """Fulfils ``Bills``."""

    def __init__(self) -> None:
        self._bills: dict[str, Versioned[Bill]] = {}
        self._numbers: dict[str, int] = {}
        self._jobs: dict[str, dict[Shard, BillJob]] = {}
        self._versions = Versions()

    def get(self, id_: str) -> Versioned[Bill] | None:
        return self._bills.get(id_)

    def put(self, bill: Bill, etag: Etag | None) -> Etag:
        stored = self._bills.get(bill.id)
        if (stored.etag if stored else None) != etag:
            raise ConcurrentUpdate(f"bill {bill.id} is not at the version read")
        new = self._versions.new()
        self._bills[bill.id] = Versioned(bill, new)
        return new

    def of(self, account: AccountCode) -> Iterable[Bill]:
        return [bill.value for bill in self._bills.values() if bill.value.account == account]

    def newest(self, after: str = "") -> Iterable[str]:
        ids = sorted(self._bills, key=place_of_bill)
        return [id_ for id_ in ids if not after or place_of_bill(id_) > place_of_bill(after)]

    def number(self, id_: str, first: int) -> int:
        if id_ not in self._numbers:
            self._numbers[id_] = max(self._numbers.values(), default=first - 1) + 1
        return self._numbers[id_]

    def put_job(self, job: BillJob) -> None:
        self._jobs.setdefault(job.id, {})[job.shard] = job

    def job(self, id_: str) -> list[BillJob]:
        return sorted(self._jobs.get(id_, {}).values(), key=lambda job: job.shard)
