"""Vector files of one class each: ``--labels building=a.gpkg --labels road=b.gpkg``."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from geoseg.errors import LabelError
from geoseg.labels.background import add_background, check_not_points
from geoseg.labels.covered_polygons import warn_of_covered
from geoseg.labels.ignore import IgnoreSpec
from geoseg.labels.vector_labels import VectorLabels, stack
from geoseg.legend import NODATA, Legend, class_key
from geoseg.raster import Scene
from geoseg.vectors import Reprojector, read_vector

_LATER_WINS = "where files overlap the later one wins, so give the file of the lower class first"


@dataclass(frozen=True, slots=True)
class ClassFiles:
    """Label files of one class each.

    Raises:
        LabelError: if there is none, a class has no name or no file, or two have the same name
            (regardless of case and of spaces around it).
    """

    files: tuple[tuple[str, str], ...]
    """Class name and path of each file, in ascending order of precedence."""

    def __post_init__(self) -> None:
        if not self.files:
            raise LabelError("there are no label files, give at least one as CLASS=FILE")
        stripped = tuple((name.strip(), path) for name, path in self.files)
        object.__setattr__(self, "files", stripped)
        path_of: dict[str, str] = {}
        for name, path in self.files:
            if not name or not path:
                raise LabelError(
                    f"label file {f'{name}={path}'!r} lacks the {'file' if name else 'class'}, "
                    "give CLASS=FILE"
                )
            if class_key(name) in path_of:
                raise LabelError(
                    f"label files {path_of[class_key(name)]} and {path} are both of class "
                    f"{name!r}, merge them into one file (ogrmerge) or give another class"
                )
            path_of[class_key(name)] = path

    def __str__(self) -> str:
        return ", ".join(path for _, path in self.files)

    @classmethod
    def of(cls, files: Mapping[str, str | Path]) -> "ClassFiles":
        """Return the files of a mapping of class names to paths, in its order."""
        return cls(tuple((name, str(path)) for name, path in files.items()))


class ClassFileLabels:
    """Label files of one class each for many scenes; each file is read once.

    All features of a file with a geometry are of its class. Where features of two files overlap,
    the later file wins. A warning counts the polygons that a later file covers completely. Files
    may have different CRS.

    Args:
        files: classes and files.
        legend: has all these classes; None for these classes in their order, from value 0.
        ignore: names, values or colours of classes that mean "not labelled"; their files hide
            earlier ones.
        layer: name of the layer in each file; None for the first one with geometries.
        background: class of what no feature covers, see `add_background`; None for "not labelled".

    Raises:
        VectorError: if a file or its layer cannot be read.
        LabelError: if a file has no feature, a class is not in the legend, all classes are
            ignored, or the background does not fit.
    """

    def __init__(
        self,
        files: ClassFiles,
        legend: Legend | None,
        ignore: tuple[str, ...],
        layer: str | None = None,
        background: str | None = None,
    ) -> None:
        spec = IgnoreSpec.parse(ignore)
        classes = legend or _legend_of(files, spec)
        values = [_value(name, path, classes, spec) for name, path in files.files]
        self._legend, self._outside = add_background(classes, background, spec)
        frames = [_read_features(name, path, layer) for name, path in files.files]
        if background is not None:
            check_not_points(str(files), np.concatenate([f.geometry.to_numpy() for f in frames]))
        self._layers = [
            (Reprojector(frame, path), np.full(len(frame), value, np.uint8))
            for (_, path), frame, value in zip(files.files, frames, values, strict=True)
        ]
        self._files, self._is_checked = str(files), False
        self.class_texts = [class_key(name) for name, _ in files.files]
        """Classes of the files, ignored ones too, in the form of `class_text`."""

    def on_grid_of(self, scene: Scene) -> VectorLabels:
        """Return the labels on the grid of a scene.

        Raises:
            VectorError: if only one of a file and the scene has a CRS, or the two are unrelated.
        """
        labels = stack(
            [
                VectorLabels(scene, self._legend, *reprojector.onto(scene), values, self._outside)
                for reprojector, values in self._layers
            ]
        )
        if not self._is_checked:  # here, because only now all files are in one CRS
            self._is_checked = True
            shown = np.isfinite(labels.extents).all(axis=1)
            geometries, of_features = labels.geometries[shown], labels.values[shown]
            warn_of_covered(self._files, geometries, of_features, self._legend, _LATER_WINS)
        return labels


def _legend_of(files: ClassFiles, ignore: IgnoreSpec) -> Legend:
    names = [name for name, _ in files.files if class_key(name) not in ignore.texts]
    if not names:
        raise LabelError(f"all classes of labels {files} are ignored, keep at least one class")
    return Legend.from_names(names)


def _value(name: str, path: str, legend: Legend, ignore: IgnoreSpec) -> int:
    """The value in the legend of the class of a file, 255 if it is ignored."""
    if class_key(name) in ignore.texts:
        return NODATA
    known = legend.find(name)
    if known is None:
        raise LabelError(
            f"class {name!r} of labels {path} is not in the legend ({', '.join(legend.names)}), "
            "correct it or add it to the legend"
        )
    return NODATA if known.value in ignore.values_in(legend) else known.value


def _read_features(name: str, path: str, layer: str | None) -> Any:  # noqa: ANN401
    """The features of a file that have a geometry, as a GeoDataFrame."""
    frame = read_vector(path, layer)
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    if frame.empty:
        raise LabelError(
            f"labels {path} hold no feature, so there is nothing of class {name!r}, add features "
            "or leave the file out"
        )
    return frame
