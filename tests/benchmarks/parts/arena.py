"""The whole product for a soak: hosts that may be killed, behind storage that may fail."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from local.azurite import process as azurite
from local.processes import LOOPBACK, Child, Processes, free_port
from local.stack import QUEUES, Stack, ambient, module_command
from tests.benchmarks.parts.hosts import HostOfStack
from tests.benchmarks.parts.relay import Decide, Relay, relaying

LOCK_SECONDS = 5
"""How long a killed host's messages stay locked; Azure's minutes would be days of this clock."""


class Host:
    """A Functions host that can be killed and started again under the same address."""

    def __init__(self, plan: HostOfStack, processes: Processes) -> None:
        self._plan = plan
        self._processes = processes
        self.url = plan.url

    def start(self) -> None:
        """Start it; returns when it answers. Raises ``ProcessFailed``."""
        self._plan.start(self._processes, ambient())

    def kill(self) -> None:
        """End it like a power cut: no signal that it could handle."""
        child = self._child()
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        self._processes._children.remove(child)
        self._processes._tell_reaper(f"-{child.process.pid}")

    def _child(self) -> Child:
        children = list(self._processes._children)
        return next(child for child in children if child.name == self._plan.name)


@dataclass(frozen=True, slots=True)
class Arena:
    """What a soak works on. ``stack.tables`` leads through ``relay`` to the storage emulator."""

    stack: Stack
    processes: Processes
    relay: Relay
    hosts: Sequence[Host]


@contextlib.contextmanager
def arena(directory: Path, hosts: int, decide: Decide) -> Iterator[Arena]:
    """Everything started, in ``directory``. Raises ``ProcessFailed`` or ``AzuriteMissing``."""
    clock, queues = directory / "clock", directory / "queues.json"
    queues.write_text(json.dumps(_queues()), encoding="utf-8")
    with Processes(directory / "logs") as processes:
        port = free_port()
        processes.start("storage", azurite.command(port), ambient(), port=port)
        with relaying(port, decide) as relay:
            bus = processes.start(
                "servicebus",
                module_command("local.servicebus", "--port", "0", "--queues", str(queues)),
            )
            front = free_port()
            url = f"http://{LOOPBACK}:{front}"
            market = processes.start(
                "marketplace",
                module_command(
                    *("local.marketplace", "--port", "0", "--clock", str(clock)),
                    *("--webhook-url", f"{url}/api/webhook", "--landing-url", f"{url}/landing"),
                ),
            )
            stack = Stack(
                pid=os.getpid(),
                url=url,
                marketplace=str(market["url"]),
                tables=azurite.connection_string(relay.port),
                service_bus=str(bus["connectionString"]),
                directory=str(directory),
            )
            made = _hosts(stack, processes, front, hosts)
            yield Arena(stack, processes, relay, made)


def _hosts(stack: Stack, processes: Processes, front: int, count: int) -> list[Host]:
    """The first one has the address that the Marketplace knows."""
    plans = [HostOfStack.planned(stack, f"host{number}", {}) for number in range(count)]
    plans[0] = HostOfStack(plans[0].name, front, plans[0].settings)
    made = [Host(plan, processes) for plan in plans]
    starts = [threading.Thread(target=host.start) for host in made]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    processes.check()
    return made


def _queues() -> list[dict[str, object]]:
    declared: list[dict[str, object]] = json.loads(QUEUES.read_text(encoding="utf-8"))
    for queue in declared:
        properties = queue["properties"]
        if isinstance(properties, dict):
            properties["lockDuration"] = f"PT{LOCK_SECONDS}S"
    return declared
