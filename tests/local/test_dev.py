"""./dev finds or asks for what it needs, installs it once, and hands over to the commands."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from local.cli import main
from local.processes import ROOT

TOOLS = ("bash", "cat", "cksum", "dirname", "env", "grep", "mkdir", "cp", "rm", "uname")

PYTHON = """\
#!/usr/bin/env bash
case "$*" in
    "-c "*) exit 0 ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip install --help") echo "  --group <[path:]group>" ;;
esac
echo "python $*" >>calls
"""
NODE = "#!/usr/bin/env bash\necho v{version}\n"
NPM = """\
#!/usr/bin/env bash
mkdir -p local/azurite/node_modules
echo "npm $*" >>calls
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory with the script, the files it reads, and stand-ins for what it starts."""
    shutil.copy(ROOT / "dev", tmp_path / "dev")
    (tmp_path / "local" / "azurite").mkdir(parents=True)
    for name in ("requirements.txt", "pyproject.toml", "local/azurite/package-lock.json"):
        (tmp_path / name).write_text("one\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in TOOLS:
        found = shutil.which(name)
        assert found is not None, f"{name} is needed for this test"
        (tools / name).symlink_to(found)
    put(tmp_path, "python3.13", PYTHON)
    put(tmp_path, "node", NODE.format(version="22.1.0"))
    put(tmp_path, "npm", NPM)
    return tmp_path


def put(clone: Path, name: str, script: str) -> None:
    path = clone / "bin" / name
    path.write_text(script)
    path.chmod(0o755)


def dev(clone: Path, *arguments: str) -> tuple[int, str, list[str]]:
    """Exit status, what was said, and what was started."""
    calls = clone / "calls"
    calls.unlink(missing_ok=True)
    environment = {"PATH": str(clone / "bin"), "HOME": str(clone)}
    done = subprocess.run(
        [str(clone / "dev"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    started = calls.read_text().splitlines() if calls.exists() else []
    return done.returncode, done.stderr, started


INSTALL = [
    "python -m pip --disable-pip-version-check install --quiet -r requirements.txt --group dev",
    "npm ci --prefix local/azurite --no-audit --no-fund --loglevel=error",
]


def test_the_first_start_installs_and_the_second_does_not(clone: Path) -> None:
    status, said, started = dev(clone, "run", "--exit")
    assert status == 0
    assert [line for line in started if line in INSTALL] == INSTALL
    assert started[-1] == "python -m local.cli run --exit"
    assert "Making the virtual environment" in said

    status, said, started = dev(clone, "run")
    assert (status, said, started) == (0, "", ["python -m local.cli run"])


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("requirements.txt", INSTALL[0]),
        ("pyproject.toml", INSTALL[0]),
        ("local/azurite/package-lock.json", INSTALL[1]),
    ],
)
def test_a_changed_list_is_installed_again(clone: Path, file: str, command: str) -> None:
    dev(clone, "test")
    (clone / file).write_text("two\n")
    _, _, started = dev(clone, "test")
    assert [line for line in started if line in INSTALL] == [command]


def test_an_installation_that_failed_is_tried_again(clone: Path) -> None:
    put(clone, "npm", "#!/usr/bin/env bash\necho 'no network' >&2\nexit 1\n")
    status, said, started = dev(clone, "test")
    assert status == 1
    assert "no network" in said
    assert "Azurite could not be installed" in said
    assert "python -m local.cli test" not in started
    put(clone, "npm", NPM)
    status, _, started = dev(clone, "test")
    assert (status, started) == (0, [INSTALL[1], "python -m local.cli test"])


def test_help_installs_nothing(clone: Path) -> None:
    assert dev(clone) == (0, "", ["python -m local.cli"])
    assert not (clone / ".venv").exists()


def test_a_missing_python_is_explained(clone: Path) -> None:
    (clone / "bin" / "python3.13").unlink()
    status, said, started = dev(clone, "run")
    assert (status, started) == (1, [])
    assert "Python 3.13 is needed and was not found" in said
    assert "pyenv install 3.13" in said


def test_a_python_of_another_version_is_passed_over_for_the_one_of_pyenv(clone: Path) -> None:
    put(clone, "python3.13", "#!/usr/bin/env bash\nexit 1\n")
    hidden = clone / ".pyenv" / "versions" / "3.13.2" / "bin"
    hidden.mkdir(parents=True)
    (hidden / "python3.13").write_text(PYTHON)
    (hidden / "python3.13").chmod(0o755)
    status, _, started = dev(clone, "run")
    assert status == 0
    assert started[-1] == "python -m local.cli run"


@pytest.mark.parametrize(
    ("node", "found"), [(None, "none"), (NODE.format(version="18.19.0"), "18.19.0")]
)
def test_a_missing_or_old_node_is_explained(clone: Path, node: str | None, found: str) -> None:
    (clone / "bin" / "node").unlink()
    if node is not None:
        put(clone, "node", node)
    status, said, started = dev(clone, "run")
    assert status == 1
    assert (
        f"Node.js 20 or newer with npm is needed for the storage emulator (found: {found})" in said
    )
    assert "python -m local.cli run" not in started


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 0, "./dev replay FILE"),
        (["--help"], 0, "./dev run --exit"),
        (["bench", "--help"], 0, "bench"),
        (["bench", "none"], 2, "there is no benchmark none"),
        (["dance"], 2, "./dev has no command dance"),
    ],
)
def test_commands(
    arguments: Sequence[str], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == status
    output = capsys.readouterr()
    assert text in output.out + output.err


def test_the_script_is_executable() -> None:
    assert os.access(ROOT / "dev", os.X_OK)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
