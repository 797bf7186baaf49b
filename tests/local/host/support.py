"""Starts the host as a process of its own and talks to it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).parents[3]
APPS = Path(__file__).parent / "apps"
_PATIENCE = 20.0


def wait_until(condition: Callable[[], bool], what: str, seconds: float = _PATIENCE) -> None:
    """Poll until ``condition`` holds; fails the test if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.02)


@dataclass
class HostProcess:
    """A started host; ``lines`` are those of its standard error so far."""

    process: subprocess.Popen[str]
    url: str = ""
    functions: Sequence[str] = ()
    lines: list[str] = field(default_factory=list)

    def get(self, path: str, **options: str) -> requests.Response:
        """GET a path below /api/."""
        return requests.get(f"{self.url}/api/{path}", params=options, timeout=_PATIENCE)

    def post(
        self, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        """POST to a path below /api/."""
        return requests.post(
            f"{self.url}/api/{path}", data=body, headers=headers, timeout=_PATIENCE
        )

    def rows(self, path: str = "seen", **wanted: object) -> list[dict[str, object]]:
        """What the app remembers, only rows that hold all of ``wanted``."""
        found: list[dict[str, object]] = self.get(path).json()
        return [row for row in found if wanted.items() <= row.items()]

    def wait_for_line(self, text: str) -> str:
        """The first line of the log that holds ``text``."""
        wait_until(lambda: any(text in line for line in list(self.lines)), f"log line {text!r}")
        return next(line for line in list(self.lines) if text in line)

    def stop(self) -> int:
        """Send SIGTERM and give the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


@contextmanager
def started_host(
    app: str | Path, *arguments: str, env: Mapping[str, str] | None = None
) -> Iterator[HostProcess]:
    """Run an app of ``apps`` (or any folder) until the block ends."""
    process = _spawn(app, arguments, env or {})
    host = HostProcess(process)
    assert process.stdout is not None
    assert process.stderr is not None
    stderr = process.stderr
    reader = threading.Thread(target=_copy_lines, args=(stderr, host.lines))
    reader.start()
    try:
        ready = process.stdout.readline()
        assert ready, f"the host did not start: {host.lines}"
        announced = json.loads(ready)
        host.url = announced["url"]
        host.functions = announced["functions"]
        yield host
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join()
        process.stdout.close()
        stderr.close()


def failed_start(app: str | Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a host that cannot start."""
    process = _spawn(app, arguments, {})
    output, errors = process.communicate(timeout=_PATIENCE)
    return process.returncode, output, errors


def _copy_lines(source: Iterator[str], target: list[str]) -> None:
    # An iterator given to extend would hide the lines until the process ends.
    for line in source:
        target += [line.rstrip()]


def _spawn(
    app: str | Path, arguments: Sequence[str], env: Mapping[str, str]
) -> subprocess.Popen[str]:
    folder = APPS / app if isinstance(app, str) else app
    return subprocess.Popen(
        [sys.executable, "-m", "local.host", "--app", str(folder), "--port", "0", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
