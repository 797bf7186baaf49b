"""Drives Microsoft's worker library, azure-functions-runtime, behind a typed interface."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import azure_functions_runtime as runtime

from local.host import protos

_SUCCESS = protos.StatusResult.Success


class AppLoadError(Exception):
    """The app could not be imported or indexed; holds the library's text and traceback."""


class FunctionFailedError(Exception):
    """A function raised; ``stack`` is its traceback as text."""

    def __init__(self, message: str, stack: str) -> None:
        super().__init__(message)
        self.stack = stack


class FunctionTimeoutError(Exception):
    """A function ran longer than ``functionTimeout``."""


@dataclass(frozen=True, slots=True)
class IndexedFunction:
    """A function the library found; ``bindings`` are JSON texts."""

    name: str
    key: str
    bindings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run to start: the trigger's argument, its value and its metadata."""

    function: IndexedFunction
    argument: str
    value: protos.TypedData
    metadata: Mapping[str, protos.TypedData]
    trace_parent: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run returned, and the values of its output arguments."""

    returned: protos.TypedData | None
    outputs: Mapping[str, protos.TypedData]


class Engine:
    """The library keeps its state in module variables: one engine a process."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._running: dict[str, str] = {}
        self._invocation_id: ContextVar[str | None] = runtime.invocation_id_cv

    async def start(self, app_dir: Path) -> tuple[IndexedFunction, ...]:
        """Import the app and list its functions; raises ``AppLoadError``."""
        sys.path.insert(0, str(app_dir))
        packages = app_dir / ".python_packages" / "lib" / "site-packages"
        if packages.is_dir():
            sys.path.append(str(packages))
        os.chdir(app_dir)
        runtime.start_threadpool_executor()
        answer: protos.WorkerInitResponse = await runtime.worker_init_request(
            _request(
                worker_init_request=SimpleNamespace(
                    capabilities={}, function_app_directory=str(app_dir)
                )
            )
        )
        if answer.result.status != _SUCCESS:
            problem = answer.result.exception
            raise AppLoadError(f"{problem.message}\n{problem.stack_trace}")
        listed = await runtime.functions_metadata_request(_request())
        if listed.function_metadata_results is None:
            raise AppLoadError(f"{app_dir} has no function_app.py")
        return tuple(
            IndexedFunction(found.name, found.function_id, _texts(found.raw_bindings))
            for found in listed.function_metadata_results
        )

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run a function to its end.

        Raises ``FunctionFailedError`` or ``FunctionTimeoutError``. A synchronous function that
        exceeds its time keeps its thread of the pool: Python cannot stop it.
        """
        identity = str(uuid4())
        request = _invocation_request(identity, invocation)
        self._running[identity] = invocation.function.name
        token = self._invocation_id.set(identity)
        try:
            async with asyncio.timeout(self._timeout):
                answer: protos.InvocationResponse = await runtime.invocation_request(request)
        except TimeoutError as error:
            raise FunctionTimeoutError(f"no end after {self._timeout} s") from error
        finally:
            self._invocation_id.reset(token)
            del self._running[identity]
        if answer.result.status != _SUCCESS:
            problem = answer.result.exception
            raise FunctionFailedError(problem.message, problem.stack_trace)
        outputs = {output.name: output.data for output in answer.output_data if output.data}
        return Outcome(answer.return_value, outputs)

    def stop(self) -> None:
        """Let go of the thread pool; a function that still runs there is not waited for."""
        pool = runtime.get_threadpool_executor()
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    def function_name(self) -> str | None:
        """The function whose code is running on this thread or task, if any."""
        identity = self._invocation_id.get()
        return None if identity is None else self._running.get(identity)


def _request(**content: object) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**content), properties={"host": "127.0.0.1", "protos": protos}
    )


def _invocation_request(identity: str, invocation: Invocation) -> SimpleNamespace:
    return _request(
        invocation_request=SimpleNamespace(
            invocation_id=identity,
            function_id=invocation.function.key,
            input_data=(protos.ParameterBinding(name=invocation.argument, data=invocation.value),),
            trigger_metadata=invocation.metadata,
            trace_context=SimpleNamespace(
                trace_parent=invocation.trace_parent, trace_state="", attributes={}
            ),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
    )


def _texts(raw: Sequence[object]) -> tuple[str, ...]:
    return tuple(str(text) for text in raw)
