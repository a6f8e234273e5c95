"""The files of a map: where they go, and whether they may."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoseg.errors import OutputError
from geoseg.polygons import check_extension, check_format_fits
from geoseg.raster import Scene


@dataclass(frozen=True, slots=True)
class Outputs:
    """Paths of what a run writes; the sidecars of the labels are named after them.

    Raises:
        OutputError: if two outputs share a path, or an extension is unknown.
    """

    labels: Path
    polygons: Path | None = None
    confidence: Path | None = None
    probabilities: Path | None = None

    def __post_init__(self) -> None:
        asked = list(self.asked())
        if len(set(asked)) < len(asked):
            raise OutputError(f"two outputs have the path {max(asked, key=asked.count)}")
        if self.polygons is not None:
            check_extension(self.polygons)
        for raster in (self.labels, self.confidence, self.probabilities):
            if raster is not None and raster.suffix.lower() not in (".tif", ".tiff"):
                raise OutputError(f"{raster} is to be a GeoTIFF, name it .tif")

    def asked(self) -> Iterator[Path]:
        """The files that the caller named."""
        for path in (self.labels, self.polygons, self.confidence, self.probabilities):
            if path is not None:
                yield path

    @property
    def sidecar(self) -> Path:
        """Category names and attribute table, which GDAL and QGIS read beside the labels."""
        return self.labels.with_name(f"{self.labels.name}.aux.xml")

    @property
    def style(self) -> Path:
        """QGIS style of the labels."""
        return self.labels.with_suffix(".qml")

    @property
    def report(self) -> Path:
        """Provenance, pixels and area per class, timings."""
        return self.labels.with_suffix(".json")

    @property
    def parts(self) -> Path:
        """Folder of the parts, until the map is assembled."""
        return self.labels.with_name(f"{self.labels.name}.parts")

    def finished(self, run: str) -> dict[str, Any] | None:
        """The report of a map that is there, complete and of this very run; else None."""
        try:
            report = json.loads(self.report.read_text())
        except (OSError, ValueError):
            return None
        whole = all(path.exists() for path in self.asked())
        return report if whole and isinstance(report, dict) and report.get("run") == run else None

    def check_free(self) -> None:
        """Refuse to replace what is there.

        Raises:
            OutputError: if an output exists.
        """
        for path in self.asked():
            if path.exists():
                raise OutputError(f"{path} exists, use -f to replace it or another name")

    def check(self, scene: Scene) -> None:
        """Refuse early what would fail late.

        Raises:
            OutputError: if an output is the scene itself, its folder does not exist, or the
                polygons' format cannot represent the scene's grid.
        """
        for path in self.asked():
            if path.resolve() == Path(scene.path).resolve():
                raise OutputError(f"{path} is the scene itself, give another --out")
            if not path.parent.is_dir():
                raise OutputError(f"folder {path.parent} does not exist, create it first")
            if path.is_dir():
                raise OutputError(f"{path} is a folder, give a file name")
        if self.polygons is not None:
            size = (scene.height, scene.width)
            check_format_fits(self.polygons, scene.affine, scene.crs, size)
