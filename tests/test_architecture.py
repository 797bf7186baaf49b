"""The dependency rule, the purity of the core and the brevity of handlers, read from the source."""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_HANDLER_LINES = 15

TOP_LEVEL = {
    "README.md", "dev", "docs", "function_app.py", "functions", "host.json", "infra", "local",
    "local.settings.sample.json", "pyproject.toml", "requirements.txt", "shared", "tests",
}  # fmt: skip
NOT_IN_GIT = {"__pycache__", "local.settings.json"}

CLOCK_READS = {"now", "utcnow", "today"}
CLOCK_PORTS = {"clock", "_clock"}
OUTSIDE = {
    "asyncio", "http", "importlib", "io", "logging", "multiprocessing", "os", "pathlib", "random",
    "secrets", "shutil", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
    "urllib", "uuid",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layer:
    """What a part of the product may import besides itself and the standard library.

    ``pure`` parts also keep off the clock, the environment and every other kind of I/O.
    """

    parts: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    pure: bool = False


def _layer(parts: str = "", packages: str = "", *, pure: bool = False) -> Layer:
    return Layer(frozenset(parts.split()), frozenset(packages.split()), pure)


_EDGE = "shared.domain shared.ports shared.config shared.telemetry"

LAYERS: Mapping[str, Layer] = {
    "shared.domain": _layer(pure=True),
    "shared.ports": _layer("shared.domain", pure=True),
    "shared.services": _layer("shared.domain shared.ports shared.telemetry", pure=True),
    "shared.config": _layer("shared.domain"),
    "shared.telemetry": _layer("shared.domain"),
    "shared.threads": _layer("shared.ports"),
    "shared.storage": _layer(
        _EDGE, "azure.core azure.data azure.identity pydantic requests urllib3"
    ),
    "shared.marketplace": _layer(_EDGE, "azure.identity pydantic requests"),
    "shared.messaging": _layer(_EDGE, "azure.identity azure.servicebus"),
    "shared.identity": _layer(_EDGE, "jwt requests"),
    "shared.api": _layer(
        "shared.domain shared.ports shared.services shared.telemetry",
        "azure.functions pydantic pydantic_core yaml",
    ),
    "shared.console": _layer(
        "shared.domain shared.ports shared.services shared.api.problem", "jinja2"
    ),
    "shared.bootstrap": _layer(
        f"{_EDGE} shared.services shared.storage shared.marketplace shared.messaging "
        "shared.identity shared.threads",
        "azure.core azure.identity",
    ),
    "functions": _layer(
        "shared.bootstrap shared.api shared.console shared.telemetry shared.domain.errors",
        "azure.functions",
    ),
    "function_app": _layer("functions", "azure.functions"),
}


def within(module: str, package: str) -> bool:
    """Whether ``module`` is ``package`` or inside it."""
    return module == package or module.startswith(f"{package}.")


def layer_of(module: str) -> str | None:
    """The name of the layer a module belongs to."""
    return next((name for name in LAYERS if within(module, name)), None)


def imported(node: ast.AST) -> Iterator[str]:
    """Modules that a statement imports; ``from a import b`` may mean ``a`` or ``a.b``."""
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            if module in {"shared", "azure"}:
                yield from (f"{module}.{alias.name}" for alias in names)
            else:
                yield module


def fault_of_import(name: str, target: str) -> str | None:
    """Why a module of layer ``name`` must not import ``target``, or ``None``."""
    layer = LAYERS[name]
    top = target.split(".")[0]
    if within(target, name) or any(within(target, part) for part in layer.parts):
        return None
    if top in sys.stdlib_module_names:
        if layer.pure and top in OUTSIDE:
            return f"{name} is pure and must not import {target}: pass the value in"
        return None
    if any(within(target, package) for package in layer.packages):
        return None
    allowed = ", ".join(sorted(layer.parts | layer.packages)) or "the standard library only"
    return f"{name} must not import {target}; it may import {allowed}"


def faults_of_purity(name: str, node: ast.AST) -> Iterator[str]:
    """Reads of the clock, files and terminals, and binary floats, in a pure layer."""
    match node:
        case ast.Call(func=ast.Attribute(attr=attr, value=value)) if attr in CLOCK_READS:
            if _last_name(value) not in CLOCK_PORTS:
                yield f"{name} reads the machine's clock with .{attr}(): take `now` as an argument"
        case ast.Call(func=ast.Name(id="open" | "input" | "print" | "__import__" as function)):
            yield f"{name} must not call {function}()"
        case ast.Call(func=ast.Name(id="float")):
            yield f"{name} must not use binary floats: use Decimal"


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def handler_lines(function: ast.FunctionDef) -> int:
    """Lines of a function's body, from its first statement after the docstring to its last."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def faults_of(module: str, source: str) -> list[str]:
    """Every breach in one module, as ``line: what is wrong``."""
    name = layer_of(module)
    if name is None:
        return [f"1: {module} belongs to no layer: say in LAYERS what it may import"]
    faults: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        line = getattr(node, "lineno", 1)
        if isinstance(node, ast.ImportFrom) and node.level:
            faults.append((line, "relative import: write the full name"))
            continue
        found = [fault_of_import(name, target) for target in imported(node)]
        if LAYERS[name].pure:
            found += faults_of_purity(name, node)
        if name == "functions" and isinstance(node, ast.FunctionDef) and node.decorator_list:
            lines = handler_lines(node)
            if lines > MAX_HANDLER_LINES:
                message = f"{node.name} has {lines} lines, at most {MAX_HANDLER_LINES}: "
                found.append(message + "convert, call one service, respond")
        faults += [(line, fault) for fault in found if fault]
    return [f"{line}: {fault}" for line, fault in sorted(faults)]


def modules() -> Iterator[tuple[str, Path]]:
    """Every module of the product with its file."""
    files = [*ROOT.glob("functions/**/*.py"), *ROOT.glob("shared/**/*.py")]
    for path in sorted([*files, *ROOT.glob("function_app.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in {"shared", "functions"}:
            yield name, path


@pytest.mark.parametrize("path", [pytest.param((name, path), id=name) for name, path in modules()])
def test_a_module_imports_only_what_its_layer_may(path: tuple[str, Path]) -> None:
    name, file = path
    faults = [
        f"{file.relative_to(ROOT)}:{fault}"
        for fault in faults_of(name, file.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize("package", ["shared", "functions"])
def test_a_package_of_layers_holds_nothing_itself(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    assert all(isinstance(node, ast.Expr) for node in tree.body), "only a docstring belongs here"


def test_the_top_level_holds_what_the_house_has_and_nothing_else() -> None:
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - NOT_IN_GIT
    assert found <= TOP_LEVEL, f"does not belong at the top level: {sorted(found - TOP_LEVEL)}"


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        ("shared.domain.money", "import requests", "must not import requests"),
        ("shared.domain.money", "from shared.ports import Clock", "must not import shared.ports"),
        ("shared.domain.money", "from shared import ports", "must not import shared.ports"),
        ("shared.domain.money", "import os", "is pure"),
        ("shared.domain.money", "def f():\n    import socket", "is pure"),
        (
            "shared.domain.money",
            "from datetime import datetime\ndatetime.now(UTC)",
            "machine's clock",
        ),
        ("shared.domain.money", "from datetime import date\ndate.today()", "machine's clock"),
        ("shared.domain.money", "float('1')", "binary floats"),
        ("shared.domain.money", "open('x')", "must not call open()"),
        ("shared.domain.money", "from . import ids", "relative import"),
        ("shared.ports", "from azure.core import MatchConditions", "must not import azure.core"),
        ("shared.services.submit", "from azure import servicebus", "azure.servicebus"),
        ("shared.services.submit", "import shared.storage.tables", "shared.storage.tables"),
        ("shared.services.submit", "from shared.config import Settings", "shared.config"),
        ("shared.services.submit", "from local.clock import FileClock", "must not import local"),
        ("shared.storage.ledger", "from shared.messaging import publisher", "shared.messaging"),
        ("shared.storage.ledger", "from shared.services import submit", "shared.services"),
        ("shared.marketplace.tokens", "from azure.data import tables", "not import azure.data"),
        ("shared.bootstrap", "from shared.api import convert", "shared.api"),
        ("functions.usage", "from shared.storage import tables", "shared.storage"),
        ("functions.usage", "import local.clock", "must not import local.clock"),
        ("function_app", "from shared import bootstrap", "shared.bootstrap"),
        ("shared.novelty", "", "belongs to no layer"),
    ],
)
def test_a_breach_is_named(module: str, source: str, fault: str) -> None:
    assert any(fault in found for found in faults_of(module, source)), faults_of(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("shared.domain.money", "from decimal import Decimal\nfrom shared.domain import ids"),
        ("shared.services.submit", "from shared import ports\nself._clock.now()\nclock.now()"),
        ("shared.storage.ledger", "import os\nfrom azure.data.tables import TableClient"),
        ("shared.bootstrap", "from shared.services.submit import Submit"),
        ("functions.usage", "import azure.functions as func\nfrom shared import bootstrap"),
        ("function_app", "from functions.usage import blueprint"),
    ],
)
def test_what_the_rule_allows_is_no_breach(module: str, source: str) -> None:
    assert faults_of(module, source) == []


def test_a_handler_of_sixteen_lines_is_too_long() -> None:
    def handler(lines: int) -> str:
        return "@blueprint.route('x')\ndef post(request):\n    '''One.'''\n" + "    x = 1\n" * lines

    assert faults_of("functions.usage", handler(15)) == []
    (fault,) = faults_of("functions.usage", handler(16))
    assert "post has 16 lines" in fault
