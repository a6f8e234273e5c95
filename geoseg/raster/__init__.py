"""The one door to GDAL rasters: describe, read a window with its mask, write atomically."""

from geoseg.raster.facts import Facts, read_facts
from geoseg.raster.files import CACHE_BYTES
from geoseg.raster.preview import colour_bands, read_reduced, stretch
from geoseg.raster.probe import pixel_warnings, sample_pixels, unread_alphas
from geoseg.raster.remote import is_remote
from geoseg.raster.scene import Scene, describe, read, read_palette, read_whole, reflected
from geoseg.raster.sidecar import pam_sidecar, read_categories
from geoseg.raster.warp import onto
from geoseg.raster.write import Target, write_cog, write_tile, writing

__all__ = [
    "CACHE_BYTES",
    "Facts",
    "Scene",
    "Target",
    "colour_bands",
    "describe",
    "is_remote",
    "onto",
    "pam_sidecar",
    "pixel_warnings",
    "read",
    "read_categories",
    "read_facts",
    "read_palette",
    "read_reduced",
    "read_whole",
    "reflected",
    "sample_pixels",
    "stretch",
    "unread_alphas",
    "write_cog",
    "write_tile",
    "writing",
]
