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
    checks = re.findall(
        r"(Northwind Traders|Fabrikam) .* (\$\S+) +(\$\S+)  equal$", done.stdout, re.M
    )
    assert [name for name, _, _ in checks] == ["Northwind Traders", "Fabrikam"]
    assert all(due == accepted != "$0.00" for _, due, accepted in checks)
    sent = re.findall(r"^ .*(Northwind Traders|Fabrikam) .* accepted(, final)?$", done.stdout, re.M)
    assert sent.count(("Northwind Traders", "")) == 6
    assert sent.count(("Fabrikam", "")) == 5
    assert sent[-1] == ("Fabrikam", ", final")
    assert done.stderr == ""
