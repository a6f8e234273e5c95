"""The model file: one safetensors file with the weights and all that is needed to use them.

Loading never runs code: safetensors holds arrays and text, nothing else.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from geoseg.errors import GeosegError, ModelError, OutputError
from geoseg.legend import Legend
from geoseg.model.spec import UNetSpec
from geoseg.model.unet import UNet

FORMAT = 1
"""Version of the metadata's layout."""
DEFAULT = "default"
"""Name of the bundled model, for very-high-resolution RGB."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network with everything that its use needs.

    Raises:
        ModelError: if legend, band names and network do not agree.
    """

    network: UNet
    legend: Legend
    """Class of output channel i: ``legend.classes[i]``."""
    band_names: tuple[str, ...]
    """What each input band is, e.g. ("red", "green", "blue")."""
    dtype: str = "uint8"
    """Dtype of the scenes it was trained on."""
    pixel_size: float | None = None
    """Ground size of a training pixel (m), None where it is not known."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings and scores of the training."""
    path: str | None = None
    hash: str = ""
    """First 16 hexadecimal digits of the file's SHA-256; empty before it is saved."""
    temperature: float = 1.0
    """What logits are to be divided by for scores that are true; labels do not depend on it."""

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ModelError(f"temperature {self.temperature} is not a positive number")
        if len(self.legend) != self.spec.classes:
            raise ModelError(
                f"the legend has {len(self.legend)} classes, the network {self.spec.classes}"
            )
        if len(self.band_names) != self.spec.bands:
            raise ModelError(f"{len(self.band_names)} band names for {self.spec.bands} bands")

    @property
    def spec(self) -> UNetSpec:
        """Shape and scaling of the network."""
        return self.network.spec

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.network.parameters())

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write the model; the name appears only when the file is complete.

        Args:
            path: of the file, .safetensors.
            half: store the weights as float16, half the size; they are float32 again when loaded,
                rounded to 11 bits.

        Raises:
            OutputError: if the file cannot be written.
        """
        metadata = {
            "format": FORMAT,
            "unet": self.spec.to_dict(),
            "legend": self.legend.to_dict(),
            "bands": list(self.band_names),
            "dtype": self.dtype,
            "pixel_size": self.pixel_size,
            "temperature": self.temperature,
            "training": dict(self.training),
        }
        dtype = torch.float16 if half else torch.float32
        weights = {
            name: value.detach().to("cpu", dtype).contiguous()
            for name, value in self.network.state_dict().items()
        }
        data = save(weights, {"geoseg": json.dumps(metadata, sort_keys=True)})
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(data)
            beside.replace(path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OutputError(f"cannot write model {path}: {error.strerror}") from None

    @classmethod
    def load(cls, path: str | Path = DEFAULT) -> "Model":
        """Read a model file; "default" is the bundled one.

        Raises:
            ModelError: if the file is missing, damaged, or not a geoseg model.
        """
        path = resolve(path)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(
                f"cannot read model {path}: {error.strerror}, check the path"
            ) from None
        metadata, weights = _parse(path, data)
        try:
            network = UNet(UNetSpec.from_dict(metadata["unet"]))
            network.load_state_dict({k: v.float() for k, v in weights.items()})
            return cls(
                network=network.eval(),
                legend=Legend.from_dict(metadata["legend"]),
                band_names=tuple(metadata["bands"]),
                dtype=metadata["dtype"],
                pixel_size=metadata["pixel_size"],
                training=metadata["training"],
                path=str(path),
                hash=hashlib.sha256(data).hexdigest()[:16],
                temperature=metadata.get("temperature", 1.0),  # older files have none
            )
        except (KeyError, TypeError, ValueError, RuntimeError, GeosegError) as error:
            reason = str(error).splitlines()[0]
            raise ModelError(
                f"model {path} does not fit this version of geoseg ({reason}), train it again"
            ) from None


def resolve(path: str | Path) -> Path:
    """The file behind a model's name: "default" is the one in the package."""
    if str(path) == DEFAULT:
        return Path(str(files("geoseg") / "models" / "default.safetensors"))
    return Path(path)


def _parse(path: Path, data: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    if data[:2] == b"PK" or data[:1] == b"\x80":
        raise ModelError(
            f"{path} is a pickled PyTorch file or an archive, which may run code when loaded; "
            "geoseg loads only its own .safetensors models"
        )
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("geoseg")
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} is not a model, or is truncated ({error}), "
            "give a .safetensors file that `geoseg train` wrote"
        ) from None
    if text is None:
        raise ModelError(
            f"{path} is a safetensors file but not a geoseg model, "
            "give one that `geoseg train` wrote"
        )
    try:
        metadata = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise ModelError(f"the metadata of model {path} is damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        raise ModelError(
            f"model {path} has format {metadata.get('format')}, this geoseg reads {FORMAT}, "
            "install the geoseg that wrote it or train it again"
        )
    return metadata, weights
