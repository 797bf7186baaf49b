"""Turns the raw bindings that the library reports into typed triggers and outputs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.host.settings import resolve_placeholders


class BindingError(Exception):
    """A function has a binding this host does not offer; the message names it."""


class OutputError(Exception):
    """An output could not be sent; the function's run counts as failed."""


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """``methods`` in upper case; empty means every method."""

    argument: str
    route: str
    methods: frozenset[str]


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """``schedule`` is an NCRONTAB expression or a time span, placeholders resolved."""

    argument: str
    schedule: str
    run_on_startup: bool


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A Service Bus queue; ``auto_complete`` None leaves it to host.json."""

    argument: str
    queue: str
    connection: str
    many: bool
    sessions: bool
    auto_complete: bool | None


type Trigger = HttpTrigger | TimerTrigger | QueueTrigger


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """Messages a function sends to a Service Bus queue; ``argument`` may be ``$return``."""

    argument: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class FunctionBindings:
    """Everything around one function; ``http_output`` is the argument of the HTTP response."""

    trigger: Trigger
    queue_outputs: tuple[QueueOutput, ...]
    http_output: str | None


def parse_bindings(
    function: str, raw: Sequence[str], environment: Mapping[str, str]
) -> FunctionBindings:
    """Read a function's bindings.

    Raises ``BindingError`` for a type this host lacks and ``SettingsError`` for a ``%NAME%``
    without its setting.
    """
    trigger: Trigger | None = None
    outputs: list[QueueOutput] = []
    http_output: str | None = None
    for text in raw:
        binding = _Binding(json.loads(text), environment)
        match binding.kind:
            case "httptrigger":
                trigger = _http_trigger(binding, function)
            case "timertrigger":
                trigger = _timer_trigger(binding)
            case "servicebustrigger":
                trigger = _queue_trigger(binding)
            case "servicebus":
                outputs.append(
                    QueueOutput(
                        argument=binding.text("name"),
                        queue=_queue_name(binding),
                        connection=binding.text("connection"),
                    )
                )
            case "http":
                http_output = binding.text("name")
            case _:
                raise BindingError(f"binding type {binding.text('type')} is not offered locally")
    if trigger is None:
        raise BindingError("the function has no trigger")
    return FunctionBindings(trigger, tuple(outputs), http_output)


class _Binding:
    """One binding's properties, placeholders resolved."""

    def __init__(self, content: Mapping[str, object], environment: Mapping[str, str]) -> None:
        self._content = content
        self._environment = environment
        self.kind = self.text("type").lower()

    def text(self, name: str) -> str:
        value = self._content.get(name)
        return resolve_placeholders(str(value), self._environment) if value is not None else ""

    def flag(self, name: str) -> bool | None:
        value = self._content.get(name)
        return None if value is None else str(value).lower() == "true"

    def texts(self, name: str) -> list[str]:
        value = self._content.get(name)
        return [str(item) for item in value] if isinstance(value, list) else []


def _http_trigger(binding: _Binding, function: str) -> HttpTrigger:
    return HttpTrigger(
        argument=binding.text("name"),
        route=binding.text("route") or function,
        methods=frozenset(method.upper() for method in binding.texts("methods")),
    )


def _timer_trigger(binding: _Binding) -> TimerTrigger:
    return TimerTrigger(
        argument=binding.text("name"),
        schedule=binding.text("schedule"),
        run_on_startup=binding.flag("runOnStartup") is True,
    )


def _queue_trigger(binding: _Binding) -> QueueTrigger:
    return QueueTrigger(
        argument=binding.text("name"),
        queue=_queue_name(binding),
        connection=binding.text("connection"),
        many=binding.text("cardinality").lower() == "many",
        sessions=binding.flag("isSessionsEnabled") is True,
        auto_complete=binding.flag("autoCompleteMessages"),
    )


def _queue_name(binding: _Binding) -> str:
    name = binding.text("queueName")
    if not name:
        raise BindingError("only queues are offered locally, not topics")
    return name
