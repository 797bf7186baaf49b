"""host.json, local.settings.json and app settings."""

import json
import logging
from pathlib import Path

import pytest

from local.host.bindings import (
    BindingError,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    TimerTrigger,
    parse_bindings,
)
from local.host.settings import (
    HostConfig,
    ServiceBusOptions,
    SettingsError,
    connection_string,
    is_disabled,
    load_host_config,
    load_local_settings,
    resolve_placeholders,
)


def _config(folder: Path, content: object, env: dict[str, str] | None = None) -> HostConfig:
    (folder / "host.json").write_text(json.dumps(content), encoding="utf-8")
    return load_host_config(folder, env or {})


def test_defaults_are_those_of_azure(tmp_path: Path) -> None:
    assert _config(tmp_path, {"version": "2.0"}) == HostConfig(
        route_prefix="api", function_timeout=1800.0, service_bus=ServiceBusOptions(), log_levels={}
    )


def test_everything_honoured_is_read(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        {
            "version": "2.0",
            "functionTimeout": "00:05:00",
            "logging": {"logLevel": {"default": "Warning", "Function.a": "Trace", "Host": "None"}},
            "extensions": {
                "http": {"routePrefix": "/v1/"},
                "serviceBus": {
                    "prefetchCount": 7,
                    "autoCompleteMessages": False,
                    "maxAutoLockRenewalDuration": "00:10:00",
                    "maxConcurrentCalls": 1,
                    "maxConcurrentSessions": 3,
                    "maxMessageBatchSize": 50,
                    "minMessageBatchSize": 5,
                    "maxBatchWaitTime": "00:00:10",
                    "sessionIdleTimeout": "00:00:05",
                },
            },
        },
    )
    assert config.route_prefix == "v1"
    assert config.function_timeout == 300
    assert config.log_levels == {
        "": logging.WARNING,
        "Function.a": logging.DEBUG,
        "Host": logging.CRITICAL + 1,
    }
    assert config.service_bus == ServiceBusOptions(
        prefetch_count=7,
        auto_complete_messages=False,
        max_auto_lock_renewal=600,
        max_concurrent_calls=1,
        max_concurrent_sessions=3,
        max_message_batch_size=50,
        min_message_batch_size=5,
        max_batch_wait_time=10,
        session_idle_timeout=5,
    )


def test_no_timeout(tmp_path: Path) -> None:
    assert _config(tmp_path, {"version": "2.0", "functionTimeout": "-1"}).function_timeout is None


def test_the_environment_overrides_host_json(tmp_path: Path) -> None:
    config = _config(
        tmp_path,
        {"version": "2.0", "extensions": {"serviceBus": {"maxConcurrentCalls": 16}}},
        {
            "AzureFunctionsJobHost__extensions__ServiceBus__MaxConcurrentCalls": "1",
            "AzureFunctionsJobHost__functionTimeout": "00:01:00",
            "AzureFunctionsJobHost__extensions__serviceBus__autoCompleteMessages": "false",
        },
    )
    assert config.service_bus.max_concurrent_calls == 1
    assert config.service_bus.auto_complete_messages is False
    assert config.function_timeout == 60


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, 'version must be "2.0", found null'),
        ({"version": "1.0"}, "version"),
        ([], "one JSON object"),
        ({"version": "2.0", "extensions": 1}, "extensions must be an object"),
        ({"version": "2.0", "extensions": {"http": {"routePrefix": 1}}}, "http.routePrefix must"),
        ({"version": "2.0", "functionTimeout": "soon"}, "functionTimeout must be a time span"),
        ({"version": "2.0", "functionTimeout": "00:00:00"}, "functionTimeout must be above zero"),
        ({"version": "2.0", "logging": {"logLevel": {"default": "loud"}}}, "logLevel.default"),
        (
            {"version": "2.0", "extensions": {"serviceBus": {"maxConcurrentCalls": 0}}},
            "maxConcurrentCalls must be a whole number of at least 1",
        ),
        (
            {"version": "2.0", "extensions": {"serviceBus": {"prefetchCount": True}}},
            "prefetchCount must be a whole number of at least 0",
        ),
        (
            {"version": "2.0", "extensions": {"serviceBus": {"autoCompleteMessages": 1}}},
            "autoCompleteMessages must be true or false",
        ),
        (
            {"version": "2.0", "extensions": {"serviceBus": {"minMessageBatchSize": 2000}}},
            "minMessageBatchSize is above",
        ),
    ],
)
def test_what_is_wrong_in_host_json_is_named(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(SettingsError, match=f"host.json.*{problem}"):
        _config(tmp_path, content)


def test_malformed_host_json_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{\n  "version": "2.0",\n}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"host\.json is not JSON: line 2, column 19"):
        load_host_config(tmp_path, {})


