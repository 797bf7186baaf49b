"""Reads host.json and local.settings.json and answers questions about app settings."""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from local.host.timespan import parse_timespan

_OVERRIDE_PREFIX = "azurefunctionsjobhost__"
_PLACEHOLDER = re.compile(r"%([^%]+)%")
_LOG_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}
_FLEX_DEFAULT_TIMEOUT = 1800.0


class SettingsError(Exception):
    """A settings file or a setting cannot be used; the message names the place."""


@dataclass(frozen=True, slots=True)
class ServiceBusOptions:
    """``extensions.serviceBus`` of host.json; durations in seconds.

    Names and defaults: Microsoft Learn, "Azure Service Bus bindings for Azure Functions",
    host.json settings. ``None`` for the idle time means the client's own minute.
    """

    prefetch_count: int = 0
    auto_complete_messages: bool = True
    max_auto_lock_renewal: float = 300.0
    max_concurrent_calls: int = 16
    max_concurrent_sessions: int = 8
    max_message_batch_size: int = 1000
    min_message_batch_size: int = 1
    max_batch_wait_time: float = 30.0
    session_idle_timeout: float = 60.0

    def __post_init__(self) -> None:
        if self.min_message_batch_size > self.max_message_batch_size:
            raise SettingsError(
                "host.json: extensions.serviceBus.minMessageBatchSize is above maxMessageBatchSize"
            )


@dataclass(frozen=True, slots=True)
class HostConfig:
    """What this host honours of host.json; ``function_timeout`` in seconds, None is unlimited."""

    route_prefix: str = "api"
    function_timeout: float | None = _FLEX_DEFAULT_TIMEOUT
    service_bus: ServiceBusOptions = ServiceBusOptions()
    log_levels: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


