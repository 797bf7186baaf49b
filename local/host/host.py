"""Loads an app and runs all its triggers until asked to stop."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import assert_never

from local.clock import FileClock
from local.host import protos
from local.host.admin import Admin
from local.host.bindings import (
    BindingError,
    HttpTrigger,
    QueueTrigger,
    TimerTrigger,
    parse_bindings,
)
from local.host.byhand import input_by_hand
from local.host.cron import ScheduleError, parse_schedule
from local.host.engine import Engine, IndexedFunction
from local.host.http import Request, Response, ResponseError, to_response, to_typed_data
from local.host.logs import HOST_LOGGER
from local.host.routes import Route, RouteTable
from local.host.runner import LoadedFunction, RunFailedError, Runner
from local.host.server import Application, HttpServer
from local.host.settings import HostConfig, SettingsError, connection_string, is_disabled
from local.host.stopping import Stop
from local.host.timers import TimerLoop, TimerPorts

_log = logging.getLogger(HOST_LOGGER)
_ABANDON_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What the command line decides; ``grace`` in seconds for running functions at the stop."""

    app_dir: Path
    port: int
    grace: float


class Host:
    """One app's triggers in this process."""

    def __init__(
        self, engine: Engine, config: HostConfig, options: HostOptions, env: Mapping[str, str]
    ) -> None:
        self._engine = engine
        self._config = config
        self._options = options
        self._env = env
        self._runner = Runner(engine, env)
        self._stop = Stop()
        self._functions: dict[str, LoadedFunction] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: HttpServer | None = None

    @property
    def url(self) -> str:
        """Where the functions answer, once started."""
        port = self._options.port if self._server is None else self._server.port
        return f"http://127.0.0.1:{port}"

    @property
    def functions(self) -> list[str]:
        """Names of the functions that run."""
        return list(self._functions)

    async def start(self) -> None:
        """Load the app and start its triggers.

        Raises ``AppLoadError``, ``TemplateError``, and ``OSError`` if the port is taken.
        """
        for indexed in await self._engine.start(self._options.app_dir):
            self._load(indexed)
        routes = RouteTable(
            [
                Route(function.name, trigger.route, trigger.methods)
                for function in self._functions.values()
                if isinstance(trigger := function.bindings.trigger, HttpTrigger)
            ],
            self._config.route_prefix,
        )
        admin = Admin(self._functions, self._start_by_hand, self._config.route_prefix)
        self._server = HttpServer(Application(routes, self._answer, admin), self._options.port)
        for function in self._functions.values():
            self._start_trigger(function)
        await self._server.start()

    async def stop(self) -> None:
        """Receive nothing more, let runs end within the grace, abandon the rest, close."""
        self._stop.set()
        grace = self._options.grace
        waiting = [asyncio.ensure_future(self._wait_for_tasks(grace))]
        if self._server is not None:
            waiting.append(asyncio.ensure_future(self._server.stop(grace)))
        await asyncio.gather(*waiting)
        await self._runner.close()
        self._engine.stop()

    async def _wait_for_tasks(self, grace: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        left = list(self._tasks)
        if left:
            _log.warning("%d runs or receivers did not end in time: cancelled", len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_ABANDON_LIMIT)

    def _load(self, indexed: IndexedFunction) -> None:
        """Keep a function this host can run; say why it leaves another out."""
        if is_disabled(indexed.name, self._env):
            _log.info("disabled", extra={"function": indexed.name})
            return
        try:
            function = LoadedFunction(
                indexed, parse_bindings(indexed.name, indexed.bindings, self._env)
            )
            trigger = function.bindings.trigger
            if isinstance(trigger, TimerTrigger):
                parse_schedule(trigger.schedule)
            elif isinstance(trigger, QueueTrigger):
                connection_string(trigger.connection, self._env)
        except (BindingError, SettingsError, ScheduleError) as error:
            _log.error("not started: %s", error, extra={"function": indexed.name})
            return
        self._functions[indexed.name] = function

    def _start_trigger(self, function: LoadedFunction) -> None:
        trigger = function.bindings.trigger
        match trigger:
            case HttpTrigger():
                return
            case TimerTrigger():
                self._spawn(self._run_timer(function, trigger))
            case QueueTrigger():
                self._spawn(self._run_pump(function, trigger))
            case _:
                assert_never(trigger)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a trigger ended", exc_info=error)

    async def _run_timer(self, function: LoadedFunction, trigger: TimerTrigger) -> None:
        async def run(value: protos.TypedData) -> None:
            await self._run_logged(function, value, {})

        loop = TimerLoop(parse_schedule(trigger.schedule), run, self._timer_ports())
        await loop.run(on_startup=trigger.run_on_startup)

    def _timer_ports(self) -> TimerPorts:
        path = self._env.get("LOCAL_CLOCK_FILE")
        if path:
            # The stack's clock can jump at any moment.
            return TimerPorts(FileClock(Path(path)).now, self._stop.wait, longest_wait=0.25)
        return TimerPorts(_now, self._stop.wait, longest_wait=60.0)

    async def _run_pump(self, function: LoadedFunction, trigger: QueueTrigger) -> None:
        # Loaded here: apps without queues start without the Service Bus client.
        from local.host.messages import many_messages, one_message
        from local.host.servicebus import Messages, Pump, PumpSettings

        async def handle(messages: Messages) -> bool:
            value, metadata = many_messages(messages) if trigger.many else one_message(messages[0])
            try:
                await self._runner.run(function, value, metadata)
            except RunFailedError:
                return False
            return True

        pump = Pump(
            PumpSettings(
                function=function.name,
                trigger=trigger,
                options=self._config.service_bus,
                connection_string=connection_string(trigger.connection, self._env),
                handle=handle,
            ),
            self._stop,
        )
        await pump.run()

    async def _run_logged(
        self,
        function: LoadedFunction,
        value: protos.TypedData,
        metadata: Mapping[str, protos.TypedData],
    ) -> None:
        try:
            await self._runner.run(function, value, metadata)
        except RunFailedError:
            # The runner has logged it, and nobody waits for the outcome.
            return

    async def _answer(
        self, name: str, request: Request, route_values: Mapping[str, str]
    ) -> Response:
        try:
            answer = await self._runner.run(
                self._functions[name],
                to_typed_data(request, route_values),
                trace_parent=request.headers.get("traceparent", ""),
            )
            return to_response(answer)
        except RunFailedError:
            return Response(500)
        except ResponseError as error:
            _log.error("answer not sent: %s", error, extra={"function": name})
            return Response(500)

    def _start_by_hand(self, function: LoadedFunction, given: str) -> None:
        value, metadata = input_by_hand(
            function.bindings.trigger, given, self._timer_ports().clock()
        )
        self._spawn(self._run_logged(function, value, metadata))


def _now() -> datetime:
    return datetime.now(UTC)