def test_missing_host_json(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        load_host_config(tmp_path, {})


def _local_settings(folder: Path, content: object) -> dict[str, str]:
    path = folder / "local.settings.json"
    # Editors on Windows write a byte order mark.
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    return load_local_settings(path)


def test_local_settings(tmp_path: Path) -> None:
    content = {"IsEncrypted": False, "Values": {"A": "x", "B": 1, "C": True}, "Host": {}}
    assert _local_settings(tmp_path, content) == {"A": "x", "B": "1", "C": "true"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({"IsEncrypted": True, "Values": {"A": "CfDJ8"}}, "IsEncrypted is true"),
        ({"Values": []}, "Values must be an object"),
        ({"Values": {"A": {}}}, "Values.A must be a text"),
    ],
)
def test_local_settings_that_cannot_be_used(tmp_path: Path, content: object, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        _local_settings(tmp_path, content)


def test_placeholders() -> None:
    assert resolve_placeholders("a-%X%-%Y%", {"X": "1", "Y": "2"}) == "a-1-2"
    with pytest.raises(SettingsError, match="%Z% does not resolve"):
        resolve_placeholders("%Z%", {})


def test_connection_string() -> None:
    assert connection_string("Bus", {"Bus": "a", "AzureWebJobsBus": "b"}) == "a"
    assert connection_string("Bus", {"AzureWebJobsBus": "b"}) == "b"
    assert connection_string("", {"AzureWebJobsServiceBus": "c"}) == "c"
    with pytest.raises(SettingsError, match="Bus is not an app setting"):
        connection_string("Bus", {"Bus": ""})
    with pytest.raises(SettingsError, match="uses an identity"):
        connection_string("Bus", {"Bus__fullyQualifiedNamespace": "x.servicebus.windows.net"})


def test_disabled_functions() -> None:
    assert is_disabled("f", {"AzureWebJobs.f.Disabled": "true"})
    assert is_disabled("f", {"AzureWebJobs.f.Disabled": "1"})
    assert not is_disabled("f", {"AzureWebJobs.f.Disabled": "false"})
    assert not is_disabled("g", {"AzureWebJobs.f.Disabled": "true"})


def _raw(**properties: object) -> str:
    return json.dumps(properties)


def test_http_bindings() -> None:
    found = parse_bindings(
        "items",
        [
            _raw(type="httpTrigger", name="req", methods=["get", "POST"], direction="IN"),
            _raw(type="http", name="$return", direction="OUT"),
            _raw(type="serviceBus", name="out", queueName="%Q%", connection="Bus"),
        ],
        {"Q": "events"},
    )
    assert found.trigger == HttpTrigger("req", "items", frozenset({"GET", "POST"}))
    assert found.http_output == "$return"
    assert found.queue_outputs == (QueueOutput("out", "events", "Bus"),)


def test_timer_binding() -> None:
    raw = _raw(type="timerTrigger", name="t", schedule="%WHEN%", runOnStartup=True)
    found = parse_bindings("f", [raw], {"WHEN": "0 * * * * *"})
    assert found.trigger == TimerTrigger("t", "0 * * * * *", run_on_startup=True)


def test_queue_binding() -> None:
    raw = _raw(
        type="serviceBusTrigger",
        name="m",
        queueName="q",
        connection="Bus",
        cardinality="MANY",
        isSessionsEnabled=True,
        autoCompleteMessages=False,
    )
    assert parse_bindings("f", [raw], {}).trigger == QueueTrigger(
        argument="m", queue="q", connection="Bus", many=True, sessions=True, auto_complete=False
    )


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ([_raw(type="blobTrigger", name="b")], "blobTrigger is not offered"),
        ([_raw(type="http", name="$return")], "no trigger"),
        ([_raw(type="serviceBusTrigger", name="m", topicName="t")], "only queues"),
    ],
)
def test_bindings_that_are_not_offered(raw: list[str], problem: str) -> None:
    with pytest.raises(BindingError, match=problem):
        parse_bindings("f", raw, {})
