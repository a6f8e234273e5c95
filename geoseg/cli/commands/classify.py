"""``geoseg classify``."""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from geoseg.cli import config, options
from geoseg.cli.console import Console
from geoseg.cli.scene_runs import classify, describe
from geoseg.cli.sections import Command, group, section
from geoseg.errors import SceneError, redact

if TYPE_CHECKING:
    from geoseg.raster import SceneSource

_LARGE_SCENE = 5_000_000
"""Number of pixels from which a scene is probably computed in worker processes."""


@click.command(
    "classify",
    cls=Command,
    epilog=options.examples(
        "geoseg classify scene.tif --out lulc.tif --polygons lulc.gpkg",
        "geoseg classify scene.tif --out roads.tif --model roads.onnx \\\n"
        "--legend roads.csv --input-std 255",
        "geoseg classify S2A_20240531.SAFE --out lulc.tif --model sentinel2.safetensors",
        'geoseg classify --mosaic "orthophotos/*.tif" --out lulc.tif',
    ),
)
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@section(
    "Outputs",
    click.option(
        "--out", required=True, metavar="FILE",
        help="GeoTIFF of the map, .tif. With several scenes: a folder, in which each map has the "
        "name of its scene.",
    ),
    group(
        "side_outputs",
        click.option(
            "--polygons", metavar="FILE",
            help="Also write polygons: .gpkg, .parquet, .fgb, .geojson or .pmtiles. With several "
            "scenes, a folder of .gpkg files.  [default: no polygons]",
        ),
        click.option(
            "--confidence", metavar="FILE",
            help="Also write the score of the best class, 1 to 255 (0 is nodata), as GeoTIFF.  "
            "[default: no file]",
        ),
        click.option(
            "--probabilities", metavar="FILE",
            help="Also write the scores of all classes, 0 to 255, as GeoTIFF with one band for "
            "each class.  [default: no file]",
        ),
        click.option(
            "--uncertainty", metavar="FILE",
            help="Also write the entropy of the scores of all classes, 1 (one class has all) to "
            "255 (all classes are equal), 0 is nodata, as GeoTIFF. `geoseg suggest` reads it.  "
            "[default: no file]",
        ),
    ),
    group(
        "settings",
        click.option(
            "--co", "creation_options", multiple=True, metavar="NAME=VALUE",
            callback=options.parse_creation_options,
            help="Creation option of the GeoTIFFs, one that GDAL's COG driver knows and that does "
            "not change pixels: BIGTIFF, BLOCKSIZE, COMPRESS (such as ZSTD), GEOTIFF_VERSION, "
            "LEVEL, OVERVIEWS, PREDICTOR, SPARSE_OK or STATISTICS. Repeat the option for several.  "
            "[default: COMPRESS=DEFLATE and BLOCKSIZE=512]",
        ),
    ),
    options.overwrite,
)  # fmt: skip
@section(
    "Scenes",
    options.stack,
    click.option(
        "--mosaic", is_flag=True,
        help="Make one map of SCENES that overlap or touch, on the grid of the first.",
    ),
    click.option(
        "--order", type=click.Choice(["first", "newest"]), default="first", show_default=True,
        help="What lies on top in a mosaic: the first scene, or the one with the latest date.",
    ),
    group(
        "settings",
        options.bands,
        options.nodata,
        click.option(
            "--aoi", metavar="FILE",
            help="Area of interest: a vector file with polygons. Pixels outside of them become "
            "nodata.  [default: the whole scene]",
        ),
        click.option(
            "--aoi-layer", metavar="NAME",
            help="Layer of the area of interest in a file with several layers.  [default: the "
            "first layer with geometries]",
        ),
    ),
)  # fmt: skip
@section(
    "Grid of the map",
    group(
        "settings",
        click.option(
            "--resolution", type=options.parse_resolution, metavar="SIZE",
            help="Ground size of the pixels that the network reads: a number of metres above 0, "
            "'scene' for the pixels as they are, or 'model' for the size in its training.  "
            "[default: model if the pixels of the scene are more than a quarter smaller or larger, "
            "unless they are more than 4 times as large; else scene]",
        ),
        click.option(
            "--grid", type=click.Choice(["scene", "model"]), default="scene", show_default=True,
            help="Pixels of the map where --resolution resamples the scene. scene: those of the "
            "scene, with the nearest class. model: those that the network reads.",
        ),
        click.option(
            "--crs", metavar="CRS",
            help="CRS of the map, such as EPSG:32640; the scene is warped as it is read.  "
            "[default: that of the scene]",
        ),
        click.option(
            "--bbox", type=options.parse_bbox, metavar="W,S,E,N",
            help="West, south, east and north of the map in its CRS. The map is cut to the pixels "
            "that this box touches.  [default: the whole scene]",
        ),
        click.option(
            "--bbox-crs", metavar="CRS",
            help="CRS of --bbox, such as EPSG:4326.  [default: that of the map]",
        ),
    ),
)  # fmt: skip
@section(
    "Model and windows",
    click.option(
        "--model", default="default", show_default=True, metavar="FILE",
        help="Model file, .safetensors, the name of a model in the list of `geoseg models`, or a "
        "segmentation network of another program, .onnx.",
    ),
    group(
        "settings",
        click.option(
            "--legend", metavar="FILE",
            help="Classes of an .onnx model, one for each output channel in ascending order of "
            "value: CSV (value,name,color) or QGIS palette (.qml, .txt, .clr).  [default: those of "
            "its metadata]",
        ),
        click.option(
            "--input-mean", type=options.parse_numbers, metavar="M",
            help="Mean of the scene values: an .onnx model reads (value - mean) / std. One number "
            "for all bands, or one for each band, separated by commas.  [default: that of its "
            "metadata; 0 if only --input-std is given]",
        ),
        click.option(
            "--input-std", type=options.parse_numbers, metavar="S",
            help="Standard deviation, above 0, in the same form; 255 scales bytes to 0 to 1.  "
            "[default: that of its metadata; 1 if only --input-mean is given]",
        ),
        click.option(
            "--window", type=click.IntRange(1), metavar="PX",
            help="Side of the windows in pixels, at least 1: a multiple of 32 (16 for the "
            "reference network), and for an .onnx model any side that it can compute.  [default: "
            "that of the model]",
        ),
        click.option(
            "--overlap", default=32, show_default=True, metavar="PX",
            help="Overlap of neighbouring windows in pixels, at least 0 and less than the window.",
        ),
        click.option(
            "--blend", type=click.Choice(["hann", "linear", "crop", "none"]), default="hann",
            show_default=True,
            help="How the weights of a window decrease over the overlap. hann: as a raised cosine. "
            "linear: as a line. crop: to nearly zero at half of the overlap. none: no decrease.",
        ),
        click.option(
            "--tta", is_flag=True,
            help="Test-time augmentation: average the scores of 8 flips and rotations. Takes 8 "
            "times as long.",
        ),
    ),
)  # fmt: skip
@options.cleaning
@section(
    "Computation",
    group(
        "execution",
        options.device,
        click.option(
            "--engine", type=click.Choice(["auto", "torch", "onnxruntime", "openvino", "mnn"]),
            default="auto", show_default=True,
            help="What computes the network; all but torch run on a CPU. auto: torch (ONNX Runtime "
            "for an .onnx model); for a large scene, the fastest of the installed engines whose "
            "labels agree on at least 99.99 % of the pixels, found by a trial of about two "
            "seconds.",
        ),
    ),
    group(
        "settings",
        click.option(
            "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
            show_default=True,
            help="Floating-point precision of the network. auto: fp32 on a CPU and on mps, bf16 "
            "or else fp16 on cuda.",
        ),
    ),
    group(
        "execution",
        click.option(
            "--batch-size", type=click.IntRange(1), metavar="N",
            help="Windows in a batch, at least 1.  [default: with torch, as many as have about "
            "131,000 px on a CPU (8 windows of 128 px, or 2 of 256 px) and 4.2 million px on a "
            "GPU; with another engine 1, or the fixed number of an .onnx model]",
        ),
        click.option(
            "--chunk", type=click.IntRange(512), metavar="PX",
            help="Side of a chunk in pixels, a multiple of 512.  [default: 512 to 2048, by the "
            "size of the scene]",
        ),
    ),
    click.option(
        "--workers", type=click.IntRange(1), metavar="N",
        help="Number of chunks that are computed at the same time, at least 1; not used with "
        "--scheduler. Each is computed by a process of its own; small scenes and GPUs use "
        "threads.  [default: as many as cores and memory allow]",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="Compute on the workers of a Dask scheduler: its address (tcp://, tls://) or its "
        "file.  [default: compute on this machine]",
    ),
    group(
        "execution",
        click.option(
            "--wait", default=300.0, show_default=True, metavar="SECONDS",
            help="Seconds to wait for a Dask worker, at least 0; then the exit code is 75.",
        ),
        click.option(
            "--shard", type=options.parse_shard, metavar="I/N",
            help="Compute only shard i of n: every n-th chunk, starting with the i-th; i is from 1 "
            "to n, for example 3/8. The map is not assembled.  [default: all chunks]",
        ),
        click.option(
            "--resume/--no-resume", default=True, show_default=True,
            help="Continue an interrupted run, or discard its finished chunks and start again.",
        ),
    ),
    click.option(
        "--dry-run", is_flag=True,
        help="Print what would be done, and try the network for two seconds to estimate the time. "
        "Nothing is written.",
    ),
)  # fmt: skip
@config.option
@options.console
def command(
    scenes: tuple[str, ...],
    stack: bool,
    mosaic: bool,
    order: str,
    out: str,
    model: str,
    side_outputs: dict[str, str | None],
    settings: dict[str, Any],
    cleaning: dict[str, Any],
    execution: dict[str, Any],
    workers: int | None,
    scheduler: str | None,
    dry_run: bool,
    overwrite: bool,
    console: Console,
) -> None:
    """Classify SCENES into land-cover maps: GeoTIFF, and polygons if wanted.

    A scene is any raster that GDAL opens, a folder of Sentinel-2 (SAFE), of Landsat or of band
    files, or a STAC item. @list.txt stands for the scenes in a text file, one in
    each line, and "scenes/*.tif" in quotes for all files that match; ** stands for any folders. A
    scene that fails does not stop the others. The same command continues an interrupted run.
    """
    paths = _check_inputs(scenes, model)
    sources = _combined(paths, stack=stack, mosaic=mosaic, order=order)
    if scheduler is None and workers != 1 and not dry_run:
        _preload_workers(paths[0], execution["device"])
    from geoseg.classification import ClassifySettings, Cleaning, Execution
    from geoseg.model import tune_malloc

    tune_malloc()
    keywords: dict[str, Any] = {
        **side_outputs, "model": model, "workers": workers, "scheduler": scheduler,
        "settings": ClassifySettings(**settings, cleaning=Cleaning(**cleaning)),
        "execution": Execution(**execution), "overwrite": overwrite,
    }  # fmt: skip
    from_list = paths != list(scenes) and not (stack or mosaic or Path(out).suffix)
    is_folder = os.path.isdir(out)  # noqa: PTH112 - of a name that is too long, `Path` raises
    several = len(sources) > 1 or is_folder or from_list
    run = describe if dry_run else classify
    result, text, failed = run(sources, out, keywords, console, several=several)
    failures = {} if failed is None else failed.failures
    result["failed"] = [
        {"scene": redact(path), "error": str(error)} for path, error in failures.items()
    ]
    console.print_result(result, text or None, always=dry_run)
    if failed is not None:
        raise failed


