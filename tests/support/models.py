"""Small model files, and the text that `geoseg info` prints of them."""

import json
from pathlib import Path

import pytest
import torch

from geoseg.errors import ModelError
from geoseg.legend import LandCoverClass, Legend
from geoseg.model import Model, UNetSpec, make_network

LEGEND = Legend(
    (
        LandCoverClass(0, "wood & scrub", "#118833"),
        LandCoverClass(3, "water", "#2255cc"),
        LandCoverClass(7, "rock", "#aaaaaa"),
    )
)

TRAINING = {
    "settings": {"epochs": 25, "lr": 0.001, "optimizer": "rmsprop", "patience": None},
    "tiles": {"train": 900, "val": 100},
    "best_epoch": 7,
    "epochs": 25,
    "validation": {
        "pixels": 1000,
        "accuracy": 0.875,
        "mean_iou": 0.5,
        "classes": {
            "wood & scrub": {
                "iou": 0.625, "users_accuracy": 0.75, "producers_accuracy": 0.7, "pixels": 600
            },
            "water": {
                "iou": 0.375, "users_accuracy": 0.5, "producers_accuracy": 0.6, "pixels": 400
            },
            "rock": {"iou": None, "users_accuracy": None, "producers_accuracy": None, "pixels": 0},
        },
        "confusion": [[1]],
    },
}  # fmt: skip


def save_model(path, *, training=None, **spec):
    """Save a U-Net of random weights with these fields of its spec; return its path."""
    legend = LEGEND if spec.get("classes", 3) == 3 else Legend.from_names([*"abcdef"])
    network = make_network(UNetSpec(**{"classes": 3, "width": 4, "depth": 2, "window": 32, **spec}))
    bands = ("red", "green", "blue", "nir")[: network.spec.bands]
    Model(network, legend, bands, pixel_size=0.5, training=training or {}).save(path)
    return path


def as_json(report):
    """Return the data of a report after JSON, which has no NaN, infinity or single surrogate."""
    text = json.dumps(report.to_dict(), ensure_ascii=False, allow_nan=False)
    return json.loads(text.encode("utf-8", "backslashreplace"))


def parse_facts(text):
    """Return the titles and texts of the first block of a report."""
    facts, title = {}, ""
    for line in text.split("\n\n")[0].splitlines():
        name, _, rest = line.partition("  ")
        title = name or title
        facts[title] = f"{facts.get(title, '')} {rest.strip()}".strip()
    return facts


def tiny_model(path: Path, *, bands: int = 3, classes: int = 4, seed: int = 1) -> Path:
    """Save a U-Net of two levels, windows of 32 px and random weights; return its path."""
    torch.manual_seed(seed)
    network = make_network(UNetSpec(bands=bands, classes=classes, width=4, depth=2, window=32))
    with torch.no_grad():  # weakens the checkerboard of untrained upsampling
        for up in network.up:
            up.weight.mul_(0.2)
    legend = Legend.from_names([f"class {i}" for i in range(classes)])
    names = ("red", "green", "blue", "nir", "swir1", "swir2")[:bands]
    Model(network, legend, names).save(path)
    return path


def refused(path: Path) -> str:
    """Return the one sentence with which a model file is refused."""
    with pytest.raises(ModelError) as caught:
        Model.load(path)
    return check_message(caught.value, path)


def check_message(error: Exception, path: Path) -> str:
    """Check that an error is one short sentence that names the file, and return it."""
    message = str(error)
    assert "\n" not in message
    assert path.name in message
    assert len(message) < 400
    return message
