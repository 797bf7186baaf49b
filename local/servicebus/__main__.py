"""Runs the broker until SIGTERM or SIGINT: ``python -m local.servicebus --queues FILE``."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from local.clock import FileClock
from local.servicebus.broker import MAX_MESSAGE_SIZE, Broker
from local.servicebus.declaration import DeclarationError, load_queues
from local.servicebus.entity.queue import Clock


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 after a signal, 1 for a port that is taken, 2 for a bad declaration."""
    parser = argparse.ArgumentParser(prog="local.servicebus", description=__doc__)
    parser.add_argument("--port", type=int, default=5672, help="0 picks a free one")
    parser.add_argument("--queues", type=Path, required=True, help="declaration of the queues")
    parser.add_argument("--max-message-size", type=int, default=MAX_MESSAGE_SIZE, help="bytes")
    parser.add_argument("--clock-file", type=Path, help="the local stack's movable clock")
    options = parser.parse_args(arguments)
    try:
        queues = load_queues(options.queues)
    except (DeclarationError, OSError) as exc:
        print(f"local.servicebus: {exc}", file=sys.stderr)
        return 2
    clock = _clock(options.clock_file)
    broker = Broker(queues, clock=clock, max_message_size=options.max_message_size)
    try:
        asyncio.run(_serve(broker, options.port))
    except OSError as exc:
        print(f"local.servicebus: cannot listen on port {options.port}: {exc}", file=sys.stderr)
        return 1
    return 0


def _clock(path: Path | None) -> Clock:
    if path is None:
        return time.time
    clock = FileClock(path)
    return lambda: clock.now().timestamp()


async def _serve(broker: Broker, port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await broker.start(port)
    ready = {"port": broker.port, "connectionString": broker.connection_string}
    print(json.dumps(ready), flush=True)
    await stopping.wait()
    await broker.stop()


if __name__ == "__main__":
    sys.exit(main())
