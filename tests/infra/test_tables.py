"""Export, import and upgrade of tables, over Azurite and over a service that misbehaves."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import override
from uuid import UUID

import pytest
from azure.data.tables import EdmType, EntityProperty, TableServiceClient

from local.tables.archive import check, export, restore
from local.tables.command import main
from local.tables.service import (
    AccountKey,
    BearerToken,
    CliToken,
    TableService,
    TablesFault,
    connect,
)
from local.tables.upgrade import TABLE, Step, upgrade
from tests.storage.azurite import azurite

__all__ = ["azurite"]

_numbers = count(1)
NOBODY = AccountKey("nobody", b"key")

EVERY_TYPE = {
    "PartitionKey": "s00",
    "RowKey": "L|it's/quoted".replace("/", "_"),
    "Text": "ümläut — “quotes” \\ and\nlines",
    "Empty": "",
    "Small": -1,
    "Large": EntityProperty(2**62, EdmType.INT64),
    "Real": 1.5,
    "Whole": EntityProperty(3.0, EdmType.DOUBLE),
    "Flag": True,
    "Bytes": b"\x00\xff",
    "Moment": datetime(2026, 11, 22, 10, 0, 0, 123456, UTC),
    "Id": UUID("11111111-0000-4000-8000-000000000001"),
}


class Account:
    """A name prefix of tables in the shared Azurite, seen by the tools as an account of its own."""

    def __init__(self, connection: str) -> None:
        self.prefix = f"X{next(_numbers)}x"
        self.sdk = TableServiceClient.from_connection_string(connection)
        self.service = _Prefixed(connect(connection), self.prefix)

    def fill(self, table: str, rows: int, partition: str = "s00") -> None:
        """Store ``rows`` entities."""
        client = self.sdk.create_table_if_not_exists(self.prefix + table)
        for start in range(0, rows, 100):
            numbers = range(start, min(start + 100, rows))
            client.submit_transaction(
                ("upsert", {"PartitionKey": partition, "RowKey": f"{n:06}", "N": n})
                for n in numbers
            )

    def rows(self, table: str) -> list[dict[str, object]]:
        """Everything in a table, with types, as the SDK sees it."""
        found = self.sdk.get_table_client(self.prefix + table).list_entities()
        return [{k: (type(v).__name__, v) for k, v in row.items()} for row in found]


class _Prefixed(TableService):
    def __init__(self, inner: TableService, prefix: str) -> None:
        super().__init__(inner._endpoint, inner._sign)
        self._prefix = prefix

    @override
    def tables(self) -> list[str]:
        found = [name for name in super().tables() if name.startswith(self._prefix)]
        return [name.removeprefix(self._prefix) for name in found]

    @override
    def entities(self, table: str) -> Iterator[dict[str, object]]:
        return super().entities(self._prefix + table)

    @override
    def create(self, table: str) -> None:
        super().create(self._prefix + table)

    @override
    def put(self, table: str, entities: object) -> None:
        super().put(self._prefix + table, entities)  # type: ignore[arg-type] # handed on


@pytest.fixture
def account(azurite: str) -> Account:
    """An account with nothing in it."""
    return Account(azurite)


@pytest.fixture
def other(azurite: str) -> Account:
    """Another account with nothing in it."""
    return Account(azurite)


def test_every_type_of_property_comes_back_as_it_was(
    account: Account, other: Account, tmp_path: Path
) -> None:
    client = account.sdk.create_table(f"{account.prefix}Ledger")
    client.create_entity(EVERY_TYPE)
    assert export(account.service, tmp_path / "e.gz") == {"Ledger": 1}
    assert restore(other.service, tmp_path / "e.gz") == {"Ledger": 1}
    assert other.rows("Ledger") == account.rows("Ledger")
    assert len(other.rows("Ledger")[0]) == len(EVERY_TYPE)


def test_tables_of_many_pages_and_partitions_come_back_whole(
    account: Account, other: Account, tmp_path: Path
) -> None:
    account.fill("Ledger", 1_250)
    account.fill("Ledger", 3, "s01")
    account.fill("Empty", 0)
    assert export(account.service, tmp_path / "e.gz") == {"Empty": 0, "Ledger": 1_253}
    restore(other.service, tmp_path / "e.gz")
    assert other.rows("Ledger") == account.rows("Ledger")
    assert sorted(other.service.tables()) == ["Empty", "Ledger"]


def test_a_large_transaction_is_parted(account: Account) -> None:
    account.service.create("Large")
    rows = [
        {"PartitionKey": "p", "RowKey": f"{n:03}", **{f"C{i}": "x" * 30_000 for i in range(10)}}
        for n in range(25)
    ]
    assert account.service.put_all("Large", iter(rows)) == 25
    assert len(account.rows("Large")) == 25


def test_tables_that_hold_something_are_not_written_to(
    account: Account, other: Account, tmp_path: Path
) -> None:
    account.fill("Accounts", 2)
    export(account.service, tmp_path / "e.gz")
    other.fill("Accounts", 1, "s09")
    with pytest.raises(TablesFault, match="not empty: Accounts"):
        restore(other.service, tmp_path / "e.gz")
    assert len(other.rows("Accounts")) == 1
    restore(other.service, tmp_path / "e.gz", replace=True)
    restore(other.service, tmp_path / "e.gz", replace=True)
    assert len(other.rows("Accounts")) == 3


def test_a_ledger_that_knows_more_than_the_export_is_never_replaced(
    account: Account, tmp_path: Path
) -> None:
    """Whatever was sent since would be sent a second time."""
    account.fill("Ledger", 2)
    account.fill("Accounts", 2)
    export(account.service, tmp_path / "e.gz")
    client = account.sdk.get_table_client(f"{account.prefix}Ledger")
    client.upsert_entity({"PartitionKey": "s00", "RowKey": "000001", "N": 99})
    before = account.rows("Ledger")
    with pytest.raises(TablesFault, match="charge customers again"):
        restore(account.service, tmp_path / "e.gz", replace=True)
    assert account.rows("Ledger") == before


def test_a_ledger_that_was_imported_in_part_is_completed(
    account: Account, other: Account, tmp_path: Path
) -> None:
    account.fill("Ledger", 5)
    export(account.service, tmp_path / "e.gz")
    other.fill("Ledger", 3)
    restore(other.service, tmp_path / "e.gz", replace=True)
    assert other.rows("Ledger") == account.rows("Ledger")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda lines: lines[:-1], id="without its last line"),
        pytest.param(lambda lines: [*lines[:2], *lines[3:]], id="without an entity"),
        pytest.param(lambda lines: lines[1:], id="without its first line"),
        pytest.param(lambda lines: lines[:0], id="empty"),
        pytest.param(lambda lines: [*lines, "nonsense"], id="with something else"),
        pytest.param(lambda lines: [lines[0].replace("1", "2", 1), *lines[1:]], id="newer"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_before_anything_is_written(
    account: Account, other: Account, tmp_path: Path, harm: Callable[[list[str]], list[str]]
) -> None:
    account.fill("Ledger", 3)
    export(account.service, tmp_path / "e.gz")
    with gzip.open(tmp_path / "e.gz", "rt") as file:
        lines = file.read().splitlines()
    with gzip.open(tmp_path / "e.gz", "wt") as file:
        file.write("\n".join(harm(lines)))
    with pytest.raises(TablesFault):
        restore(other.service, tmp_path / "e.gz")
    assert other.service.tables() == []


def test_a_truncated_file_is_refused(account: Account, tmp_path: Path) -> None:
    account.fill("Ledger", 50)
    file = tmp_path / "e.gz"
    export(account.service, file)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(TablesFault, match="cannot be read"):
        check(file)


def test_an_export_that_breaks_off_leaves_no_file_under_its_name(
    account: Account, tmp_path: Path
) -> None:
    account.fill("Ledger", 1)

    class Broken(_Prefixed):
        @override
        def entities(self, table: str) -> Iterator[dict[str, object]]:
            yield from super().entities(table)
            raise TablesFault("gone")

    with pytest.raises(TablesFault):
        export(Broken(account.service, account.prefix), tmp_path / "e.gz")
    assert not (tmp_path / "e.gz").exists()


def test_the_command_exports_and_imports_by_connection_string(
    azurite: str,
    account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account.fill("Ledger", 2)
    monkeypatch.setenv("TABLES_CONNECTION", azurite)
    file = tmp_path / "all.gz"
    assert main(["export", "--file", str(file)]) == 0
    assert "exported" in capsys.readouterr().out
    assert check(file)[f"{account.prefix}Ledger"] == 2
    assert main(["import", "--file", str(file)]) == 1
    assert "not empty" in capsys.readouterr().err
    assert main(["import", "--file", str(file), "--replace"]) == 0


def test_without_az_nothing_is_asked_of_azure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("TABLES_TOKEN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["upgrade", "--endpoint", "https://x.table.core.windows.net"]) == 1
    assert "az gave no token" in capsys.readouterr().err


def test_az_is_asked_for_a_token_and_says_why_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    az = tmp_path / "az"
    az.write_text("#!/bin/sh\necho 'Please run az login' >&2\nexit 1\n")
    az.chmod(0o755)
    monkeypatch.delenv("TABLES_TOKEN", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert main(["upgrade", "--endpoint", "https://x.table.core.windows.net"]) == 1
    assert "Please run az login" in capsys.readouterr().err


def test_a_long_export_asks_for_new_tokens_before_the_last_expires() -> None:
    now = [0.0]
    fetched = iter(["second", "third"])
    sign = CliToken("first", lambda: next(fetched), lambda: now[0])
    used: list[str] = []
    for at in (0.0, 1000.0, 1300.0, 2000.0, 2600.0):
        now[0] = at
        headers: dict[str, str] = {}
        sign("https://x", headers)
        used.append(headers["Authorization"])
    assert used == [f"Bearer {name}" for name in ("first", "first", "second", "second", "third")]


def test_the_usage_log_can_be_left_out(account: Account, tmp_path: Path) -> None:
    account.fill("Usage20261122", 3)
    account.fill("UsageDays", 2)
    counts = export(account.service, tmp_path / "e.gz", usage_log=False)
    assert counts == {"UsageDays": 2}
    assert check(tmp_path / "e.gz") == counts


def test_steps_are_done_once_and_in_order(account: Account) -> None:
    account.fill("Ledger", 1)
    done: list[str] = []

    def step(name: str) -> Step:
        def apply(_: TableService) -> int:
            done.append(name)
            return 7

        return Step(name, apply)

    assert upgrade(account.service, [step("a")]) == ["1 a: 7 entities"]
    assert upgrade(account.service, [step("a")]) == []
    assert upgrade(account.service, [step("a"), step("b"), step("c")]) == [
        "2 b: 7 entities",
        "3 c: 7 entities",
    ]
    assert done == ["a", "b", "c"]


def test_a_step_that_fails_is_done_again_and_those_before_it_are_not(account: Account) -> None:
    account.fill("Ledger", 1)
    done: list[str] = []

    def first(_: TableService) -> int:
        done.append("first")
        return 1

    def second(_: TableService) -> int:
        done.append("second")
        if done.count("second") == 1:
            raise TablesFault("gone")
        return 1

    steps = [Step("first", first), Step("second", second)]
    with pytest.raises(TablesFault):
        upgrade(account.service, steps)
    assert upgrade(account.service, steps) == ["2 second: 1 entities"]
    assert done == ["first", "second", "second"]


def test_a_new_account_begins_with_the_newest_format(account: Account) -> None:
    def never(_: TableService) -> int:
        raise AssertionError("there is nothing to change")

    assert upgrade(account.service, [Step("a", never)]) == []
    assert account.service.tables() == [TABLE]


@contextmanager
def stub(answers: list[tuple[int, object]]) -> Iterator[tuple[str, list[str]]]:
    """A service that gives ``answers`` one after another; yields its URL and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            status, body = answers.pop(0)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_busy_service_is_asked_again_with_growing_pauses() -> None:
    pauses: list[float] = []
    with stub([(503, {}), (429, {}), (200, {"value": [{"TableName": "A"}]})]) as (url, asked):
        service = TableService(url, BearerToken("abc"), pauses.append)
        assert service.tables() == ["A"]
    assert pauses == [1.0, 4.0]
    assert asked == ["/Tables Bearer abc"] * 3


def test_a_refusal_is_told_at_once_with_its_reason() -> None:
    refusal = {"odata.error": {"code": "AuthorizationPermissionMismatch"}}
    with (
        stub([(403, refusal)]) as (url, _),
        pytest.raises(TablesFault, match=r"403.*AuthorizationPermissionMismatch") as raised,
    ):
        TableService(url, NOBODY).tables()
    assert raised.value.status == 403


def test_a_service_that_stays_busy_is_given_up() -> None:
    pauses: list[float] = []
    with stub([(503, {})] * 4) as (url, asked), pytest.raises(TablesFault, match="503"):
        TableService(url, NOBODY, pauses.append).tables()
    assert (len(asked), len(pauses)) == (4, 3)


def test_tokens_and_keys_do_not_show() -> None:
    assert "abc" not in repr(BearerToken("abc"))
    assert "key" not in repr(NOBODY).replace("AccountKey", "")


@pytest.mark.parametrize("text", ["", "AccountName=a", "UseDevelopmentStorage=true"])
def test_a_connection_string_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(TablesFault, match="account and key"):
        connect(text)
