"""A real browser for tests: Chromium or Chrome as this machine has it."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/usr/lib/chromium/chromium",
)
QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
)
"""A browser under test talks to nobody but the page."""

PATIENCE = 30_000
"""Milliseconds; far more than a page takes, for machines that are busy."""


def found(playwright: Playwright) -> str | None:
    """The browser to take: one that is installed, else Playwright's own if that is there."""
    installed = [shutil.which(name) for name in NAMES]
    own = playwright.chromium.executable_path
    places = [*filter(None, installed), *PLACES, own]
    return next((place for place in places if Path(place).is_file()), None)


@contextlib.contextmanager
def running_browser() -> Iterator[Browser]:
    """A browser without windows; the test is skipped where there is none to run."""
    with sync_playwright() as playwright:
        executable = found(playwright)
        if executable is None:
            pytest.skip(
                "no Chromium or Chrome here: apt-get install chromium, or playwright install"
            )
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        arguments = [*QUIET, *(["--no-sandbox"] if root else [])]
        expect.set_options(timeout=PATIENCE)
        browser = playwright.chromium.launch(
            executable_path=executable, args=arguments, timeout=2 * PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()
