"""Small products with the files and the metadata of the real ones: SAFE, Landsat, STAC items.

Pixels are blocks of random values over the range of the real ones, other in each band. A margin of
the first rows of the coarsest band, and the same ground in all others, has no data (0).
"""

import json
from pathlib import Path

import numpy as np
from affine import Affine

from tests.support.rasters import write_raster

REVERSIBLE = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}
"""Creation options for JPEG 2000 that keep every value."""
WEST, NORTH = 600_000, 5_700_000
"""Corner of all products (m, EPSG:32631)."""
MARGIN = 60
"""Height of the margin without data (m)."""

SAFE_BANDS = {
    "L1C": {10: ("B02", "B03", "B04", "B08"), 20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
            60: ("B01", "B09", "B10")},
    "L2A": {10: ("B02", "B03", "B04", "B08"),
            20: ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12"),
            60: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12")},
}  # fmt: skip
"""Bands of each level by pixel size (m), as in the products."""
LANDSAT_FILES = {
    "5": ("1", "2", "3", "4", "5", "7", "6"),
    "7": ("1", "2", "3", "4", "5", "7", "6_VCID_1", "6_VCID_2", "8"),
    "8": ("1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"),
}
"""Bands of level 1 of a Landsat. Level 2 has no panchromatic and no cirrus band."""


def pixels_of(seed: int, height: int, width: int, margin: int, low: int, high: int) -> np.ndarray:
    """Return blocks of 2 px (1, height, width) uint16 of low to high; ``margin`` rows are 0."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(low, high + 1, (height // 2 + 1, width // 2 + 1))
    pixels = np.kron(coarse, np.ones((2, 2), int))[:height, :width]
    pixels[:margin] = 0
    return pixels[None].astype(np.uint16)


def write_band(
    path: Path, seed: int, size: int, pixel: int, *, added: int = 0, **profile: object
) -> Path:
    """Write one band of a product: ``size`` m a side, pixels of ``pixel`` m; return its path.

    Stored values are 1 to 10,000, plus ``added``.
    """
    side = size // pixel
    return write_raster(
        path, pixels_of(seed, side, side, MARGIN // pixel, 1 + added, 10_000 + added),
        crs="EPSG:32631", transform=Affine(pixel, 0, WEST, 0, -pixel, NORTH), **profile,
    )  # fmt: skip


def write_safe(
    folder: Path,
    *,
    level: str = "L2A",
    size: int = 1200,
    offset: int | None = -1000,
    seed: int = 0,
    added: int = 0,
) -> Path:
    """Write a product of Sentinel-2 into a folder, and return its SAFE folder.

    ``level`` is L1C or L2A, and ``size`` the side on the ground (m, a multiple of 120). ``offset``
    is the one in the metadata; None makes a product from before baseline 04.00, which has none.
    ``added`` is added to the stored values: 1000 with the offset -1000 gives the reflectance of 0
    without an offset.
    """
    baseline = "03.01" if offset is None else "04.00"
    tile, date = "T31UFS", "20220125T104321"
    safe = folder / f"S2A_MSI{level}_{date}_N{baseline.replace('.', '')}_R008_{tile}_{date}.SAFE"
    images = f"GRANULE/{level}_{tile}_A034444_{date}/IMG_DATA"
    files = []
    for pixel, bands in SAFE_BANDS[level].items():
        for band in bands:
            place = f"R{pixel}m/{tile}_{date}_{band}_{pixel}m"
            files.append(f"{images}/{place if level == 'L2A' else f'{tile}_{date}_{band}'}")
            path = safe / f"{files[-1]}.jp2"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_band(path, seed + len(files), size, pixel, added=added, **REVERSIBLE)
    others = {"L1C": ["TCI"], "L2A": ["R10m/{}_TCI_10m", "R20m/{}_SCL_20m", "R10m/{}_AOT_10m"]}
    for other in others[level]:  # not bands of reflectance: nothing reads their pixels
        files.append(f"{images}/{other.format(f'{tile}_{date}')}")
        (safe / f"{files[-1]}.jp2").write_bytes(b"")
    (safe / f"MTD_MSI{level}.xml").write_text(_safe_metadata(safe.name, baseline, offset, files))
    (safe / images).with_name("MTD_TL.xml").write_text(_tile_metadata(level, size))
    return safe


def _safe_metadata(name: str, baseline: str, offset: int | None, files: list[str]) -> str:
    """The metadata of a product: the elements that geoseg and GDAL read."""
    level = name[7:10]
    kind, prefix = level.removeprefix("L"), {"L1C": "RADIO", "L2A": "BOA"}[level]
    group = {"L1C": "Radiometric_Offset_List", "L2A": "BOA_ADD_OFFSET_VALUES_LIST"}[level]
    value = {
        "L1C": '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>',
        "L2A": "<QUANTIFICATION_VALUES_LIST>"
        '<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
        '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE>'
        "</QUANTIFICATION_VALUES_LIST>",
    }[level]
    tag = f"{prefix}_ADD_OFFSET"
    offsets = "".join(f'<{tag} band_id="{number}">{offset}</{tag}>' for number in range(13))
    images = "".join(f"<IMAGE_FILE>{file}</IMAGE_FILE>" for file in files)
    granule = Path(files[0]).parts[1]
    root = f"n1:Level-{kind}_User_Product"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<{root} xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{kind}.xsd">
<n1:General_Info><Product_Info>
<PRODUCT_START_TIME>2022-01-25T10:43:21.024Z</PRODUCT_START_TIME>
<PRODUCT_URI>{name}</PRODUCT_URI>
<PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
<Query_Options completeSingleTile="true"><PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT>
</Query_Options><Product_Organisation><Granule_List>
<Granule granuleIdentifier="{granule}" imageFormat="JPEG2000">{images}</Granule>
</Granule_List></Product_Organisation></Product_Info>
<Product_Image_Characteristics>
<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT>
<SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values>
{value}{"" if offset is None else f"<{group}>{offsets}</{group}>"}
</Product_Image_Characteristics></n1:General_Info></{root}>
"""


def _tile_metadata(level: str, size: int) -> str:
    """The metadata of a tile: its grids."""
    kind = level.removeprefix("L")
    grids = "".join(
        f'<Size resolution="{pixel}"><NROWS>{size // pixel}</NROWS><NCOLS>{size // pixel}</NCOLS>'
        f'</Size><Geoposition resolution="{pixel}"><ULX>{WEST}</ULX><ULY>{NORTH}</ULY>'
        f"<XDIM>{pixel}</XDIM><YDIM>-{pixel}</YDIM></Geoposition>"
        for pixel in SAFE_BANDS[level]
    )
    root = f"n1:Level-{kind}_Tile_ID"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<{root} xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-{kind}_Tile_Metadata.xsd">
<n1:Geometric_Info><Tile_Geocoding>
<HORIZONTAL_CS_NAME>WGS84 / UTM zone 31N</HORIZONTAL_CS_NAME>
<HORIZONTAL_CS_CODE>EPSG:32631</HORIZONTAL_CS_CODE>{grids}
</Tile_Geocoding></n1:Geometric_Info></{root}>
"""


def write_landsat(
    folder: Path,
    *,
    satellite: str = "8",
    level: str = "L2SP",
    size: int = 1200,
    metadata: str = "txt",
    seed: int = 0,
) -> Path:
    """Write a product of Landsat Collection 2 into a folder, and return its folder.

    ``satellite`` is 5, 7 or 8, ``level`` L1TP or L2SP, ``size`` the side on the ground (m, a
    multiple of 60), ``metadata`` the format of the MTL file, txt or json.
    """
    sensor, letter = {"5": ("TM", "T"), "7": ("ETM", "E"), "8": ("OLI_TIRS", "C")}[satellite]
    product = f"L{letter}0{satellite}_{level}_199024_20200518_20200820_02_T1"
    place = folder / product
    place.mkdir(parents=True)
    files = _landsat_files(satellite, level, product)
    for number, (band, name) in enumerate(files.items()):
        pixel = 15 if band == "8" else 30
        write_band(place / name, seed + number, size, pixel)
    groups = {
        "PRODUCT_CONTENTS": {
            "LANDSAT_PRODUCT_ID": product, "PROCESSING_LEVEL": level, "COLLECTION_NUMBER": "02",
            **{f"FILE_NAME_BAND_{band}": name for band, name in files.items()},
            "FILE_NAME_QUALITY_L1_PIXEL": f"{product}_QA_PIXEL.TIF",
        },
        "IMAGE_ATTRIBUTES": {
            "SPACECRAFT_ID": f"LANDSAT_{satellite}", "SENSOR_ID": sensor,
            "DATE_ACQUIRED": "2020-05-18", "SCENE_CENTER_TIME": "10:33:21.1234567Z",
        },
        **_landsat_rescaling(satellite, level, files),
    }  # fmt: skip
    path = place / f"{product}_MTL.{metadata}"
    path.write_text(
        json.dumps({"LANDSAT_METADATA_FILE": groups}) if metadata == "json" else _mtl_text(groups)
    )
    return place


def _landsat_files(satellite: str, level: str, product: str) -> dict[str, str]:
    bands = LANDSAT_FILES[satellite]
    if level == "L1TP":
        return {band: f"{product}_B{band}.TIF" for band in bands}
    thermal = "ST_B10" if satellite == "8" else "ST_B6"
    last = 7 if satellite == "8" else 5
    reflective = [band for band in bands if band == "7" or (band.isdigit() and int(band) <= last)]
    return {
        **{band: f"{product}_SR_B{band}.TIF" for band in reflective},
        thermal: f"{product}_{thermal}.TIF",
    }


def _landsat_rescaling(
    satellite: str, level: str, files: dict[str, str]
) -> dict[str, dict[str, str]]:
    """The groups with scales. Those of level 1 are in files of level 2 too, under the same keys."""
    level1: dict[str, str] = {}
    for band in LANDSAT_FILES[satellite]:
        level1 |= {f"RADIANCE_MULT_BAND_{band}": "1.2E-02", f"RADIANCE_ADD_BAND_{band}": "-60.5"}
        if not band.startswith(("6_", "10", "11")) and (satellite, band) != ("5", "6"):
            level1[f"REFLECTANCE_MULT_BAND_{band}"] = "2.0000E-05"
            level1[f"REFLECTANCE_ADD_BAND_{band}"] = "-0.100000"
    groups = {"LEVEL1_RADIOMETRIC_RESCALING": level1}
    if level == "L1TP":
        return groups
    reflectance, temperature = {}, {}
    for band in files:
        if band.startswith("ST"):
            temperature[f"TEMPERATURE_MULT_BAND_{band}"] = "0.00341802"
            temperature[f"TEMPERATURE_ADD_BAND_{band}"] = "149.0"
        else:
            reflectance[f"REFLECTANCE_MULT_BAND_{band}"] = "2.75e-05"
            reflectance[f"REFLECTANCE_ADD_BAND_{band}"] = "-0.2"
    return {
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": reflectance,
        "LEVEL2_SURFACE_TEMPERATURE_PARAMETERS": temperature,
        **groups,
    }


def _mtl_text(groups: dict[str, dict[str, str]]) -> str:
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, values in groups.items():
        lines.append(f"  GROUP = {group}")
        for key, value in values.items():
            number = key.split("_")[1] in ("MULT", "ADD") or key == "DATE_ACQUIRED"
            lines.append(f"    {key} = {value}" if number else f'    {key} = "{value}"')
        lines.append(f"  END_GROUP = {group}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


STAC_BANDS = {"blue": 10, "green": 10, "red": 10, "nir": 10, "swir16": 20}
"""Common names and pixel sizes (m) of the bands of `write_stac_item`."""


def write_stac_item(
    folder: Path,
    *,
    version: str = "1.1.0",
    size: int = 1200,
    scale: float = 1e-4,
    offset: float = -0.1,
    properties: dict[str, object] | None = None,
    seed: int = 0,
) -> Path:
    """Write a STAC item and the GeoTIFFs of its bands into a folder, and return the item.

    ``version`` is 1.0.0 or 1.1.0, which describe bands in two ways; ``size`` the side on the ground
    (m, a multiple of 120); ``properties`` are added to those of the item. The addresses of the
    assets are relative. A thumbnail, a metadata file and a coarser red band are assets too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    assets: dict[str, dict[str, object]] = {
        "red_60m": _stac_asset(version, "red_60m.tif", "red", 60, scale, offset)
    }
    write_band(folder / "red_60m.tif", seed + 99, size, 60)
    for number, (name, pixel) in enumerate(STAC_BANDS.items()):
        write_band(folder / f"{name}.tif", seed + number, size, pixel)
        assets[name] = _stac_asset(version, f"./{name}.tif", name, pixel, scale, offset)
    assets["thumbnail"] = {"href": "thumb.jpg", "type": "image/jpeg", "roles": ["thumbnail"]}
    assets["preview"] = {"href": "small.tif", "type": "image/tiff", "roles": ["overview"]}
    assets["about"] = {"href": "a.xml", "type": "application/xml", "roles": ["metadata"]}
    item = folder / "item.json"
    item.write_text(json.dumps(stac_document(version, assets, properties)))
    return item


def stac_document(
    version: str, assets: dict[str, dict[str, object]], properties: dict[str, object] | None = None
) -> dict[str, object]:
    """Return a STAC item with the given assets."""
    ring = [[3.0, 51.0], [3.1, 51.0], [3.1, 51.1], [3.0, 51.1], [3.0, 51.0]]
    return {
        "type": "Feature", "stac_version": version, "stac_extensions": [], "id": "scene",
        "geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [3.0, 51.0, 3.1, 51.1],
        "properties": {"datetime": "2022-01-25T10:43:21Z", **(properties or {})},
        "links": [{"rel": "self", "href": "https://catalog.invalid/elsewhere/item.json"}],
        "assets": assets,
    }  # fmt: skip


def _stac_asset(
    version: str, href: str, name: str, pixel: int, scale: float, offset: float
) -> dict[str, object]:
    asset = {
        "href": href, "roles": ["data", "reflectance"],
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
    }  # fmt: skip
    own = f"B-{name}"
    if version == "1.0.0":
        raster = {"scale": scale, "offset": offset, "nodata": 0, "spatial_resolution": pixel}
        eo = {"name": own, "common_name": name}
        return {**asset, "eo:bands": [eo], "raster:bands": [raster]}
    return {
        **asset, "nodata": 0, "raster:scale": scale, "raster:offset": offset, "gsd": pixel,
        "bands": [{"name": own, "eo:common_name": name}],
    }  # fmt: skip
