"""The command line: one line when ready, a clean exit."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_start_and_end(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["--clock", str(tmp_path / "clock"), "--tenant", "my-tenant", "--seed", "9"]
    arguments += ["--landing-url", "http://here/landing", "--webhook-url", "http://here/hook"]
    with subprocess.Popen(
        [sys.executable, "-m", "local.marketplace", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = json.loads(process.stdout.readline())["url"]
            overview = requests.get(f"{url}/control", timeout=10).json()
        finally:
            process.send_signal(number)
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
        assert process.stderr.read() == ""
    assert overview["url"] == url
    assert overview["tenantId"] == "my-tenant"
    assert overview["landingUrl"] == "http://here/landing"
    assert overview["webhookUrl"] == "http://here/hook"
