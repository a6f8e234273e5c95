"""A scene at reduced size, to look at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError
from geoseg.raster.files import GDAL_ERRORS, cause, opened
from geoseg.raster.scene import Scene, read_valid
from geoseg.raster.warp import on_grid


def read_reduced(scene: Scene, longest: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read a whole scene at reduced size: the nearest pixels, from overviews where there are any.

    Args:
        scene: what to read.
        longest: most pixels of the longer side; a smaller scene is read as it is.

    Returns:
        Pixels (bands, height, width) in the scene's dtype, and valid (height, width), True where
        the pixel has data, as `read` has it.

    Raises:
        SceneError: if the pixels cannot be read.
    """
    factor = max(1.0, max(scene.height, scene.width) / longest)
    shape = max(1, round(scene.height / factor)), max(1, round(scene.width / factor))
    with opened(scene.path) as dataset, on_grid(dataset, scene) as source:
        try:
            return read_valid(source, scene, shape=shape)
        except GDAL_ERRORS as error:
            raise SceneError(
                f"cannot read {scene.path} ({cause(error)}), the file may be truncated or damaged"
            ) from None
