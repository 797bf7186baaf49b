"""The whole local stack: storage, Service Bus, Marketplace and the app, wired to each other."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from local.azurite import process as azurite
from local.clients import CallFailed, FreshToken, Product, Simulator
from local.clock import FileClock
from local.marketplace import defaults
from local.processes import LOOPBACK, ROOT, Processes, free_port

QUEUES = ROOT / "infra" / "bicep" / "queues.json"
STATE_FILE = ROOT / ".local" / "stack.json"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen if nothing else does; 0 means any free port."""

    functions: int = 7071
    tables: int = 10002
    service_bus: int = 5672
    marketplace: int = 7072


ANY_PORTS = Ports(0, 0, 0, 0)

AMBIENT = frozenset({"HOME", "LANG", "LC_ALL", "PATH", "TEMP", "TMP", "TMPDIR", "TZ", "USER"})
"""Variables that children may see; anything else of the shell could change what they do."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the parts of a running stack are; kept in ``.local/stack.json`` for other commands."""

    pid: int
    url: str
    marketplace: str
    tables: str
    service_bus: str
    directory: str

    @property
    def clock_file(self) -> Path:
        """The file by which all parts share one time."""
        return Path(self.directory) / "clock"

    @property
    def simulator(self) -> Simulator:
        """The Marketplace's control API."""
        return Simulator(self.marketplace)

    def backend(self) -> Product:
        """The API as a product backend sees it."""
        return Product(self.url, FreshToken(self.simulator.backend_token, self._now))

    def administrator(self) -> Product:
        """The API as the publisher's staff sees it."""
        return Product(self.url, FreshToken(self.simulator.administrator_token, self._now))

    def _now(self) -> datetime:
        return FileClock(self.clock_file).now()


type Announce = Callable[[str, str, str], None]
"""Told of every part that is up: its name, where it is, and what it is."""


@contextlib.contextmanager
def running_stack(
    directory: Path,
    announce: Announce,
    ports: Ports = ANY_PORTS,
    settings: Mapping[str, str] | None = None,
) -> Iterator[tuple[Stack, Processes]]:
    """A stack for as long as the context lasts; logs, clock and settings are in ``directory``.

    ``settings`` of the app are added to the usual ones. Raises ``ProcessFailed``, or
    ``AzuriteMissing``.
    """
    directory.mkdir(parents=True, exist_ok=True)
    clock = directory / "clock"
    clock.unlink(missing_ok=True)
    port = free_port(ports.functions)
    url = f"http://{LOOPBACK}:{port}"
    with Processes(directory / "logs") as processes:
        with ThreadPoolExecutor(3) as pool:
            storage = pool.submit(_start_storage, processes, ports)
            bus = pool.submit(_start_service_bus, processes, ports)
            market = pool.submit(_start_marketplace, processes, ports, clock, url)
        tables, service_bus, marketplace = storage.result(), bus.result(), market.result()
        announce("Table storage", f"http://{LOOPBACK}:{tables}", "Azurite")
        announce("Service Bus", f"amqp://{LOOPBACK}:{service_bus['port']}", "broker")
        announce("Marketplace", marketplace, "simulator, with a page")
        stack = Stack(
            pid=os.getpid(),
            url=url,
            marketplace=marketplace,
            tables=azurite.connection_string(tables),
            service_bus=str(service_bus["connectionString"]),
            directory=str(directory),
        )
        functions = _start_app(processes, stack, port, settings or {})
        announce("Functions", url, f"{functions} functions")
        yield stack, processes


def app_settings(stack: Stack) -> dict[str, str]:
    """The settings the app runs with; the sample settings file holds the like."""
    return {
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": "UseDevelopmentStorage=true",
        "TABLES_CONNECTION": stack.tables,
        "ServiceBus": stack.service_bus,
        "MARKETPLACE_URL": stack.marketplace,
        "MARKETPLACE_TENANT_ID": defaults.PUBLISHER_TENANT,
        "MARKETPLACE_CLIENT_ID": defaults.MARKETPLACE_APP,
        "MARKETPLACE_CLIENT_SECRET": defaults.MARKETPLACE_SECRET,
        "ENTRA_URL": stack.marketplace,
        "API_CLIENT_ID": defaults.API_APP,
        "USAGE_GRACE_HOURS": "1",
        "EVENT_RETENTION_DAYS": "42",
        "LOCAL_CLOCK_FILE": str(stack.clock_file),
        "LOCAL_SIGN_IN_URL": stack.marketplace,
        "LANDING_FIELDS": "company=Company; contact*=Contact e-mail",
    }


def module_command(module: str, *arguments: str) -> list[str]:
    """What runs ``module`` in this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def ambient() -> dict[str, str]:
    """The part of this process's environment that the stack's processes get."""
    return {name: value for name, value in os.environ.items() if name in AMBIENT}


def _start_storage(processes: Processes, ports: Ports) -> int:
    port = free_port(ports.tables)
    processes.start("storage", azurite.command(port), ambient(), port=port)
    return port


def _start_service_bus(processes: Processes, ports: Ports) -> Mapping[str, object]:
    port = str(free_port(ports.service_bus))
    command = module_command("local.servicebus", "--port", port, "--queues", str(QUEUES))
    return processes.start("servicebus", command, ambient())


def _start_marketplace(processes: Processes, ports: Ports, clock: Path, url: str) -> str:
    port = str(free_port(ports.marketplace))
    command = module_command(
        "local.marketplace",
        *("--port", port, "--clock", str(clock)),
        *("--webhook-url", f"{url}/api/webhook", "--landing-url", f"{url}/landing"),
    )
    return str(processes.start("marketplace", command, ambient())["url"])


def _start_app(processes: Processes, stack: Stack, port: int, settings: Mapping[str, str]) -> int:
    file = Path(stack.directory) / "settings.json"
    values = {"IsEncrypted": False, "Values": {**app_settings(stack), **settings}}
    file.write_text(json.dumps(values, indent=2), encoding="utf-8")
    command = module_command(
        "local.host", "--app", str(ROOT), "--port", str(port), "--settings", str(file)
    )
    functions = processes.start("functions", command, ambient(), ready_within=60)["functions"]
    return len(functions) if isinstance(functions, list) else 0


@contextlib.contextmanager
def published(stack: Stack, file: Path = STATE_FILE) -> Iterator[None]:
    """Let other commands find the stack while the context lasts."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(asdict(stack), indent=2), encoding="utf-8")
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def find_stack(file: Path = STATE_FILE) -> Stack | None:
    """The stack that ``./dev run`` keeps up on this machine, or ``None`` when none answers."""
    try:
        stack = Stack(**json.loads(file.read_text(encoding="utf-8")))
        stack.simulator.now()
    except (OSError, ValueError, TypeError, CallFailed):
        return None
    return stack
