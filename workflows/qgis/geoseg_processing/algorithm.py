"""The one class of all algorithms; what differs between them is in their declarations."""

from __future__ import annotations

import os
import shlex
from html import escape
from pathlib import Path

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingOutputHtml,
)
from qgis.PyQt.QtGui import QIcon

from geoseg_processing.command_line import Source, command_line
from geoseg_processing.declarations import REPLACE, Algorithm
from geoseg_processing.find_command import SETTING, CommandError, find_command
from geoseg_processing.parameters import Values, declare
from geoseg_processing.process import RESUMABLE, Ended, run

ICON = Path(__file__).with_name("icon.svg")
PAGE = "REPORT"
"""Name of the output that is a page."""


class GeosegAlgorithm(QgsProcessingAlgorithm):
    """Runs one command of geoseg in a process of its own."""

    def __init__(self, declaration: Algorithm) -> None:
        """Keep what the algorithm is."""
        super().__init__()
        self._declaration = declaration

    def createInstance(self) -> GeosegAlgorithm:  # noqa: N802 - the name that QGIS calls
        """Return a new algorithm of the same kind."""
        return GeosegAlgorithm(self._declaration)

    def name(self) -> str:
        """Return the name in scripts."""
        return self._declaration.name

    def displayName(self) -> str:  # noqa: N802 - the name that QGIS calls
        """Return the name in the toolbox."""
        return self._declaration.label

    def icon(self) -> QIcon:
        """Return the picture in the toolbox."""
        return QIcon(str(ICON))

    def shortHelpString(self) -> str:  # noqa: N802 - the name that QGIS calls
        """Return the help beside the dialog: what it does, and each parameter."""
        parameters = "".join(
            f"<p><b>{escape(p.label)}</b><br>{escape(p.help)}</p>"
            for p in self._declaration.parameters
            if p.help
        )
        return f"<p>{escape(self._declaration.help)}</p>{parameters}"

    def initAlgorithm(self, configuration: object = None) -> None:  # noqa: N802 - of QGIS
        """Declare parameters and outputs to QGIS."""
        for parameter in self._declaration.parameters:
            self.addParameter(declare(parameter))
        if self._declaration.page:
            self.addOutput(QgsProcessingOutputHtml(PAGE, "Report"))

    def processAlgorithm(  # noqa: N802 - the name that QGIS calls
        self,
        parameters: dict[str, object],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> dict[str, object]:
        """Run the command.

        Raises:
            QgsProcessingException: if it cannot be run, fails or is stopped; one sentence says why.
        """
        reader = Values(self, parameters, context, feedback)
        values = {p.name: reader.read(p) for p in self._declaration.parameters}
        try:
            command = find_command(
                ProcessingConfig.getSetting(SETTING) or "", os.environ, Path.home()
            )
            words = command_line(self._declaration, values)
            feedback.pushCommandInfo(shlex.join([command, *words]))
            ended = run([command, *words], feedback)
        except (CommandError, ValueError, OSError) as error:
            raise QgsProcessingException(f"{error}.") from error
        if ended.code:
            raise QgsProcessingException(self._failure(ended))
        return self._results(values, context)

    def _failure(self, ended: Ended) -> str:
        """Return why there is no result."""
        if ended.cancelled:
            return f"Stopped (exit code {ended.code}). {self._declaration.if_stopped}"
        if ended.code == RESUMABLE:
            return f"{ended.sentence} (exit code {RESUMABLE})."
        sentence = ended.sentence or f"geoseg ended with exit code {ended.code}"
        return f"{sentence.rstrip('.')}.".replace("overwrite (-f)", f"tick '{REPLACE}'")

    def _results(
        self, values: dict[str, object], context: QgsProcessingContext
    ) -> dict[str, object]:
        """Return the outputs, and have their layers loaded with their styles, in one group."""
        outputs = [p for p in self._declaration.outputs if values[p.name]]
        layers = [
            str(values[p.name])
            for p in outputs
            if context.willLoadLayerOnCompletion(str(values[p.name]))
        ]
        source = values.get("SCENE")
        group = ""
        if len(layers) > 1 and isinstance(source, Source):
            group = f"geoseg: {Path(source.path).stem}"
        # QGIS 3.32 and later make groups themselves.
        new_groups = hasattr(QgsProcessingContext.LayerDetails, "groupName")
        for path in layers:
            details = context.layerToLoadOnCompletionDetails(path)
            details.setPostProcessor(_Loader("" if new_groups else group))
            if new_groups:
                details.groupName = group
        results: dict[str, object] = {p.name: values[p.name] for p in outputs}
        if self._declaration.page:
            results[PAGE] = str(Path(str(values["OUTPUT"])) / self._declaration.page)
        return results


class _Loader(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer the style that geoseg wrote with it, which Processing leaves out."""

    def __init__(self, group: str) -> None:
        """Keep the name of the group in which the layer belongs; empty for none."""
        super().__init__()
        self._group = group
        _WAITING.add(self)

    def postProcessLayer(  # noqa: N802 - the name that QGIS calls
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> None:
        """Load the .qml beside a raster, or the default style inside a GeoPackage."""
        layer.loadDefaultStyle()
        layer.triggerRepaint()
        if self._group and context.project():
            root = context.project().layerTreeRoot()
            node = root.findLayer(layer.id())
            if node:
                group = root.findGroup(self._group) or root.insertGroup(0, self._group)
                group.addChildNode(node.clone())
                node.parent().removeChildNode(node)
        _WAITING.discard(self)


_WAITING: set[_Loader] = set()
"""Loaders that did not run yet. QGIS owns them and deletes each once, so each layer has its own;
but QGIS does not keep their Python part."""
