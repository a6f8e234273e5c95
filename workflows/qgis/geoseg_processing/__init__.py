"""geoseg in QGIS: land-cover maps from the Processing toolbox.

The package runs the command geoseg in a process of its own. It imports nothing of geoseg, and
installs nothing in the Python of QGIS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geoseg_processing.plugin import GeosegPlugin


def classFactory(interface: object) -> GeosegPlugin:  # noqa: N802 - the name that QGIS calls
    """Return the plugin; QGIS is imported only here, so that the rest can be tested without it."""
    from geoseg_processing.plugin import GeosegPlugin

    return GeosegPlugin()
