"""Azurite as a child process: Table storage on loopback for local runs and tests."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).parent
MAIN = HOME / "node_modules" / "azurite" / "dist" / "src" / "table" / "main.js"

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account and key that every storage emulator has; Microsoft publishes them."""

READY_LINE = b"Table service successfully started"
READY_WITHIN = 30.0


class AzuriteMissing(Exception):
    """Node.js or Azurite is not installed; the message says what to do."""


def connection_string(port: int) -> str:
    """How to reach the table service on ``port`` of this machine."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"TableEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    )


def command(port: int, data: Path | None = None, main: Path = MAIN) -> list[str]:
    """The command that serves tables on ``port``, kept in ``data`` or only in memory.

    Raises ``AzuriteMissing``.
    """
    node = shutil.which("node")
    if node is None:
        raise AzuriteMissing("Azurite needs Node.js 20 or newer, and there is no 'node' on PATH")
    if not main.is_file():
        raise AzuriteMissing(
            "Azurite is not installed: run 'npm ci' in local/azurite while there is a network"
        )
    keep = ("--inMemoryPersistence",) if data is None else ("--location", str(data))
    return [
        node,
        str(main),
        "--tableHost",
        "127.0.0.1",
        "--tablePort",
        str(port),
        "--silent",
        "--disableTelemetry",
        "--skipApiVersionCheck",
        *keep,
    ]


@dataclass(frozen=True, slots=True)
class Azurite:
    """A table service that runs."""

    port: int
    pid: int

    @property
    def connection(self) -> str:
        """Its connection string."""
        return connection_string(self.port)


@contextlib.contextmanager
def running_azurite(data: Path | None = None, port: int = 0) -> Iterator[Azurite]:
    """Azurite on ``port``, or on a free one; ended when the block is left.

    Raises ``AzuriteMissing``, or RuntimeError with what it said when it does not start.
    """
    with tempfile.TemporaryDirectory() as directory:
        process, chosen = _start(data, port, Path(directory))
        try:
            yield Azurite(chosen, process.pid)
        finally:
            _end(process)


def _start(data: Path | None, port: int, directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    log = directory / "azurite.log"
    # Somebody else may take a free port before Azurite does: then another one is tried.
    for _ in range(1 if port else 3):
        chosen = port or _free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(chosen, data),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if _is_ready(process, log):
            return process, chosen
        _end(process)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise RuntimeError(f"Azurite did not start\n{said}")


def _is_ready(process: subprocess.Popen[bytes], log: Path) -> bool:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if READY_LINE in log.read_bytes():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
