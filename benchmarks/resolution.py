"""What the pixel size is worth: maps of reduced images, read as they are and in the model's pixels.

python benchmarks/resolution.py FOLDER [--model MODEL] [--factors 2 3]

FOLDER has images/ and masks/ of the Dubai imagery (0.88 m). Each image is reduced by averaging, and
georeferenced with its larger pixels. The map has the pixels of the reduced image, and is compared
with the mask under their centres.
"""

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from PIL import Image

from geoseg import ClassifySettings, classify
from geoseg.legend import DUBAI_MASKS, NODATA
from geoseg.metrics import Confusion

PIXEL = 0.88
"""Ground size of a pixel of the images (m)."""
CLASSES = tuple(c for c in DUBAI_MASKS.classes if c.name != "unlabelled")
"""What the maps are compared in."""


def reduced_scene(path: Path, image: Path, factor: int) -> Path:
    """Write an image with pixels that are larger by a factor; returns path."""
    pixels = np.moveaxis(np.asarray(Image.open(image).convert("RGB").reduce(factor)), 2, 0)
    size = PIXEL * factor
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=pixels.shape[1], width=pixels.shape[2],
        dtype="uint8", photometric="rgb", crs="EPSG:32640",
        transform=Affine(size, 0, 320000, 0, -size, 2790000),
    ) as out:  # fmt: skip
        out.write(pixels)
    return path


def reduced_mask(mask: Path, factor: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the indices of the classes under the centres of larger pixels, 255 for none."""
    colors = np.asarray(Image.open(mask).convert("RGB"))[
        factor // 2 :: factor, factor // 2 :: factor
    ]
    labels = np.full(shape, NODATA, np.uint8)
    for index, land_cover in enumerate(CLASSES):
        found = (colors == land_cover.rgb).all(axis=2)
        labels[: found.shape[0], : found.shape[1]][found] = index
    return labels


def measured(folder: Path, work: Path, model: str, factor: int, resolution: str) -> Confusion:
    """Return the confusion matrix of the maps of all images of a folder."""
    names = [land_cover.name for land_cover in CLASSES]
    total = Confusion.zeros(len(names))
    for image in sorted((folder / "images").iterdir()):
        scene = reduced_scene(work / "scene.tif", image, factor)
        report = classify(
            scene, work / "map.tif", model=model, overwrite=True, workers=1,
            settings=ClassifySettings(resolution=resolution),
        )  # fmt: skip
        to_index = np.full(256, NODATA, np.uint8)
        for row in report.classes:
            to_index[row.value] = names.index(row.name)
        with rasterio.open(work / "map.tif") as map_:
            mapped = to_index[map_.read(1)]
        mask = reduced_mask(folder / "masks" / f"{image.stem}.png", factor, mapped.shape)
        total += Confusion.of(mapped, mask, len(names), ignore=NODATA)
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--factors", type=int, nargs="+", default=[2, 3])
    options = parser.parse_args()
    logging.getLogger("geoseg").setLevel(logging.ERROR)
    print("| pixels | resolution | mean IoU | accuracy |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for factor in options.factors:
            for resolution in ("scene", "model"):
                matrix = measured(options.folder, Path(name), options.model, factor, resolution)
                print(
                    f"| {PIXEL * factor:.2f} m | {resolution} | {matrix.mean_iou:.3f} | "
                    f"{matrix.accuracy:.3f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
