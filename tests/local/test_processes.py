"""Children of the local stack become ready, are watched, and never outlive their starter."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from local.processes import ROOT, Processes, ProcessFailed, free_port

READY = "import json, sys, time; print(json.dumps({'pid': __import__('os').getpid()}), flush=True)"
WAIT = "time.sleep(60)"

STARTER = """
import sys, time
from pathlib import Path
from local.processes import Processes
with Processes(Path(sys.argv[1])) as processes:
    child = processes.start("child", [sys.executable, "-c", sys.argv[2]])
    print(child["pid"], flush=True)
    time.sleep(60)
"""


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def eventually(condition: Callable[[], bool], within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def start(processes: Processes, *lines: str, within: float = 20) -> int:
    ready = processes.start("child", [sys.executable, "-c", "\n".join(lines)], ready_within=within)
    return int(str(ready["pid"]))


def test_a_child_says_it_is_ready_and_ends_with_the_block(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = start(processes, READY, "print('more')", "print('oops', file=sys.stderr)", WAIT)
        assert is_running(pid)
        processes.check()
        log = tmp_path / "child.log"
        assert eventually(lambda: "more" in log.read_text() and "oops" in log.read_text())
    assert not is_running(pid)


def test_a_child_that_ends_at_once_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes, pytest.raises(ProcessFailed) as caught:
        start(processes, "import sys", "sys.exit('no such queue')")
    assert "child ended at once (status 1)" in str(caught.value)
    assert "no such queue" in str(caught.value)


def test_a_child_that_never_gets_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with Processes(tmp_path) as processes, pytest.raises(ProcessFailed, match="not ready within"):
        start(
            processes,
            "import os, pathlib, time",
            f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()))",
            WAIT,
            within=1.5,
        )
    assert not is_running(int(note.read_text()))


def test_a_child_that_dies_later_is_noticed(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        pid = start(processes, READY, WAIT)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not is_running(pid))
        with pytest.raises(ProcessFailed, match=r"child ended \(signal 9\)"):
            processes.check()


def test_a_grandchild_ends_too_and_so_does_one_deaf_to_the_polite_signal(tmp_path: Path) -> None:
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    with Processes(tmp_path) as processes:
        pid = start(
            processes,
            "import json, subprocess, sys, time",
            f"other = subprocess.Popen([sys.executable, '-c', {deaf!r}])",
            "print(json.dumps({'pid': other.pid}), flush=True)",
            WAIT,
        )
        assert is_running(pid)
    assert eventually(lambda: not is_running(pid))


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_children_end_when_their_starter_is_killed(tmp_path: Path, blow: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), f"{READY}\n{WAIT}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_running(pid)
        starter.send_signal(blow)
        starter.wait(15)
    assert eventually(lambda: not is_running(pid))


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        other = free_port(number)
    assert other not in {0, number}
    assert free_port(other) == other
