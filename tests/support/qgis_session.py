"""What somebody does in QGIS, for its own Python: cancel, continue, look, and wrong turns.

It prints what happened as one line of JSON.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append("/usr/share/qgis/python/plugins")  # Processing
from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsLayerTree,
    QgsLayerTreeModel,
    QgsLegendRenderer,
    QgsLegendSettings,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProject,
    QgsRenderContext,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor, QImage, QPainter

MARGIN = 200
"""Width of the legend in the picture (px)."""


class Listener(QgsProcessingFeedback):
    """Keeps what the user would see."""

    def __init__(self):
        super().__init__()
        self.messages, self.warnings, self.percent = [], [], []
        self.progressChanged.connect(self.percent.append)

    def pushInfo(self, text):  # noqa: N802
        self.messages.append(text)

    def pushWarning(self, text):  # noqa: N802
        self.warnings.append(text)

    def pushCommandInfo(self, text):  # noqa: N802
        self.command = text


def message_of(call: Callable[[], object]) -> str:
    """The message of the error of a run."""
    try:
        call()
    except QgsProcessingException as error:
        return str(error)
    return ""


def cancel_at_first_part(parameters: dict) -> dict:
    """Classify, and press Cancel as soon as there is a part."""
    feedback = Listener()
    folder = Path(parameters["OUTPUT"] + ".parts")

    def watch() -> None:
        while not list(folder.glob("part-*.json")):
            time.sleep(0.02)
        feedback.cancel()

    threading.Thread(target=watch, daemon=True).start()
    message = message_of(lambda: processing.run("geoseg:classify", parameters, feedback=feedback))
    parts = sorted(path.name for path in folder.glob("part-*.json"))
    return {"message": message, "parts": parts, "map": Path(parameters["OUTPUT"]).exists()}


def run_and_load(parameters: dict) -> dict:
    """Classify, and load the results into the project."""
    feedback, context = Listener(), QgsProcessingContext()
    context.setProject(PROJECT)
    processing.runAndLoadResults("geoseg:classify", parameters, feedback=feedback, context=context)
    groups = PROJECT.layerTreeRoot().findGroups()
    return {
        "messages": feedback.messages,
        "percent": feedback.percent,
        "groups": {g.name(): sorted(n.name() for n in g.findLayers()) for g in groups},
        "map": [
            [c.value, c.label, c.color.name()]
            for c in layer("Land-cover map").renderer().classes()
        ],
        "polygons": [
            [int(c.value()), c.label(), c.symbol().color().name()]
            for c in layer("Polygons").renderer().categories()
        ],
    }  # fmt: skip


def layer(name: str):
    """The layer of the project with a name."""
    [found] = PROJECT.mapLayersByName(name)
    return found


def draw(path: Path, name: str, legend: bool) -> None:
    """Draw a layer at one pixel of the picture for each of its pixels, with a legend if wanted."""
    shown = layer(name)
    settings = QgsMapSettings()
    settings.setLayers([shown])
    settings.setDestinationCrs(shown.crs())
    settings.setExtent(shown.extent())
    settings.setOutputSize(QSize(shown.width(), shown.height()))
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    picture = QImage(shown.width() + (MARGIN if legend else 0), shown.height(), QImage.Format_RGB32)
    picture.fill(QColor("white"))
    painter = QPainter(picture)
    painter.drawImage(0, 0, job.renderedImage())
    if legend:
        tree = QgsLayerTree()
        tree.addLayer(shown)
        model = QgsLayerTreeModel(tree)
        renderer = QgsLegendRenderer(model, QgsLegendSettings())
        renderer.legendSize()
        context = QgsRenderContext.fromQPainter(painter)
        painter.translate(shown.width(), 0)
        painter.scale(context.scaleFactor(), context.scaleFactor())  # px for each mm
        renderer.drawLegend(context)
    painter.end()
    picture.save(str(path))


def evaluate_memory_layer(lulc: str, reference: str, out: str) -> str:
    """Evaluate with polygons that are in memory only; the command."""
    file = QgsVectorLayer(reference, "reference", "ogr")
    file.setSubsetString("name = 'water'")
    memory = file.materialize(QgsFeatureRequest())
    feedback = Listener()
    inputs = {"LULC": lulc, "REFERENCE": memory, "CLASS_FIELD": "name", "OUTPUT": out}
    results = processing.run("geoseg:evaluate", inputs, feedback=feedback)
    return results["REPORT"]


def area_of_selected_features(labels: str, reference: str) -> tuple[int, int]:
    """How many features are selected, and how many are in the file that geoseg gets."""
    areas = QgsVectorLayer(reference, "areas", "ogr")
    PROJECT.addMapLayer(areas)
    areas.selectByExpression("name = 'water'")
    context = QgsProcessingContext()
    context.setProject(PROJECT)
    chosen = QgsProcessingFeatureSourceDefinition(areas.id(), selectedFeaturesOnly=True)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geoseg:classify")
    values = Values(algorithm, {"AOI": chosen, "SCENE": labels}, context, Listener())
    [area] = [p for p in CLASSIFY.parameters if p.name == "AOI"]
    source = values.read(area)
    file = QgsVectorLayer(source.path, "file", "ogr")
    return areas.selectedFeatureCount(), file.featureCount()


def crs_of_the_user() -> str:
    """What geoseg gets as a CRS that the user has defined in QGIS."""
    crs = QgsCoordinateReferenceSystem.fromProj("+proj=laea +lat_0=10 +lon_0=20 +datum=WGS84")
    QgsApplication.createDatabase()  # of the new profile
    crs.saveAsUserCrs("mine")
    assert crs.authid().startswith("USER:")
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("geoseg:classify")
    values = Values(algorithm, {"CRS": crs}, QgsProcessingContext(), Listener())
    [parameter] = [p for p in CLASSIFY.parameters if p.name == "CRS"]
    return values.read(parameter)


def temporary_polygons(lulc: str) -> int:
    """How many polygons a temporary output has."""
    inputs = {"LULC": lulc, "OUTPUT": "TEMPORARY_OUTPUT"}
    path = processing.run("geoseg:vectorise", inputs)["OUTPUT"]
    return QgsVectorLayer(path, "polygons", "ogr").featureCount()


def wrong_turns(lulc: str, out: str) -> dict:
    """What is said where there is no command, and where the output exists."""
    inputs = {"LULC": lulc, "OUTPUT": out}

    def vectorise() -> object:
        return processing.run("geoseg:vectorise", inputs, feedback=Listener())

    command = os.environ["GEOSEG_COMMAND"]
    os.environ["GEOSEG_COMMAND"] = "/nowhere/geoseg"
    said = {"wrong command": message_of(vectorise)}
    ProcessingConfig.setSettingValue("GEOSEG_COMMAND", command)
    said["setting"] = message_of(vectorise)
    said["output exists"] = message_of(vectorise)
    inputs = {"SCENE": labels, "MODEL": "banana", "OUTPUT": str(Path(out).with_suffix(".tif"))}
    said["no such model"] = message_of(lambda: processing.run("geoseg:classify", inputs))
    return said


if __name__ == "__main__":
    application = QgsApplication([], False)
    application.initQgis()
    import processing
    from geoseg_processing.algorithms import CLASSIFY
    from geoseg_processing.parameters import Values
    from geoseg_processing.plugin import GeosegPlugin
    from processing.core.Processing import Processing
    from processing.core.ProcessingConfig import ProcessingConfig
    from qgis.core import QgsFeatureRequest, QgsProcessingFeatureSourceDefinition

    Processing.initialize()
    plugin = GeosegPlugin()
    plugin.initProcessing()
    PROJECT = QgsProject.instance()
    arguments = json.loads(sys.argv[1])
    inputs, folder = arguments["classify"], Path(arguments["folder"])
    told = {"cancelled": cancel_at_first_part(dict(inputs))}
    told["loaded"] = run_and_load(dict(inputs))
    draw(folder / "map.png", "Land-cover map", legend=False)
    draw(folder / "picture.png", "Land-cover map", legend=True)
    labels = inputs["OUTPUT"]
    told["report"] = evaluate_memory_layer(labels, arguments["reference"], str(folder / "report"))
    told["selected"] = area_of_selected_features(labels, arguments["reference"])
    told["crs"] = crs_of_the_user()
    told["temporary"] = temporary_polygons(labels)
    told["said"] = wrong_turns(labels, str(folder / "again.gpkg"))
    plugin.unload()
    print(json.dumps(told))  # noqa: T201 - the result
