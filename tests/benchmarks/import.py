"""./dev bench import: what importing the app costs beside importing azure.functions alone."""  # noqa: N999 - named as the command

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 1.3

BARE = "import azure.functions"
APP = "import function_app"
PROBE = """
import sys, time
start = time.process_time()
{statement}
print(time.process_time() - start, len(sys.modules))
"""


def probe(statement: str) -> tuple[float, int]:
    """Processor seconds of an import in a process of its own, and the modules loaded then."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(statement=statement)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, modules = done.stdout.split()
    return float(seconds), int(modules)


def main(arguments: Sequence[str]) -> int:
    """Measure in alternating rounds, so that noise meets both alike."""
    parser = argparse.ArgumentParser(prog="./dev bench import", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args(arguments).rounds
    started = time.perf_counter()
    pairs = [(probe(BARE), probe(APP)) for _ in range(rounds)]
    bare, app = (statistics.median(pair[i][0] for pair in pairs) for i in (0, 1))
    extra = pairs[0][1][1] - pairs[0][0][1]
    print(f"azure.functions alone   {bare * 1000:6.0f} ms")
    print(f"function_app            {app * 1000:6.0f} ms, {extra} modules more")
    print(f"ratio                   {app / bare:6.2f}    (at most {LIMIT})")
    print(f"medians of {rounds} rounds, {time.perf_counter() - started:.0f} s")
    return 0 if app / bare <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
