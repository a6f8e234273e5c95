"""The plugin: adds the provider to QGIS and removes it."""

from __future__ import annotations

from qgis.core import QgsApplication

from geoseg_processing.provider import GeosegProvider


class GeosegPlugin:
    """What QGIS starts and stops."""

    def __init__(self) -> None:
        """Begin without a provider."""
        self._provider: GeosegProvider | None = None

    def initProcessing(self) -> None:  # noqa: N802 - the name that QGIS calls
        """Add the provider; `qgis_process` calls only this."""
        self._provider = GeosegProvider()
        QgsApplication.processingRegistry().addProvider(self._provider)

    def initGui(self) -> None:  # noqa: N802 - the name that QGIS calls
        """Add the provider."""
        self.initProcessing()

    def unload(self) -> None:
        """Remove the provider."""
        QgsApplication.processingRegistry().removeProvider(self._provider)
