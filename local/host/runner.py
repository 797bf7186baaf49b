"""Runs a function from its trigger's value to its sent outputs, and logs how it went."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from os import urandom
from typing import TYPE_CHECKING

from local.host import protos
from local.host.bindings import FunctionBindings, OutputError, QueueOutput
from local.host.engine import (
    Engine,
    FunctionFailedError,
    FunctionTimeoutError,
    IndexedFunction,
    Invocation,
)
from local.host.logs import HOST_LOGGER

if TYPE_CHECKING:
    from local.host.senders import Senders

_log = logging.getLogger(HOST_LOGGER)
_NO_METADATA: Mapping[str, protos.TypedData] = {}


class RunFailedError(Exception):
    """A run failed; the reason has been logged."""


@dataclass(frozen=True, slots=True)
class LoadedFunction:
    """A function of the app with its typed bindings."""

    indexed: IndexedFunction
    bindings: FunctionBindings

    @property
    def name(self) -> str:
        """The function's name."""
        return self.indexed.name


class Runner:
    """The one way into functions, shared by all triggers."""

    def __init__(self, engine: Engine, environment: Mapping[str, str]) -> None:
        self._engine = engine
        self._environment = environment
        self._senders: Senders | None = None

    async def run(
        self,
        function: LoadedFunction,
        value: protos.TypedData,
        metadata: Mapping[str, protos.TypedData] = _NO_METADATA,
        trace_parent: str = "",
    ) -> protos.TypedData | None:
        """Run and send the queue outputs; gives what the function answers over HTTP, if anything.

        Raises ``RunFailedError`` after logging why.
        """
        began = time.perf_counter()
        try:
            answer = await self._run(function, value, metadata, trace_parent)
        except FunctionFailedError as error:
            _log_end(function, logging.ERROR, f"failed: {error}\n{error.stack}", began)
            raise RunFailedError(str(error)) from error
        except (FunctionTimeoutError, OutputError) as error:
            _log_end(function, logging.ERROR, f"failed: {error}", began)
            raise RunFailedError(str(error)) from error
        _log_end(function, logging.INFO, "succeeded", began)
        return answer

    async def close(self) -> None:
        """Close the connections of output bindings."""
        if self._senders is not None:
            await self._senders.close()

    async def _run(
        self,
        function: LoadedFunction,
        value: protos.TypedData,
        metadata: Mapping[str, protos.TypedData],
        trace_parent: str,
    ) -> protos.TypedData | None:
        bindings = function.bindings
        outcome = await self._engine.invoke(
            Invocation(
                function=function.indexed,
                argument=bindings.trigger.argument,
                value=value,
                metadata=metadata,
                trace_parent=_child_of(trace_parent),
            )
        )
        for output in bindings.queue_outputs:
            sent = (
                outcome.returned
                if output.argument == "$return"
                else outcome.outputs.get(output.argument)
            )
            if sent is not None:
                await self._send(output, sent)
        if bindings.http_output in (None, "$return"):
            return outcome.returned
        return outcome.outputs.get(bindings.http_output)

    async def _send(self, output: QueueOutput, value: protos.TypedData) -> None:
        # The Service Bus client is loaded with the first output: most apps start without it.
        from local.host.senders import Senders

        if self._senders is None:
            self._senders = Senders(self._environment)
        await self._senders.send(output, value)


def _child_of(trace_parent: str) -> str:
    """A new span of the caller's trace, or of a new one (W3C Trace Context, traceparent)."""
    parts = trace_parent.split("-")
    known = len(parts) == 4 and len(parts[1]) == 32
    trace, flags = (parts[1], parts[3]) if known else (urandom(16).hex(), "01")
    return f"00-{trace}-{urandom(8).hex()}-{flags}"


def _log_end(function: LoadedFunction, level: int, text: str, began: float) -> None:
    milliseconds = (time.perf_counter() - began) * 1000
    _log.log(level, "%.1f ms, %s", milliseconds, text, extra={"function": function.name})
