"""Output paths of a map, and the checks before writing."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.classification.report import ClassifyReport
from geoseg.errors import OutputError, RunError, SceneError, check_list
from geoseg.files import check_file_name, check_inputs_stay, check_not_there, check_vector_path
from geoseg.polygons import Cleaning, check_extension, check_format_fits
from geoseg.raster import Mosaic, Scene, SceneSource, Stack, as_source, source_name


@dataclass(frozen=True, slots=True)
class Outputs:
    """Paths that a run writes; the sidecars of the labels are named after them.

    Raises:
        OutputError: if two outputs share a path, or an extension is unknown.
    """

    labels: Path
    polygons: Path | None = None
    confidence: Path | None = None
    probabilities: Path | None = None
    uncertainty: Path | None = None
    create_folders: bool = False
    """Whether the run creates the folders of these files."""

    def __post_init__(self) -> None:
        paths = list(self.requested())
        if len(set(paths)) < len(paths):
            raise OutputError(
                f"two outputs have the path {max(paths, key=paths.count)}, give each its own"
            )
        if self.polygons is not None:
            check_extension(self.polygons)
        for raster in (self.labels, self.confidence, self.probabilities, self.uncertainty):
            if raster is not None and raster.suffix.lower() not in (".tif", ".tiff"):
                raise OutputError(f"{raster} will be a GeoTIFF, its name must end in .tif")

    def requested(self) -> Iterator[Path]:
        """Yield the files that the caller named."""
        for path in self.by_option().values():
            if path is not None:
                yield path

    def by_option(self) -> dict[str, Path | None]:
        """The files by the options of `geoseg classify` that name them."""
        return {
            "out": self.labels,
            "polygons": self.polygons,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
            "uncertainty": self.uncertainty,
        }

    @property
    def sidecar(self) -> Path:
        """Sidecar file of the labels for GDAL and QGIS: category names and attribute table."""
        return self.labels.with_name(f"{self.labels.name}.aux.xml")

    @property
    def style(self) -> Path:
        """QGIS style of the labels."""
        return self.labels.with_suffix(".qml")

    @property
    def report(self) -> Path:
        """`ClassifyReport` as JSON."""
        return self.labels.with_suffix(".json")

    @property
    def run_folder(self) -> Path:
        """Folder of the parts until the map is assembled."""
        return self.labels.with_name(f"{self.labels.name}.parts")

    def existing_report(self, run: str) -> ClassifyReport | None:
        """Read the report of a complete map of this run; None without one.

        Args:
            run: `Job.map_identity`, which does not depend on the files that the run writes.
        """
        report = self._read_report()
        if report is None or report.run != run:
            return None
        complete = all(p.exists() and p.name in report.outputs for p in self.requested())
        return report if complete else None

    def _read_report(self) -> ClassifyReport | None:
        try:
            return ClassifyReport.from_dict(json.loads(self.report.read_text()))
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    def written(self) -> Iterator[Path]:
        """Yield all files that a run writes."""
        yield from self.requested()
        yield from (self.sidecar, self.style, self.report)

    def check_not_there(self) -> None:
        """Refuse to replace an existing output.

        The sidecars of an earlier map may be replaced. Its report shows that they belong to a map.

        Raises:
            OutputError: if an output exists, or a file that is no sidecar has the name of one.
        """
        paths = self.requested() if self._read_report() else self.written()
        for path in paths:
            check_not_there(path, overwrite=False)

    def check(self, scene: Scene, cleaning: Cleaning, inputs: Iterable[object]) -> None:
        """Refuse outputs that could not be written at the end, or would replace an input.

        Args:
            scene: to classify.
            cleaning: of its polygons.
            inputs: what the run reads besides the files of the scene; None is skipped.

        Raises:
            OutputError: if a file to write is an input, its folder does not exist, or it cannot
                hold the polygons of this scene.
            RunError: if polygons are to be cleaned, but none are written.
        """
        check_inputs_stay(self.written(), [*scene.files, *inputs])
        for path in self.requested():
            if path.parent.is_dir() or not self.create_folders:
                check_file_name(path)
        if self.polygons is not None:
            check_vector_path(self.polygons, self.run_folder)
            size = (scene.height, scene.width)
            check_format_fits(self.polygons, scene.affine, scene.crs, size)
        elif cleaning.simplify or cleaning.smooth:
            raise RunError(
                "simplify and smooth change polygons, but none are written: name a file for them "
                "(polygons, --polygons) or leave simplify and smooth out"
            )


def outputs_of_files(
    labels: str | Path,
    polygons: str | Path | None,
    confidence: str | Path | None,
    probabilities: str | Path | None,
    uncertainty: str | Path | None,
) -> Outputs:
    """Return the outputs of one scene; None for a file that is not written."""
    return Outputs(
        labels=Path(labels),
        polygons=Path(polygons) if polygons else None,
        confidence=Path(confidence) if confidence else None,
        probabilities=Path(probabilities) if probabilities else None,
        uncertainty=Path(uncertainty) if uncertainty else None,
    )


_FILE_SUFFIXES = (".tif", ".tiff", ".gpkg", ".parquet", ".fgb", ".geojson", ".pmtiles")
"""Suffixes of output files; the name of a folder to create must not end in one."""


def scenes_in_folders(
    scenes: Sequence[str | Path | Stack | Mosaic], folders: Mapping[str, str | Path | None]
) -> list[tuple[SceneSource, Outputs]]:
    """Return several scenes, each with its outputs, which are named after it.

    Args:
        scenes: at least one.
        folders: the folder for each kind of output, such as "labels"; None for no such output.

    Raises:
        SceneError: if the list is empty.
        OutputError: if a folder has the name of a file, or two scenes have the same name.
    """
    check_list("scenes", scenes)
    if not scenes:
        raise SceneError("the list of scenes is empty, give at least one")
    sources = [as_source(scene) for scene in scenes]
    outputs = outputs_in_folders([source_name(source) for source in sources], folders)
    return list(zip(sources, outputs, strict=True))


def outputs_in_folders(
    scenes: Sequence[str], folders: Mapping[str, str | Path | None]
) -> list[Outputs]:
    """Return the outputs of several scenes, named after them, in a folder for every kind.

    Raises:
        OutputError: if a folder has the name of a file, or two scenes have the same name.
    """
    for path in (Path(folder) for folder in folders.values() if folder is not None):
        if not path.is_dir() and (path.exists() or path.suffix.lower() in _FILE_SUFFIXES):
            raise OutputError(
                f"{path} must be a folder, because the maps of several scenes go there, give the "
                "name of a folder"
            )
    scene_of_name: dict[str, str] = {}
    outputs = []
    for scene in scenes:
        name = _scene_stem(scene)
        namesake = scene_of_name.get(name.casefold())
        if namesake is not None:
            raise OutputError(
                f"{namesake} and {scene} have the same name, so that one map would replace the "
                "other, classify them into different folders or rename one"
            )
        scene_of_name[name.casefold()] = scene
        files = {
            kind: Path(folder) / f"{name}{'.gpkg' if kind == 'polygons' else '.tif'}"
            for kind, folder in folders.items()
            if folder is not None
        }
        outputs.append(Outputs(**files, create_folders=True))
    return outputs


def _scene_stem(scene: str) -> str:
    """Return the name of a scene without folder, suffix, and the query of an address."""
    _, scheme, address = scene.rpartition("://")
    if not scheme:
        return Path(scene).stem
    return Path(address.partition("?")[0].rpartition("!")[2]).stem
