"""Ends process groups whose starter was killed: run as a script, it reads their ids on stdin."""

import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 5.0


def signal_group(group: int, number: signal.Signals) -> bool:
    """Send a signal to a process group; whether there was one."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    """Follow ``+group`` and ``-group`` lines; at the end of input, end the groups that are left.

    The input ends when its writer closes it or dies, whichever way: no platform's own
    mechanism is needed.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line.startswith("+") else groups.discard
        with contextlib.suppress(ValueError):
            change(int(line[1:]))
    left = {group for group in groups if signal_group(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_SECONDS
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {group for group in left if signal_group(group, signal.SIGTERM)}
    for group in left:
        signal_group(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
