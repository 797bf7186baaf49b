"""Starting, stopping and timers of a host process."""

import concurrent.futures
import shutil
import time
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from local.clock import FileClock
from tests.local.host.support import APPS, failed_start, started_host, wait_until


def test_an_app_that_cannot_be_imported() -> None:
    code, output, errors = failed_start("broken_app")
    assert code == 1
    assert output == ""
    assert "RuntimeError: this app is broken on purpose" in errors
    assert 'function_app.py", line ' in errors


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("host.json", "{", "host.json is not JSON"),
        ("host.json", '{"version": "1.0"}', "version must be"),
        ("local.settings.json", '{"IsEncrypted": true}', "IsEncrypted is true"),
        ("function_app.py", "x = 1", "Could not find top level function app instances"),
    ],
)
def test_what_keeps_the_host_from_starting(
    tmp_path: Path, name: str, content: str, problem: str
) -> None:
    app = tmp_path / "app"
    shutil.copytree(APPS / "timer_app", app)
    (app / name).write_text(content, encoding="utf-8")
    code, output, errors = failed_start(app)
    assert (code, output) == (1, "")
    assert problem in errors


def test_a_taken_port() -> None:
    with started_host("timer_app") as host:
        port = host.url.rpartition(":")[2]
        code, _, errors = failed_start("timer_app", "--port", port)
    assert code == 1
    assert "Address already in use" in errors


def test_local_settings_beside_the_app_are_read(tmp_path: Path) -> None:
    app = tmp_path / "app"
    shutil.copytree(APPS / "web_app", app)
    (app / "test.settings.json").rename(app / "local.settings.json")
    with started_host(app) as host:
        assert host.get("settings").json()["GREETING"] == "from the file"


def test_the_stop_lets_a_running_request_end() -> None:
    with started_host("web_app") as host, concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [
            pool.submit(host.get, "sleep", seconds="1"),
            pool.submit(host.get, "block", seconds="1"),
        ]
        host.wait_for_line("sleeping")
        host.wait_for_line("blocking")
        assert host.stop() == 0
        assert [answer.result().text for answer in running] == ["slept", "blocked"]
        with pytest.raises(requests.ConnectionError):
            host.get("files/x")


def test_the_stop_does_not_wait_for_ever() -> None:
    with (
        started_host("web_app", "--grace", "1") as host,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        running = [
            pool.submit(host.get, "sleep", seconds="60"),
            pool.submit(host.get, "block", seconds="60"),
        ]
        host.wait_for_line("sleeping")
        host.wait_for_line("blocking")
        began = time.monotonic()
        assert host.stop() == 0
        assert time.monotonic() - began < 10
        for answer in running:
            failure = answer.exception()
            assert (
                isinstance(failure, requests.ConnectionError) or answer.result().status_code == 500
            )


def test_timers(tmp_path: Path) -> None:
    clock = tmp_path / "clock"
    environment = {"NIGHTLY": "0 30 2 * * *", "LOCAL_CLOCK_FILE": str(clock)}
    with started_host("timer_app", env=environment) as host:
        assert sorted(host.functions) == ["at_startup", "list_runs", "nightly"]
        assert "%NO_SUCH_SETTING% does not resolve" in host.wait_for_line("[unscheduled]")
        wait_until(lambda: bool(host.rows("runs")), "the run at the start")
        assert host.rows("runs") == [{"function": "at_startup", "past_due": False}]
        url = f"{host.url}/admin/functions/nightly"
        assert requests.post(url, json={"input": ""}, timeout=20).status_code == 202
        wait_until(lambda: bool(host.rows("runs", function="nightly")), "the run by hand")
        FileClock(clock).advance(timedelta(days=1))
        wait_until(lambda: len(host.rows("runs", function="nightly")) == 2, "the night's run")
        listed = requests.get(f"{host.url}/admin/functions", timeout=20).json()
    triggers = {entry["name"]: entry["trigger"] for entry in listed}
    assert triggers["nightly"] == {"type": "timerTrigger", "schedule": "0 30 2 * * *"}
