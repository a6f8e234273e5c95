"""Parameters in QGIS: how each kind is declared to QGIS, and how its value is read from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingParameterBand,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsRasterLayer,
)

from geoseg_processing.command_line import Extent, Source
from geoseg_processing.declarations import Parameter

VECTOR_FORMATS = ("gpkg", "shp", "geojson", "json", "fgb", "parquet", "gml", "kml", "sqlite")
"""Extensions of vector files that geoseg reads; other layers are saved as a GeoPackage first."""


def declare(p: Parameter) -> QgsProcessingParameterDefinition:
    """Return the parameter as QGIS knows it."""
    definition = _DECLARE[p.kind](p)
    definition.setHelp(p.help)
    if p.advanced:
        advanced = QgsProcessingParameterDefinition.FlagAdvanced
        definition.setFlags(definition.flags() | advanced)
    return definition


def _number(p: Parameter) -> QgsProcessingParameterNumber:
    kind = "Integer" if p.kind == "integer" else "Double"
    definition = QgsProcessingParameterNumber(
        p.name, p.label, getattr(QgsProcessingParameterNumber, kind), p.default, p.optional
    )
    if p.low is not None:
        definition.setMinimum(p.low)
    if p.high is not None:
        definition.setMaximum(p.high)
    return definition


def _file(p: Parameter) -> QgsProcessingParameterFile:
    is_folder = p.kind == "folder"
    behavior = getattr(QgsProcessingParameterFile, "Folder" if is_folder else "File")
    definition = QgsProcessingParameterFile(p.name, p.label, behavior, "", p.default, p.optional)
    definition.setFileFilter("All files (*)")  # QGIS has *.* else, and refuses names of models
    return definition


def _text(p: Parameter) -> QgsProcessingParameterString:
    return QgsProcessingParameterString(
        p.name, p.label, p.default, multiLine=False, optional=p.optional
    )


_DECLARE: dict[str, Callable[[Parameter], QgsProcessingParameterDefinition]] = {
    "raster": lambda p: QgsProcessingParameterRasterLayer(p.name, p.label, None, p.optional),
    "vector": lambda p: QgsProcessingParameterFeatureSource(
        p.name, p.label, [QgsProcessing.TypeVectorPolygon], None, p.optional
    ),
    "layer": lambda p: QgsProcessingParameterMapLayer(p.name, p.label, None, p.optional),
    "file": _file,
    "folder": _file,
    "number": _number,
    "integer": _number,
    "choice": lambda p: QgsProcessingParameterEnum(
        p.name,
        p.label,
        list(p.choices),
        defaultValue=p.default,
        optional=p.optional,
        usesStaticStrings=True,
    ),
    "flag": lambda p: QgsProcessingParameterBoolean(p.name, p.label, p.default),
    "text": _text,
    "list": _text,
    "words": _text,
    "bands": lambda p: QgsProcessingParameterBand(
        p.name, p.label, None, p.parent, p.optional, allowMultiple=True
    ),
    "field": lambda p: QgsProcessingParameterField(
        p.name, p.label, None, p.parent, optional=p.optional
    ),
    "extent": lambda p: QgsProcessingParameterExtent(p.name, p.label, None, p.optional),
    "crs": lambda p: QgsProcessingParameterCrs(p.name, p.label, None, p.optional),
    "new raster": lambda p: QgsProcessingParameterRasterDestination(
        p.name, p.label, None, p.optional, not p.optional
    ),
    "new vector": lambda p: QgsProcessingParameterVectorDestination(
        p.name, p.label, QgsProcessing.TypeVectorAnyGeometry, None, p.optional, not p.optional
    ),
    "new file": lambda p: QgsProcessingParameterFileDestination(
        p.name, p.label, f"{p.label} (*.{p.extension})", None, p.optional
    ),
    "new folder": lambda p: QgsProcessingParameterFolderDestination(
        p.name, p.label, None, p.optional
    ),
}


class Values:
    """The values that the user gave to one run."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: dict[str, object],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        """Keep what QGIS passes to an algorithm."""
        self._algorithm, self._parameters = algorithm, parameters
        self._context, self._feedback = context, feedback

    def read(self, p: Parameter) -> object:
        """Return the value of a parameter as `command_line` takes it; None if it has none.

        Raises:
            QgsProcessingException: if it is a layer that geoseg cannot read.
        """
        readers: dict[str, Callable[[Parameter], object]] = {
            "raster": self._layer, "vector": self._vector, "layer": self._layer,
            "number": self._number, "integer": self._number, "choice": self._choice,
            "flag": lambda p: self._as("Boolean", p), "bands": self._bands,
            "extent": self._extent, "crs": self._crs,
            "new raster": lambda p: self._as("OutputLayer", p) or None,
            "new vector": lambda p: self._as("OutputLayer", p) or None,
            "new file": lambda p: self._as("FileOutput", p) or None,
            "new folder": lambda p: self._as("FileOutput", p) or None,
        }  # fmt: skip
        return readers.get(p.kind, self._text)(p)

    def _as(self, kind: str, p: Parameter) -> Any:  # noqa: ANN401 - as QGIS
        """Evaluate a parameter with the method of QGIS for a kind of value."""
        evaluate = getattr(self._algorithm, f"parameterAs{kind}")
        return evaluate(self._parameters, p.name, self._context)

    def _text(self, p: Parameter) -> str | None:
        return str(self._as("String", p)).strip() or None

    def _number(self, p: Parameter) -> float | int | None:
        if self._text(p) is None:
            return None
        return int(self._as("Int", p)) if p.kind == "integer" else float(self._as("Double", p))

    def _choice(self, p: Parameter) -> str:
        return str(self._as("EnumString", p))

    def _bands(self, p: Parameter) -> list[int]:
        return list(self._as("Ints", p)) if self._text(p) else []

    def _extent(self, p: Parameter) -> Extent | None:
        box = self._as("Extent", p)
        if self._parameters.get(p.name) is None or box.isNull():
            return None
        crs = self._as("ExtentCrs", p)
        edges = (box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum())
        return Extent(*edges, _crs_text(crs) if crs.isValid() else "")

    def _crs(self, p: Parameter) -> str | None:
        crs = self._as("Crs", p)
        return _crs_text(crs) if crs.isValid() else None

    def _layer(self, p: Parameter) -> Source | None:
        layer = self._as("Layer", p)
        if layer is None:
            text = self._text(p)
            if text is None:
                return None
            raise QgsProcessingException(f"{p.label}: {text} is no layer that QGIS can open.")
        if isinstance(layer, QgsRasterLayer):
            return raster_source(layer)
        return self._vector(p)

    def _vector(self, p: Parameter) -> Source | None:
        if self._parameters.get(p.name) in (None, ""):
            return None
        # Layers in memory, filtered layers, selected features and those of a database are saved to
        # a file by this.
        path, name = self._algorithm.parameterAsCompatibleSourceLayerPathAndLayerName(
            self._parameters, p.name, self._context, list(VECTOR_FORMATS), "gpkg", self._feedback
        )
        if not path:
            raise QgsProcessingException(f"{p.label} is no layer that QGIS can open.")
        return Source(path, name or "")


def raster_source(layer: QgsRasterLayer) -> Source:
    """Return the file or address of a raster layer.

    Raises:
        QgsProcessingException: if it is not read by GDAL.
    """
    if layer.providerType() != "gdal":
        raise QgsProcessingException(
            f"The layer {layer.name()} is of the provider {layer.providerType()}, which geoseg "
            "cannot read; save it as a GeoTIFF and choose that."
        )
    return Source(layer.source().split("|")[0])


def _crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """Return the code of a CRS, such as EPSG:32621, or its WKT if only QGIS knows its code."""
    code = str(crs.authid())
    if code and not code.startswith("USER:"):
        return code
    return str(crs.toWkt(QgsCoordinateReferenceSystem.WKT_PREFERRED))
