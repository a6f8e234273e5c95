"""Checks of a scene against a model, before the map is computed."""

import re

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError, count_of, short_list
from geoseg.model import RGB, AnyModel, OnnxModel
from geoseg.raster import Scene, have_other_names, list_bands, pixel_warnings

_PIXEL_SIZE_FACTOR = 2
_MAX_INPUT = 300
"""Standardised values are below 10, and bytes below 256."""


def match_bands(scene: Scene, model: AnyModel, bands: tuple[int | str, ...] | None) -> Scene:
    """Choose the bands of a scene for a model.

    By ``bands``, unless it is None; else by name (red, green, blue, or band descriptions), if the
    names differ and the scene has a band of each; else all bands, if their number is right.

    Raises:
        SceneError: if the number of bands is wrong.
    """
    wanted, chosen = model.band_names, scene
    if bands is not None:
        chosen = scene.with_bands(bands)
    elif len(set(wanted)) == len(wanted) and all(
        scene.band_number(name) in scene.bands for name in wanted
    ):
        chosen = scene.with_bands(wanted)
    if len(chosen.bands) != len(wanted):
        raise SceneError(_band_advice(scene, wanted, bands))
    return chosen


def _band_advice(
    scene: Scene, wanted: tuple[str, ...], chosen: tuple[int | str, ...] | None
) -> str:
    """Return the message about a wrong number of bands, or of chosen bands, with a remedy."""
    has, named = count_of(len(scene.bands), "band"), all(wanted)
    wants = f"the model wants {len(wanted)}" + (f" ({', '.join(wanted)})" if named else "")
    listed = _band_list(scene)
    if chosen is None:
        wrong = f"{scene.path} has {has}{f' ({listed})' if listed else ''}, but {wants}"
    else:
        number = count_of(len(chosen), "band")
        wrong = f"{number} of {scene.path} chosen, but {wants}; the file has {has}"
        wrong += f": {listed}" if listed else ""
    if len(scene.bands) < len(wanted):
        return f"{wrong}, {_band_remedy(scene, wanted)}"
    order = _order_by_name(scene, wanted if named else RGB)
    if len(order) == len(wanted):
        numbers = ",".join(map(str, order))
        which = "" if named else "if it was trained on red, green and blue, "
        return (
            f"{wrong}, {which}choose them by their names with bands=({numbers}) (--bands {numbers})"
        )
    which = ", ".join(wanted) if named else "the bands that it was trained on"
    return f"{wrong}, give the numbers of {which} in this order (bands, --bands)"


def _band_list(scene: Scene) -> str:
    """Return numbers and names of the bands; of many bands only the first."""
    if len(scene.bands) == 1 and not scene.band_names[0]:
        return ""
    if not any(scene.band_names):
        return "without names"
    pairs = zip(scene.bands, scene.band_names, strict=True)
    names = [f"{band} {name}".strip() for band, name in pairs]
    return short_list(names)


def _band_remedy(scene: Scene, wanted: tuple[str, ...]) -> str:
    """Return the remedy for a scene with too few bands."""
    alphas = scene.unread_alphas
    if len(scene.bands) + len(alphas) == len(wanted):
        numbers = ",".join(map(str, sorted((*scene.bands, *alphas))))
        return (
            f"band {alphas[0]} is tagged as transparency (alpha): if it holds data, choose the "
            f"bands in the model's order, such as bands=({numbers}) (--bands {numbers})"
        )
    if len(scene.bands) == 1:
        has_palette = scene.file_bands[scene.bands[0] - 1].category
        if has_palette and len(wanted) == 3:
            return "expand its palette first: gdal_translate -expand rgb"
        return (
            "give a scene that has them (--stack or geoseg.Stack makes one of several files) or "
            "another model"
        )
    return "give a scene that has them or another model"


def _order_by_name(scene: Scene, names: tuple[str, ...]) -> list[int]:
    """Return the band of every name that is a word in the description of exactly one band."""
    words = [set(re.split(r"[^a-z0-9]+", name)) for name in scene.band_names]
    fitting = [[b for b, has in zip(scene.bands, words, strict=True) if n in has] for n in names]
    return [bands[0] for bands in fitting if len(bands) == 1]


