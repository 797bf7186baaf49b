"""The package that Azure gets: what is in it, and that the runtime finds every function."""

import ast
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.package import ROOT, Rules, package

MEGABYTE = 1024 * 1024
LIST = """
import function_app
print(*(function.get_function_name() for function in function_app.app.get_functions()))
"""
HOST_PARTS = ("__init__.py", "host/__init__.py", "host/engine.py", "host/protos.py")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder with the package unpacked in it."""
    folder = tmp_path_factory.mktemp("package")
    package(folder / "app.zip")
    with zipfile.ZipFile(folder / "app.zip") as archive:
        archive.extractall(folder / "app")
    return folder / "app"


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Keep other test processes out."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        flock(lock, LOCK_EX)
        yield


@cache
def installed() -> tuple[Path, Path]:
    """A virtual environment with requirements.txt alone, and a folder with the runtime library.

    They are made once for each content of requirements.txt, which takes a while.
    """
    text = (ROOT / "requirements.txt").read_bytes()
    versions = [line for line in _project().splitlines() if "azure-functions-runtime" in line]
    digest = hashlib.sha256(text + "".join(versions).encode()).hexdigest()[:16]
    base = ROOT / ".local" / "package" / digest
    environment, beside = base / "venv", base / "beside"
    with exclusive(ROOT / ".local" / "package" / "lock"):
        if not (base / "ready").exists():
            shutil.rmtree(base.parent / digest, ignore_errors=True)
            _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
            requirements = str(ROOT / "requirements.txt")
            _pip("--python", str(environment / "bin" / "python"), "install", "-r", requirements)
            runtime = versions[0].strip().strip('",')
            extensions = "azurefunctions-extensions-base"
            _pip("install", "--no-deps", "--target", str(beside), runtime, extensions)
            (base / "ready").touch()
    return environment, beside


def _project() -> str:
    return (ROOT / "pyproject.toml").read_text()


def _pip(*arguments: str) -> None:
    _run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def indexed(unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the runtime library finds in the package, with nothing of this project beside it."""
    environment, beside = installed()
    host = tmp_path_factory.mktemp("host")
    for part in HOST_PARTS:
        target = host / "local" / part
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "local" / part, target)
    done = subprocess.run(
        [environment / "bin" / "python", ROOT / "tests/infra/index_package.py", unpacked],
        cwd=host,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{host}:{beside}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_runtime_finds_every_function(indexed: dict[str, Any], unpacked: Path) -> None:
    assert Path(indexed["origin"]).is_relative_to(unpacked)
    listed = subprocess.run(
        [sys.executable, "-c", LIST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    expected = set(listed.stdout.split())
    assert {"post_usage", "run_shard", "hourly", "post_webhook"} <= expected
    assert indexed["functions"].keys() == expected


def test_a_function_listens_to_each_queue_that_is_declared(indexed: dict[str, Any]) -> None:
    declared = {
        (queue["name"], queue["properties"]["requiresSession"])
        for queue in json.loads((ROOT / "infra/bicep/queues.json").read_text())
    }
    listening = {
        (binding["queueName"], bool(binding.get("isSessionsEnabled")))
        for bindings in indexed["functions"].values()
        for binding in bindings
        if binding["type"] == "serviceBusTrigger"
    }
    assert listening == declared


def test_the_package_holds_the_app_and_nothing_else(unpacked: Path) -> None:
    assert {path.name for path in unpacked.iterdir()} == {
        "function_app.py", "functions", "host.json", "requirements.txt", "shared",
    }  # fmt: skip
    names = {path.suffix for path in unpacked.rglob("*") if path.is_file()}
    assert ".pyc" not in names


def test_package_and_its_requirements_fit_in_60_megabytes(unpacked: Path) -> None:
    environment, _ = installed()
    folders = [unpacked, environment / "lib"]
    size = sum(p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file())
    assert size < 60 * MEGABYTE, f"{size / MEGABYTE:.1f} MB"


def test_the_same_sources_make_the_same_package(tmp_path: Path) -> None:
    names = package(tmp_path / "one.zip")
    assert names == package(tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


IN_CLOUD_SHELL = [
    *(ROOT / "infra").glob("*.py"),
    *(ROOT / "infra" / "steps").glob("*.py"),
    *(ROOT / "local" / "tables").glob("*.py"),
]


@pytest.mark.parametrize("file", IN_CLOUD_SHELL, ids=lambda file: file.stem)
def test_what_runs_in_cloud_shell_needs_no_newer_python_than_the_script_asks_for(
    file: Path,
) -> None:
    script = (ROOT / "infra" / "steps" / "prerequisites.sh").read_text()
    assert "sys.version_info < (3, 11)" in script
    tree = ast.parse(file.read_text(), feature_version=(3, 11))
    inside = [node for function in ast.walk(tree) for node in _lazy(function)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in inside:
            for name in _imported(node):
                root = name.partition(".")[0]
                assert root in sys.stdlib_module_names or name.startswith("local.tables"), name


def _lazy(node: ast.AST) -> list[ast.AST]:
    return list(ast.walk(node)) if isinstance(node, ast.FunctionDef) else []


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]


FOLDERS = """\
a.py
b.pyc
keep/a.py
keep/b.pyc
keep/__pycache__/a.py
keep/deep/a.md
drop/a.py
drop/keep/a.py
"""


@pytest.mark.parametrize(
    "patterns",
    [
        pytest.param("/*\n!/keep/\n!/a.py\n__pycache__/\n*.pyc\n", id="all but what is named"),
        pytest.param("# a comment\n\n*.py\n!a.py\n", id="a name again"),
        pytest.param("drop/\n", id="a folder"),
        pytest.param("/keep\n", id="an anchored name"),
        pytest.param("keep/**/*.md\n", id="any depth"),
        pytest.param("keep/?.py\n", id="one letter"),
        pytest.param("drop/keep/a.py\n!drop/keep/a.py\n", id="the last pattern decides"),
        pytest.param("drop\n!drop/a.py\n", id="nothing comes back out of an ignored folder"),
    ],
)
def test_patterns_mean_what_git_takes_them_to_mean(tmp_path: Path, patterns: str) -> None:
    for name in FOLDERS.split():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    rules = tmp_path / ".funcignore"
    rules.write_text(patterns)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    listed = subprocess.run(
        ["git", "ls-files", "--others", f"--exclude-from={rules}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    expected = set(listed.stdout.split())
    let_through = {
        name
        for name in [*FOLDERS.split(), ".funcignore"]
        if not any(
            Rules(patterns).ignores("/".join(parts[: i + 1]), i + 1 < len(parts))
            for parts in [name.split("/")]
            for i in range(len(parts))
        )
    }
    assert let_through == expected
