"""Makes every call of a script fail once, each in a world of its own, and runs the script again."""

import copy
from collections.abc import Callable, Mapping

from tests.infra.az.cloud import PROVIDERS, Cloud
from tests.infra.az.server import Shell

REGISTERED = {
    *PROVIDERS, "Microsoft.App", "Microsoft.Insights", "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity", "Microsoft.OperationalInsights",
}  # fmt: skip

TOLERATED: Mapping[str, str] = {
    "rest get https://management.azure.com/": "a new budget would begin with this month",
    "keyvault list-deleted": "only a warning comes of it",
    "role assignment list": "only a warning comes of it",
    "account get-access-token api://": "then the caller is asked to sign in",
    "curl /api/health": "asked again after a pause",
    "rest get https://metering-abc123.azurewebsites.net/api/metering/status": "asked again",
    "rest post https://metering-abc123.azurewebsites.net/api/subscriptions/reconcile": "again",
    "functionapp deployment source config-zip": "tried again after a pause",
}
"""What calls begin with whose failure does not end the script, and why."""


def fail_each_call(azure: Shell, world: Cloud, *arguments: str) -> list[str]:
    """What went wrong, over all calls; empty when every second run completed.

    A call fails before it does anything. One that did its work and whose answer was lost leaves
    the same world as a failure of the call after it, so that is covered too. A world from which
    a second run has completed is not tried again.
    """
    azure.quick = True
    desk = azure.desk
    faults: list[str] = []
    tried: Cloud | None = None
    for call in range(1, 100):
        desk.cloud = copy.deepcopy(world)
        desk.calls, desk.fail_at = [], call
        first = azure.run(*arguments)
        if len(desk.calls) < call:
            return faults if call > 5 else [*faults, f"only {call} calls were made"]
        failed = desk.calls[call - 1]
        expected = 0 if failed.startswith(tuple(TOLERATED)) else 1
        if first.returncode != expected:
            faults.append(f"{failed} failed, and the script ended with {first.returncode}")
        desk.fail_at = None
        faults += [f"at {failed}: {misuse}" for misuse in desk.misuses]
        desk.misuses = []
        if desk.cloud == tried:
            continue
        tried = copy.deepcopy(desk.cloud)
        second = azure.run(*arguments)
        if second.returncode != 0:
            faults.append(f"after {failed}: {second.stderr}")
        faults += [f"after {failed}: {misuse}" for misuse in desk.misuses]
    return [*faults, "the script makes more calls than this test looks at"]


def fail_call_by_call(azure: Shell, world: Cloud, *arguments: str) -> list[str]:
    """The same in one world: every run loses the answer of the first call that has not lost one
    yet, until a run completes. What went wrong; empty when each run came further."""
    azure.quick = True
    desk = azure.desk
    desk.cloud = world
    faults: list[str] = []
    lost: list[str] = []
    while len(lost) < 100:
        desk.lose_one_answer(lost)
        done = azure.run(*arguments)
        faults += desk.misuses
        desk.misuses = []
        if not desk.lost:
            return faults if done.returncode == 0 else [*faults, done.stderr]
        expected = 0 if desk.lost.startswith(tuple(TOLERATED)) else 1
        if done.returncode != expected:
            faults.append(f"{desk.lost} failed, and the script ended with {done.returncode}")
        lost.append(desk.lost)
    return [*faults, "the script makes more calls than this test looks at"]


def world_of(azure: Shell, change: Callable[[Cloud], None] = lambda _: None) -> Cloud:
    """Where a test begins: all but one provider registered, and ``change`` made."""
    world = Cloud(azure.desk.cloud.tables_endpoint)
    world.providers = set(REGISTERED)
    change(world)
    return world
