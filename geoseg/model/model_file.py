"""The model file: a safetensors file of the weights, with metadata about their use.

Loading a model never runs code, because a safetensors file holds only arrays and text.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from geoseg.errors import GeosegError, ModelError, check_list, check_type, count_of
from geoseg.files import atomic_file
from geoseg.legend import Legend
from geoseg.model.networks import Network, make_network, network_weights, weight_shapes
from geoseg.model.ranges import NumberRange
from geoseg.model.record import check_record
from geoseg.model.spec import SCENE_DTYPES, UNetSpec
from geoseg.models import DEFAULT, find_model, is_onnx

FORMAT = 1
"""Version of the metadata."""
CHECKSUM = "weights_sha256"
"""Metadata key of the checksum of the weights. Older files have no checksum."""
_POSITIVE = NumberRange(0, above=True)

PixelSizes = tuple[float, float]
"""Smallest and largest ground size of the pixels (m)."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network with its legend, bands, pixel size and training record.

    Raises:
        ModelError: if a value has the wrong type or is out of range, or if the network does not
            have the classes of the legend and the bands of ``band_names``.
    """

    network: Network
    legend: Legend
    """The classes: output channel i is ``legend.classes[i]``."""
    band_names: tuple[str, ...]
    """Names of the input bands, such as ("red", "green", "blue")."""
    dtype: str = "uint8"
    """NumPy dtype of the scenes it was trained on."""
    pixel_size: float | None = None
    """Ground size of the training pixels (m), None if unknown."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Training record: settings and scores, fit for JSON."""
    path: str | None = None
    """The file it was loaded from."""
    hash: str = ""
    """First 16 hexadecimal digits of the file's SHA-256; empty before it is saved."""
    temperature: float = 1.0
    """Softmax temperature from calibration, above 0. It changes confidence, not labels."""
    pixel_size_range: PixelSizes | None = None
    """Smallest and largest ground size of the training pixels (m). None means `pixel_size`
    twice, or unknown if that is None."""

    def __post_init__(self) -> None:
        temperature = _POSITIVE.check("temperature", self.temperature)
        object.__setattr__(self, "temperature", temperature)
        if self.pixel_size is not None:
            pixel_size = _POSITIVE.check("pixel size", self.pixel_size)
            object.__setattr__(self, "pixel_size", pixel_size)
        sizes = pixel_size_range(self.pixel_size_range)
        if sizes is None and self.pixel_size is not None:
            sizes = self.pixel_size, self.pixel_size
        object.__setattr__(self, "pixel_size_range", sizes)
        if self.dtype not in SCENE_DTYPES:
            raise ModelError(
                f"dtype {shortened(self.dtype)} is unknown, use one of {', '.join(SCENE_DTYPES)}"
            )
        check_list("band_names", self.band_names)
        for name in self.band_names:
            check_type("band name", name, str)
        object.__setattr__(self, "band_names", tuple(self.band_names))
        check_record(self.training)
        if len(self.legend) != self.spec.classes:
            raise ModelError(
                f"the legend has {len(self.legend)} classes, the network {self.spec.classes}"
            )
        if len(self.band_names) != self.spec.bands:
            raise ModelError(
                f"{count_of(len(self.band_names), 'band name')} for "
                f"{count_of(self.spec.bands, 'band')}, give one for each band"
            )

    @property
    def spec(self) -> UNetSpec:
        """Shape and input scaling of the network."""
        return self.network.spec

    @property
    def trainable_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def to_dict(self) -> dict[str, Any]:
        """Return all but the weights as plain data, for JSON."""
        spec = self.spec.to_dict()
        return {
            "path": self.path,
            "hash": self.hash,
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            "pixel_size_range": self.pixel_size_range and list(self.pixel_size_range),
            "unet": {key: list(v) if isinstance(v, tuple) else v for key, v in spec.items()},
            **self.legend.to_dict(),
            "temperature": self.temperature,
            "training": dict(self.training),
            "trainable": self.trainable_parameters,
        }

    def with_window(self, window: int) -> "Model":
        """Return the same model with windows of another side (px).

        Raises:
            ModelError: if the network needs a multiple of another number.
        """
        if window == self.spec.window:
            return self
        network = make_network(replace(self.spec, window=window))
        network.load_state_dict(self.network.state_dict())
        return replace(self, network=network.eval())

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model file, whole or not at all.

        Args:
            path: of the file, .safetensors.
            half: store the weights as float16, which halves the size. Loaded weights are float32,
                rounded to 11 bits.

        Raises:
            OutputError: if the file cannot be written.
            ModelError: if ``half`` and a weight is too large for float16.
        """
        metadata = {
            "format": FORMAT,
            "unet": self.spec.to_dict(),
            "legend": self.legend.to_dict(),
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            "pixel_size_range": self.pixel_size_range,
            "temperature": self.temperature,
            "training": dict(self.training),
        }
        dtype = torch.float16 if half else torch.float32
        weights = {
            name: value.detach().to("cpu", dtype).contiguous()
            for name, value in network_weights(self.network).items()
        }
        if half and not all(value.isfinite().all() for value in weights.values()):
            raise ModelError(
                "a weight is too large for float16, save the model in full (half=False)"
            )
        metadata[CHECKSUM] = _checksum(weights)
        data = save(weights, {"geoseg": json.dumps(metadata, sort_keys=True)})
        with atomic_file(Path(path)) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: str | Path = DEFAULT) -> "Model":
        """Read a model file, or the model of this name (see `find_model`).

        Names and shapes of the weights are compared with the spec before the network is built, so
        a damaged spec costs neither time nor memory. The file is read once, so that hash and
        weights are those of one version of it.

        Raises:
            ModelError: if the name is unknown, or if the file is missing or damaged, is not a
                geoseg model, or has a weight that is not a finite number.
        """
        path = find_model(path)
        try:
            _check_start(path)
            data = path.read_bytes()
        except (OSError, MemoryError) as error:
            reason = getattr(error, "strerror", None) or "it is larger than the memory"
            raise ModelError(f"cannot read model {path}: {reason}, check the path") from None
        metadata, stored = _read_contents(path, data)
        try:
            spec = UNetSpec.from_dict(metadata["unet"])
            _check_shapes(spec, {name: tuple(value.shape) for name, value in stored.items()})
            network = make_network(spec)
            network.load_state_dict(_check_weights(stored, metadata))
            return cls(
                network=network.eval(),
                legend=Legend.from_dict(metadata["legend"]),
                band_names=metadata["bands"],
                dtype=metadata["dtype"],
                pixel_size=metadata["pixel_size"],
                training=metadata["training"],
                path=str(path),
                hash=hashlib.sha256(data).hexdigest()[:16],
                # Older files lack the next two.
                temperature=metadata.get("temperature", 1.0),
                pixel_size_range=metadata.get("pixel_size_range"),
            )
        except (KeyError, TypeError, ValueError, RuntimeError, GeosegError) as error:
            text = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            reason = (text or type(error).__name__).splitlines()[0][:200]
            raise ModelError(
                f"model {path} is damaged or does not fit this version of geoseg ({reason}), "
                "use an intact copy of the file or train it again"
            ) from None


def pixel_size_range(sizes: object) -> PixelSizes | None:
    """Return a range of ground sizes (m) as two floats; None for None.

    Raises:
        ModelError: if it is not the smallest and the largest ground size, both above 0.
    """
    if sizes is None:
        return None
    if not isinstance(sizes, list | tuple) or len(sizes) != 2:
        raise ModelError(
            f"pixel size range {shortened(sizes)} is not a pair of numbers, "
            "give the smallest and the largest pixel size in metres"
        )
    low, high = (_POSITIVE.check("pixel size", size) for size in sizes)
    if low > high:
        raise ModelError(
            f"pixel size range {low:g} to {high:g} m is not in order, give the smallest size first"
        )
    return low, high


def _check_start(path: Path) -> None:
    """Refuse a file of another kind by its first bytes: a scene may be larger than the memory."""
    if is_onnx(path):
        raise ModelError(
            f"{path} is an ONNX file, which only `geoseg classify` and `geoseg info` read, "
            "give a .safetensors file that `geoseg train` wrote"
        )
    with path.open("rb") as file:
        start = file.read(9)
    # A safetensors file starts with the length of its header in 8 bytes, then the header as JSON.
    if start[8:] == b"{":
        return
    if start.startswith((b"PK", b"\x80")):
        raise ModelError(
            f"{path} is a pickled PyTorch file or an archive, which may run code when loaded, "
            "give a .safetensors file that `geoseg train` wrote"
        )
    raise ModelError(
        f"{path} is not a model, or is truncated, give a .safetensors file that `geoseg train` "
        "wrote"
    )


def _read_contents(path: Path, data: bytes) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the metadata and the weights of a model file, without checking the weights."""
    try:
        stored = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        text = (header.get("__metadata__") or {}).get("geoseg")
    except (SafetensorError, LookupError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} is not a model, or is truncated ({str(error)[:200]}), "
            "give a .safetensors file that `geoseg train` wrote"
        ) from None
    if text is None:
        raise ModelError(
            f"{path} is a safetensors file but not a geoseg model, "
            "give one that `geoseg train` wrote"
        )
    try:
        metadata = dict(json.loads(text))
        json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode()  # no NaN, no surrogate
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"the metadata of model {path} is damaged ({error}), use an intact copy of the file"
        ) from None
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"model {path} has format {shortened(metadata.get('format'))}, but this version of "
            f"geoseg reads {FORMAT}, install the version that wrote it or train the model again"
        )
    return metadata, stored


def _check_shapes(spec: UNetSpec, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse weights whose names or shapes are not those of the spec."""
    expected = weight_shapes(spec)
    for name in sorted(expected.keys() | shapes.keys()):
        if shapes.get(name) != expected.get(name):
            has, needs = (_shape_text(table.get(name)) for table in (shapes, expected))
            raise ModelError(
                f"weight {shortened(name)} has {has}, but a network of depth {spec.depth} and "
                f"width {spec.width} needs {needs}"
            )


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return "no value" if shape is None else f"shape {' x '.join(map(str, shape))}"


def _check_weights(stored: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of a file as float32.

    Raises:
        ModelError: if the weights do not match the checksum of the metadata, or one is not a
            finite number.
    """
    if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(stored):
        raise ModelError("its weights do not match its checksum")
    weights = {name: value.float() for name, value in stored.items()}
    for name, value in weights.items():
        if not (stored[name].is_floating_point() and bool(torch.isfinite(value).all())):
            raise ModelError(f"weight {name} holds values that are not finite numbers")
    return weights


def _checksum(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 of the names, dtypes, shapes and bytes of weights, sorted by name."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].contiguous()
        dtype = str(value.dtype).removeprefix("torch.")
        digest.update(f"{name} {dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
