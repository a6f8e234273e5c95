"""Folders of band files of any origin: names from descriptions or from file names."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rasterio.enums import ColorInterp

from geoseg.errors import SceneError, count_of
from geoseg.raster.datasets import opened
from geoseg.raster.products.band_file import BandFile, Product
from geoseg.raster.products.names import landsat_names, sentinel2_names

SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".img")
"""Endings of raster files, in any case."""

_SENTINEL2 = re.compile(
    r"(?:L2A_)?T\d{2}[A-Z]{3}_(?P<date>\d{8}T\d{6})_(?P<band>[A-Z0-9]{3})(?:_(?P<size>\d\d)m)?"
)
_LANDSAT = re.compile(
    r"L[COTE]0(?P<satellite>[45789])_L[12]\w{2}_\d{6}_(?P<date>\d{8})_\d{8}_\d\d_(?:T1|T2|RT|A1|A2)"
    r"_(?P<band>\w+)"
)
_NO_NAME = re.compile(r"(band|layer)[ _]?\d*")
"""Descriptions that programs write without knowing what a band is."""
_COLOURS = {
    ColorInterp.red: "red", ColorInterp.green: "green", ColorInterp.blue: "blue",
    ColorInterp.alpha: "alpha",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _File:
    """A raster file: description, scale and offset of each band that is not transparency."""

    path: Path
    numbers: tuple[int, ...]
    descriptions: tuple[str, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    nodata: float | None


def rasters_in(folder: Path, pattern: str = "*") -> list[Path]:
    """Return the raster files of a folder that match a pattern, in the order of their numbers.

    Hidden files are left out, such as those that macOS writes beside others (``._red.tif``).
    """
    files = [file for file in folder.glob(pattern) if file.suffix.lower() in SUFFIXES]
    visible = (file for file in files if file.is_file() and not file.name.startswith("."))
    return sorted(visible, key=_natural)


def read_folder(path: str, files: list[Path]) -> Product:
    """Return the bands of files that are one scene.

    If all files are named as in products of Sentinel-2 or Landsat, the bands get the names of the
    sensor, and files of quality and true colour are left out. Otherwise the name of a band is its
    description, or else what differs between the names of the files.

    Args:
        path: the folder or pattern, as the user gave it.
        files: the raster files.

    Raises:
        SceneError: if several files have several bands, if two bands have one name, or if a file
            cannot be opened.
    """
    for bands_of, pattern in ((_sentinel2, _SENTINEL2), (_landsat, _LANDSAT)):
        matches = {file: pattern.fullmatch(file.stem) for file in files}
        named = {file: match for file, match in matches.items() if match}
        if len(named) == len(files):
            date = next(iter(named.values()))["date"]
            return Product(path, "folder", bands_of(named), _date(date))
    return Product(path, "folder", _named_by_difference(path, files))


def _sentinel2(files: dict[Path, re.Match[str]]) -> tuple[BandFile, ...]:
    """Bands of files such as T31UFS_20220125T104321_B02_10m.jp2, the finest of each."""
    sizes: dict[str, int] = {}
    for match in files.values():
        size = int(match["size"] or 0)
        sizes[match["band"]] = min(size, sizes.get(match["band"], size))
    return tuple(
        _band(file, *names)
        for file, match in files.items()
        if sizes[match["band"]] == int(match["size"] or 0)
        and (names := sentinel2_names(match["band"]))
    )


def _landsat(files: dict[Path, re.Match[str]]) -> tuple[BandFile, ...]:
    """Bands of files such as LC08_L2SP_224078_20200518_20200820_02_T1_SR_B4.TIF."""
    return tuple(
        _band(file, *names)
        for file, match in files.items()
        if (names := landsat_names(match["satellite"], match["band"]))
    )


def _band(path: Path, name: str, aliases: tuple[str, ...]) -> BandFile:
    file = _inspect(path)
    nodata = 0 if file.nodata is None else None  # 0 in both formats; JPEG 2000 has no tag for it
    return BandFile(
        str(path), name, scale=file.scales[0], offset=file.offsets[0], nodata=nodata,
        aliases=aliases,
    )  # fmt: skip


def _named_by_difference(path: str, paths: list[Path]) -> tuple[BandFile, ...]:
    """Bands named by their descriptions, or else by what differs between the names of the files."""
    files = [_inspect(file) for file in paths]
    multiband = [file for file in files if len(file.numbers) > 1]
    if len(multiband) > 1:
        raise SceneError(
            f"{path} has {count_of(len(multiband), 'raster')} with several bands, such as "
            f"{multiband[0].path.name}, so it is not a folder of the bands of one scene, give the "
            "files (a map each, or --mosaic)"
        )
    stems = _differences([file.path.stem for file in files])
    by_file = [
        stem if len(file.numbers) == 1 else f"{stem}_{number}"
        for file, stem in zip(files, stems, strict=True)
        for number in file.numbers
    ]
    descriptions = [text for file in files for text in file.descriptions]
    names = [text or name for text, name in zip(descriptions, by_file, strict=True)]
    if len(set(names)) < len(names):  # each file has the description of the whole scene
        names = by_file
    places = [
        (str(file.path), number, scale, offset)
        for file in files
        for number, scale, offset in zip(file.numbers, file.scales, file.offsets, strict=True)
    ]
    return tuple(
        BandFile(file, name, number, scale, offset, aliases=() if other == name else (other,))
        for (file, number, scale, offset), name, other in zip(places, names, by_file, strict=True)
    )


def _inspect(path: Path) -> _File:
    with opened(str(path)) as dataset:
        kept = [
            index
            for index, colour in enumerate(dataset.colorinterp)
            if colour != ColorInterp.alpha or dataset.count == 1
        ]
        descriptions = [
            band_description(dataset.descriptions[index], dataset.colorinterp[index])
            for index in kept
        ]
        return _File(
            path=path,
            numbers=tuple(index + 1 for index in kept),
            descriptions=tuple(descriptions),
            scales=tuple(dataset.scales[index] for index in kept),
            offsets=tuple(dataset.offsets[index] for index in kept),
            nodata=dataset.nodata,
        )


def band_description(text: str | None, colour: ColorInterp) -> str:
    """Return the description of a band, lower case, or its colour; "" if it has neither.

    >>> band_description("Band 1", ColorInterp.red), band_description(" NIR", ColorInterp.gray)
    ('red', 'nir')
    """
    text = (text or "").strip().lower()
    return _COLOURS.get(colour, "") if not text or _NO_NAME.fullmatch(text) else text


def _differences(stems: list[str]) -> list[str]:
    """The words that differ between file names, lower case.

    >>> _differences(["scene_B02_10m", "scene_B8A_10m"]), _differences(["red", "NIR"])
    (['b02', 'b8a'], ['red', 'nir'])
    """
    words = [re.split(r"[^0-9a-z]+", stem.lower().strip()) for stem in stems]
    if len(words) == 1:
        return [stems[0].lower().strip()]
    begin = _common_length(words)
    end = _common_length([list(reversed(name[begin:])) for name in words])
    middles = ["_".join(name[begin : len(name) - end]) for name in words]
    return [middle or stem.lower().strip() for middle, stem in zip(middles, stems, strict=True)]


def _common_length(words: list[list[str]]) -> int:
    """How many words at the beginning are the same in all lists."""
    columns = list(zip(*words, strict=False))
    return next((n for n, column in enumerate(columns) if len(set(column)) > 1), len(columns))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key in which b2 comes before b10."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _date(text: str) -> datetime | None:
    form = "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d"
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:  # not a date, although the name of the file has the form
        return None
