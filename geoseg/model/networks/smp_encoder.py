"""Encoders of segmentation_models_pytorch (smp), which the extra ``smp`` installs."""

from torch import Tensor, nn

from geoseg.errors import ModelError


class SmpEncoder(nn.Module):
    """Images to features at five scales, by an encoder of smp with random weights.

    Raises:
        ModelError: if smp is not installed, or has no such encoder with five scales.
    """

    mean, std = 0.449, 0.226
    """Standardisation of the inputs 0..1: the means over red, green and blue of ImageNet's."""

    def __init__(self, name: str, bands: int) -> None:
        super().__init__()
        try:
            from segmentation_models_pytorch.encoders import get_encoder
        except Exception as error:  # noqa: BLE001 - torchvision for another torch: RuntimeError
            raise ModelError(
                f"encoder smp:{name} needs segmentation_models_pytorch and a torchvision that fits "
                f"torch ({error}), install both: pip install 'geoseg[smp]'"
            ) from None
        try:
            self.network = get_encoder(name, in_channels=bands, depth=5, weights=None)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0][:200]
            raise ModelError(
                f"segmentation_models_pytorch has no encoder {name} with {bands} bands and five "
                f"scales ({reason}), give another name"
            ) from None
        self.filters = tuple(self.network.out_channels[1:])
        """Channels of the features, from 1/2 to 1/32 of the size."""
        if len(self.filters) != 5 or not all(self.filters):
            raise ModelError(
                f"encoder smp:{name} has no features at every scale from 1/2 to 1/32, give another"
            )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map standardised images (n, bands, h, w) to features of 1/2, 1/4, ..., 1/32 of the size.

        Height and width are multiples of 32.
        """
        return list(self.network(x)[1:])
