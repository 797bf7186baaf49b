"""infra/deploy.sh where Azure is slow, forbids something, or holds what was there before."""

import pytest

from tests.infra.az.cloud import HOST, Cloud
from tests.infra.az.server import Shell
from tests.infra.test_deploy import AGAIN, EXISTING, FRESH, GROUP, register

PEM = "-----BEGIN PRIVATE KEY-----\n…\n-----END PRIVATE KEY-----\n"
OTHER_TENANT = "22222222-0000-4000-8000-000000000002"


@pytest.fixture(autouse=True)
def quickly(azure: Shell) -> None:
    """The scripts' Python is run by the tests of what goes well."""
    azure.quick = True


def parameter(azure: Shell, name: str) -> object:
    """What the template was last given."""
    given = azure.desk.cloud.groups[GROUP].parameters
    assert given is not None
    return given[name]


def by_certificate(azure: Shell) -> tuple[str, ...]:
    """Options of a deployment that needs a vault."""
    pem = azure.home / "certificate.pem"
    pem.write_text(PEM)
    return (
        "--marketplace-app", EXISTING, "--marketplace-tenant", OTHER_TENANT,
        "--certificate", str(pem),
    )  # fmt: skip


def test_parts_of_entra_that_learn_late_are_waited_for(azure: Shell) -> None:
    azure.desk.cloud.graph.lag = 4
    done = azure.run(*FRESH)
    assert done.returncode == 0, done.stderr
    assert azure.desk.pauses == 40


def test_an_entra_that_never_learns_ends_the_script(azure: Shell) -> None:
    azure.desk.cloud.graph.lag = 1000
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "ResourceNotFound" in done.stderr
    assert azure.desk.pauses == 60


def test_other_refusals_of_entra_are_told_at_once(azure: Shell) -> None:
    azure.desk.cloud.graph.forbids = True
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "Application Developer" in done.stderr
    assert azure.desk.pauses == 0


@pytest.mark.parametrize(("refusals", "status"), [(2, 0), (3, 1)])
def test_code_is_published_again_while_roles_do_not_work_yet(
    azure: Shell, refusals: int, status: int
) -> None:
    azure.desk.cloud.unready = refusals
    done = azure.run(*FRESH)
    assert done.returncode == status, done.stderr
    assert azure.desk.pauses == 120
    assert ("could not be published" in done.stderr) == bool(status)


