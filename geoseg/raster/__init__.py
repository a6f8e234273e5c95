"""All access to GDAL rasters: open scenes, read windows with their valid mask, write GeoTIFFs."""

from geoseg.raster.creation_options import check_compression, normalise_creation_options
from geoseg.raster.datasets import CACHE_BYTES
from geoseg.raster.levels import level_affine, level_shape, read_level
from geoseg.raster.metadata import RasterMetadata, read_metadata
from geoseg.raster.mosaic import mosaic
from geoseg.raster.open import (
    Mosaic,
    SceneSource,
    Stack,
    as_source,
    open_scene,
    open_scores,
    source_name,
    source_paths,
)
from geoseg.raster.preview import (
    percentile_ranges,
    percentile_stretch,
    read_overview,
    rgb_bands,
    rgb_jpeg,
    rgba_png,
    stretch_to_bytes,
)
from geoseg.raster.probe import pixel_warnings, probe_pixels
from geoseg.raster.products import (
    BandFile,
    Product,
    find_product,
    have_other_names,
    is_product_folder,
    is_stac_document,
    list_bands,
)
from geoseg.raster.read import (
    WindowReader,
    has_values,
    pad_reflect,
    read_palette,
    read_whole,
    read_window,
    window_to_read,
)
from geoseg.raster.remote import is_remote
from geoseg.raster.scene import Band, Scene
from geoseg.raster.scene_paths import expand_scenes
from geoseg.raster.warp import reprojected, same_grid, warped_to
from geoseg.raster.write import RasterProfile, write_cog, write_tile

__all__ = [
    "CACHE_BYTES",
    "Band",
    "BandFile",
    "Mosaic",
    "Product",
    "RasterMetadata",
    "RasterProfile",
    "Scene",
    "SceneSource",
    "Stack",
    "WindowReader",
    "as_source",
    "check_compression",
    "expand_scenes",
    "find_product",
    "has_values",
    "have_other_names",
    "is_product_folder",
    "is_remote",
    "is_stac_document",
    "level_affine",
    "level_shape",
    "list_bands",
    "mosaic",
    "normalise_creation_options",
    "open_scene",
    "open_scores",
    "pad_reflect",
    "percentile_ranges",
    "percentile_stretch",
    "pixel_warnings",
    "probe_pixels",
    "read_level",
    "read_metadata",
    "read_overview",
    "read_palette",
    "read_whole",
    "read_window",
    "reprojected",
    "rgb_bands",
    "rgb_jpeg",
    "rgba_png",
    "same_grid",
    "source_name",
    "source_paths",
    "stretch_to_bytes",
    "warped_to",
    "window_to_read",
    "write_cog",
    "write_tile",
]
