"""Child processes of the local stack: started, awaited, watched, and always ended."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local import reaper

ROOT = Path(__file__).parents[1]
GRACE_SECONDS = 12.0
LOG_TAIL_LINES = 15
LOOPBACK = "127.0.0.1"


class ProcessFailed(Exception):
    """A child did not become ready, or ended although nobody asked it to."""


class Child:
    """One running process: its name, its log, and what it said when it was ready."""

    def __init__(
        self, name: str, process: subprocess.Popen[bytes], log: Path, port: int | None
    ) -> None:
        self.name = name
        self.log = log
        self.process = process
        self._port = port
        self.ready: Mapping[str, object] = {}
        self._announced = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether the child announced itself, or listens on the port it was to listen on."""
        if self._port is not None:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self._port), 1):
                self._announced.set()
        return self._announced.is_set()

    def follow(self, stdout: IO[bytes], log: IO[bytes]) -> None:
        """Copy standard output to the log; the first JSON object on it means ready."""
        with stdout, log:
            for line in stdout:
                log.write(line)
                log.flush()
                if not self._announced.is_set() and line.startswith(b"{"):
                    with contextlib.suppress(ValueError):
                        self.ready = json.loads(line)
                        self._announced.set()

    def wait_ready(self, within: float) -> None:
        """Return once the child is ready. Raises ``ProcessFailed``."""
        deadline = time.monotonic() + within
        while not self.is_ready:
            self._announced.wait(0.05)
            status = self.process.poll()
            if status is not None and not self._announced.wait(0.2):
                raise ProcessFailed(f"{self.name} ended at once ({_ending(status)})\n{self.tail()}")
            if time.monotonic() > deadline:
                message = f"{self.name} was not ready within {within:.0f} s"
                raise ProcessFailed(f"{message}\n{self.tail()}")

    def tail(self) -> str:
        """The end of the child's log, and where all of it is."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = "\n".join(f"    {line}" for line in lines[-LOG_TAIL_LINES:])
        return f"{shown}\n    (log: {self.log})"


class Processes:
    """The children of one stack; leaving the ``with`` block ends them, last started first.

    Every child leads a process group of its own, so that what it started ends with it. A
    helper process knows the groups and ends them if this process is killed.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        self._lock = threading.Lock()
        self._reaper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", reaper.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        port: int | None = None,
        ready_within: float = 30,
    ) -> Mapping[str, object]:
        """Start ``command``, await its line of JSON, and return that. Raises ``ProcessFailed``.

        A child that prints no such line is ready when it listens on ``port``. ``environment``
        replaces this process's own. May be called from several threads at once.
        """
        path = self._logs / f"{name}.log"
        log = path.open("wb")
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            process_group=0,
        )
        child = Child(name, process, path, port)
        with self._lock:
            self._children.append(child)
            self._tell_reaper(f"+{process.pid}")
        if process.stdout is None:
            raise ProcessFailed(f"{name} has no standard output")
        follower = (process.stdout, log)
        threading.Thread(target=child.follow, args=follower, daemon=True, name=name).start()
        child.wait_ready(ready_within)
        return child.ready

    def check(self) -> None:
        """Raise ``ProcessFailed`` if a child has ended."""
        for child in self._children:
            status = child.process.poll()
            if status is not None:
                raise ProcessFailed(f"{child.name} ended ({_ending(status)})\n{child.tail()}")

    def stop(self) -> None:
        """End all children, the last one first, so that none loses what it depends on.

        Each gets a polite signal; the hard one follows when the grace of all is used up.
        """
        with self._lock:
            children, self._children = self._children[::-1], []
        deadline = time.monotonic() + GRACE_SECONDS
        for child in children:
            reaper.signal_group(child.process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.5, deadline - time.monotonic()))
            reaper.signal_group(child.process.pid, signal.SIGKILL)
            child.process.wait()
            self._tell_reaper(f"-{child.process.pid}")
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self._reaper.stdin.close()
            self._reaper.wait()
            self._reaper = None

    def _tell_reaper(self, message: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            with contextlib.suppress(OSError):
                self._reaper.stdin.write(f"{message}\n".encode())
                self._reaper.stdin.flush()


def _ending(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"


def free_port(preferred: int = 0) -> int:
    """``preferred`` if nothing listens there on loopback, else a free port."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise ProcessFailed(f"there is no free port on {LOOPBACK}")
