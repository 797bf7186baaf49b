"""Bills in Table storage: one partition an account; numbers and jobs in partitions of their own."""

from collections.abc import Iterable, Iterator
from typing import Final

from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import AccountCode
from shared.domain.rating.account_bill import Bill, account_of_bill
from shared.ports import BillJob, Etag, Versioned
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, text_of, to_stored, unpack
from shared.storage.operations import Create, Done, create_or_replace
from shared.storage.tables import Row, Tables

ATTEMPTS: Final = 20


class TableBills:
    """Fulfils ``Bills``."""

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.BILLS)

    def get(self, id_: str) -> Versioned[Bill] | None:
        row = self._table.get(keys.bills_partition(account_of_bill(id_)), keys.part(id_))
        return None if row is None else Versioned(_bill(row), row.etag)

    def put(self, bill: Bill, etag: Etag | None) -> Etag:
        """See the port. The place of a new one is noted first: a place without a bill is passed
        by, a bill without a place would be in no list."""
        if etag is None:
            place = keys.bill_index_row(bill.id)
            self._table.put(keys.BILL_INDEX, place, {"bill": bill.id})
        write = create_or_replace(keys.part(bill.id), pack("bill", to_stored(bill)), etag)
        match self._table.transact(keys.bills_partition(bill.account), [write]):
            case Done(etags):
                return etags[0]
            case _:
                raise ConcurrentUpdate(f"bill {bill.id} is not at the version read")

    def of(self, account: AccountCode) -> Iterable[Bill]:
        return [_bill(row) for row in self._table.query(keys.bills_partition(account))]

    def newest(self, after: str = "") -> Iterator[str]:
        for row in self._table.query(keys.BILL_INDEX, keys.bills_after(after)):
            yield text_of(row.properties, "bill")

    def number(self, id_: str, first: int) -> int:
        """See the port. Counter and assignment are one transaction, so that no crash comes
        between them."""
        partition, own = keys.BILL_NUMBERS, keys.bill_number_row(id_)
        for _ in range(ATTEMPTS):
            known = self._table.get(partition, own)
            if known is not None:
                return int(text_of(known.properties, "number"))
            last = self._table.get(partition, keys.LAST_NUMBER)
            number = first if last is None else int(text_of(last.properties, "number")) + 1
            stored = {"number": str(number)}
            writes = [
                create_or_replace(keys.LAST_NUMBER, stored, last.etag if last else None),
                Create(own, {**stored, "bill": id_}),
            ]
            if isinstance(self._table.transact(partition, writes), Done):
                return number
        raise ConcurrentUpdate("bills are being numbered elsewhere")

    def put_job(self, job: BillJob) -> None:
        self._table.put(keys.job_partition(job.id), str(job.shard), pack("job", to_stored(job)))

    def job(self, id_: str) -> list[BillJob]:
        rows = self._table.query(keys.job_partition(id_))
        jobs = [from_stored(BillJob, unpack(row.properties, "job")) for row in rows]
        return sorted(jobs, key=lambda job: job.shard)


def _bill(row: Row) -> Bill:
    return from_stored(Bill, unpack(row.properties, "bill"))
