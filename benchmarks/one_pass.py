"""The labels of one pass of a network over a whole scene: a map without windows.

python benchmarks/one_pass.py SCENE OUT [--model MODEL]

Without enough free memory, it computes blocks of 2048 px, each with a margin of 512 px of the scene
around it. It prints which of the two it did. Beyond its edges, the scene is continued by reflection
to a multiple of 32 px. OUT has class indices.
"""

import argparse

import numpy as np
import psutil
import rasterio
import torch
from numpy.typing import NDArray

from geoseg.model import Model, tune_malloc

STEP = 32
"""Height and width that both networks read are multiples of it (px)."""
BLOCK, MARGIN = 2048, 512
BYTES = 700
"""Memory for each pixel of a pass, a little more than measured (580 and 620 on 2048 x 2048 px)."""


@torch.inference_mode()
def labels_of(image: NDArray[np.uint8], network: torch.nn.Module) -> NDArray[np.uint8]:
    """Class indices (height, width) of an image (bands, height, width), from one pass."""
    height, width = image.shape[1:]
    padding = ((0, 0), (0, -height % STEP), (0, -width % STEP))
    batch = torch.from_numpy(np.pad(image, padding, mode="symmetric"))[None]
    batch = batch.float().contiguous(memory_format=torch.channels_last)
    labels = network(batch)[0].argmax(0).to(torch.uint8).numpy()
    return labels[:height, :width]


def labels_by_block(image: NDArray[np.uint8], network: torch.nn.Module) -> NDArray[np.uint8]:
    """The same from one pass for each block with its margin."""
    height, width = image.shape[1:]
    labels = np.empty((height, width), np.uint8)
    for row in range(0, height, BLOCK):
        for col in range(0, width, BLOCK):
            top, left = max(row - MARGIN, 0), max(col - MARGIN, 0)
            part = image[:, top : row + BLOCK + MARGIN, left : col + BLOCK + MARGIN]
            block = labels_of(part, network)[row - top :, col - left :][:BLOCK, :BLOCK]
            labels[row : row + BLOCK, col : col + BLOCK] = block
    return labels


def main(scene: str, out: str, model: str) -> None:
    tune_malloc()
    network = Model.load(model).network.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with rasterio.open(scene) as source:
        image, profile = source.read(), source.profile
    pixels = image.shape[1] * image.shape[2]
    if pixels * BYTES < psutil.virtual_memory().available:
        print("one pass over the whole scene")
        labels = labels_of(image, network)
    else:
        print(f"passes over blocks of {BLOCK} px with margins of {MARGIN} px")
        labels = labels_by_block(image, network)
    with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
        target.write(labels, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("scene", help="uint8 raster")
    parser.add_argument("out", help="GeoTIFF to write")
    parser.add_argument("--model", default="default", help="model file or name")
    args = parser.parse_args()
    main(args.scene, args.out, args.model)
