"""Usage files are read row by row, with their times and numbers kept exactly."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.replay.events import Shape, events, parse_map, stretched, unshifted
from local.replay.rows import BadFile, Row, read_rows, survey, time_of

type Write = Callable[[str, str], Path]

CSV = """\
at,who,in,out,model
2023-11-16 18:17:03.9799600,a,4808,10,small
2023-11-16 18:17:04.0319600,b,3180,8.500000001,"large, slow"
"""
SHAPE = Shape(meter="requests", time_column="at", fields={"in": "in"}, assume_utc=True)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return put


def everyone(_number: int, _row: Row) -> str:
    return "acc"


def texts(path: Path, shape: Shape = SHAPE) -> list[str]:
    return [event.text for event in events(path, shape, everyone, unshifted)]


def test_csv_rows_become_events_with_ids_from_file_and_row(write: Write) -> None:
    shape = Shape("requests", "at", {"in": "contextTokens", "model": "model"}, assume_utc=True)
    first, second = (json.loads(text) for text in texts(write("u.csv", CSV), shape))
    assert first == {
        "id": "u.csv:1",
        "account": "acc",
        "meter": "requests",
        "time": "2023-11-16T18:17:03.979960+00:00",
        "data": {"contextTokens": 4808, "model": "small"},
    }
    assert second["id"] == "u.csv:2"
    assert second["data"] == {"contextTokens": 3180, "model": "large, slow"}


def test_ndjson_rows_keep_every_digit_and_nested_values_have_dotted_names(write: Write) -> None:
    path = write(
        "u.ndjson",
        '{"at": "2026-01-01T00:00:00+01:00", "u": {"n": 0.1234567890123456789}, "x": null}\n\n'
        '{"at": 1767225600, "u": {"n": 12e2}, "id": "mine"}\n',
    )
    shape = Shape("m", "at", {"u.n": "n"})
    first, second = texts(path, shape)
    assert '"time": "2025-12-31T23:00:00+00:00"' in first
    assert '"data": {"n":0.1234567890123456789}' in first
    assert '"time": "2026-01-01T00:00:00+00:00"' in second
    assert '"data": {"n":1200}' in second


def test_ids_and_source_can_come_from_the_file_and_the_caller(write: Write) -> None:
    shape = Shape("m", "at", {}, id_column="who", source="gateway", assume_utc=True)
    first, _ = texts(write("u.csv", CSV), shape)
    assert first.startswith('{"id": "a", ')
    assert '"source": "gateway"' in first


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2023-11-16 18:17:03.9799600", datetime(2023, 11, 16, 18, 17, 3, 979960, UTC)),
        ("2023-11-16T18:17:03Z", datetime(2023, 11, 16, 18, 17, 3, 0, UTC)),
        ("2023-11-16T18:17:03.5-05:00", datetime(2023, 11, 16, 23, 17, 3, 500000, UTC)),
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, 0, UTC)),
        ("1700000000250", datetime(2023, 11, 14, 22, 13, 20, 250000, UTC)),
    ],
)
def test_times_are_read_in_the_spellings_that_logs_have(text: str, moment: datetime) -> None:
    assert time_of(1, text, assume_utc=True) == moment


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("u.csv", CSV.replace("18:17:04", "soon"), "row 2: .* is not a time"),
        ("u.csv", CSV.replace("3180", ""), "row 2 has no in; it has: at, who, in, out, model"),
        ("u.csv", CSV + "x,y,z,1,2,3,4\n", "row 3 has more values than the header"),
        ("u.ndjson", '{"at": "2026-01-01T00:00:00Z"}\n[1]\n', "row 2 is not a JSON object"),
        ("u.ndjson", '{"at":\n', "row 1 is not JSON"),
    ],
)
def test_a_bad_row_is_named(write: Write, name: str, text: str, message: str) -> None:
    shape = Shape("m", "at", {} if name == "u.ndjson" else {"in": "in"}, assume_utc=True)
    with pytest.raises(BadFile, match=message):
        texts(write(name, text), shape)


def test_a_time_without_zone_needs_to_be_called_utc(write: Write) -> None:
    with pytest.raises(BadFile, match="names no zone; is it UTC"):
        texts(write("u.csv", CSV), Shape("m", "at", {}))


def test_a_survey_tells_rows_span_and_customers(write: Write) -> None:
    path = write("u.csv", CSV + "2023-11-16 18:00:00,a,1,1,small\n")
    found = survey(path, "at", "who", assume_utc=True)
    assert (found.rows, found.customers) == (3, ("a", "b"))
    assert found.first == datetime(2023, 11, 16, 18, 0, 0, 0, UTC)
    assert found.last == datetime(2023, 11, 16, 18, 17, 4, 31960, UTC)


def test_a_file_without_rows_or_without_existence_is_refused(write: Write) -> None:
    with pytest.raises(BadFile, match="has no rows"):
        survey(write("u.csv", "at,in\n"), "at", None, assume_utc=True)
    with pytest.raises(BadFile, match="cannot be read: No such file"):
        list(read_rows(Path("missing.csv")))


MOMENTS = st.integers(0, 10**12).map(
    lambda tick: datetime(2023, 1, 1, tzinfo=UTC) + timedelta(microseconds=tick)
)


@given(st.lists(MOMENTS, min_size=1, max_size=20), st.integers(1, 10**12))
def test_stretched_times_keep_their_order_and_fill_the_span(
    moments: list[datetime], length: int
) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(microseconds=length)
    shift = stretched(min(moments), max(moments), start, end)
    moved = [shift(moment) for moment in sorted(moments)]
    assert moved == sorted(moved)
    assert moved[-1] == end
    assert moved[0] == (start if len(set(moments)) > 1 else end)


def test_a_mapping_names_columns_and_fields() -> None:
    assert parse_map(["a=b", "c"]) == {"a": "b", "c": "c"}
    with pytest.raises(BadFile, match="write column=field"):
        parse_map(["a="])


def test_measured_text_is_a_number_only_if_it_is_one(write: Write) -> None:
    path = write("u.csv", "at,v\n1,0012\n2,-3.50\n3,1e5\n4,NaN\n")
    shape = Shape("m", "at", {"v": "v"})
    values = [event.data["v"] for event in events(path, shape, everyone, unshifted)]
    assert values == ["0012", Decimal("-3.50"), "1e5", "NaN"]
