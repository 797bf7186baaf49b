"""Faults on request: what goes wrong, where, how often."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict

from local.marketplace.catalog import WIRE


class Target(StrEnum):
    """Which part of the simulator misbehaves."""

    METERING = "metering"
    FULFILLMENT = "fulfillment"
    ENTRA = "entra"
    WEBHOOK = "webhook"


class FaultKind(StrEnum):
    """What goes wrong. *Before* means the request has no effect, *after* that it had its effect."""

    THROTTLE = "throttle"
    SERVER_ERROR = "serverError"
    TIMEOUT_BEFORE = "timeoutBefore"
    TIMEOUT_AFTER = "timeoutAfter"
    DROP_BEFORE = "dropBefore"
    DROP_AFTER = "dropAfter"
    PARTIAL_BATCH = "partialBatch"
    ITEM_ERROR = "itemError"
    DELAYED = "delayed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    LOST = "lost"
    DUPLICATED = "duplicated"
    POSTPONED = "postponed"
    REORDERED = "reordered"


DELIVERY_KINDS = frozenset(
    {FaultKind.LOST, FaultKind.DUPLICATED, FaultKind.POSTPONED, FaultKind.REORDERED}
)
BATCH_KINDS = frozenset({FaultKind.PARTIAL_BATCH, FaultKind.ITEM_ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One rule; the first rule that matches a request and draws it, takes it.

    ``count`` is how many requests it still strikes, ``skip`` how many it lets pass first,
    ``probability`` the chance of each match. ``match`` is a part of the path (of the action for
    deliveries). ``seconds``: the delay on the stack's clock (delayed, postponed), the real time a
    silent connection is held (timeouts), Retry-After (throttle). ``applied``: whether a server
    error, a missing or a failed batch item had its effect. ``items``: how many batch items are
    struck, from the end.
    """

    __pydantic_config__: ClassVar[ConfigDict] = WIRE
    kind: FaultKind
    target: Target
    id: int = 0
    count: int | None = 1
    skip: int = 0
    probability: float = 1.0
    match: str = ""
    seconds: float = 30
    status: int = 503
    applied: bool = False
    items: int = 1
    struck: int = 0

    def __post_init__(self) -> None:
        if (self.kind in DELIVERY_KINDS) != (self.target is Target.WEBHOOK):
            raise ValueError(f"{self.kind} does not fit the target {self.target}")
        if self.kind in BATCH_KINDS and self.target is not Target.METERING:
            raise ValueError(f"{self.kind} fits the target metering only")
        if not 0 <= self.probability <= 1:
            raise ValueError("probability is between 0 and 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count is at least 1, or null for no end")


class Faults:
    """The rules in force; the same seed and the same requests draw the same faults."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self._rules: dict[int, Fault] = {}
        self._last = 0

    def add(self, fault: Fault) -> Fault:
        """Put a rule in force and number it."""
        self._last += 1
        numbered = replace(fault, id=self._last, struck=0)
        self._rules[numbered.id] = numbered
        return numbered

    def remove(self, fault_id: int) -> bool:
        """Withdraw one rule; False when it is not in force."""
        return self._rules.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Withdraw all rules."""
        self._rules.clear()

    def rules(self) -> Iterable[Fault]:
        """The rules in force, oldest first."""
        return list(self._rules.values())

    def draw(self, target: Target, text: str) -> Fault | None:
        """The fault that strikes this request or delivery, if any."""
        for rule in self.rules():
            fits = rule.target is target and rule.match in text
            if rule.kind in BATCH_KINDS:
                fits = fits and "batchUsageEvent" in text
            if not fits:
                continue
            if rule.skip > 0:
                self._rules[rule.id] = replace(rule, skip=rule.skip - 1)
            elif self._random.random() < rule.probability:
                return self._strike(rule)
        return None

    def _strike(self, rule: Fault) -> Fault:
        if rule.count == 1:
            del self._rules[rule.id]
        else:
            left = None if rule.count is None else rule.count - 1
            self._rules[rule.id] = replace(rule, count=left, struck=rule.struck + 1)
        return rule
