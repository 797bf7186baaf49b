"""Tables of Azure Table storage: the only place where requests are sent to it."""

import base64
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import requests
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableEntity, TableServiceClient

from shared.config import Settings
from shared.domain.errors import InvalidInput, Unavailable
from shared.ports import Etag
from shared.storage.batch_wire import Failed, Succeeded
from shared.storage.clock import StorageClock
from shared.storage.faults import BEING_DELETED, code_of, error_of, translated
from shared.storage.keys import RowRange, illegal_characters
from shared.storage.lean import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Bearer,
    Lean,
    LeanTransactions,
    SharedKey,
)
from shared.storage.lean_reads import LeanReads
from shared.storage.limits import (
    Property,
    check_comparisons,
    check_entities,
    check_entity,
    check_once,
    surely_fits,
)
from shared.storage.operations import Clash, Create, Delete, Done, Operation, Put

WRITE_OPTIONS: Final[Mapping[str, Any]] = {
    "retry_total": 0,
    "connection_timeout": CONNECT_SECONDS,
    "read_timeout": READ_SECONDS,
}
"""Writes are sent once. Three of them, as a missing table needs, end within 30 seconds: a change
mark must not arrive later than that after its hour was read."""

READ_OPTIONS: Final[Mapping[str, Any]] = {
    "retry_total": 3,
    "retry_backoff_factor": 0.2,
    "connection_timeout": 3,
    "read_timeout": 20,
}

CONNECTIONS: Final = 64
"""Connections kept open: one for each shard and account that is handled at the same time."""

_CLASHES: Final = frozenset({404, 409, 412})

