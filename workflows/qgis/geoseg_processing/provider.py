"""The provider: the list of algorithms, and the setting where geoseg is."""

from __future__ import annotations

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from geoseg_processing.algorithm import ICON, GeosegAlgorithm
from geoseg_processing.algorithms import ALGORITHMS
from geoseg_processing.find_command import SETTING


class GeosegProvider(QgsProcessingProvider):
    """The algorithms of geoseg in the toolbox."""

    def id(self) -> str:
        """Return the name before the colon: geoseg:classify."""
        return "geoseg"

    def name(self) -> str:
        """Return the name in the toolbox."""
        return "geoseg"

    def longName(self) -> str:  # noqa: N802 - the name that QGIS calls
        """Return the name with an explanation."""
        return "geoseg: land-cover maps"

    def icon(self) -> QIcon:
        """Return the picture in the toolbox."""
        return QIcon(str(ICON))

    def load(self) -> bool:
        """Add the setting and the algorithms."""
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        label = "Command geoseg (empty: look for it on the PATH and in common environments)"
        setting = Setting(self.name(), SETTING, label, "", valuetype=Setting.FILE)
        ProcessingConfig.addSetting(setting)
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Remove the setting."""
        ProcessingConfig.removeSetting(SETTING)

    def loadAlgorithms(self) -> None:  # noqa: N802 - the name that QGIS calls
        """Add each algorithm."""
        for declaration in ALGORITHMS:
            self.addAlgorithm(GeosegAlgorithm(declaration))

    def supportedOutputRasterLayerExtensions(self) -> list[str]:  # noqa: N802 - of QGIS
        """Return the extensions that geoseg writes."""
        return ["tif"]

    def supportedOutputVectorLayerExtensions(self) -> list[str]:  # noqa: N802 - of QGIS
        """Return the extensions that geoseg writes and QGIS loads."""
        return ["gpkg", "fgb", "geojson", "parquet"]

    def supportsNonFileBasedOutput(self) -> bool:  # noqa: N802 - the name that QGIS calls
        """Return False: geoseg writes files."""
        return False