class _Section:
    """A JSON object of host.json together with the path that leads to it."""

    def __init__(self, content: Mapping[str, object], path: str) -> None:
        self._content = content
        self._path = path

    def section(self, name: str) -> "_Section":
        value = self._content.get(name, {})
        if not isinstance(value, dict):
            raise self._error(name, "must be an object")
        return _Section(value, self._where(name))

    def text(self, name: str, default: str) -> str:
        value = self._content.get(name, default)
        if not isinstance(value, str):
            raise self._error(name, "must be a text")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._content.get(name, default)
        if isinstance(value, str) and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if not isinstance(value, bool):
            raise self._error(name, "must be true or false")
        return value

    def count(self, name: str, default: int, *, minimum: int = 1) -> int:
        value = self._content.get(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise self._error(name, f"must be a whole number of at least {minimum}")
        return value

    def duration(self, name: str, default: float) -> float:
        if name not in self._content:
            return default
        seconds = parse_timespan(self._content[name])
        if seconds is None:
            raise self._error(name, 'must be a time span such as "00:05:00"')
        return seconds

    def texts(self) -> dict[str, str]:
        return {name: self.text(name, "") for name in self._content}

    def _where(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _error(self, name: str, problem: str) -> SettingsError:
        return SettingsError(f"host.json: {self._where(name)} {problem}")


def load_host_config(app_dir: Path, environment: Mapping[str, str]) -> HostConfig:
    """Read host.json; ``AzureFunctionsJobHost__a__b`` in the environment overrides ``a.b``.

    Raises ``SettingsError`` when the file is missing, malformed, or not of version 2.0.
    """
    content = _read_object(app_dir / "host.json")
    version = content.get("version")
    if version != "2.0":
        raise SettingsError(f'host.json: version must be "2.0", found {json.dumps(version)}')
    _apply_overrides(content, environment)
    root = _Section(content, "")
    extensions = root.section("extensions")
    return HostConfig(
        route_prefix=extensions.section("http").text("routePrefix", "api").strip("/"),
        function_timeout=_function_timeout(root),
        service_bus=_service_bus(extensions.section("serviceBus")),
        log_levels=_log_levels(root.section("logging").section("logLevel").texts()),
    )


def load_local_settings(path: Path) -> dict[str, str]:
    """The ``Values`` of a local.settings.json; raises ``SettingsError`` if they cannot be used."""
    content = _read_object(path)
    if content.get("IsEncrypted") is True:
        raise SettingsError(
            f"{path.name}: IsEncrypted is true; decrypt it first (func settings decrypt)"
        )
    values = content.get("Values", {})
    if not isinstance(values, dict):
        raise SettingsError(f"{path.name}: Values must be an object")
    settings: dict[str, str] = {}
    for name, value in values.items():
        match value:
            case str():
                settings[name] = value
            case bool() | int():
                settings[name] = json.dumps(value)
            case _:
                raise SettingsError(f"{path.name}: Values.{name} must be a text")
    return settings


def resolve_placeholders(text: str, environment: Mapping[str, str]) -> str:
    """Replace every ``%NAME%`` by that app setting; raises ``SettingsError`` if one is missing."""

    def value_of(match: re.Match[str]) -> str:
        value = environment.get(match[1])
        if value is None:
            raise SettingsError(f"%{match[1]}% does not resolve to an app setting")
        return value

    return _PLACEHOLDER.sub(value_of, text)


def connection_string(name: str, environment: Mapping[str, str]) -> str:
    """The connection string that a binding's ``connection`` names.

    Like Azure, an ``AzureWebJobs`` prefix of the setting's name is optional and an empty name
    means ``AzureWebJobsServiceBus``. Raises ``SettingsError`` if there is none.
    """
    wanted = name or "AzureWebJobsServiceBus"
    for candidate in (wanted, f"AzureWebJobs{wanted}"):
        if environment.get(candidate):
            return environment[candidate]
    if environment.get(f"{wanted}__fullyQualifiedNamespace"):
        raise SettingsError(
            f"connection {wanted} uses an identity; this host needs a connection string in {wanted}"
        )
    raise SettingsError(f"connection {wanted} is not an app setting")


def is_disabled(function: str, environment: Mapping[str, str]) -> bool:
    """Whether the setting ``AzureWebJobs.<function>.Disabled`` switches a function off."""
    for name in (f"AzureWebJobs.{function}.Disabled", f"AzureWebJobs_{function}_Disabled"):
        if environment.get(name, "").strip().lower() in {"1", "true"}:
            return True
    return False


def _read_object(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{path.name} is not JSON: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path.name} is not UTF-8: byte {error.start}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} must hold one JSON object")
    return content


def _apply_overrides(content: dict[str, object], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        if not name.lower().startswith(_OVERRIDE_PREFIX):
            continue
        *parents, last = name[len(_OVERRIDE_PREFIX) :].split("__")
        target = content
        for part in parents:
            inner = target.setdefault(_same_name(target, part), {})
            if not isinstance(inner, dict):
                raise SettingsError(f"{name} does not fit host.json")
            target = inner
        target[_same_name(target, last)] = value


def _same_name(target: Mapping[str, object], wanted: str) -> str:
    return next((name for name in target if name.lower() == wanted.lower()), wanted)


def _function_timeout(root: _Section) -> float | None:
    if root.text("functionTimeout", "") in {"-1", "-00:00:01"}:
        return None
    seconds = root.duration("functionTimeout", _FLEX_DEFAULT_TIMEOUT)
    if seconds <= 0:
        raise SettingsError("host.json: functionTimeout must be above zero, or -1 for no limit")
    return seconds


def _service_bus(section: _Section) -> ServiceBusOptions:
    default = ServiceBusOptions()
    return ServiceBusOptions(
        prefetch_count=section.count("prefetchCount", default.prefetch_count, minimum=0),
        auto_complete_messages=section.flag(
            "autoCompleteMessages", default=default.auto_complete_messages
        ),
        max_auto_lock_renewal=section.duration(
            "maxAutoLockRenewalDuration", default.max_auto_lock_renewal
        ),
        max_concurrent_calls=section.count("maxConcurrentCalls", default.max_concurrent_calls),
        max_concurrent_sessions=section.count(
            "maxConcurrentSessions", default.max_concurrent_sessions
        ),
        max_message_batch_size=section.count("maxMessageBatchSize", default.max_message_batch_size),
        min_message_batch_size=section.count("minMessageBatchSize", default.min_message_batch_size),
        max_batch_wait_time=section.duration("maxBatchWaitTime", default.max_batch_wait_time),
        session_idle_timeout=section.duration("sessionIdleTimeout", default.session_idle_timeout),
    )


def _log_levels(named: Mapping[str, str]) -> Mapping[str, int]:
    levels: dict[str, int] = {}
    for category, name in named.items():
        level = _LOG_LEVELS.get(name.lower())
        if level is None:
            raise SettingsError(
                f"host.json: logging.logLevel.{category} must be one of "
                "Trace, Debug, Information, Warning, Error, Critical, None"
            )
        levels["" if category.lower() == "default" else category] = level
    return MappingProxyType(levels)
