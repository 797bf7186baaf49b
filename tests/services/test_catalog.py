"""Versions of the catalogue, and how long what was read is believed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.errors import InvalidInput, NotFound, StaleVersion
from shared.domain.ids import ProductCode
from shared.services.catalog import Intent
from shared.services.directory import LIFE
from tests.services.world import BASIC, CATALOG, TIERED, World, catalog_of

OTHER = catalog_of(BASIC)
ADA = Intent("ada")


def test_versions_are_numbered_and_the_same_again_is_none() -> None:
    world = World(catalog=None)
    put = world.process.put_catalog
    with pytest.raises(NotFound):
        put.current()
    assert [put(c, ADA).version.number for c in (CATALOG, CATALOG, OTHER, CATALOG)] == [1, 1, 2, 3]
    assert put.current().catalog == CATALOG
    assert world.process.queries.catalog_version() == 3


def test_a_faulty_catalogue_is_refused_whole() -> None:
    world = World()
    faulty = replace(BASIC, product=ProductCode("a"), interval=0)
    with pytest.raises(InvalidInput) as raised:
        world.process.put_catalog(catalog_of(faulty, TIERED), ADA)
    pointers = [fault.pointer for fault in raised.value.fields]
    assert pointers == ["/plans/0/product", "/plans/0/interval"]
    assert world.process.put_catalog.current().number == 1


def test_another_version_in_between() -> None:
    world = World()
    world.journal.before("catalogs.add", lambda _: world.put_catalog(OTHER))
    with pytest.raises(StaleVersion):
        world.process.put_catalog(catalog_of(TIERED), ADA)
    assert world.process.put_catalog.current().catalog == OTHER


def test_what_was_read_is_believed_for_its_life() -> None:
    world = World()
    world.account("acme")
    world.use("acme")
    world.journal.forget()
    world.clock.advance(LIFE - timedelta(seconds=1))
    world.use("acme")
    assert world.journal.count("catalogs.heads", "accounts.load") == 0
    world.clock.advance(timedelta(seconds=1))
    world.use("acme")
    assert world.journal.count("catalogs.heads", "accounts.load") == 2


def test_totals_are_previewed_without_writing() -> None:
    world = World()
    account = world.customer()
    world.use(account, 30)
    world.next_run()
    world.use(account, 12)
    world.to_next_run()
    world.run_for(account)
    world.journal.forget()
    view = world.process.queries.totals(account)
    (dimension,) = view.dimensions
    assert [dimension.total, dimension.committed] == [42, 42]
    assert world.journal.writes == {}
    with pytest.raises(NotFound):
        world.process.queries.totals("nobody")