def _preload_workers(path: str, device: str) -> None:
    """Start to import the modules of worker processes, if the scene is large."""
    from geoseg.execute import preload_workers
    from geoseg.raster import open_scene

    with suppress(SceneError):  # the run reports it
        scene = open_scene(path)
        if device in ("auto", "cpu") and scene.height * scene.width >= _LARGE_SCENE:
            preload_workers(["geoseg.classification.preload"])


def _combined(paths: list[str], *, stack: bool, mosaic: bool, order: str) -> "list[SceneSource]":
    """Return one scene for all paths (a stack or a mosaic), or one for each path."""
    from geoseg.errors import RunError
    from geoseg.raster import Mosaic, Stack

    if stack and mosaic:
        raise RunError("--stack and --mosaic contradict each other, leave one out")
    if order != "first" and not mosaic:
        raise RunError("--order is for a mosaic, add --mosaic or leave --order out")
    if stack:
        return [Stack(tuple(paths))]
    return [Mosaic(tuple(paths), order)] if mosaic else [*paths]  # type: ignore[arg-type]


def _check_inputs(scenes: tuple[str, ...], model: str) -> list[str]:
    """Return the paths of the scenes.

    A missing model, or a single scene that is missing, is refused before torch is loaded, which
    takes seconds.
    """
    from geoseg.errors import ModelError
    from geoseg.models import find_model
    from geoseg.raster import expand_scenes, open_scene

    paths = expand_scenes(scenes)
    if len(paths) == 1 and not os.path.exists(paths[0]):  # noqa: PTH110 - a VRT may be a text
        open_scene(paths[0])
    if not find_model(model).is_file():
        raise ModelError(f"cannot read model {model}: No such file, check the path")
    return paths
