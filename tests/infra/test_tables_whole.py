"""Export and import keep every table of the app and every value that Table storage can hold."""

import gzip
import math
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

from azure.data.tables import EdmType, EntityProperty
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.tables.archive import export, restore
from local.tables.service import Entity
from tests.infra.test_tables import Account, account, azurite, other

__all__ = ["account", "azurite", "other"]

_numbers = count(1)

EDGES: dict[str, object] = {
    "EmptyText": "",
    "Blank": " \t\r\n ",
    "Astral": "💶 \u2028 \u0000 \ud7ff ﻿",
    "Json": '{"odata.type": "Edm.Int64", "a@odata.type": "x"}',
    "Long": "é" * 32_000,
    "Int32Least": -(2**31),
    "Int32Most": 2**31 - 1,
    "Int64Least": EntityProperty(-(2**63), EdmType.INT64),
    "Int64Most": EntityProperty(2**63 - 1, EdmType.INT64),
    "Int64Small": EntityProperty(7, EdmType.INT64),
    "Zero": EntityProperty(0.0, EdmType.DOUBLE),
    "MinusZero": EntityProperty(-0.0, EdmType.DOUBLE),
    "Tiny": 5e-324,
    "Huge": 1.7976931348623157e308,
    "Third": 0.1 + 0.2,
    "NotANumber": EntityProperty(math.nan, EdmType.DOUBLE),
    "Infinite": EntityProperty(math.inf, EdmType.DOUBLE),
    "MinusInfinite": EntityProperty(-math.inf, EdmType.DOUBLE),
    "No": False,
    "NoBytes": b"",
    "AllBytes": bytes(range(256)),
    "Old": datetime(1601, 1, 1, tzinfo=UTC),
    "Far": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "Nil": UUID(int=0),
}

KEYS = ["", " ", "a b", "it's", "''", "100%", "a+b&c=d", "ü—€", "{[(|)]}", 'say "x"', "~^`:;,.!@$*"]


def raw(account: Account, table: str) -> list[Entity]:
    """Everything in a table as the service says it, types included."""
    return list(account.service.entities(table))


def same_after_moving(account: Account, other: Account, folder: Path) -> None:
    """Move everything to another account, and compare there and in a second export."""
    first, second = folder / "first.gz", folder / "second.gz"
    counts = export(account.service, first)
    assert restore(other.service, first) == counts
    for table in counts:
        assert raw(other, table) == raw(account, table)
        assert repr(other.rows(table)) == repr(account.rows(table))
    export(other.service, second)
    assert lines_of(second) == lines_of(first)


def lines_of(file: Path) -> list[str]:
    """An export without its first line, which bears the time."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return list(lines)[1:]


def test_edges_of_every_type_come_back_as_they_were(
    account: Account, other: Account, tmp_path: Path
) -> None:
    client = account.sdk.create_table(f"{account.prefix}Edges")
    client.create_entity({"PartitionKey": "p", "RowKey": "r", **EDGES})
    (row,) = raw(account, "Edges")
    assert {name for name in row if "@" not in name} == {"PartitionKey", "RowKey", *EDGES}
    same_after_moving(account, other, tmp_path)


def test_keys_that_need_care_come_back_as_they_were(
    account: Account, other: Account, tmp_path: Path
) -> None:
    client = account.sdk.create_table(f"{account.prefix}Keys")
    for partition in KEYS:
        for row in KEYS:
            client.create_entity({"PartitionKey": partition, "RowKey": row, "N": 1})
    assert len(raw(account, "Keys")) == len(KEYS) ** 2
    same_after_moving(account, other, tmp_path)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: EntityProperty(n, EdmType.INT64)),
    st.floats().map(lambda x: EntityProperty(x, EdmType.DOUBLE)),
    st.binary(max_size=40),
    st.datetimes(datetime(1601, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants it naive
    st.uuids(),
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.dictionaries(
            st.from_regex(r"[A-Z][A-Za-z0-9]{0,9}", fullmatch=True), values, max_size=6
        ),
        min_size=1,
        max_size=12,
    )
)
def test_any_values_come_back_as_they_were(
    azurite: str, tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    account, other = Account(azurite), Account(azurite)
    client = account.sdk.create_table(f"{account.prefix}Any")
    client.submit_transaction(
        ("create", {**row, "PartitionKey": "p", "RowKey": f"{number:02}"})
        for number, row in enumerate(rows)
    )
    folder = tmp_path / str(next(_numbers))
    folder.mkdir()
    same_after_moving(account, other, folder)
