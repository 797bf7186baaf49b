"""./dev run --exit: the whole stack plays a day, and the bill is what was due."""

import re
import subprocess
import sys
from pathlib import Path

from local.processes import ROOT


def test_a_day_on_the_local_stack_is_billed_to_the_cent(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.cli", "run", "--exit", "--keep", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    pairs = re.findall(r"due +(\$[\d.]+) +accepted +(\$[\d.]+)", done.stdout)
    assert len(pairs) == 2
    assert all(due == accepted != "$0.00" for due, accepted in pairs)
    hours = re.findall(r"^ +\d\d:00 +(Northwind Traders|Fabrikam) .* accepted$", done.stdout, re.M)
    assert hours.count("Northwind Traders") == 6
    assert hours.count("Fabrikam") == 6
    assert done.stderr == ""
