"""The commands of ./dev: what each is for, and where it is done."""

import importlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "tests" / "benchmarks"

HELP = """\
Metering and billing for Azure Marketplace publishers: run and check it on this machine.

  ./dev run            start everything on this machine, play a day of two customers, stay up
  ./dev run --exit     the same, then stop; fails unless what was billed is what was due
  ./dev replay FILE    post a CSV or NDJSON file of usage to the running stack
  ./dev catalog        check a catalogue without a running stack, or print its JSON Schema
  ./dev token          print an access token for the running stack (--staff: an administrator's)
  ./dev tables         export, import or upgrade the tables, here or in Azure
  ./dev test [ARGS]    run the tests (ARGS as for pytest)
  ./dev check          format, lint, types and tests: what continuous integration runs
  ./dev bench [NAME]   run a benchmark; without a name, list them

Every command has --help. The first start installs what is needed (Python packages into .venv,
Azurite into local/azurite); later starts take seconds.
"""

COMMANDS = {
    "catalog": "local.catalog",
    "run": "local.run",
    "replay": "local.replay.command",
    "tables": "local.tables.command",
    "token": "local.token",
}

PYTEST = ("pytest", "-n", "2", "--dist", "loadfile")

CHECKS: Sequence[tuple[str, Sequence[str]]] = (
    ("format", ("ruff", "format", "--check", "--quiet", ".")),
    ("lint", ("ruff", "check", "--quiet", ".")),
    ("types", ("mypy",)),
    ("tests", PYTEST),
)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    name, *rest = arguments or ("help",)
    try:
        match name:
            case "help" | "-h" | "--help":
                print(HELP, end="")
                return 0
            case "catalog" | "run" | "replay" | "tables" | "token":
                return _delegate(COMMANDS[name], rest)
            case "test":
                return _tool((*PYTEST, *rest))
            case "check":
                return check()
            case "bench":
                return bench(rest)
            case _:
                print(f"./dev has no command {name}\n\n{HELP}", end="", file=sys.stderr)
                return 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130


def check() -> int:
    """Run every check, also after one has failed; the status of the first that did."""
    failed: list[tuple[str, int]] = []
    for title, command in CHECKS:
        print(f"── {title}: {' '.join(command)}", flush=True)
        status = _tool(command)
        if status:
            failed.append((title, status))
    if not failed:
        return 0
    print(f"── failed: {', '.join(title for title, _ in failed)}", flush=True)
    return failed[0][1]


def bench(arguments: Sequence[str]) -> int:
    """Run the benchmark module of that name, or list what there is."""
    names = sorted(
        path.stem for path in BENCHMARKS.glob("*.py") if not path.stem.startswith(("_", "test_"))
    )
    if not arguments or arguments[0] in {"-h", "--help"}:
        print("./dev bench NAME, one of:" if names else "There are no benchmarks yet.")
        print("".join(f"  {name}\n" for name in names), end="")
        return 0
    name, *rest = arguments
    if name not in names:
        print(f"there is no benchmark {name}; there are: {', '.join(names)}", file=sys.stderr)
        return 2
    return _python("-m", f"tests.benchmarks.{name}", *rest)


def _delegate(module: str, arguments: Sequence[str]) -> int:
    """Commands import their packages only here, so that help needs nothing installed."""
    status: int = importlib.import_module(module).main(arguments)
    return status


def _tool(command: Sequence[str]) -> int:
    return _python("-m", *command)


def _python(*arguments: str) -> int:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False).returncode


def _catch_signals() -> None:
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C, so that every ``with`` block stops what it started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    _catch_signals()
    sys.exit(main(sys.argv[1:]))
