"""Azurite as a child process."""

import os
import socket
from pathlib import Path

import pytest

from local.azurite.process import AzuriteMissing, command, running_azurite
from shared.config import Settings
from shared.storage.tables import open_tables


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_serves_tables_until_the_block_is_left(tmp_path: Path) -> None:
    with running_azurite(tmp_path) as azurite:
        tables = open_tables(Settings(tables_connection=azurite.connection))
        tables.table("Things").put("p", "r", {})
        assert [row.key for row in tables.table("Things").scan()] == ["r"]
        tables.close()
    assert not listens(azurite.port)
    with pytest.raises(ProcessLookupError):
        os.kill(azurite.pid, 0)


def test_it_says_why_it_does_not_start() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match="did not start"), running_azurite(port=port):
            pass


def test_what_is_missing_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AzuriteMissing, match="npm ci"):
        command(1, main=tmp_path / "main.js")
