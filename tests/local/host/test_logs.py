"""One-line logs and their levels."""

import logging

from local.host.logs import HOST_LOGGER, LevelTable, LineFormatter


def _record(name: str, message: str, **more: object) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, __file__, 1, message, None, None)
    record.created = 0.0
    record.__dict__.update(more)
    return record


def test_line_breaks_become_escapes() -> None:
    line = LineFormatter(lambda: "ingest").format(_record("app", "one\r\ntwo\n"))
    assert line == "1970-01-01T00:00:00.000Z warning [ingest] one\\ntwo"


def test_source_is_the_function_else_the_host_else_the_logger() -> None:
    outside = LineFormatter(lambda: None)
    assert "[host] x" in outside.format(_record(HOST_LOGGER, "x"))
    assert "[urllib3] x" in outside.format(_record("urllib3", "x"))
    assert "[ingest] x" in outside.format(_record(HOST_LOGGER, "x", function="ingest"))


def test_exceptions_stay_on_the_line() -> None:
    try:
        int("broken")
    except ValueError as error:
        record = _record("app", "failed")
        record.exc_info = (type(error), error, error.__traceback__)
    line = LineFormatter(lambda: None).format(record)
    assert "\n" not in line
    assert "failed\\nTraceback" in line
    assert line.endswith("ValueError: invalid literal for int() with base 10: 'broken'")


def test_the_longest_category_counts() -> None:
    table = LevelTable({"": 30, "Function": 10, "Function.a": 40, "Function.a.User": 20})
    assert table.level("Host") == 30
    assert table.level("Function.b.User") == 10
    assert table.level("Function.a") == 40
    assert table.level("Function.a.User") == 20
    assert table.level("Function.ab") == 10
    assert table.level("Functional") == 30


def test_information_is_the_default() -> None:
    assert LevelTable({}).level("Host") == logging.INFO
