"""What a plain script does: eager, contiguous, batches of 32, accumulators of the whole scene.

python benchmarks/plain_script.py SCENE OUT [--model MODEL] [--window PX] [--overlap PX]

The weights of a window are squared sines over its whole side. OUT has class indices.
"""

import argparse

import numpy as np
import rasterio
import torch

from geoseg.model import Model

BATCH = 32


def main(scene: str, out: str, model: str, size: int, overlap: int) -> None:
    network = Model.load(model).network.eval()
    with rasterio.open(scene) as source:
        image, profile = source.read(), source.profile
    stride = size - overlap
    height, width = image.shape[1:]
    rows = [*range(0, height - size, stride), height - size]
    cols = [*range(0, width - size, stride), width - size]
    corners = [(r, c) for r in rows for c in cols]
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    weight = np.outer(ramp, ramp).astype(np.float32)
    total = np.zeros((network.spec.classes, height, width), np.float32)
    summed = np.zeros((height, width), np.float32)
    with torch.no_grad():
        for first in range(0, len(corners), BATCH):
            members = corners[first : first + BATCH]
            batch = np.stack([image[:, r : r + size, c : c + size] for r, c in members])
            scores = torch.softmax(network(torch.from_numpy(batch).float()), 1).numpy()
            for (r, c), score in zip(members, scores, strict=True):
                total[:, r : r + size, c : c + size] += score * weight
                summed[r : r + size, c : c + size] += weight
    labels = (total / summed).argmax(0).astype(np.uint8)
    with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
        target.write(labels, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("scene", help="uint8 raster, no smaller than a window")
    parser.add_argument("out", help="GeoTIFF to write")
    parser.add_argument("--model", default="default", help="model file or name")
    parser.add_argument("--window", type=int, default=256, help="side of a window (px)")
    parser.add_argument("--overlap", type=int, default=64, help="overlap of windows (px)")
    args = parser.parse_args()
    main(args.scene, args.out, args.model, args.window, args.overlap)
