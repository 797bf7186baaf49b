"""What every store of catalogue versions keeps to."""

import pytest

from shared.domain.catalog.catalog import Catalog
from shared.domain.catalog.organization import Organization
from shared.domain.catalog.product import Product
from shared.domain.errors import ConcurrentUpdate
from shared.domain.ids import ProductCode
from shared.ports import Catalogs, CatalogVersion
from shared.storage.catalogs import TableCatalogs
from tests.contract.samples import NOON
from tests.fakes.catalogs import FakeCatalogs


@pytest.fixture(params=["fake", "azurite"])
def catalogs(request: pytest.FixtureRequest) -> Catalogs:
    if request.param == "fake":
        return FakeCatalogs()
    return TableCatalogs(request.getfixturevalue("tables"))


def version(number: int, products: int = 1) -> CatalogVersion:
    made = tuple(Product(ProductCode(f"p{n}"), f"größe {n} 🎈") for n in range(products))
    return CatalogVersion(number, NOON, Catalog(Organization(f"v{number}"), made))


def test_there_is_none_at_first(catalogs: Catalogs) -> None:
    assert catalogs.current() is None


def test_the_newest_version_is_current(catalogs: Catalogs) -> None:
    for number in range(1, 12):
        catalogs.add(version(number))
        assert catalogs.current() == version(number)


def test_a_number_is_taken_once(catalogs: Catalogs) -> None:
    catalogs.add(version(1))
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(1, products=2))
    assert catalogs.current() == version(1)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_numbers_go_up_by_one(catalogs: Catalogs, number: int) -> None:
    catalogs.add(version(1))
    catalogs.add(version(2))
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(number))
    assert catalogs.current() == version(2)


def test_the_first_number_is_one(catalogs: Catalogs) -> None:
    with pytest.raises(ConcurrentUpdate):
        catalogs.add(version(2))


def test_a_large_catalogue_comes_back(catalogs: Catalogs) -> None:
    catalogs.add(version(1, products=20_000))
    assert catalogs.current() == version(1, products=20_000)
