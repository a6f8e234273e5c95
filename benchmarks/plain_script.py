"""What a plain script does: eager, contiguous, batches of 32, accumulators of the whole scene.

python benchmarks/plain_script.py SCENE OUT OVERLAP
"""

import sys

import numpy as np
import rasterio
import torch

from geoseg.model import Model


def main(scene: str, out: str, overlap: int) -> None:
    model = Model.load().network.eval()
    with rasterio.open(scene) as source:
        image, profile = source.read(), source.profile
    size, stride = 128, 128 - overlap
    height, width = image.shape[1:]
    rows = [*range(0, height - size, stride), height - size]
    cols = [*range(0, width - size, stride), width - size]
    places = [(r, c) for r in rows for c in cols]
    ramp = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    weight = np.outer(ramp, ramp).astype(np.float32)
    total = np.zeros((6, height, width), np.float32)
    summed = np.zeros((height, width), np.float32)
    with torch.no_grad():
        for first in range(0, len(places), 32):
            some = places[first : first + 32]
            batch = np.stack([image[:, r : r + size, c : c + size] for r, c in some])
            scores = torch.softmax(model(torch.from_numpy(batch).float()), 1).numpy()
            for (r, c), score in zip(some, scores, strict=True):
                total[:, r : r + size, c : c + size] += score * weight
                summed[r : r + size, c : c + size] += weight
    labels = (total / summed).argmax(0).astype(np.uint8)
    with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
        target.write(labels, 1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
