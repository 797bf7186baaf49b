"""Tables: how answers and silences become errors, and how often a request is sent."""

import json
from collections.abc import Iterator

import pytest

from shared.domain.errors import (
    MeteringError,
    Rejected,
    Throttled,
    TooLarge,
    Unavailable,
)
from shared.storage.keys import starting_with
from shared.storage.operations import Clash, Create, Delete, Done, Put, Replace
from shared.storage.tables import Table, Tables, open_tables
from tests.storage.stub import Stub, answering


def error(code: str) -> bytes:
    return json.dumps({"odata.error": {"code": code, "message": {"value": "0:No."}}}).encode()


def failed_batch(status: int, code: str) -> bytes:
    """A whole transaction that failed because of its first operation."""
    return (
        b"--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
        b"--changesetresponse_1\r\nContent-Type: application/http\r\n"
        b"Content-Transfer-Encoding: binary\r\n\r\n"
        + f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\n\r\n".encode()
        + error(code)
        + b"\r\n--changesetresponse_1--\r\n--batchresponse_1--\r\n"
    )


BATCH = {"Content-Type": "multipart/mixed; boundary=batchresponse_1"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with answering(Stub()) as stub:
        yield stub


def write_to(stub: Stub) -> MeteringError:
    tables = open_tables(stub.settings)
    with pytest.raises(MeteringError) as caught:
        tables.table("Any").transact("p", [Put("r", {})])
    tables.close()
    return caught.value


ANSWERS = [
    pytest.param(503, error("ServerBusy"), Throttled, id="busy"),
    pytest.param(429, b"", Throttled, id="too many"),
    pytest.param(503, b"", Unavailable, id="503 without a code"),
    pytest.param(500, error("InternalError"), Unavailable, id="internal error"),
    pytest.param(500, error("OperationTimedOut"), Unavailable, id="timed out inside"),
    pytest.param(403, error("AuthorizationFailure"), Rejected, id="forbidden"),
    pytest.param(400, error("InvalidInput"), Rejected, id="bad request"),
    pytest.param(413, error("RequestBodyTooLarge"), TooLarge, id="too large"),
]


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
def test_a_refused_write_is_sent_once(
    stub: Stub, status: int, body: bytes, expected: type[MeteringError]
) -> None:
    stub.status, stub.body, stub.headers = status, body, JSON
    assert type(write_to(stub)) is expected
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        pytest.param(503, "ServerBusy", Throttled, id="busy"),
        pytest.param(500, "InternalError", Unavailable, id="internal error"),
        pytest.param(409, "TableBeingDeleted", Unavailable, id="being deleted"),
        pytest.param(400, "InvalidInput", Rejected, id="bad request"),
    ],
)
def test_a_write_refused_inside_is_sent_once(
    stub: Stub, status: int, code: str, expected: type[MeteringError]
) -> None:
    stub.status, stub.body, stub.headers = 202, failed_batch(status, code), BATCH
    assert type(write_to(stub)) is expected
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("status", "code"), [(404, "ResourceNotFound"), (409, "EntityAlreadyExists"), (412, "")]
)
def test_a_row_that_is_not_as_expected_is_a_clash(stub: Stub, status: int, code: str) -> None:
    stub.status, stub.body, stub.headers = 202, failed_batch(status, code), BATCH
    tables = open_tables(stub.settings)
    table = tables.table("Any")
    if status == 404:
        with pytest.raises(MeteringError):
            table.transact("p", [Delete("r", None)])
        assert [request.split("/")[-1] for request in stub.requests] == ["$batch", "Tables"]
    else:
        assert table.transact("p", [Put("r", {})]) == Clash(0)
    tables.close()


@pytest.mark.parametrize("code", ["TableNotFound", "ResourceNotFound", ""])
def test_a_table_that_was_made_and_is_not_there_yet_names_no_row(stub: Stub, code: str) -> None:
    stub.status, stub.body, stub.headers = 202, failed_batch(404, code), BATCH
    stub.making = 409
    tables = open_tables(stub.settings)
    with pytest.raises(Unavailable):
        tables.table("Any").transact("p", [Create("r", {})])
    assert [request.split("/")[-1] for request in stub.requests] == ["$batch", "Tables", "$batch"]
    tables.close()


def test_a_row_that_is_missing_in_a_table_just_made_is_a_clash(stub: Stub) -> None:
    stub.status, stub.body, stub.headers = 202, failed_batch(404, "ResourceNotFound"), BATCH
    stub.making = 409
    tables = open_tables(stub.settings)
    assert tables.table("Any").transact("p", [Delete("r", None)]) == Clash(0)
    tables.close()


def test_silence_leaves_unknown_what_a_write_did(stub: Stub) -> None:
    stub.status = 0
    assert type(write_to(stub)) is Unavailable
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"--batchresponse_1\r\n\r\n--batchresponse_1--\r\n"]
)
@pytest.mark.parametrize("headers", [BATCH, JSON])
def test_an_answer_without_sense_leaves_unknown_what_a_write_did(
    stub: Stub, body: bytes, headers: dict[str, str]
) -> None:
    stub.status, stub.body, stub.headers = 202, body, headers
    assert type(write_to(stub)) is Unavailable
    assert len(stub.requests) == 1


