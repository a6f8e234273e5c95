"""Scenes with maps, scores and polygons at several places, for the tests of the page."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from geoseg.legend import LandCoverClass, Legend
from geoseg.vectorisation import vectorise
from geoseg.view import ViewSettings
from geoseg.view.corrections import Corrections, open_corrections
from geoseg.view.map_tiles import open_map_tiles
from geoseg.view.routes import Page
from geoseg.view.sources import open_sources
from tests.support.assessments import write_map
from tests.support.rasters import write_raster

LEGEND = Legend(
    (
        LandCoverClass(0, "water", "#1f6fb4"),
        LandCoverClass(3, "<b>crop & grass</b>", "#e6c229"),
        LandCoverClass(7, "forest", "#156b39"),
    )
)
SHAPE = (300, 420)
PLACES = {
    "UTM": ("EPSG:32640", Affine(10, 0, 500000, 0, -10, 2800000)),
    "rotated": ("EPSG:32640", Affine(10, 0, 500000, 0, -10, 2800000) @ Affine.rotation(25)),
    "no CRS": (None, Affine.identity()),
    "antimeridian": ("EPSG:4326", Affine(0.001, 0, 179.8, 0, -0.001, -16)),
}
"""CRS and transform of each place, by its name."""


@dataclass(frozen=True)
class ViewFiles:
    """The files of a place, and their pixels."""

    scene: Path
    map: Path
    second: Path
    confidence: Path
    probabilities: Path
    polygons: Path
    image: np.ndarray
    """(3, height, width)."""
    labels: np.ndarray
    """(height, width); 255 is nodata."""
    scores: np.ndarray
    """(height, width); 0 is nodata."""

    @property
    def settings(self) -> ViewSettings:
        """All files but the second map."""
        return ViewSettings(
            confidence=self.confidence, probabilities=self.probabilities, polygons=self.polygons
        )


def write_place(folder: Path, name: str) -> ViewFiles:
    """Write a map of blocks of 20 px with a corner without data, its scene, scores and polygons."""
    crs, transform = PLACES[name]
    rng = np.random.default_rng(1)
    height, width = SHAPE
    ones = np.ones((20, 20), np.uint8)
    labels = np.kron(rng.choice(LEGEND.values, (15, 21)), ones).astype(np.uint8)
    scores = np.kron(rng.integers(90, 256, (15, 21)), ones).astype(np.uint8)
    labels[:30, :70], scores[:30, :70] = 255, 0
    image = rng.integers(1, 60, (3, height, width)).astype(np.uint16) + 40 * labels
    image[:, :30, :70] = 0
    place = {"crs": crs, "transform": transform}
    files = {
        "scene": write_raster(folder / "scene.tif", image, nodata=0, **place),
        "map": write_map(folder / "lulc.tif", labels, LEGEND, **place),
        "second": write_map(folder / "second.tif", np.roll(labels, 60, 1), LEGEND, **place),
        "confidence": write_raster(folder / "confidence.tif", scores[None], nodata=0, **place),
        "probabilities": write_raster(
            folder / "probabilities.tif", np.stack([scores, 255 - scores, scores // 3]), **place
        ),
        "polygons": folder / "lulc.gpkg",
    }
    vectorise(files["map"], files["polygons"])
    return ViewFiles(**files, image=image, labels=labels, scores=scores)


def open_page(
    files: ViewFiles, settings: ViewSettings | None = None, corrections: Path | None = None
) -> Page:
    """Return a page that answers requests without a server."""
    sources = open_sources(files.scene, files.map, settings or files.settings)
    drawn = Corrections(None, sources.grid, ())
    if corrections is not None:
        drawn = open_corrections(corrections, sources.grid, sources.maps[0].legend, "Ada")
    return Page(open_map_tiles(sources), drawn)


def nearest(pixels: np.ndarray, level: int) -> np.ndarray:
    """Pixels (..., height, width) at a level, by the law of `read_level`."""
    rows, cols = (
        np.minimum(np.arange(-(-length // 2**level)) * 2**level + 2**level // 2, length - 1)
        for length in pixels.shape[-2:]
    )
    return pixels[..., rows, :][..., cols]
