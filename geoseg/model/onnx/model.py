"""A network of another program, in an ONNX file, with its legend, bands and scaling."""

from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ModelError, count_of
from geoseg.legend import Legend
from geoseg.model.onnx.inspect import OnnxFacts, inspect_onnx, try_onnx
from geoseg.model.onnx.memory import window_bytes
from geoseg.model.onnx.metadata import OnnxMetadata
from geoseg.model.onnx.spec import OnnxSpec


@dataclass(frozen=True, slots=True)
class OnnxModel:
    """What is needed to classify scenes with an ONNX file, which stays on disk."""

    path: str
    hash: str
    """First 16 hexadecimal digits of the SHA-256 of the file (and of its files of weights)."""
    spec: OnnxSpec
    legend: Legend
    """The classes: output channel i is ``legend.classes[i]``."""
    band_names: tuple[str, ...]
    """Names of the input bands; empty names where they are not known."""
    dtype: str | None
    """NumPy dtype of the scenes that it is for, None if unknown."""
    pixel_size_range: tuple[float, float] | None
    """Smallest and largest ground size of the pixels that it is for (m), None if unknown."""
    sources: tuple[str, ...]
    """Where legend, bands and scaling come from."""
    bytes: int
    """Size of the file with its weights."""
    window_bytes: int
    """Estimate of the memory of the activations of a window (bytes)."""

    temperature = 1.0

    @classmethod
    def load(cls, path: str | Path, given: OnnxMetadata = OnnxMetadata()) -> "OnnxModel":  # noqa: B008
        """Read an ONNX file, and the MLM item beside it if there is one.

        The network is run on a few random test windows, to see the shape and the kind of its
        output.

        Args:
            path: of the file, .onnx.
            given: facts that replace those of the item, which replace those of the file.

        Raises:
            ModelError: if the file cannot be read or run, if it is no network for segmentation,
                or if a fact is missing or contradicts the network.
        """
        facts = inspect_onnx(path)
        known = given.filled_from(facts.metadata)
        bands = _bands(facts, known)
        side = _side(facts, given, known)
        mean, std = _scaling(facts, known)
        output = try_onnx(facts, bands, side)
        try:
            spec = OnnxSpec(
                bands=bands,
                channels=output.channels,
                window=output.side,
                margin=(side - output.side) // 2,
                mean=mean,
                std=std,
                fill=known.fill,
                logits=not output.probabilities if known.logits is None else known.logits,
                dtype=facts.file.input_dtype,
                input_layout=facts.layout,
                output_layout=output.layout,
                batch=facts.batch,
            )
        except ModelError as error:
            raise ModelError(f"{path}: {error}") from None
        size = known.pixel_size
        return cls(
            path=facts.file.path,
            hash=facts.file.hash,
            spec=spec,
            legend=_legend(facts, known, spec),
            band_names=known.band_names or ("",) * bands,
            dtype=known.dtype,
            pixel_size_range=None if size is None else (size, size),
            sources=facts.sources,
            bytes=len(facts.file.data),
            window_bytes=window_bytes(facts.file, spec.input_shape(1)),
        )


def _bands(facts: OnnxFacts, known: OnnxMetadata) -> int:
    named = None if known.band_names is None else len(known.band_names)
    bands = facts.bands or named
    if bands is None:
        raise ModelError(
            f"{facts.file.path} does not say how many bands it reads, export it with a fixed "
            "number of bands or put an MLM item beside it"
        )
    if named is not None and named != bands:
        raise ModelError(
            f"{facts.file.path} reads {count_of(bands, 'band')}, but its metadata name {named}, "
            "correct the MLM item"
        )
    return bands


def _side(facts: OnnxFacts, given: OnnxMetadata, known: OnnxMetadata) -> int:
    """Return the side of the input (px)."""
    side = facts.side
    if side is None:
        if known.window is None:
            raise ModelError(
                f"{facts.file.path} takes windows of any size, and its metadata recommend none, "
                "give their side in pixels (window, --window), which should be that of its training"
            )
        return known.window
    if given.window not in (None, side):
        raise ModelError(
            f"{facts.file.path} has windows of {side} px, not {given.window} px, leave out window "
            "(--window)"
        )
    return side


def _scaling(facts: OnnxFacts, known: OnnxMetadata) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and std."""
    if known.mean is not None and known.std is not None:
        return known.mean, known.std
    if facts.file.input_dtype.startswith(("int", "uint")):
        return (0.0,), (1.0,)
    raise ModelError(
        f"{facts.file.path} has no metadata on the scaling of scene values, give what the network "
        "reads, (value - mean) / std, with input_mean and input_std (--input-mean, --input-std); "
        "a std of 255 scales bytes to 0 to 1, and a std of 1 leaves the values as they are"
    )


def _legend(facts: OnnxFacts, known: OnnxMetadata, spec: OnnxSpec) -> Legend:
    """Return the classes; one class of a network with one channel gets a background before it."""
    path, legend = facts.file.path, known.legend
    number = count_of(spec.classes, "class")
    if legend is None:
        raise ModelError(
            f"{path} does not name its {number}, list them in the order of its output channels "
            "(legend, --legend)"
        )
    if len(legend) == spec.channels == 1:
        legend = Legend.from_names(["background", *legend.names])
    if len(legend) != spec.classes:
        raise ModelError(
            f"the legend has {count_of(len(legend), 'class')}, but {path} has {number}, list one "
            "for each output channel (legend, --legend)"
        )
    return legend
