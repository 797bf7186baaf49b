"""A cold start imports little: what buyers and Partner Center wait for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXTRA_MODULES = 100
HEAVY = {
    "azure.core",
    "azure.data",
    "azure.identity",
    "azure.servicebus",
    "cryptography",
    "jinja2",
    "jwt",
    "pydantic",
    "requests",
    "yaml",
}
LIST = """
import sys
import azure.functions
bare = set(sys.modules)
import function_app
print(*sorted(set(sys.modules) - bare))
"""


def extra_modules() -> list[str]:
    """What ``function_app`` imports beside ``azure.functions``."""
    done = subprocess.run(
        [sys.executable, "-c", LIST], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_the_app_imports_at_most_a_hundred_modules_of_its_own() -> None:
    extra = extra_modules()
    assert "shared.bootstrap" in extra
    assert len(extra) <= EXTRA_MODULES, extra


def test_the_app_imports_no_package_before_a_function_needs_it() -> None:
    assert not HEAVY & set(extra_modules())
