"""Faults of an account as it is written: every one at once, each with its place."""

from collections.abc import Iterator

from shared.domain.account import Account, AccountRecord
from shared.domain.accounts.scene import Scene
from shared.domain.catalog.custom import custom_faults
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.validation.organization import currency_faults, fault_of_zone
from shared.domain.errors import FieldError
from shared.domain.ids import is_code

MAX_NAME = 200
_YEARS = range(1900, 2201)


def account_faults(account: Account, organization: Organization | None) -> Iterator[FieldError]:
    """What is wrong with ``account`` by itself; ``organization`` is the catalogue's."""
    if not is_code(account.code):
        message = "must be 1-64 letters, digits, '.', '_' or '-', starting with a letter or digit"
        yield FieldError("/code", message)
    if len(account.name) > MAX_NAME:
        yield FieldError("/name", f"must have at most {MAX_NAME} characters")
    if account.time_zone is not None and (fault := fault_of_zone(account.time_zone)) is not None:
        yield FieldError("/timeZone", fault)
    if account.currency is not None:
        known = organization or Organization("")
        yield from currency_faults("/currency", account.currency, known)
    if account.epoch is not None and account.epoch.year not in _YEARS:
        yield FieldError("/epoch", "is out of range; give a day from 1900 to 2200")
    yield from custom_faults("/custom", account.custom)


def family_faults(account: Account, parent: AccountRecord | None) -> Iterator[FieldError]:
    """What is wrong with the parent that ``account`` names (semantics, rule 30)."""
    if account.parent is None:
        return
    if account.parent == account.code:
        yield FieldError("/parent", "is the account itself; leave it out")
    elif parent is None:
        yield FieldError("/parent", f"there is no account {account.parent[:64]}")
    elif parent.account.parent is not None:
        message = (
            f"{account.parent} is a child of {parent.account.parent} itself, and there is one "
            f"level of children; give {parent.account.parent}"
        )
        yield FieldError("/parent", message)


def change_faults(account: Account, scene: Scene) -> Iterator[FieldError]:
    """What cannot become of the stored account any more."""
    stored = scene.record.account
    if account.code != stored.code:
        yield FieldError("/code", f"is not the account's, {stored.code}; a code never changes")
    if account.parent != stored.parent:
        found = stored.parent or "none"
        yield FieldError("/parent", f"was set to {found} at the account's creation, for good")
    begun = min((plan.start for plan in scene.record.plans), default=None)
    if begun is None or begun > scene.now:
        return
    fixed = {
        "/timeZone": (account.time_zone, stored.time_zone),
        "/currency": (account.currency, stored.currency),
        "/epoch": (account.epoch, stored.epoch),
    }
    for pointer, (new, old) in fixed.items():
        if new != old:
            message = (
                f"is {old or 'left out'} and stays so: billing periods are counted by it since "
                f"{begun.isoformat()}"
            )
            yield FieldError(pointer, message)
