"""Runs the scripts' Python in the test's process: the same code, without starting a process."""

import contextlib
import io
import os
import runpy
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.package import ROOT, package


@dataclass(slots=True)
class Interpreter:
    """Python as the scripts call it.

    The thread that waits for a script must do nothing else meanwhile: arguments, environment and
    standard streams belong to the whole process.
    """

    package: bytes = b""
    """Made once, since the sources stay the same."""

    def run(
        self, words: Sequence[str], text: str, environment: Mapping[str, str]
    ) -> tuple[str, str, int]:
        """What a command prints, what it prints to standard error, and its exit status."""
        out, error = io.StringIO(), io.StringIO()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(error),
            _process(words[words[0] == "-m" :], text, environment),
        ):
            status = self._run(words)
        return out.getvalue(), error.getvalue(), status

    def _run(self, words: Sequence[str]) -> int:
        try:
            match words:
                case ["-c", code]:
                    exec(code, {})
                case ["-m", module, *_]:
                    runpy.run_module(module, run_name="__main__")
                case [script, target] if Path(script) == ROOT / "infra" / "package.py":
                    self._publish(Path(target))
                case _:
                    runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
        except Exception:  # noqa: BLE001 - what ends a process shows as its trace and status
            traceback.print_exc()
            return 1
        return 0

    def _publish(self, target: Path) -> None:
        if not self.package:
            package(target)
            self.package = target.read_bytes()
        target.write_bytes(self.package)


@contextlib.contextmanager
def _process(words: Sequence[str], text: str, environment: Mapping[str, str]) -> Iterator[None]:
    before = sys.argv, sys.stdin, dict(os.environ)
    sys.argv, sys.stdin = list(words), io.StringIO(text)
    os.environ.update(environment)
    try:
        yield
    finally:
        sys.argv, sys.stdin = before[:2]
        os.environ.clear()
        os.environ.update(before[2])
