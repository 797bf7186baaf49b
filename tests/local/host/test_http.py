"""HTTP functions of a sample app in a host process."""

import concurrent.futures
import json
import socket
from collections.abc import Iterator

import pytest
import requests

from tests.local.host.support import APPS, HostProcess, started_host, wait_until

SETTINGS = APPS / "web_app" / "test.settings.json"


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    environment = {
        "ALREADY_SET": "from the environment",
        "PYTHON_THREADPOOL_THREAD_COUNT": "3",
        "AzureWebJobs.switched_off.Disabled": "true",
    }
    with started_host("web_app", "--settings", str(SETTINGS), env=environment) as started:
        yield started


def _raw_exchange(host: HostProcess, request: bytes) -> bytes:
    """Send bytes as they are and read until the server closes the connection."""
    with _connect(host) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def _connect(host: HostProcess) -> socket.socket:
    port = int(host.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def test_the_ready_line_names_the_functions(host: HostProcess) -> None:
    assert "echo" in host.functions
    assert "switched_off" not in host.functions
    assert "unsupported" not in host.functions
    assert "blobTrigger is not offered locally" in host.wait_for_line("[unsupported]")


def test_a_request_reaches_the_function_whole(host: HostProcess) -> None:
    answer = host.post(
        "echo/Acme%20Inc/7?a=1&b=x%20y&A=2&empty=",
        b"\x00\xff",
        {"X-Note": "one", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"},
    )
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/json"
    shown = answer.json()
    assert shown["method"] == "POST"
    assert shown["url"] == f"{host.url}/api/echo/Acme%20Inc/7?a=1&b=x%20y&A=2&empty="
    assert shown["params"] == {"a": "1,2", "b": "x y"}
    assert shown["route"] == {"tenant": "Acme Inc", "id": "7"}
    assert shown["headers"]["x-note"] == "one"
    assert shown["body"] == "\x00\xff"
    assert shown["function"] == "echo"
    assert shown["trace"].startswith(f"00-{'a' * 32}-")
    assert "b" * 16 not in shown["trace"]


def test_repeated_headers_are_joined(host: HostProcess) -> None:
    reply = _raw_exchange(
        host,
        b"GET /api/echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"X-Many: 1\r\nx-many: 2\r\nX-Empty:\r\n\r\n",
    )
    shown = json.loads(reply.partition(b"\r\n\r\n")[2])
    assert shown["headers"]["x-many"] == "1,2"
    assert shown["headers"]["x-empty"] == ""
    assert shown["url"] == "http://x/api/echo/a"


def test_a_chunked_body_arrives(host: HostProcess) -> None:
    parts = (bytes([number]) * 5000 for number in range(3))
    answer = requests.post(f"{host.url}/api/mirror", data=parts, timeout=20)
    assert answer.content == b"\0" * 5000 + b"\1" * 5000 + b"\2" * 5000


def test_a_large_body_comes_back(host: HostProcess) -> None:
    body = bytes(range(256)) * 12_000
    assert host.post("mirror", body).content == body


def test_optional_route_value_is_absent(host: HostProcess) -> None:
    assert host.get("echo/a").json()["route"] == {"tenant": "a"}


def test_paths_that_do_not_exist(host: HostProcess) -> None:
    for path in ("nope", "echo", "echo/a/x", "switched-off"):
        answer = host.get(path)
        assert (answer.status_code, answer.content) == (404, b"")


def test_wrong_method_names_the_right_ones(host: HostProcess) -> None:
    answer = requests.delete(f"{host.url}/api/echo/a", timeout=20)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_head_has_the_headers_but_no_body(host: HostProcess) -> None:
    answer = requests.head(f"{host.url}/api/files/a/b", timeout=20)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len("path=a/b"))


def test_text_answers(host: HostProcess) -> None:
    answer = host.get("files/a/b%2Fc")
    assert answer.text == "path=a/b%2Fc"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_charset_of_an_answer(host: HostProcess) -> None:
    answer = host.get("latin")
    assert answer.content == b"\xe9"
    assert answer.headers["content-type"] == "text/plain; charset=latin-1"


def test_cookies(host: HostProcess) -> None:
    cookies = host.get("cookies").raw.headers.getlist("set-cookie")
    assert cookies == ["a=1; max-age=60; path=/; samesite=lax; httponly", "b=2; secure"]


@pytest.mark.parametrize("path", ["no-content", "silent"])
def test_no_content(host: HostProcess, path: str) -> None:
    answer = host.get(path)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "content-length" not in answer.headers


def test_a_failing_function_is_a_bare_500_and_one_line_in_the_log(host: HostProcess) -> None:
    answer = host.get("fail")
    assert (answer.status_code, answer.content) == (500, b"")
    line = host.wait_for_line("error [fail]")
    assert "ValueError: failing on purpose\\nTraceback" in line
    assert "in fail\\n" in line
    assert "warning [fail] about to fail" in host.wait_for_line("about to fail")


def test_an_answer_http_cannot_carry_is_a_500(host: HostProcess) -> None:
    assert host.get("bad-header").status_code == 500
    assert "x-note" in host.wait_for_line("error [bad_header]")
    assert host.get("files/x").status_code == 200


def test_synchronous_functions_run_beside_each_other(host: HostProcess) -> None:
    # Each waits for the other: one after the other would never end.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(host.get, ["meet", "meet"]))
    assert [answer.text for answer in answers] == ["met", "met"]


def test_asynchronous_functions_run_beside_each_other(host: HostProcess) -> None:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(host.get, ["meet-async", "meet-async"]))
    assert [answer.text for answer in answers] == ["met", "met"]