def test_how_long_to_wait_is_passed_on(stub: Stub) -> None:
    stub.status, stub.body = 503, error("ServerBusy")
    stub.headers = JSON | {"Retry-After": "7"}
    refused = write_to(stub)
    assert isinstance(refused, Throttled)
    assert refused.retry_after == 7


def test_nobody_listening_is_no_answer() -> None:
    with answering(Stub()) as gone:
        pass
    assert type(write_to(gone)) is Unavailable


def test_a_read_is_tried_again(stub: Stub) -> None:
    stub.status, stub.body = 503, error("ServerBusy")
    stub.headers = JSON | {"Retry-After": "0"}
    tables = open_tables(stub.settings)
    with pytest.raises(Throttled):
        tables.table("Any").get("p", "r")
    assert len(stub.requests) == 4
    with pytest.raises(Throttled):
        list(tables.table("Any").query("p"))
    assert len(stub.requests) == 8
    tables.close()


def test_a_read_that_is_refused_is_not_tried_again(stub: Stub) -> None:
    stub.status, stub.body, stub.headers = 403, error("AuthorizationFailure"), JSON
    tables = open_tables(stub.settings)
    with pytest.raises(Rejected) as caught:
        tables.table("Any").get("p", "r")
    assert caught.value.status == 403
    assert len(stub.requests) == 1
    tables.close()


@pytest.fixture
def table(tables: Tables) -> Table:
    return tables.table("Things")


def rows(table: Table) -> dict[str, object]:
    return {row.key: dict(row.properties) for row in table.scan()}


def test_a_missing_table_reads_as_empty(table: Table) -> None:
    assert table.get("p", "r") is None
    assert list(table.query("p")) == []
    assert list(table.scan()) == []
    assert list(table.with_row_key("r")) == []
    table.delete("p", "r")


def test_a_version_cannot_match_in_a_missing_table(table: Table) -> None:
    assert table.transact("p", [Create("a", {}), Replace("r", {}, 'W/"x"')]) == Clash(1)
    assert rows(table) == {}


def test_a_clash_names_the_operation_and_leaves_nothing(table: Table) -> None:
    assert isinstance(table.transact("p", [Create("r", {"x": "1"})]), Done)
    assert table.transact("p", [Put("a", {}), Create("r", {}), Create("s", {})]) == Clash(1)
    assert table.transact("p", [Put("a", {}), Delete("gone", None)]) == Clash(1)
    stale = Replace("r", {}, "W/\"datetime'2026-01-01T00%3A00%3A00.0000000Z'\"")
    assert table.transact("p", [stale]) == Clash(0)
    assert rows(table) == {"r": {"x": "1"}}


def test_a_table_that_was_dropped_is_made_again(tables: Tables) -> None:
    table = tables.table("Dropped")
    table.put("p", "r", {})
    table.drop()
    table.drop()
    assert list(table.scan()) == []
    table.put("p", "s", {})
    assert rows(table) == {"s": {}}


def test_replacing_leaves_nothing_of_the_old_row(table: Table) -> None:
    table.put("p", "r", {"a": "1", "b": "2"})
    assert isinstance(table.transact("p", [Replace("r", {"b": "3"}, None)]), Done)
    assert rows(table) == {"r": {"b": "3"}}
    table.put("p", "r", {"c": b"4"})
    assert rows(table) == {"r": {"c": b"4"}}


def test_values_in_filters_are_taken_as_they_are(table: Table) -> None:
    for key in ("it's", "x' or 'a' eq 'a", "@first", "a b", "100%"):
        table.put("p'q", key, {})
        (found,) = table.query("p'q", starting_with(key))
        assert found.key == key
    assert list(table.query("p", starting_with("x"))) == []


def test_what_azure_would_refuse_is_not_sent(table: Table) -> None:
    with pytest.raises(ValueError, match="keys must not hold"):
        table.put("p", "a/b", {})
    with pytest.raises(ValueError, match="once"):
        table.transact("p", [Put("a", {}), Delete("a", None)])
    with pytest.raises(TooLarge):
        table.put("p", "a", {f"p{n}": "" for n in range(253)})
    assert rows(table) == {}


def test_creating_and_dating(table: Table) -> None:
    etag = table.create("p", "r", {"x": "1"})
    assert table.create("p", "r", {"x": "2"}) is None
    found, date = table.get_dated("p", "r")
    assert found is not None
    assert (found.etag, dict(found.properties)) == (etag, {"x": "1"})
    assert date is not None
    missing, date = table.get_dated("p", "s")
    assert missing is None
    assert date is not None


def test_names_are_those_of_one_prefix(tables: Tables) -> None:
    for name in ("Usage20261122", "Usage20261123", "UsageDays", "Ledger"):
        tables.table(name).put("p", "r", {})
    assert tables.names("Usage2") == ["Usage20261122", "Usage20261123"]
