"""Answers the commands of scripts that run with the stand-ins on their PATH."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import override

from tests.infra.az.arguments import Misused, split
from tests.infra.az.cloud import Cloud, Refused
from tests.infra.az.graph import GraphFault
from tests.infra.az.interpreter import Interpreter
from tests.infra.az.query import search, tsv

STAND_INS = Path(__file__).parent / "stand_in.sh"
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command prints, and its exit status."""

    out: str = ""
    error: str = ""
    status: int = 0


@dataclass(slots=True)
class Desk:
    """Takes commands one by one, notes them, and makes one of them fail."""

    cloud: Cloud
    calls: list[str] = field(default_factory=list)
    misuses: list[str] = field(default_factory=list)
    fail_at: int | None = None
    survivors: set[str] | None = None
    lost: str = ""
    pauses: float = 0
    interpreter: Interpreter = field(default_factory=Interpreter)

    def lose_one_answer(self, survivors: Iterable[str]) -> None:
        """From now on do the first call that is not among ``survivors`` and lose its answer."""
        self.calls, self.survivors, self.lost = [], set(survivors), ""

    def take(self, program: str, words: Sequence[str], environment: dict[str, str]) -> Answer:
        """Do one command."""
        match program:
            case "sleep":
                self.pauses += float(words[0])
                return Answer()
            case "curl":
                return self._curl(words)
            case "python3":
                return Answer(*self.interpreter.run(words[1:], words[0], environment))
            case _:
                return self._az(words, environment)

    def _curl(self, words: Sequence[str]) -> Answer:
        expected = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
        if [*words[:5]] != expected or words[5] != "--max-time":
            self.misuses.append(f"curl {' '.join(words)}")
        path = words[-1].split(".net", 1)[1]
        self.calls.append(f"curl {path}")
        if self._fails() or self._loses():
            return Answer("000", "", 28)
        return Answer(self.cloud.probe(path))

    def _az(self, words: Sequence[str], environment: dict[str, str]) -> Answer:
        self.calls.append(_shown(words))
        try:
            name, given = split(words)
            if self._fails():
                return Answer(error="injected failure", status=1)
            result = self.cloud.answer(name, given, environment)
            if self._loses():
                return Answer(error="injected failure", status=1)
            selected = search(given["--query"][0], result) if "--query" in given else result
        except Misused as misuse:
            self.misuses.append(f"az {' '.join(words)}\n  {misuse}")
            return Answer(error=str(misuse), status=2)
        except (Refused, GraphFault) as no:
            return Answer(error=str(no), status=1)
        output = given.get("--output", ["json"])[0]
        if output == "none" or selected is None:
            return Answer()
        return Answer(tsv(selected) if output == "tsv" else json.dumps(selected))

    def _fails(self) -> bool:
        return self.fail_at == len(self.calls)

    def _loses(self) -> bool:
        if self.survivors is None or self.lost or self.calls[-1] in self.survivors:
            return False
        self.lost = self.calls[-1]
        return True


def _shown(words: Sequence[str]) -> str:
    """A command without its options, but with what a request or a token is for."""
    names: list[str] = []
    for word in words:
        if word.startswith("-"):
            break
        names.append(word)
    if "--url" in words:
        names += [words[words.index("--method") + 1], words[words.index("--url") + 1]]
    names += [words[at + 1] for at, word in enumerate(words) if word in {"--scope", "--resource"}]
    return " ".join(names)


class _Handler(socketserver.StreamRequestHandler):
    @override
    def handle(self) -> None:
        fields = self._fields()
        program, count = fields[0], int(fields[1])
        words = fields[2 : 2 + count]
        environment = dict(pair.split("=", 1) for pair in fields[2 + count :])
        answer = self.server.desk.take(program, words, environment)  # type: ignore[attr-defined] # set below
        out = answer.out.encode()
        head = f"{answer.status}\n{len(out)}\n".encode()
        self.wfile.write(head + out + answer.error.encode() + b"\n" * bool(answer.error))

    def _fields(self) -> list[str]:
        def read() -> str:
            held = bytearray()
            while (byte := self.rfile.read(1)) not in {b"\0", b""}:
                held += byte
            return held.decode()

        return [read() for _ in range(int(read()))]


@dataclass(slots=True)
class Shell:
    """Runs scripts whose az, curl and sleep are the stand-ins, and python3 too when ``quick``."""

    desk: Desk
    port: int
    home: Path
    quick: bool = False

    def run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run infra/deploy.sh: without a terminal, or at one where somebody types a line."""
        with _keyboard(typed) as keyboard:
            return self._run(arguments, keyboard)

    def _run(self, arguments: Sequence[str], keyboard: int) -> subprocess.CompletedProcess[str]:
        python = self.home / "bin" / "python3"
        if not python.exists():
            python.parent.mkdir()
            python.symlink_to(sys.executable)
        environment = {
            **_exported_functions(quick=self.quick),
            "AZ_STAND_IN": str(self.port),
            "HOME": str(self.home),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self.home),
        }
        return subprocess.run(
            [str(ROOT / "infra" / "deploy.sh"), *arguments],
            env=environment,
            cwd=self.home,
            stdin=keyboard,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@contextmanager
def _keyboard(typed: str) -> Iterator[int]:
    """Standard input for a script: a terminal with a line waiting, or nothing."""
    if not typed:
        yield subprocess.DEVNULL
        return
    here, there = os.openpty()
    try:
        os.write(here, f"{typed}\n".encode())
        yield there
    finally:
        os.close(here)
        os.close(there)


@cache
def _exported_functions(*, quick: bool) -> dict[str, str]:
    """The stand-ins as bash hands functions on to the scripts that it starts."""
    forget = "" if quick else "unset -f python3;"
    listed = subprocess.run(
        ["bash", "-c", f'source "$0"; {forget} exec env -0', str(STAND_INS)],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (pair.split("=", 1) for pair in listed.stdout.split("\0") if pair)
    return {name: value for name, value in pairs if name.startswith("BASH_FUNC_")}


@contextmanager
def shell(cloud: Cloud, home: Path) -> Iterator[Shell]:
    """A shell at work on ``cloud``."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Handler) as server:
        desk = server.desk = Desk(cloud)  # type: ignore[attr-defined] # read above
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Shell(desk, server.server_address[1], home)
        finally:
            server.shutdown()
            thread.join()
