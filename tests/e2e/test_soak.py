"""A short soak: hosts are killed and everything fails, and every cent is billed once."""

from pathlib import Path

import pytest

from tests.benchmarks.soak import Bill, Options, soak

SECONDS_OF_STORM = 30


def test_killed_hosts_and_failing_services_neither_lose_nor_double(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(minutes=SECONDS_OF_STORM / 60, seed=20261122, accounts=4, writers=2, hour=4.0)
    right = soak(options, tmp_path)
    report = capsys.readouterr().out
    assert right, report
    assert "kills of a host: 0" not in report


def test_a_bill_tells_what_is_missing_from_what_is_too_much() -> None:
    due = {"a": 10, "b": 5, "c": 0}
    bill = Bill(due, {"a": 8, "b": 6, "d": 1})
    assert (bill.lost, bill.doubled, bill.right) == (2, 2, False)
    assert Bill(due, {"a": 10, "b": 5}).right
