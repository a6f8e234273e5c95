"""Products check their values when they are made."""

from datetime import UTC, datetime

import pytest

from geoseg.errors import SceneError
from geoseg.raster.products import BandFile, Product


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "Red"}, "lower case"), ({"name": ""}, "lower case"),
        ({"aliases": ("B04",)}, "lower case"), ({"number": 0}, "no band 0"),
        ({"scale": 0.0}, "scale"), ({"scale": float("nan")}, "scale"),
        ({"offset": float("inf")}, "offset"),
    ],
)  # fmt: skip
def test_bands_with_impossible_values_are_refused(values, message):
    with pytest.raises(SceneError, match=message):
        BandFile(**{"path": "a.tif", "name": "red", **values})


def test_a_product_has_bands_with_different_names_and_a_date_in_utc():
    band = BandFile("a.tif", "red")
    with pytest.raises(SceneError, match="no bands"):
        Product("scene", "folder", ())
    with pytest.raises(SceneError, match=r"red \(a.tif and b.tif\)"):
        Product("scene", "folder", (band, BandFile("b.tif", "red")))
    with pytest.raises(SceneError, match="time zone"):
        Product("scene", "folder", (band,), datetime.fromisoformat("2022-01-25"))
    assert Product("scene", "folder", (band,), datetime(2022, 1, 25, tzinfo=UTC)).bands == (band,)


def test_no_credential_of_an_address_is_shown():
    address = "/vsicurl/https://me:word@host/a.tif?sig=abc"
    product = Product(address, "STAC item", (BandFile(address, "red"),))
    assert "word" not in repr(product)
    assert "abc" not in repr(product)
    with pytest.raises(SceneError) as caught:
        BandFile(address, "red", number=0)
    assert "word" not in str(caught.value)
    assert "abc" not in str(caught.value)
