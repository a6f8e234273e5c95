"""Names of bands: those of the sensors, and the common names of STAC."""

import re
from collections.abc import Sequence

SENTINEL2_BANDS = {
    "b01": "coastal", "b02": "blue", "b03": "green", "b04": "red", "b05": "rededge071",
    "b06": "rededge075", "b07": "rededge078", "b08": "nir", "b8a": "nir08", "b09": "nir09",
    "b10": "cirrus", "b11": "swir16", "b12": "swir22",
}  # fmt: skip
"""Common name of each band of Sentinel-2; the position is the number in its metadata, from 0."""

_SENTINEL2_SYNONYMS = {
    "b05": ("rededge1",), "b06": ("rededge2",), "b07": ("rededge3",), "b11": ("swir1",),
    "b12": ("swir2",),
}  # fmt: skip

_TM = {
    "1": "blue", "2": "green", "3": "red", "4": "nir08", "5": "swir16", "6": "lwir", "7": "swir22",
}  # fmt: skip
_ETM = {**_TM, "6_vcid_1": "lwir", "8": "pan"}
_OLI_TIRS = {
    "1": "coastal", "2": "blue", "3": "green", "4": "red", "5": "nir08", "6": "swir16",
    "7": "swir22", "8": "pan", "9": "cirrus", "10": "lwir11", "11": "lwir12",
}  # fmt: skip
LANDSAT_BANDS = {"4": _TM, "5": _TM, "7": _ETM, "8": _OLI_TIRS, "9": _OLI_TIRS}
"""Common name of each band, for each Landsat."""

COMMON_NAMES = frozenset({*SENTINEL2_BANDS.values(), *_ETM.values(), *_OLI_TIRS.values()})
"""Common names (STAC) of the bands of Sentinel-2 and Landsat."""

_NEAR_INFRARED = {"nir", "nir08"}
"""Two names of the near-infrared band of Landsat."""
_LANDSAT_SYNONYMS = {"nir08": ("nir",), "swir16": ("swir1",), "swir22": ("swir2",)}
"""Other names of bands. Landsat has one near-infrared band, which models also call "nir"."""

_LANDSAT_BAND = re.compile(r"(?:(sr|st)_)?b?(\d+(?:_vcid_\d)?)")
_RED_EDGES = ((0.69, 0.73, "rededge071"), (0.73, 0.76, "rededge075"), (0.76, 0.80, "rededge078"))
"""Ranges of the centre of a red-edge band (µm), with the common names since STAC's eo 2.0."""


def have_other_names(bands: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a band has a known name that is not the one wanted in its place.

    Known are the wanted names, and the common names of the bands of Sentinel-2 and Landsat.

    Args:
        bands: name of each band, "" for none.
        wanted: name of the band that is wanted in its place, "" for any; as many.
    """
    known = {*wanted, *COMMON_NAMES}
    return any(
        name and other and name in known and name != other and {name, other} != _NEAR_INFRARED
        for name, other in zip(bands, wanted, strict=True)
    )


def list_bands(names: Sequence[str]) -> str:
    """Return the names of bands for a message."""
    return ", ".join(name or "without a name" for name in names)


def sentinel2_names(band: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the common name and the other names of a band of Sentinel-2; None if it is unknown.

    >>> sentinel2_names("B05"), sentinel2_names("SCL")
    (('rededge071', ('b05', 'b5', 'rededge1')), None)
    """
    for own, common in SENTINEL2_BANDS.items():
        short = own.replace("b0", "b")
        others = dict.fromkeys((own, short, *_SENTINEL2_SYNONYMS.get(own, ())))
        if band.lower() in (common, *others):
            return common, tuple(others)
    return None


def landsat_names(satellite: str, band: str) -> tuple[str, tuple[str, ...]] | None:
    """Return the common name and the other names of a band of Landsat 4 to 9.

    None if the satellite has no such band.

    >>> landsat_names("8", "SR_B5")
    ('nir08', ('b5', 'b05', 'sr_b5', 'nir'))
    """
    match = _LANDSAT_BAND.fullmatch(band.lower())
    if match is None:
        return None
    kind, number = match.groups()
    own = f"b{number}"
    common = LANDSAT_BANDS[satellite].get(number)
    if common is None:  # the second gain of the thermal band of Landsat 7
        return (own, ()) if "vcid" in number and satellite == "7" else None
    padded = (f"b0{number}",) if len(number) == 1 else ()
    prefixed = (f"{kind}_{own}",) if kind else ()
    return common, (own, *padded, *prefixed, *_LANDSAT_SYNONYMS.get(common, ()))


def refined_name(common: str, centre: float | None) -> str:
    """Return the common name of a band; for a red-edge band, the exact one of its centre (µm).

    Older STAC items call four bands of Sentinel-2 "rededge".
    """
    if common != "rededge" or centre is None:
        return common
    names = (name for low, high, name in _RED_EDGES if low <= centre < high)
    return next(names, common)
