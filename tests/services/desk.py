"""What configures accounts, over a world's stores."""

from dataclasses import dataclass, field

from shared.domain.account import Account, AccountRecord
from shared.domain.audit import AuditEntry
from shared.domain.ids import AccountCode
from shared.ports import Versioned
from shared.services.account_changes import ChangeAccount, Expected, tag_of
from shared.services.account_grants import ManageGrants
from shared.services.account_plans import AttachPlans
from shared.services.accounts import ManageAccounts
from shared.services.directory import CatalogCache
from shared.services.trail import ReadTrail
from tests.services.taps import Journal, tap
from tests.services.world import World

BY = "ada"


@dataclass(slots=True)
class Desk:
    """The services that change accounts; ``journal`` sees what they store."""

    world: World = field(default_factory=World)
    journal: Journal = field(default_factory=Journal)
    change: ChangeAccount = field(init=False)
    accounts: ManageAccounts = field(init=False)
    plans: AttachPlans = field(init=False)
    grants: ManageGrants = field(init=False)
    trail: ReadTrail = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        self.change = ChangeAccount(
            tap(world.accounts, "accounts", self.journal),
            tap(world.ledger, "ledger", self.journal),
            CatalogCache(world.catalogs, world.clock),
            tap(world.trail, "audit", self.journal),
            world.clock,
        )
        self.accounts = ManageAccounts(self.change, world.process.replay_parked)
        self.plans = AttachPlans(self.change)
        self.grants = ManageGrants(self.change)
        self.trail = ReadTrail(world.trail, world.clock)

    def account(self, code: str = "acme", parent: str | None = None) -> AccountCode:
        """An account made by API."""
        of = None if parent is None else AccountCode(parent)
        return self.accounts.create(Account(AccountCode(code), parent=of), BY).value.account.code

    def stored(self, code: str = "acme") -> Versioned[AccountRecord]:
        """An account as it is."""
        return self.change.load(code)

    def record(self, code: str = "acme") -> AccountRecord:
        """An account as it is, without its version."""
        return self.stored(code).value

    def tag(self, code: str = "acme") -> Expected:
        """The version that a caller would send."""
        return frozenset({tag_of(self.stored(code).etag)})

    def entries(self, code: str = "acme") -> list[AuditEntry]:
        """The account's audit trail."""
        return list(self.world.trail.of(code))
