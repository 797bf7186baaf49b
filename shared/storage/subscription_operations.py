"""Operations of subscriptions: a partition each, and one that lists what is not done."""

from collections.abc import Iterable

from shared.domain.errors import Unavailable
from shared.domain.ids import SubscriptionId
from shared.domain.lifecycle.operation import OperationRecord
from shared.storage import keys
from shared.storage.mapping import from_stored, pack, text_of, to_stored, unpack
from shared.storage.tables import Tables


class TableOperations:
    """Fulfils ``Operations``.

    What is not done is listed before it is stored and struck off after it is: a crash in between
    leaves one line too many, never one too few.
    """

    def __init__(self, tables: Tables) -> None:
        self._table = tables.table(keys.OPERATIONS)

    def get(self, subscription: SubscriptionId, operation: str) -> OperationRecord | None:
        partition = keys.operations_partition(subscription)
        row = self._table.get(partition, keys.operation_row(operation))
        return None if row is None else _record(unpack(row.properties, "record"))

    def add(self, record: OperationRecord) -> OperationRecord:
        operation = record.operation
        if not record.done:
            self._list(operation.subscription, operation.id)
        partition = keys.operations_partition(operation.subscription)
        stored = dict(pack("record", to_stored(record)))
        if self._table.create(partition, keys.operation_row(operation.id), stored) is not None:
            return record
        known = self.get(operation.subscription, operation.id)
        if known is None:
            raise Unavailable("an operation is there and cannot be read")
        return known

    def save(self, record: OperationRecord) -> None:
        operation = record.operation
        if not record.done:
            self._list(operation.subscription, operation.id)
        partition = keys.operations_partition(operation.subscription)
        stored = dict(pack("record", to_stored(record)))
        self._table.put(partition, keys.operation_row(operation.id), stored)
        if record.done:
            row = keys.unfinished_row(operation.subscription, operation.id)
            self._table.delete(keys.UNFINISHED_PARTITION, row)

    def of(self, subscription: SubscriptionId) -> Iterable[OperationRecord]:
        for row in self._table.query(keys.operations_partition(subscription)):
            yield _record(unpack(row.properties, "record"))

    def unfinished(self) -> Iterable[OperationRecord]:
        for row in list(self._table.query(keys.UNFINISHED_PARTITION)):
            subscription = SubscriptionId(text_of(row.properties, "subscription"))
            record = self.get(subscription, text_of(row.properties, "operation"))
            if record is None or record.done:
                self._table.delete(keys.UNFINISHED_PARTITION, row.key)
            else:
                yield record

    def _list(self, subscription: SubscriptionId, operation: str) -> None:
        row = keys.unfinished_row(subscription, operation)
        line = {"subscription": subscription, "operation": operation}
        self._table.put(keys.UNFINISHED_PARTITION, row, line)


def _record(text: str) -> OperationRecord:
    return from_stored(OperationRecord, text)
