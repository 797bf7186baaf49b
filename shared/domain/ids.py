"""Names of things: what a code may look like, and which shard an account belongs to."""

import hashlib
import re
from typing import NewType

AccountCode = NewType("AccountCode", str)
ProductCode = NewType("ProductCode", str)
MeterCode = NewType("MeterCode", str)
FieldCode = NewType("FieldCode", str)
AggregationCode = NewType("AggregationCode", str)
PlanCode = NewType("PlanCode", str)
PlanTemplateCode = NewType("PlanTemplateCode", str)
DimensionId = NewType("DimensionId", str)
SubscriptionId = NewType("SubscriptionId", str)
Resource = NewType("Resource", str)
"""A Marketplace ``resourceId`` (subscription GUID, lower case) or ``resourceUri`` (ARM id)."""
Shard = NewType("Shard", int)

SHARDS = 16
"""How many partitions usage and ledger are spread over. Changing it would strand stored rows."""

CODE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
"""Codes of accounts, meters, … stand inside storage keys, so they are plain and short."""

GUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_code(text: str) -> bool:
    """Whether ``text`` may name an account, a meter, a plan and the like."""
    return CODE_PATTERN.fullmatch(text) is not None


def is_guid(text: str) -> bool:
    """Whether ``text`` is a GUID in lower case with hyphens."""
    return GUID_PATTERN.fullmatch(text) is not None


def shard_of(account: AccountCode) -> Shard:
    """The shard of an account that is billed; stable for ever."""
    digest = hashlib.sha256(account.encode()).digest()
    return Shard(digest[0] % SHARDS)


def all_shards() -> tuple[Shard, ...]:
    """Every shard, in order."""
    return tuple(Shard(number) for number in range(SHARDS))
