"""Calls a function of one scene or of several, for ``geoseg classify``."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geoseg.cli.console import Console
from geoseg.errors import ScenesError

if TYPE_CHECKING:
    from geoseg.classification import ClassifyReport
    from geoseg.raster import SceneSource

_SIDE_OUTPUTS = ("polygons", "confidence", "probabilities", "uncertainty")
"""Options that name further files."""
Outcome = tuple[dict[str, Any], str, ScenesError | None]
"""The result as plain data and in words, and the errors of scenes that failed."""


def describe(
    scenes: "list[SceneSource]", out: str, keywords: dict[str, Any], _: Console, *, several: bool
) -> Outcome:
    """Tell what would be done for each scene that can be used."""
    from geoseg.classification import describe_run, describe_runs

    function = describe_runs if several else describe_run
    runs, failed = _call(function, scenes, out, keywords, several=several)
    data = {"runs": [run.to_dict() for run in runs]}
    return data, "\n\n".join(run.to_text() for run in runs), failed


def classify(
    scenes: "list[SceneSource]", out: str, keywords: dict[str, Any], console: Console, *,
    several: bool,
) -> Outcome:  # fmt: skip
    """Classify, and tell of each map."""
    from geoseg import classification

    function = classification.classify_scenes if several else classification.classify
    with console.progress() as progress:
        keywords = {**keywords, "progress": progress}
        reports, failed = _call(function, scenes, out, keywords, several=several)
    maps = [report for report in reports if report is not None]  # a shard has none
    places = {"out": out, **{name: keywords[name] for name in _SIDE_OUTPUTS if keywords[name]}}
    data = {"maps": [_as_data(report, places, in_folders=several) for report in maps]}
    return data, "\n".join(_summary(out, report) for report in maps), failed


def _call(
    function: Callable[..., Any], scenes: "list[SceneSource]", out: str, keywords: dict[str, Any],
    *, several: bool,
) -> tuple[list[Any], ScenesError | None]:  # fmt: skip
    """Call a function of several scenes or of one; return its results, and the errors of others."""
    if not several:
        return [function(scenes[0], out, **keywords)], None
    try:
        return function(scenes, out, **keywords), None
    except ScenesError as error:
        return error.reports, error


def _as_data(
    report: "ClassifyReport", places: dict[str, str], *, in_folders: bool
) -> dict[str, Any]:
    """Return a report as plain data, with the path of each file that was written.

    Args:
        report: of one map.
        places: the value of each option that names an output.
        in_folders: whether these values are folders, as for several scenes.
    """
    paths = [*places.values()]
    if in_folders:  # the report of an earlier call may name more outputs
        labels = Path(report.outputs[0])
        names = [labels.with_suffix(".gpkg") if o == "polygons" else labels for o in places]
        paths = [str(Path(*parts)) for parts in zip(paths, names, strict=True)]
    return {**report.to_dict(), "outputs": paths}


def _summary(out: str, report: "ClassifyReport") -> str:
    total = sum(c.pixels for c in report.classes)
    shares = [(c.pixels / total, c.name) for c in report.classes if c.pixels]
    listed = ", ".join(f"{name} {share:.1%}" for share, name in sorted(shares, reverse=True))
    path = Path(out) / report.outputs[0] if Path(out).is_dir() else out
    return f"{path}: {listed or 'no valid pixel'}"
