"""Queues as lists of what was sent."""

from collections import defaultdict
from collections.abc import Sequence

from shared.ports import Message


class FakeMessages:
    """``sent`` holds every queue's messages in order."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Message]] = defaultdict(list)

    def publish(self, queue: str, messages: Sequence[Message]) -> None:
        self.sent[queue] += messages

    def take(self, queue: str) -> list[Message]:
        """Take out what a queue holds."""
        return self.sent.pop(queue, [])
