"""The map of a GeoTIFF, which that of an array must equal."""

from pathlib import Path

import numpy as np
import rasterio

from geoseg import ClassifySettings, classify


def map_of_file(
    scene: Path, folder: Path, model: Path, settings: ClassifySettings, **kwargs
) -> dict[str, np.ndarray]:
    """Classify a file; return its labels, confidence and probabilities."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.tif" for name in ("labels", "confidence", "probabilities")}
    classify(
        scene, paths["labels"], confidence=paths["confidence"],
        probabilities=paths["probabilities"], model=model, settings=settings, overwrite=True,
        **kwargs,
    )  # fmt: skip
    result = {}
    for name, path in paths.items():
        with rasterio.open(path) as raster:
            result[name] = raster.read() if name == "probabilities" else raster.read(1)
    return result