def test_a_deployment_that_is_still_at_work_is_waited_for(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    azure.desk.cloud.groups[GROUP].at_work = True
    done = azure.run(*AGAIN)
    assert done.returncode == 0, done.stderr
    assert "still at work" in done.stderr


def test_a_region_without_zones_gets_copies_in_one_place_and_keeps_them(azure: Shell) -> None:
    azure.desk.cloud.without_zones = frozenset({"westeurope"})
    done = azure.run(*FRESH)
    assert done.returncode == 0, done.stderr
    assert "no zones" in done.stderr
    assert parameter(azure, "storageSku") == "Standard_LRS"
    azure.desk.cloud.without_zones = frozenset()
    assert azure.run(*AGAIN).returncode == 0
    assert parameter(azure, "storageSku") == "Standard_LRS"


def test_copies_are_spread_over_zones_where_there_are_some(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    assert parameter(azure, "storageSku") == "Standard_ZRS"


def test_a_tenant_that_forbids_device_codes_gets_the_values_and_another_way(azure: Shell) -> None:
    cloud = azure.desk.cloud
    cloud.cloud_shell, cloud.device_codes = True, False
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "Conditional Access" in done.stderr
    assert "az login --tenant" in done.stderr
    assert f"https://{HOST}/api/webhook" in done.stdout
    cloud.cloud_shell = False
    assert azure.run("--name", "metering", "--check").returncode == 0


def test_without_a_token_for_the_marketplace_the_values_are_printed_all_the_same(
    azure: Shell,
) -> None:
    azure.desk.cloud.marketplace_trusts = False
    done = azure.run(*FRESH)
    assert done.returncode == 1
    assert "no token for the Marketplace" in done.stderr
    assert f"https://{HOST}/landing" in done.stdout
    assert azure.desk.pauses == 180


def test_an_offer_that_does_not_name_the_app_yet_is_no_fault(azure: Shell) -> None:
    azure.desk.cloud.marketplace_ready = False
    done = azure.run(*FRESH)
    assert done.returncode == 0, done.stderr
    assert "Entra gives the app tokens" in done.stderr
    assert azure.desk.pauses == 0


def test_a_name_is_free_again_after_the_end_also_in_another_region(azure: Shell) -> None:
    options = by_certificate(azure)
    assert azure.run(*FRESH, *options).returncode == 0
    assert azure.run(*AGAIN, "--destroy").returncode == 0
    assert azure.desk.cloud.deleted_vaults == set()
    elsewhere = ("--name", "metering", "--location", "northeurope", "--yes")
    done = azure.run(*elsewhere, *options)
    assert done.returncode == 0, done.stderr


def test_a_vault_that_was_deleted_by_hand_is_brought_back(azure: Shell) -> None:
    options = by_certificate(azure)
    assert azure.run(*FRESH, *options).returncode == 0
    delete_by_hand(azure.desk.cloud)
    done = azure.run(*FRESH, *options)
    assert done.returncode == 0, done.stderr
    assert "Bringing back" in done.stderr
    assert azure.desk.cloud.groups[GROUP].vault


def delete_by_hand(cloud: Cloud) -> None:
    """Somebody removes the lock and the group in the portal."""
    cloud.groups[GROUP].lock = False
    cloud.answer("group delete", {"--name": [GROUP], "--yes": []}, {})


def test_an_application_that_another_deployment_took_over_outlives_this_one(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    marketplace = str(parameter(azure, "marketplaceClientId"))
    application = azure.desk.cloud.graph.known_application(marketplace)
    application["federated"]["metering-moved"] = {"subject": "of-the-other-deployment"}
    done = azure.run(*AGAIN, "--destroy")
    assert done.returncode == 0, done.stderr
    assert "stays, since others use it: metering-moved" in done.stderr
    assert azure.desk.cloud.graph.trusted_by(marketplace) == {"of-the-other-deployment"}
    assert len(azure.desk.cloud.graph.applications) == 1
    assert azure.run(*AGAIN, "--destroy").returncode == 0
    assert len(azure.desk.cloud.graph.applications) == 1


def test_a_budget_keeps_the_month_in_which_it_began(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    assert parameter(azure, "budgetStart") == ""
    azure.desk.cloud.groups[GROUP].budget = "2026-08-01T00:00:00Z"
    done = azure.run(*AGAIN)
    assert done.returncode == 0, done.stderr
    assert parameter(azure, "budgetStart") == "2026-08-01T00:00:00Z"


@pytest.mark.parametrize(("typed", "status"), [("y", 0), ("n", 1), ("", 1), ("yes please", 1)])
def test_at_a_terminal_the_deployment_waits_for_a_yes(
    azure: Shell, typed: str, status: int
) -> None:
    done = azure.run(*FRESH[:-1], typed=typed or " ")
    assert done.returncode == status, done.stderr
    assert "Deploy this to metering-rg? [y/N]" in done.stderr
    assert (azure.desk.cloud.groups[GROUP].parameters is not None) == (status == 0)


@pytest.mark.parametrize(("typed", "status"), [(GROUP, 0), ("metering", 1), ("y", 1)])
def test_at_a_terminal_the_end_waits_for_the_name_of_the_group(
    azure: Shell, typed: str, status: int
) -> None:
    azure.run(*FRESH)
    done = azure.run("--name", "metering", "--destroy", typed=typed)
    assert done.returncode == status, done.stderr
    assert "everything that customers were charged for" in done.stderr
    assert (GROUP in azure.desk.cloud.groups) == bool(status)
    if status:
        assert azure.desk.cloud.groups[GROUP].running


def test_who_upgrades_for_the_first_time_gets_the_right_to_export_before_code_changes(
    azure: Shell,
) -> None:
    cloud = azure.desk.cloud
    assert azure.run(*FRESH).returncode == 0
    cloud.tables_endpoint += "/closed"
    cloud.template_opens = True
    azure.desk.calls.clear()
    done = azure.run(*AGAIN, "--upgrade")
    assert done.returncode == 0, done.stderr
    assert len(list(azure.home.glob("metering-metering-*.ndjson.gz"))) == 1
    calls = azure.desk.calls
    assert calls.count("deployment group create") == 1
    last_export = max(i for i, c in enumerate(calls) if c.endswith("storage.azure.com"))
    assert calls.index("deployment group create") < last_export


def test_an_upgrade_that_may_not_export_changes_no_code(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    azure.desk.cloud.tables_endpoint += "/closed"
    azure.desk.calls.clear()
    done = azure.run(*AGAIN, "--upgrade")
    assert done.returncode == 1
    assert "could not be exported" in done.stderr
    assert not [c for c in azure.desk.calls if c.startswith("functionapp deployment")]


def test_two_deployments_do_not_share_a_group(azure: Shell) -> None:
    assert azure.run(*FRESH).returncode == 0
    before = azure.desk.cloud.groups[GROUP].parameters
    done = azure.run("--name", "another", "--resource-group", GROUP, "--yes")
    assert done.returncode == 1
    assert "holds the deployment metering" in done.stderr
    assert azure.desk.cloud.groups[GROUP].parameters == before


def api_application(azure: Shell) -> dict[str, object]:
    apps = azure.desk.cloud.graph.applications.values()
    (api,) = [app for app in apps if app.get("signInAudience") == "AzureADMultipleOrgs"]
    web: dict[str, object] = api["web"]
    return web


def test_sign_in_gets_a_code_and_an_id_token_as_app_service_asks_for(azure: Shell) -> None:
    azure.run(*FRESH)
    assert api_application(azure)["implicitGrantSettings"] == {"enableIdTokenIssuance": True}


def test_addresses_that_people_added_to_the_sign_in_stay(azure: Shell) -> None:
    azure.run(*FRESH)
    own = f"https://{HOST}/.auth/login/aad/callback"
    domain = "https://billing.contoso.com/.auth/login/aad/callback"
    api_application(azure)["redirectUris"] = [domain, own]
    assert azure.run(*AGAIN).returncode == 0
    assert api_application(azure)["redirectUris"] == [own, domain]


def test_an_application_of_the_api_that_was_deleted_is_made_again(azure: Shell) -> None:
    register(azure)
    azure.run(*FRESH, "--marketplace-app", EXISTING)
    lost = str(parameter(azure, "apiClientId"))
    graph = azure.desk.cloud.graph
    (key,) = [k for k, app in graph.applications.items() if app["appId"] == lost]
    graph.deleted.add(key)
    del graph.applications[key]
    done = azure.run(*AGAIN)
    assert done.returncode == 0, done.stderr
    assert parameter(azure, "apiClientId") != lost


def test_an_app_that_stays_unhealthy_does_not_hide_the_values(azure: Shell) -> None:
    azure.run(*FRESH)
    azure.desk.cloud.groups[GROUP].running = False
    done = azure.run("--name", "metering", "--check")
    assert done.returncode == 1
    assert "not everything works" in done.stderr
    assert f"api://{parameter(azure, 'apiClientId')}" in done.stdout
