"""Tables of Azure Table storage: the only place that knows the SDK and its errors."""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import requests
from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import (
    TableClient,
    TableEntity,
    TableServiceClient,
    TableTransactionError,
    UpdateMode,
)

from shared.config import Settings
from shared.domain.errors import (
    ConcurrentUpdate,
    MeteringError,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.ports import Etag
from shared.storage.clock import StorageClock
from shared.storage.keys import RowRange, illegal_characters
from shared.storage.limits import (
    Property,
    check_comparisons,
    check_once,
    check_transaction,
)

WRITE_OPTIONS: Final[Mapping[str, Any]] = {
    "retry_total": 0,
    "connection_timeout": 3,
    "read_timeout": 6,
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


@dataclass(frozen=True, slots=True)
class Row:
    """A stored entity."""

    key: str
    partition: str
    etag: Etag
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Create:
    """Store a row that must not be there yet."""

    row: str
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace a row that must be there, at version ``etag`` unless that is ``None``."""

    row: str
    properties: Mapping[str, Property]
    etag: Etag | None


@dataclass(frozen=True, slots=True)
class Put:
    """Store a row, whether it is there or not."""

    row: str
    properties: Mapping[str, Property]


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a row that must be there, at version ``etag`` unless that is ``None``."""

    row: str
    etag: Etag | None


type Response = PipelineResponse[Any, Any]

type Operation = Create | Replace | Put | Delete


@dataclass(frozen=True, slots=True)
class Done:
    """All operations took effect; the new version of each row, empty for removed ones."""

    etags: tuple[Etag, ...]


@dataclass(frozen=True, slots=True)
class Clash:
    """None took effect: the row of operation ``index`` is there, gone, or at another version."""

    index: int


def create_or_replace(row: str, properties: Mapping[str, Property], etag: Etag | None) -> Operation:
    """The write that expects version ``etag``, or no row when that is ``None``."""
    return Create(row, properties) if etag is None else Replace(row, properties, etag)


class Table:
    """One table. Reading one that is missing finds nothing; writing makes it."""

    def __init__(self, client: TableClient, known: set[str]) -> None:
        self._client = client
        self._known = known

    def get(self, partition: str, row: str, select: list[str] | None = None) -> Row | None:
        """One row, or ``None``."""
        return self._get(partition, row, select, READ_OPTIONS)

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
        with _translated():
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

    def with_row_key(self, row: str, select: list[str] | None = None) -> Iterator[Row]:
        """Rows of that key in all partitions: reads the whole table."""
        return self._find(["RowKey eq @row"], {"row": row}, select)

    def scan(self, select: list[str] | None = None) -> Iterator[Row]:
        """Every row."""
        return self._find([], {}, select)

    def _find(
        self, conditions: list[str], parameters: dict[str, str], select: list[str] | None
    ) -> Iterator[Row]:
        check_comparisons(len(conditions))
        with _translated():
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

    def put(self, partition: str, row: str, properties: Mapping[str, Property]) -> Etag:
        """Store a row, whether it is there or not."""
        match self.transact(partition, [Put(row, properties)]):
            case Done(etags):
                return etags[0]
            case Clash():
                raise Unavailable(f"storage refused to put {row}, which nothing can prevent")

    def delete(self, partition: str, row: str) -> None:
        """Remove a row; missing is fine."""
        self.transact(partition, [Delete(row, None)])

    def transact(self, partition: str, operations: Sequence[Operation]) -> Done | Clash:
        """Carry out all operations on one partition or none of them; sent once.

        A missing table is made, and the operations sent again: certainly nothing was done then.
        Raises ``TooLarge`` before sending anything that Azure would not take.
        """
        batch = [_operation(partition, operation) for operation in operations]
        check_once([operation.row for operation in operations])
        check_transaction(entity for _, entity, _ in batch)
        _check_keys([partition, *(operation.row for operation in operations)])
        with _translated():
            try:
                return self._send(batch)
            except HttpResponseError as exc:
                if not self._may_be_missing(exc):
                    return _clash(exc)
            self._make()
            try:
                return self._send(batch)
            except HttpResponseError as exc:
                return _clash(exc)

    def _send(self, batch: "Sequence[_Sent]") -> Done:
        try:
            answers = self._client.submit_transaction(batch, **WRITE_OPTIONS)
        except (ValueError, LookupError, AttributeError) as exc:
            # What the SDK stumbles over when a gateway answers in the place of storage.
            raise Unavailable("table storage's answer to a transaction makes no sense") from exc
        if len(answers) != len(batch):
            raise Unavailable(f"{len(answers)} answers to {len(batch)} operations")
        self._known.add(self._client.table_name)
        return Done(tuple(str(answer.get("etag", "")) for answer in answers))

    def _may_be_missing(self, exc: HttpResponseError) -> bool:
        # A missing row has the same status, and not every service names the difference.
        unknown = self._client.table_name not in self._known
        return exc.status_code == 404 and (unknown or _code_of(exc) == "TableNotFound")

    def _make(self) -> None:
        try:
            self._client.create_table(**WRITE_OPTIONS)
        except HttpResponseError as exc:
            if exc.status_code != 409 or _code_of(exc) == BEING_DELETED:
                raise


def _clash(exc: HttpResponseError) -> Clash:
    """Which operation did not find its row as expected. Raises ``exc`` when that is not it."""
    if exc.status_code not in _CLASHES or _code_of(exc) == BEING_DELETED:
        raise exc
    return Clash(exc.index if isinstance(exc, TableTransactionError) else 0)


def _code_of(exc: AzureError) -> str:
    code = getattr(exc, "error_code", None) or ""
    return str(getattr(code, "value", code))


_CLASHES: Final = frozenset({404, 409, 412})

BEING_DELETED: Final = "TableBeingDeleted"
"""Azure keeps the name of a dropped table for a while."""

type _Sent = tuple[str, dict[str, Any], dict[str, Any]]


def _operation(partition: str, operation: Operation) -> _Sent:
    keys: dict[str, Any] = {"PartitionKey": partition, "RowKey": operation.row}
    match operation:
        case Create(_, properties):
            return "create", {**keys, **properties}, {}
        case Put(_, properties):
            return "upsert", {**keys, **properties}, {"mode": UpdateMode.REPLACE}
        case Replace(_, properties, etag):
            options = {"mode": UpdateMode.REPLACE, **_condition(etag)}
            return "update", {**keys, **properties}, options
        case Delete(_, etag):
            return "delete", keys, _condition(etag)


def _condition(etag: Etag | None) -> dict[str, Any]:
    if etag is None:
        return {}
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _check_keys(keys: Iterable[str]) -> None:
    found = illegal_characters(keys)
    if found:
        raise ValueError(f"keys must not hold {sorted(found)}")


def _row(entity: TableEntity) -> Row:
    properties: dict[str, Property] = dict(entity)
    partition = str(properties.pop("PartitionKey", ""))
    key = str(properties.pop("RowKey", ""))
    return Row(key, partition, str(entity.metadata["etag"]), properties)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except AzureError as exc:
        raise _domain_error(exc) from exc


def _domain_error(exc: AzureError) -> MeteringError:
    if not isinstance(exc, HttpResponseError) or exc.status_code is None:
        return Unavailable(f"table storage gave no answer: {type(exc).__name__}")
    status, code = exc.status_code, _code_of(exc)
    answered = f"table storage answered {status} {code}".rstrip()
    if status == 429 or (status == 503 and code == "ServerBusy"):
        return Throttled(answered, _retry_after(exc))
    if status >= 500 or status == 408 or code == BEING_DELETED:
        return Unavailable(answered)
    if status == 413:
        return TooLarge(answered)
    return ConcurrentUpdate(answered) if status == 412 else Rejected(answered, status)


def _retry_after(exc: HttpResponseError) -> float:
    headers = getattr(exc.response, "headers", {})
    try:
        return float(headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0


class Tables:
    """All tables of a storage account, or those whose names begin with ``prefix``."""

    def __init__(self, service: TableServiceClient, clock: StorageClock, prefix: str = "") -> None:
        self._service = service
        self._prefix = prefix
        self._known: set[str] = set()
        self._tables: dict[str, Table] = {}
        self.clock = clock

    def table(self, name: str) -> Table:
        """The table of that name; whether it exists shows when it is used."""
        full = self._prefix + name
        table = self._tables.get(full)
        if table is None:
            table = self._tables[full] = Table(self._service.get_table_client(full), self._known)
        return table

    def names(self, beginning: str) -> list[str]:
        """Names of the tables there are that begin with ``beginning``."""
        first = self._prefix + beginning
        before = first[:-1] + chr(ord(first[-1]) + 1)
        with _translated():
            found = self._service.query_tables(
                "TableName ge @first and TableName lt @before",
                parameters={"first": first, "before": before},
                **READ_OPTIONS,
            )
            return [item.name.removeprefix(self._prefix) for item in found]

    def drop(self, name: str) -> None:
        """Drop a table; missing is fine. Azure keeps its name for a while after."""
        with _translated():
            try:
                self._service.delete_table(self._prefix + name, **WRITE_OPTIONS)
            except ResourceNotFoundError:
                return

    def close(self) -> None:
        """Close the connections."""
        self._service.close()


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
    return Tables(service, clock, prefix)


def _transport() -> RequestsTransport:
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return RequestsTransport(session=session)
