"""``geoseg classify``."""

from pathlib import Path
from typing import Any

import click

from geoseg.cli import options

_EXECUTION = ("device", "batch_size", "chunk", "workers", "scheduler", "wait", "shard", "resume")
_CLEANING = ("min_area", "simplify", "smooth")
_SIDE_OUTPUTS = ("polygons", "confidence", "probabilities")


@click.command(
    "classify",
    epilog=options.examples("geoseg classify scene.tif --out lulc.tif --polygons lulc.gpkg"),
)
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@click.option("--out", required=True, metavar="FILE", help="Labels; a folder for several scenes.")
@click.option("--model", default="default", show_default=True, help="A .safetensors model.")
@click.option("--polygons", metavar="FILE", help=".gpkg, .parquet, .fgb, .geojson or .pmtiles.")
@click.option("--confidence", metavar="FILE", help="Score of the winning class, GeoTIFF 0-255.")
@click.option("--probabilities", metavar="FILE", help="Scores of all classes, GeoTIFF 0-255.")
@click.option("--overlap", default=32, show_default=True, help="Pixels that windows share.")
@click.option(
    "--blend", type=click.Choice(["hann", "linear", "crop", "none"]), default="hann",
    show_default=True, help="Taper of the windows over the overlap.",
)  # fmt: skip
@click.option("--tta", is_flag=True, help="Average over flips and turns: eight times the work.")
@click.option("--aoi", metavar="FILE", help="Polygons; outside of them is no data.")
@options.min_area
@options.simplify
@options.smooth
@options.bands
@options.nodata
@options.device
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto",
    show_default=True, help="auto: fp32 on a CPU, bf16 on a GPU.",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1), help="Windows at once.  [default: auto]")
@click.option(
    "--chunk", type=click.IntRange(512),
    help="Side of a chunk (px), a multiple of 512.  [default: up to 2048]",
)  # fmt: skip
@click.option("--workers", type=click.IntRange(1), help="Chunks at a time.  [default: auto]")
@click.option("--scheduler", metavar="ADDRESS", help="Dask scheduler, or its scheduler file.")
@click.option(
    "--wait", default=300.0, show_default=True, metavar="SECONDS",
    help="Give up when the scheduler has no worker for so long.",
)  # fmt: skip
@click.option("--shard", type=options.Share(), help="Only this share of the chunks: 3/8.")
@click.option(
    "--resume/--no-resume", default=True, show_default=True, help="Keep parts of the same run."
)
@options.overwrite
@options.verbosity
def command(
    scenes: tuple[str, ...],
    out: str,
    model: str,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,  # noqa: ANN401 - outputs and the fields of Options and Execution
) -> None:
    """Classify SCENES into land-cover maps: GeoTIFF, and polygons where asked.

    --min-area works on the map, so on its polygons too; --simplify and --smooth on the polygons
    alone, in this order. Polygons stay one coverage without gap or overlap.
    """
    from geoseg.cli.report import Progress, set_up

    set_up(quiet=quiet, verbose=verbose)
    _check_names(scenes, model)
    from geoseg.classification import Cleaning, Execution, Options, classify, classify_scenes

    outputs = {name: given.pop(name) for name in _SIDE_OUTPUTS}
    cleaning = Cleaning(**{name: given.pop(name) for name in _CLEANING})
    execution = Execution(**{name: given.pop(name) for name in _EXECUTION})
    progress = Progress(quiet=quiet)
    how = {
        **outputs, "model": model, "options": Options(**given, cleaning=cleaning),
        "execution": execution, "overwrite": overwrite, "progress": progress,
    }  # fmt: skip
    if len(scenes) > 1 or Path(out).is_dir():
        reports = classify_scenes(scenes, out, **how)
    else:
        reports = [classify(scenes[0], out, **how)]
    progress.close()
    for report in reports:
        if report is not None:
            click.echo(_summary(out, report))


def _check_names(scenes: tuple[str, ...], model: str) -> None:
    """Refuse scenes and a model that are not there, before torch is loaded: that takes seconds."""
    from geoseg.errors import ModelError
    from geoseg.raster import describe

    for scene in scenes:
        describe(scene)
    if model != "default" and not Path(model).is_file():
        raise ModelError(f"cannot read model {model}: No such file, check the path")


def _summary(out: str, report: dict[str, Any]) -> str:
    total = sum(c["pixels"] for c in report["classes"])
    shares = [(c["pixels"] / total, c["name"]) for c in report["classes"] if c["pixels"]]
    listed = ", ".join(f"{name} {share:.1%}" for share, name in sorted(shares, reverse=True))
    path = Path(out) / report["outputs"][0] if Path(out).is_dir() else out
    return f"{path}: {listed or 'no valid pixel'}"
