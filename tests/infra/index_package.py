"""Indexes an unpacked package with Microsoft's runtime library and prints what it found."""

import asyncio
import json
import sys
from pathlib import Path

from local.host.engine import Engine


async def main(package: str) -> None:
    """Print names and bindings of the package's functions, and where its modules came from."""
    engine = Engine(None)
    functions = await engine.start(Path(package))
    found = {function.name: [json.loads(b) for b in function.bindings] for function in functions}
    origin = str(sys.modules["shared.bootstrap"].__file__)
    print(json.dumps({"functions": found, "origin": origin}))
    engine.stop()


asyncio.run(main(sys.argv[1]))
