"""Starts the hourly run and tells how far it is."""

import json
from dataclasses import dataclass
from datetime import datetime

from shared.domain.ids import Shard, all_shards
from shared.ports import Clock, Message, Messages, Runs

QUEUE = "metering"


@dataclass(frozen=True, slots=True)
class StartRun:
    """Publishes one message a shard; whichever instance takes it handles it."""

    messages: Messages
    runs: Runs
    clock: Clock

    def __call__(self) -> datetime:
        """Ask for a run of every shard. Asking twice is harmless: a run is idempotent."""
        asked = self.clock.now()
        body = [
            Message(json.dumps({"shard": shard, "asked": asked.isoformat()}))
            for shard in all_shards()
        ]
        self.messages.publish(QUEUE, body)
        return asked

    def status(self) -> dict[Shard, datetime | None]:
        """When the last complete run of each shard began."""
        return {shard: self.runs.begin(shard).last_completed for shard in all_shards()}
