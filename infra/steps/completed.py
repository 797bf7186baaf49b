"""Exit status 0 when every shard of the status on standard input completed since a moment."""

import json
import sys
from datetime import datetime

asked = datetime.fromisoformat(sys.argv[1])
shards = json.load(sys.stdin)["shards"]
done = [shard["lastCompleted"] for shard in shards]
sys.exit(not shards or not all(at and datetime.fromisoformat(at) >= asked for at in done))
