"""Whether a scene suits a model, said in words before hours are spent on it."""

import numpy as np

from geoseg.errors import ModelError, SceneError, count_of
from geoseg.grid import Window
from geoseg.model import Model
from geoseg.raster import Scene, read, read_palette

_SAMPLES = 3
"""Windows looked at along each axis."""
_SAMPLE_SIZE = 256
_PIXEL_SIZE_FACTOR = 2
_LISTED = 20
"""Bands that a message lists."""


def choose_bands(scene: Scene, model: Model, bands: tuple[int, ...] | None) -> Scene:
    """The scene read through the bands that the model wants.

    By number where given; else by name (red, green, blue, or band descriptions), where the scene
    names them all; else as they come, where their number is right.

    Raises:
        SceneError: if the number of bands is wrong.
    """
    wanted = model.band_names
    if bands is not None:
        scene = scene.with_bands(bands)
    elif all(scene.band_names.count(name) == 1 for name in wanted):
        scene = scene.with_bands(
            tuple(scene.bands[scene.band_names.index(name)] for name in wanted)
        )
    if len(scene.bands) != len(wanted):
        raise SceneError(_band_advice(scene, wanted, chosen=bands is not None))
    return scene


def _band_advice(scene: Scene, wanted: tuple[str, ...], *, chosen: bool) -> str:
    """What is wrong with the number of bands, and what to do."""
    has, named = count_of(len(scene.bands), "band"), all(wanted)
    wants = f"the model wants {len(wanted)}" + (f" ({', '.join(wanted)})" if named else "")
    if chosen:
        return f"{has} of {scene.path} chosen, but {wants}, choose {len(wanted)}"
    if len(scene.bands) == 1 and read_palette(scene.path):
        return (
            f"{scene.path} has 1 band with a palette of colours, but {wants}, expand the palette "
            "first: gdal_translate -expand rgb"
        )
    if len(scene.bands) < len(wanted):
        return f"{scene.path} has {has}, but {wants}, give a scene that has them or another model"
    names = [f"{band} {name}" for band, name in zip(scene.bands, scene.band_names, strict=True)]
    listed = ", ".join(names[:_LISTED]) if any(scene.band_names) else "without names"
    which = ", ".join(wanted) if named else "the bands that it was trained on"
    return (
        f"{scene.path} has {has} ({listed}), but {wants}, give the numbers of {which} in this "
        "order (--bands)"
    )


def check_values(scene: Scene, model: Model) -> None:
    """Refuse values that the model cannot know, from a sample of the scene.

    Only where the dtype is another than in training: bytes may be dark for good reasons.

    Raises:
        SceneError: if the values reach far beyond, or fill next to nothing of, the model's range.
    """
    if scene.dtype == model.dtype:
        return
    sample = _sample(scene)
    if sample is None:
        return
    low, high = np.array(model.spec.band_low), np.array(model.spec.band_high)
    reach = ((np.percentile(sample, 98, axis=1) - low) / (high - low)).max()
    if not 0.02 <= reach <= 3:
        raise SceneError(
            f"{scene.path} has {scene.dtype} values up to about {sample.max():g}, the model was "
            f"trained on {model.dtype} from {low.min():g} to {high.max():g}, rescale the scene "
            "(gdal_translate -scale -ot) or train a model on such scenes"
        )


def pixel_size_warning(scene: Scene, model: Model) -> str | None:
    """A sentence if the scene's pixels are far larger or smaller than those of the training.

    That is more than twice the largest or less than half of the smallest. None if they are not, or
    if a size is unknown.
    """
    size, trained = scene.pixel_size, model.pixel_size_range
    if not size or trained is None:
        return None
    low, high = trained
    if low / _PIXEL_SIZE_FACTOR <= size <= high * _PIXEL_SIZE_FACTOR:
        return None
    low_text, high_text = f"{low:.3g}", f"{high:.3g}"
    sizes = low_text if low_text == high_text else f"{low_text} to {high_text}"
    return (
        f"{scene.path} has pixels of {size:.3g} m, the model was trained on {sizes} m, "
        "expect poor classes or resample the scene (gdalwarp -tr)"
    )


def check_classes(model: Model) -> None:
    """Refuse a model of a single class, whose map would be that class everywhere.

    Raises:
        ModelError: if the model has fewer than two classes.
    """
    if len(model.legend) < 2:
        raise ModelError(
            f"model {model.path} knows only the class {model.legend.names[0]!r}, so its map would "
            "be that class everywhere, train a model with at least two classes"
        )


def _sample(scene: Scene) -> np.ndarray | None:
    """Valid pixels (bands, n) from a grid of small windows; None if there are none."""
    height, width = min(_SAMPLE_SIZE, scene.height), min(_SAMPLE_SIZE, scene.width)
    found = []
    for row in np.linspace(0, scene.height - height, _SAMPLES).astype(int):
        for col in np.linspace(0, scene.width - width, _SAMPLES).astype(int):
            pixels, valid = read(scene, Window(int(row), int(col), height, width))
            found.append(pixels[:, valid].astype(np.float64))
    sample = np.concatenate(found, axis=1)
    return sample if sample.size else None
