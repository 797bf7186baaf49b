"""The broker as a process of its own: one line when ready, a clean end, clear complaints."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.servicebus import ServiceBusClient, ServiceBusMessage

from local.clock import FileClock
from local.servicebus.broker import Broker, running_broker
from local.servicebus.entity.config import QueueConfig

ROOT = Path(__file__).parents[3]
DEPLOYED = ROOT / "infra" / "bicep" / "queues.json"


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, killed when it outlives the block."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "local.servicebus", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_it_says_where_it_listens_serves_and_ends_cleanly(
    number: signal.Signals, tmp_path: Path
) -> None:
    clock = tmp_path / "clock"
    with command("--port", "0", "--queues", str(DEPLOYED), "--clock-file", str(clock)) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert f"sb://127.0.0.1:{ready['port']}" in ready["connectionString"]
        with (
            ServiceBusClient.from_connection_string(ready["connectionString"]) as client,
            client.get_queue_sender("usage") as sender,
        ):
            sender.send_messages(ServiceBusMessage("x"))
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=10)
        assert (process.returncode, stdout, stderr) == (0, "", "")
    assert FileClock(clock).offset().total_seconds() == 0


def test_a_bad_declaration_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "queues.json"
    path.write_text('[{"name": "q", "properties": {"lockDuration": "soon"}}]')
    with command("--port", "0", "--queues", str(path)) as process:
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "/0/properties/lockDuration: must be an ISO 8601 duration" in stderr


def test_a_taken_port_is_explained() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with command("--port", str(port), "--queues", str(DEPLOYED)) as process:
            _, stderr = process.communicate(timeout=10)
        assert process.returncode == 1
        assert f"cannot listen on port {port}" in stderr
        with pytest.raises(OSError, match="in use"), running_broker([QueueConfig("q")], port=port):
            pass


def test_two_queues_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        Broker([QueueConfig("q"), QueueConfig("Q")])
