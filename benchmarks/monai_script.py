"""What a script with MONAI does: `SlidingWindowInferer` over the tensor of the whole scene.

python benchmarks/monai_script.py SCENE OUT [--model MODEL] [--window PX] [--overlap SHARE]
                                  [--mode constant|gaussian] [--batch N]

The defaults are those of `SlidingWindowInferer`, except that it has none for the window. It runs in
an environment with MONAI (benchmarks/peers.py makes it). OUT has class indices.
"""

import argparse

import numpy as np
import rasterio
import torch
from monai.inferers import SlidingWindowInferer

from geoseg.model import Model


def main(scene: str, out: str, model: str, inferer: SlidingWindowInferer) -> None:
    network = Model.load(model).network.eval()
    with rasterio.open(scene) as source:
        image, profile = source.read(), source.profile
    with torch.no_grad():
        logits = inferer(torch.from_numpy(image).float()[None], network)
    labels = logits[0].argmax(0).numpy().astype(np.uint8)
    with rasterio.open(out, "w", **{**profile, "count": 1}) as target:
        target.write(labels, 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("scene", help="uint8 raster")
    parser.add_argument("out", help="GeoTIFF to write")
    parser.add_argument("--model", default="default", help="model file or name")
    parser.add_argument("--window", type=int, default=256, help="side of a window (px)")
    parser.add_argument("--overlap", type=float, default=0.25, help="share of a window")
    parser.add_argument("--mode", default="constant", help="weights of a window")
    parser.add_argument("--batch", type=int, default=1, help="windows in a batch")
    args = parser.parse_args()
    window = (args.window, args.window)
    inferer = SlidingWindowInferer(window, args.batch, args.overlap, args.mode)
    main(args.scene, args.out, args.model, inferer)