def test_settings_threads_and_folder(host: HostProcess) -> None:
    assert host.get("settings").json() == {
        "GREETING": "from the file",
        "ALREADY_SET": "from the environment",
        "threads": 3,
        "folder": str(APPS / "web_app"),
    }


def test_a_body_over_the_limit_is_refused_unread(host: HostProcess) -> None:
    before = host.get("uploads").text
    reply = _raw_exchange(
        host, b"POST /api/mirror HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n"
    )
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert host.get("uploads").text == before


def test_a_client_that_goes_away_and_a_slow_one_hurt_nobody(host: HostProcess) -> None:
    before = int(host.get("uploads").text)
    head = b"POST /api/mirror HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
    with _connect(host) as gone:
        gone.sendall(head + b"ab")
    with _connect(host) as slow:
        slow.sendall(head + b"a")
        assert host.get("files/x").status_code == 200
        slow.sendall(b"bcd")
        received = b""
        while chunk := slow.recv(65536):
            received += chunk
    assert received.endswith(b"abcd")
    assert int(host.get("uploads").text) == before + 1


def test_printing_and_logging_go_to_standard_error(host: HostProcess) -> None:
    host.get("log")
    host.wait_for_line("printed by a function")
    host.wait_for_line("printed while loading")
    assert host.wait_for_line("two").endswith("info [write_log] two\\nlines")
    assert not any("debug record" in line for line in host.lines)


def test_admin_status_and_list(host: HostProcess) -> None:
    status = requests.get(f"{host.url}/admin/host/status", timeout=20).json()
    assert status["state"] == "Running"
    listed = requests.get(f"{host.url}/admin/functions", timeout=20).json()
    assert [entry["name"] for entry in listed] == list(host.functions)
    echo = next(entry for entry in listed if entry["name"] == "echo")
    assert echo["trigger"] == {"type": "httpTrigger", "methods": ["GET", "POST"]}
    assert echo["invoke_url_template"] == f"{host.url}/api/echo/{{tenant}}/{{id:int?}}"
    assert requests.get(f"{host.url}/admin/functions/echo", timeout=20).json() == echo
    assert requests.get(f"{host.url}/admin/nope", timeout=20).status_code == 404


def test_running_by_hand_wants_json_and_a_loopback_name(host: HostProcess) -> None:
    before = int(host.get("uploads").text)
    url = f"{host.url}/admin/functions/mirror"
    assert requests.post(url, data="input=x", timeout=20).status_code == 415
    assert requests.post(url, json=["x"], timeout=20).status_code == 400
    foreign = requests.post(url, json={"input": "x"}, headers={"Host": "evil.test"}, timeout=20)
    assert foreign.status_code == 403
    assert requests.post(f"{url}x", json={"input": "x"}, timeout=20).status_code == 404
    assert requests.post(url, json={"input": "x"}, timeout=20).status_code == 202
    wait_until(lambda: int(host.get("uploads").text) == before + 1, "the run by hand")


def test_host_json_rules_time_and_log_levels() -> None:
    prefix = "AzureFunctionsJobHost__"
    environment = {
        f"{prefix}functionTimeout": "00:00:00.2",
        f"{prefix}logging__logLevel__default": "Error",
        f"{prefix}logging__logLevel__Function.write_log.User": "Debug",
        "PYTHON_ENABLE_DEBUG_LOGGING": "1",
    }
    with started_host("web_app", env=environment) as host:
        assert host.get("sleep", seconds="60").status_code == 500
        assert host.get("block", seconds="0.5").status_code == 500
        assert "error [sleep]" in host.wait_for_line("no end after 0.2 s")
        assert host.get("sleep", seconds="0").text == "slept"
        host.get("log")
        assert "debug [write_log] debug record" in host.wait_for_line("debug record")
        host.get("fail")
        host.wait_for_line("error [fail]")
        assert not any("succeeded" in line or "about to fail" in line for line in host.lines)