def check_value_range(scene: Scene, model: AnyModel, sample: NDArray[np.float64]) -> None:
    """Refuse a scene of another dtype whose values are far outside the range of the training.

    ``sample`` has valid pixels of the scene (bands, n).

    Raises:
        SceneError: if the values exceed the range of the training, or fill almost nothing of it.
    """
    ranges = _other_range(scene, model, sample)
    if ranges and model.dtype != scene.dtype:
        raise SceneError(
            f"{ranges}, rescale the scene (gdal_translate -scale -ot) or train a model on such "
            "scenes"
        )


def _other_range(scene: Scene, model: AnyModel, sample: NDArray[np.float64]) -> str | None:
    """Return both ranges in words, if the values of a scene are far outside that of the training.

    A scene of bytes may be dark, so bytes are in the range of a training on bytes.
    """
    trained = _trained_range(model)
    if trained is None or model.dtype == scene.dtype == "uint8" or not sample.size:
        return None
    low, high = trained
    reach = ((np.percentile(sample, 98, axis=1) - low) / (high - low)).max()
    if 0.02 <= reach <= 3:
        return None
    return (
        f"{scene.path} has {scene.dtype} values up to about {sample.max():g}, the model was "
        f"trained on {model.dtype} from {low.min():g} to {high.max():g}"
    )


def _trained_range(model: AnyModel) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the value range of the training (low, high), each (bands,); None if unknown."""
    low, high = np.array(model.spec.scaling.low), np.array(model.spec.scaling.high)
    if not isinstance(model, OnnxModel):
        return low, high
    # Its scaling is by mean and standard deviation. Larger dtypes are seldom filled to their ends.
    return (np.zeros_like(low), np.full_like(high, 255)) if model.dtype == "uint8" else None


def scene_warnings(
    scene: Scene, model: AnyModel, sample: NDArray[np.float64], *, bands_chosen: bool
) -> list[str]:
    """Return sentences on what may spoil the map.

    Args:
        scene: with the bands that the network reads.
        model: that reads it.
        sample: valid pixels (bands, n).
        bands_chosen: whether the user has chosen the bands.
    """
    sentences = pixel_warnings(scene, sample)
    if not bands_chosen and have_other_names(scene.band_names, model.band_names):
        sentences.append(
            f"the bands of {scene.path} are {list_bands(scene.band_names)}, and those of the "
            f"model {list_bands(model.band_names)}: they are read in this order, choose others if "
            "this is wrong (bands, --bands)"
        )
    if scene.crs is None:
        sentences.append(
            f"{scene.path} has no CRS: the map has none either, and areas stay unknown"
        )
    ranges = _other_range(scene, model, sample)
    if ranges:  # and the same dtype, else it was refused
        sentences.append(f"{ranges}, expect poor classes or rescale the scene")
    warnings = pixel_size_warning(scene, model), _scaling_warning(scene, model, sample)
    return [*sentences, *(warning for warning in warnings if warning)]


def _scaling_warning(scene: Scene, model: AnyModel, sample: NDArray[np.float64]) -> str | None:
    """Return a sentence if an ONNX network reads values that no standardisation gives."""
    if not isinstance(model, OnnxModel) or not sample.size:
        return None
    scaling = model.spec.scaling
    if not any(scaling.low) and set(scaling.high) == {1}:  # it reads the values as they are
        return None
    low, high = (np.array(v)[:, None] for v in (scaling.low, scaling.high))
    read = float(np.percentile(np.abs((sample - low) / (high - low)), 98))
    if read <= _MAX_INPUT:
        return None
    return (
        f"{model.path} reads {scene.path} as numbers up to about {read:.3g}, expect poor classes "
        "or check mean and std of its input (--input-mean, --input-std)"
    )


def pixel_size_warning(scene: Scene, model: AnyModel) -> str | None:
    """Return a sentence if pixels are more than twice as large, or less than half, as in training.

    None if they are not, or if a size is unknown.
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
        "expect poor classes, or set the size at which the scene is read (resolution, --resolution)"
    )
