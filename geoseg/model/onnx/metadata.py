"""Facts about an ONNX network that are not in its graph: from metadata, an item or the user."""

from dataclasses import dataclass, fields

from geoseg.legend import Legend


@dataclass(frozen=True, slots=True)
class OnnxMetadata:
    """Facts about an ONNX network; None where nothing is known."""

    legend: Legend | None = None
    """The classes, in the order of the output channels."""
    band_names: tuple[str, ...] | None = None
    """Names of the input bands, in order."""
    window: int | None = None
    """Side of the input of a window (px)."""
    mean: tuple[float, ...] | None = None
    """The network reads (scene value - mean) / std: one for all bands, or one per band."""
    std: tuple[float, ...] | None = None
    """See `mean`."""
    fill: tuple[float, ...] | None = None
    """Scene value that pixels without data get: one for all bands, or one per band."""
    dtype: str | None = None
    """NumPy dtype of the scenes that it is for."""
    pixel_size: float | None = None
    """Ground size of the pixels that it is for (m)."""
    logits: bool | None = None
    """Whether its output is logits; False for probabilities."""

    def filled_from(self, metadata: "OnnxMetadata") -> "OnnxMetadata":
        """Return these facts, and those of ``metadata`` where nothing is known."""
        names = [field.name for field in fields(self)]
        own = {name: getattr(self, name) for name in names}
        if own["mean"] is not None or own["std"] is not None:  # they belong together
            own |= {"mean": own["mean"] or (0.0,), "std": own["std"] or (1.0,)}
        return OnnxMetadata(
            **{n: getattr(metadata, n) if own[n] is None else own[n] for n in names}
        )
