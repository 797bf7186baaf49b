"""The guide's own commands, run in its order in one shell, end at the bill that it shows."""

import json
import os
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

from local.processes import ROOT
from local.stack import Stack

GUIDE = ROOT / "docs" / "guide-nine-steps.md"
BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.M | re.S)


def blocks(kind: str) -> list[str]:
    return [
        text for found, text in BLOCK.findall(GUIDE.read_text(encoding="utf-8")) if found == kind
    ]


def run(stack: Stack, folder: Path) -> str:
    """Everything that the guide's commands print."""
    missing = [tool for tool in ("bash", "curl", "jq") if shutil.which(tool) is None]
    assert not missing, f"the guide needs {missing}"
    script = folder / "guide.sh"
    script.write_text("set -euo pipefail\n" + "\n".join(blocks("sh")), encoding="utf-8")
    surroundings = {
        "PATH": os.environ["PATH"],
        "TMPDIR": str(folder),
        "API": stack.url,
        "MARKET": stack.marketplace,
        "TOKEN": stack.simulator.administrator_token(),
    }
    done = subprocess.run(
        ["bash", str(script)],
        cwd=ROOT,
        env=surroundings,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def test_the_guide_s_commands_lead_to_the_bill_it_shows(stack: Stack, tmp_path: Path) -> None:
    printed = run(stack, tmp_path)
    shown, bill = blocks("json")
    assert shown in printed
    assert bill in printed
    assert '{"status":"LOCKED","number":"000001"}' in printed
    (locked,) = stack.administrator().get("/api/bills?account=acme&status=locked")["bills"]
    lines = stack.administrator().get(f"/api/bills/{locked['id']}")["lines"]
    owed = sum(Decimal(line["before"]) for line in lines)
    paid = sum(Decimal(line["paid"]) for line in lines)
    assert (owed, paid) == (Decimal(107), Decimal(60))
    assert Decimal(json.loads(shown)["total"]) == (owed - paid) * 100
    assert list(stack.simulator.accepted().values()) == [4700]
    given = stack.administrator().get("/api/accounts/acme/prepayments")["prepayments"]
    assert len(given) == 1
    assert "prepayment.create" in printed
