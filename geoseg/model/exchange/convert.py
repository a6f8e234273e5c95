"""Convert a network of Keras to a model file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from geoseg.errors import ModelError, check_list
from geoseg.files import check_file_name, check_not_there
from geoseg.legend import Legend, read_legend
from geoseg.model.exchange.keras_file import read_keras
from geoseg.model.model_file import Model, PixelSizes
from geoseg.model.networks import make_network
from geoseg.model.spec import RGB, UNetSpec


def convert_model(
    path: str | Path,
    out: str | Path,
    *,
    legend: Legend | str | Path,
    band_names: Sequence[str] | None = None,
    pixel_size_range: PixelSizes | None = None,
    overwrite: bool = False,
) -> Model:
    """Convert the reference U-Net, as Keras 3 saves it, to a model file.

    Bands, classes, width, depth, window, dropout and scaling are those of the file. Keras is not
    needed, and no code of the file is run.

    Args:
        path: of the file, .keras.
        out: model file to write, .safetensors.
        legend: the classes, or their file; output channel i is the i-th class in order of value.
        band_names: names of the input bands; None for red, green, blue if there are three bands,
            else band 1, band 2, ...
        pixel_size_range: smallest and largest ground size of the training pixels (m), None if
            unknown.
        overwrite: replace an existing file.

    Returns:
        The model.

    Raises:
        ModelError: if the file is damaged or holds another network, if h5py is not installed, or
            if the legend or the band names do not fit the network.
        LabelError: if the legend cannot be read.
        OutputError: if the output has another ending, exists or cannot be written.
    """
    path, out = Path(path), Path(out)
    check_file_name(out, ".safetensors")
    check_not_there(out, overwrite=overwrite)
    if band_names is not None:
        check_list("band_names", band_names)
    classes = legend if isinstance(legend, Legend) else read_legend(legend)
    keras = read_keras(path)
    spec = keras.spec
    if len(classes) != spec.classes:
        raise ModelError(
            f"the legend has {len(classes)} classes ({', '.join(classes.names)}), but the network "
            f"of {path} has {spec.classes}, give the legend of its classes"
        )
    network = make_network(spec).eval()
    network.load_state_dict({name: torch.from_numpy(v) for name, v in keras.weights.items()})
    model = Model(
        network, classes, tuple(band_names or _default_names(spec.bands)),
        dtype=_scene_dtype(spec), pixel_size_range=pixel_size_range,
        training={
            "converted": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "keras": keras.version,
        },
    )  # fmt: skip
    model.save(out)
    return Model.load(out)


def _default_names(bands: int) -> tuple[str, ...]:
    return RGB if bands == len(RGB) else tuple(f"band {i}" for i in range(1, bands + 1))


def _scene_dtype(spec: UNetSpec) -> str:
    """Return the smallest dtype of scenes that holds the values of the scaling."""
    low, high = min(spec.low), max(spec.high)
    if low >= 0 and high <= 65_536:
        return "uint8" if high <= 256 else "uint16"  # a network may divide by 256 or round 1 / 255
    return "float32"