type Response = PipelineResponse[Any, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """A stored entity."""

    key: str
    partition: str
    etag: Etag
    properties: Mapping[str, Property]


def _row(entity: TableEntity) -> Row:
    properties: dict[str, Property] = dict(entity)
    partition = str(properties.pop("PartitionKey", ""))
    key = str(properties.pop("RowKey", ""))
    return Row(key, partition, str(entity.metadata["etag"]), properties)


class Table:
    """One table. Reading one that is missing finds nothing; writing makes it."""

    def __init__(
        self,
        client: TableClient,
        sender: LeanTransactions,
        reader: LeanReads,
        known: set[str],
    ) -> None:
        self._client = client
        self._sender = sender
        self._reader = reader
        self._known = known

    def get(self, partition: str, row: str, select: list[str] | None = None) -> Row | None:
        """One row, or ``None``."""
        return self._get(partition, row, select, READ_OPTIONS)

    def texts(self, partition: str, rows: Sequence[str], name: str) -> list[str | None]:
        """The text ``name`` of each row, ``None`` for a row that is not there; looked up at the
        same time, and at a fraction of what ``get`` costs."""
        return self._reader.texts(self._client.table_name, partition, rows, name)

    def get_dated(self, partition: str, row: str) -> tuple[Row | None, str | None]:
        """One row or ``None``, and the ``Date`` of the very answer that said so."""
        dates: list[str | None] = []

        def note(response: Response) -> None:
            dates.append(response.http_response.headers.get("Date"))

        found = self._get(partition, row, None, {**READ_OPTIONS, "raw_response_hook": note})
        return found, dates[-1]

    def _get(
        self, partition: str, row: str, select: list[str] | None, options: Mapping[str, Any]
    ) -> Row | None:
        with translated():
            try:
                return _row(self._client.get_entity(partition, row, select=select, **options))
            except ResourceNotFoundError:
                return None

    def query(
        self,
        partition: str,
        rows: RowRange | None = None,
        select: list[str] | None = None,
        at_least: tuple[str, str] | None = None,
    ) -> Iterator[Row]:
        """Rows of a partition in the order of their keys, page by page.

        ``at_least`` is a property and the least text of it that is wanted.
        """
        conditions = ["PartitionKey eq @partition"]
        parameters = {"partition": partition}
        if rows is not None:
            conditions += ["RowKey ge @first", "RowKey lt @before"]
            parameters |= {"first": rows.first, "before": rows.before}
        if at_least is not None:
            conditions.append(f"{at_least[0]} ge @least")
            parameters["least"] = at_least[1]
        return self._find(conditions, parameters, select)

    def with_row_key(
        self, row: str, select: list[str] | None = None, after: str = ""
    ) -> Iterator[Row]:
        """Rows of that key in all partitions after ``after``, in their order: reads the table
        from there on."""
        conditions = ["RowKey eq @row", "PartitionKey gt @after"]
        return self._find(conditions, {"row": row, "after": after}, select)

    def between(self, rows: RowRange) -> Iterator[Row]:
        """Rows of those keys in all partitions: reads the whole table, returns only these."""
        conditions = ["RowKey ge @first", "RowKey lt @before"]
        return self._find(conditions, {"first": rows.first, "before": rows.before}, None)

    def scan(self, select: list[str] | None = None) -> Iterator[Row]:
        """Every row."""
        return self._find([], {}, select)

    def _find(
        self, conditions: list[str], parameters: dict[str, str], select: list[str] | None
    ) -> Iterator[Row]:
        check_comparisons(len(conditions))
        with translated():
            found = self._client.query_entities(
                " and ".join(conditions), parameters=parameters, select=select, **READ_OPTIONS
            )
            try:
                for entity in found:
                    yield _row(entity)
            except ResourceNotFoundError:
                return

    def create(self, partition: str, row: str, properties: Mapping[str, Property]) -> Etag | None:
        """Store a new row; ``None`` when there is one of that key."""
        match self.transact(partition, [Create(row, properties)]):
            case Done(etags):
                return etags[0]
            case Clash():
                return None

    def put(self, partition: str, row: str, properties: Mapping[str, Property]) -> None:
        """Store a row, whether it is there or not."""
        if isinstance(self.transact(partition, [Put(row, properties)]), Clash):
            raise Unavailable(f"the table of {row} is being removed")

    def delete(self, partition: str, row: str) -> None:
        """Remove a row; missing is fine."""
        self.transact(partition, [Delete(row, None)])

    def make(self) -> None:
        """Make the table; one that is there is fine."""
        with translated():
            try:
                self._client.create_table(**WRITE_OPTIONS)
            except HttpResponseError as exc:
                if exc.status_code != 409 or code_of(exc) == BEING_DELETED:
                    raise

    def drop(self) -> None:
        """Remove the table with all its rows; missing is fine. Azure keeps its name a while."""
        with translated():
            try:
                self._client.delete_table(**WRITE_OPTIONS)
            except ResourceNotFoundError:
                return

    def transact(self, partition: str, operations: Sequence[Operation]) -> Done | Clash:
        """Carry out all operations on one partition or none of them; sent once.

        A missing table is made, and the operations sent again: certainly nothing was done then.
        Raises ``TooLarge`` before sending anything that Azure would not take.
        """
        _check(partition, operations)
        name = self._client.table_name
        answer = self._sender.send(name, partition, operations)
        if isinstance(answer, Failed) and self._may_be_missing(answer):
            self.make()
            answer = self._sender.send(name, partition, operations)
            if isinstance(answer, Failed) and _lacks_table(answer, operations):
                raise Unavailable(f"table {name} was made and is not there yet")
        if isinstance(answer, Succeeded):
            self._known.add(name)
            return Done(answer.etags)
        if answer.status in _CLASHES and answer.code != BEING_DELETED:
            return Clash(answer.index)
        raise error_of(answer.status, answer.code)

    def _may_be_missing(self, answer: Failed) -> bool:
        # A missing row has the same status, and not every service names the difference.
        unknown = self._client.table_name not in self._known
        return answer.status == 404 and (unknown or answer.code == "TableNotFound")


def _lacks_table(answer: Failed, operations: Sequence[Operation]) -> bool:
    """Whether the table is missing for certain: only the others can lack a row."""
    needs_no_row = isinstance(operations[answer.index], Create | Put)
    return answer.status == 404 and (needs_no_row or answer.code == "TableNotFound")


def _check(partition: str, operations: Sequence[Operation]) -> None:
    rows = [operation.row for operation in operations]
    check_entities(len(rows))
    check_once(rows)
    for operation in operations:
        properties = {} if isinstance(operation, Delete) else operation.properties
        if surely_fits(operation.row, properties):
            continue
        check_entity({"PartitionKey": partition, "RowKey": operation.row, **properties})
    illegal = illegal_characters([partition, *rows])
    if illegal:
        raise ValueError(f"keys must not hold {sorted(illegal)}")


class Tables:
    """All tables of a storage account, or those whose names begin with ``prefix``."""

    def __init__(
        self,
        service: TableServiceClient,
        lean: Lean,
        clock: StorageClock,
        prefix: str = "",
    ) -> None:
        self._service = service
        self._lean = lean
        self._sender = LeanTransactions(lean)
        self._reader = LeanReads(lean)
        self._prefix = prefix
        self._known: set[str] = set()
        self._tables: dict[str, Table] = {}
        self.clock = clock

    def table(self, name: str) -> Table:
        """The table of that name; whether it exists shows when it is used."""
        table = self._tables.get(name)
        if table is None:
            client = self._service.get_table_client(self._prefix + name)
            table = self._tables[name] = Table(client, self._sender, self._reader, self._known)
        return table

    def names(self, beginning: str) -> list[str]:
        """Names of the tables there are that begin with ``beginning``."""
        first = self._prefix + beginning
        before = first[:-1] + chr(ord(first[-1]) + 1)
        with translated():
            found = self._service.query_tables(
                "TableName ge @first and TableName lt @before",
                parameters={"first": first, "before": before},
                **READ_OPTIONS,
            )
            return [item.name.removeprefix(self._prefix) for item in found]

    def close(self) -> None:
        """Close the connections."""
        self._service.close()
        self._reader.close()
        self._lean.close()


def open_tables(
    settings: Settings, credential: TokenCredential | None = None, prefix: str = ""
) -> Tables:
    """Tables of the account that ``settings`` name, by connection string or with ``credential``.

    ``prefix`` keeps tests apart that share an account.
    """
    # The SDK reports every request at level INFO, which would drown everything else.
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    clock = StorageClock(settings.local_clock_file)

    def observe(response: Response) -> None:
        date = response.http_response.headers.get("Date")
        if date:
            clock.observe(date)

    options: dict[str, Any] = {"transport": _transport(), "raw_response_hook": observe}
    if settings.tables_connection:
        service = TableServiceClient.from_connection_string(settings.tables_connection, **options)
    else:
        service = TableServiceClient(settings.tables_endpoint, credential=credential, **options)
    signer = _signer(service.credential)
    return Tables(service, Lean(service.url, signer, clock, CONNECTIONS), clock, prefix)


def _signer(credential: object) -> SharedKey | Bearer:
    match credential:
        case AzureNamedKeyCredential():
            account, key = credential.named_key
            return SharedKey(account, base64.b64decode(key))
        case TokenCredential():
            return Bearer(credential)
        case _:
            raise InvalidInput("table storage takes an account key or a token, nothing else")


def _transport() -> RequestsTransport:
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return RequestsTransport(session=session)
