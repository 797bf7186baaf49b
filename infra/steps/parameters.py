"""Prints parameters of a recorded deployment, one a line, empty where there is none.

Standard input: a list with the parameters of one deployment, or an empty list.
"""

import json
import sys

recorded = json.load(sys.stdin)
known = recorded[0] if recorded and recorded[0] else {}
for name in sys.argv[1:]:
    value = known.get(name, {}).get("value")
    sys.stdout.write(f"{value or ''}\n")
