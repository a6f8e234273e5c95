"""A trained model as an ONNX file in int8, calibrated and tested on tiles."""

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError, TileError, count_of
from geoseg.execute import available_cpus, map_threads
from geoseg.metrics import Confusion
from geoseg.model import Model, OnnxModel, Predictor, one_torch_thread
from geoseg.model.exchange import (
    check_export,
    input_divisor,
    onnx_bytes,
    quantise,
    with_side,
    write_export,
)
from geoseg.model.onnx.extra import import_onnxruntime
from geoseg.model.onnx.file import read_onnx
from geoseg.model.onnx.network import OnnxNetwork
from geoseg.tiles import IGNORE_INDEX, TileDataset, TileSet
from geoseg.training.trained.tile_scores import classify_tiles, fit_tiles, tile_batches

CALIBRATION_TILES = 300
"""Largest number of training tiles that show the ranges of the activations."""
MAX_DROP = 0.002
"""Largest loss of mean IoU on the validation tiles."""


@dataclass(frozen=True, slots=True)
class Int8Report:
    """What the quantisation of a model changed, and the files that were written."""

    onnx: Path
    item: Path
    calibration_tiles: int
    validation_tiles: int
    mean_iou_fp32: float
    """Mean IoU of the model on the validation tiles, 0 to 1."""
    mean_iou: float
    """The same in int8."""
    changed: float
    """Share of the pixels of the validation tiles that have another class in int8, 0 to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return {**asdict(self), "onnx": str(self.onnx), "item": str(self.item)}

    def to_text(self) -> str:
        """Return the report in one line."""
        return (
            f"{self.onnx}: ONNX in int8; {self.item}: STAC item; mean IoU on "
            f"{count_of(self.validation_tiles, 'validation tile')}: {self.mean_iou:.4f} (float32: "
            f"{self.mean_iou_fp32:.4f}), {self.changed:.2%} of the pixels have another class"
        )


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Confusion matrices of validation tiles; those of several batches add up."""

    fp32: Confusion
    """In float32 against the labels."""
    int8: Confusion
    """In int8 against the labels."""
    both: Confusion
    """In int8 against float32."""

    def __add__(self, other: "_Comparison") -> "_Comparison":
        return _Comparison(self.fp32 + other.fp32, self.int8 + other.int8, self.both + other.both)


def export_int8(
    model: Model | str | Path,
    tiles: TileSet | str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
) -> Int8Report:
    """Write a model as ONNX in int8, with an MLM item of STAC beside it; both whole or not at all.

    Up to `CALIBRATION_TILES` training tiles show the ranges of the activations (see `quantise`).
    Then all validation tiles are classified in float32 and in int8. The files are written only if
    the mean IoU falls by at most `MAX_DROP`. Input and output are those of `export_model`.

    Args:
        model: the model, its file, or the name of a bundled model or of one in the user folder.
        tiles: tiles with the classes and bands of the model, or their folder. Their side may
            differ from that of the windows of the model.
        out: ONNX file, .onnx. The item has its name with the ending .json.
        overwrite: replace existing files.

    Raises:
        OutputError: if the name has another ending, or a file exists or cannot be written.
        ModelError: if the model cannot be loaded or cannot have windows of the size of the tiles,
            if a package of the extra onnx is not installed, or if the mean IoU falls too much.
        TileError: if there are no training or validation tiles, or they do not fit the model.
    """
    out = Path(out)
    check_export(out, overwrite=overwrite)
    import_onnxruntime(out)
    model = model if isinstance(model, Model) else Model.load(model)
    tiles = fit_tiles(tiles, model)
    train, val = tiles.dataset("train"), tiles.dataset("val")
    for split, dataset in (("training", train), ("validation", val)):
        if not len(dataset):
            raise TileError(
                f"{tiles.folder} has no {split} tiles, which int8 needs, cut the scenes with "
                "geoseg tile, which splits the tiles"
            )
    sized = model.with_window(tiles.size)
    drawn = np.random.default_rng(0).permutation(len(train))[:CALIBRATION_TILES]
    data = quantise(
        with_side(onnx_bytes(model), tiles.size), _unit_windows(model, train, drawn), len(drawn)
    )
    comparison = _compare(sized, data, val)
    before, after = comparison.fp32.mean_iou, comparison.int8.mean_iou
    where = f"{count_of(len(val), 'validation tile')} of {tiles.folder}"
    if not comparison.fp32.total:
        raise TileError(f"the {where} have no labelled pixel, label some of them")
    if before - after > MAX_DROP:
        raise ModelError(
            f"int8 lowers the mean IoU on the {where} from {before:.4f} to {after:.4f}, by more "
            f"than {MAX_DROP}, so nothing was written, export the model without int8"
        )
    changed = 1 - comparison.both.accuracy
    record = {
        "calibration_tiles": len(drawn), "validation_tiles": len(val),
        "mean_iou_fp32": round(before, 6), "mean_iou": round(after, 6),
        "changed": round(changed, 6),
    }  # fmt: skip
    onnx, item = write_export(model, out, with_side(data, model.spec.window), int8=record)
    return Int8Report(onnx, item, len(drawn), len(val), before, after, changed)


def _unit_windows(
    model: Model, dataset: TileDataset, indices: NDArray[np.int64]
) -> Iterator[NDArray[np.float32]]:
    """Yield tiles (1, bands, side, side) as an exported network reads them."""
    for index in indices:
        [image], [valid], _ = dataset.read(np.array([index]))
        model.spec.scaling.fill_invalid(image, valid)
        yield (image[None] / input_divisor(model.dtype)).astype(np.float32)


def _compare(model: Model, data: bytes, dataset: TileDataset) -> _Comparison:
    """Compare a model and its ONNX file in int8 on tiles of the size of the windows of both."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        path.write_bytes(data)
        int8 = OnnxNetwork(read_onnx(path), OnnxModel.load(path).spec)
    before, after = (Predictor(m, device="cpu", precision="fp32") for m in (model, int8))
    compare = partial(_compare_batch, before, after, dataset)
    with one_torch_thread():
        first, *others = map_threads(compare, tile_batches(dataset), available_cpus())
    return sum(others, first)


def _compare_batch(
    fp32: Predictor, int8: Predictor, dataset: TileDataset, indices: NDArray[np.int64]
) -> _Comparison:
    images, valid, labels = dataset.read(indices)
    before, after = (classify_tiles(p, images.copy(), valid) for p in (fp32, int8))
    pairs = (before, labels), (after, labels), (after, before)
    matrices = (Confusion.of(*pair, fp32.spec.classes, IGNORE_INDEX) for pair in pairs)
    return _Comparison(*matrices)
