"""Reports in words, and as JSON."""

import json
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from geoseg.inspection.layers import layer_lines, memory
from geoseg.inspection.report import Report

_MASKS = {
    "alpha": "alpha band",
    "mask": "mask of the file",
    "nodata": "",
    "none": "",
}
_WIDTH = 80
"""Columns of a terminal (characters)."""
_SPLITS = {"": "not yet split"}

Facts = list[tuple[str, str]]
"""Titles and what stands beside them."""


def as_json(report: Report) -> str:
    """The report as a JSON object: its kind and its data."""
    return json.dumps(
        {"kind": report.kind, **report.data}, indent=2, ensure_ascii=False, allow_nan=False
    )


def as_text(report: Report) -> str:
    """The report in words for people, at most 80 characters wide where names allow."""
    writers = {
        "model": _model, "tiles": _tiles, "parts": _parts, "labels": _labels, "scene": _scene,
    }  # fmt: skip
    return "\n".join(writers[report.kind](report.data))


def _model(data: dict[str, Any]) -> list[str]:
    unet = data["unet"]
    what = "bundled" if data["bundled"] else data["path"]
    facts = [
        ("Model", f"{what}, {memory(data['bytes'])}"),
        ("Hash", data["hash"]),
        ("Bands", f"{', '.join(data['bands'])} ({data['dtype']})"),
        ("Pixel size", _metres(data["pixel_size"])),
        ("Window", f"{unet['window']} x {unet['window']} px"),
        ("Scaling", f"{_ends(unet['low'], unet['high'])} to 0..1"),
        ("Classes", ", ".join(f"{c['value']} {c['name']}" for c in data["classes"])),
        *_training(data["training"]),
    ]
    scores = (data["training"].get("validation") or {}).get("classes")
    table = _score_lines(scores, [c["name"] for c in data["classes"]]) if scores else []
    return [*_aligned(facts), *table, "", *layer_lines(data["layers"], data["trainable"])]


def _ends(low: Sequence[float], high: Sequence[float]) -> str:
    pairs = [f"{a:g}..{b:g}" for a, b in zip(low, high, strict=True)]
    return pairs[0] if len(set(pairs)) == 1 else ", ".join(pairs)


def _training(training: dict[str, Any]) -> Facts:
    """What is known of the training, in one line each for settings and scores."""
    facts = []
    settings = training.get("settings") or {}
    told = [f"{k.replace('_', ' ')} {v}" for k, v in settings.items() if v not in (None, [])]
    tiles = training.get("tiles") or {}
    if tiles:
        told.append(f"on {tiles.get('train', 0):,} tiles, {tiles.get('val', 0):,} for validation")
    if told:
        facts.append(("Training", ", ".join(told)))
    if training.get("best_epoch") is not None:
        facts.append(("Best epoch", f"{training['best_epoch']} of {training.get('epochs', '?')}"))
    scores = training.get("validation")
    if scores:
        text = f"accuracy {_percent(scores['accuracy'])}, mean IoU {_percent(scores['mean_iou'])}"
        facts.append(("Validation", f"{text}, {scores['pixels']:,} pixels"))
    found = training.get("calibration")
    if found:
        before, after = (_percent(found[f"expected_calibration_error{at}"]) for at in ("_at_1", ""))
        text = f"temperature {found['temperature']:.2f}, calibration error {after}, {before} at 1"
        facts.append(("Confidence", text))
    return facts or [("Training", "not told")]


def _score_lines(scores: dict[str, Any], names: list[str]) -> list[str]:
    rows = [
        (
            name,
            _percent(scores[name]["iou"]),
            _percent(scores[name]["users_accuracy"]),
            _percent(scores[name]["producers_accuracy"]),
            f"{scores[name]['pixels']:,}",
        )
        for name in names
        if name in scores
    ]
    head = ("Class", "IoU", "User's acc.", "Producer's acc.", "Pixels")
    return ["", *_table(head, rows, left=(0,))]


def _tiles(data: dict[str, Any]) -> list[str]:
    splits = (f"{n:,} {_SPLITS.get(split, split)}" for split, n in data["splits"].items())
    facts = [
        ("Tile set", data["folder"]),
        ("Made by", "geoseg tile" if data["own"] else "hand: images/ and masks/"),
        ("Tiles", f"{data['tiles']:,} of {data['size']} x {data['size']} px"),
        ("Splits", ", ".join(splits)),
        ("Scenes", f"{data['scenes']:,} (or groups of them)"),
        ("Bands", f"{_named(data['bands'])} ({data['dtype']})"),
        ("Pixel size", _metres(data["pixel_size"])),
        ("CRS", _crs(data["crs"])),
        ("Extent", _extent(data["extent"])),
        ("Unlabelled", f"{data['unlabelled_pixels']:,} pixels"),
    ]
    return [*_aligned(facts), "", *_class_lines(data["classes"], "Of labelled")]


def _parts(data: dict[str, Any]) -> list[str]:
    scene, done, total = data["scene"], data["done"], data["total"]
    options = ", ".join(f"{k} {_option(v)}" for k, v in data["options"].items())
    state = "all done, ready to assemble" if done == total else f"{total - done:,} to do"
    facts = [
        ("Parts", data["path"]),
        ("Chunks", f"{done:,} of {total:,} done ({_percent(done / total)}), {state}"),
        ("Windows", f"{data['windows']:,} computed"),
        ("Size", memory(data["bytes"])),
        ("Run", data["run"]),
        ("Model", data["model"]),
        ("Scene", f"{scene['height']:,} x {scene['width']:,} px, bands {_option(scene['bands'])}"),
        ("CRS", _crs(scene["crs"])),
        ("Options", options),
    ]
    return _aligned(facts)


def _labels(data: dict[str, Any]) -> list[str]:
    tags = ", ".join(
        f"{k.removeprefix('GEOSEG_').lower()} {v}" for k, v in data["tags"].items() if v
    )
    facts = [
        ("Label map", data["path"]),
        *_grid(data),
        ("Made by", f"geoseg ({tags})" if tags else "not told"),
        ("Valid", f"{data['valid_pixels']:,} pixels"),
        ("No data", f"{data['nodata_pixels']:,} pixels"),
    ]
    return [*_aligned(facts), "", *_class_lines(data["classes"], "Of valid")]


def _scene(data: dict[str, Any]) -> list[str]:
    windows = data["windows"]
    facts = [
        ("Scene", data["path"]),
        *_grid(data),
        (
            "Windows",
            f"{windows['count']:,} of {windows['size']} px at overlap {windows['overlap']}",
        ),
    ]
    rows = [(str(b["band"]), b["name"] or "-", b["dtype"]) for b in data["bands"]]
    rows += [(str(b["band"]), "transparency (alpha)", b["dtype"]) for b in data["alphas"]]
    if data["alphas"]:
        numbers = ",".join(str(b["band"]) for b in (*data["bands"], *data["alphas"]))
        number = data["alphas"][0]["band"]
        facts.append(
            ("Alpha", f"band {number} is transparency, --bands {numbers} reads it as data")
        )
    return [*_aligned(facts), "", *_table(("Band", "Name", "Type"), rows, left=(1, 2))]


def _grid(data: dict[str, Any]) -> Facts:
    """Size, storage and place of a raster."""
    height, width = data["block"]
    stored = [data["format"], data["compression"], f"blocks of {height} x {width} px"]
    if data["overviews"]:
        stored.append(f"overviews 1/{', 1/'.join(map(str, data['overviews']))}")
    facts = [
        ("Size", f"{data['height']:,} rows x {data['width']:,} columns, {data['dtype']}"),
        ("File", ", ".join(text for text in stored if text)),
        ("CRS", _crs(data["crs"])),
        ("Pixel size", _pixel(data)),
        ("Extent", _extent(data["extent"])),
        ("No data by", _nodata(data)),
    ]
    if data["bytes"] is not None:
        facts[1] = ("File", f"{memory(data['bytes'])}, {facts[1][1]}")
    return facts


def _pixel(data: dict[str, Any]) -> str:
    """Step of the grid in the CRS, and what that is on the ground."""
    if data["crs"] is None:
        return "not known"
    width, height = data["step"]
    unit = data["crs"]["unit"] or "units"
    ground = (
        "" if data["pixel_size"] is None else f", about {data['pixel_size']:.3g} m on the ground"
    )
    return f"{width:.6g} x {height:.6g} {unit}{ground}"


def _nodata(data: dict[str, Any]) -> str:
    value = "" if data["nodata"] is None else f"the value {data['nodata']}"
    told = [text for text in (_MASKS[data["mask"]], value) if text]
    return " and ".join(told) or "nothing, every pixel has data"


def _class_lines(classes: list[dict[str, Any]], whole: str) -> list[str]:
    """The class table, with areas where there are any."""
    measured = any(c.get("area_m2") is not None for c in classes)
    head = ("Value", "Class", "Colour", "Pixels", whole, *(("Area (m²)",) if measured else ()))
    rows = [
        (
            str(c["value"]),
            c["name"] or "-",
            c["color"] or "-",
            f"{c['pixels']:,}",
            _percent(c["share"]),
            *((f"{c['area_m2']:,.2f}",) if measured else ()),
        )
        for c in classes
    ]
    return _table(head, rows, left=(1, 2))


def _table(head: Sequence[str], rows: Sequence[tuple[str, ...]], left: Sequence[int]) -> list[str]:
    """Columns two blanks apart, those in ``left`` on the left, under a ruled head."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(f"{text:{'<' if i in left else '>'}{widths[i]}}" for i, text in enumerate(row))
        for row in [head, *rows]
    ]
    return [line.rstrip() for line in [lines[0], "  ".join("─" * w for w in widths), *lines[1:]]]


def _aligned(facts: Facts) -> list[str]:
    """Titles in a column, texts beside them, broken between words at the width of a terminal."""
    indent = 2 + max(len(title) for title, _ in facts)
    lines = []
    for title, text in facts:
        broken = textwrap.wrap(
            text, _WIDTH - indent, break_long_words=False, break_on_hyphens=False
        ) or [""]
        lines += [
            f"{head:<{indent}}{line}" for head, line in zip_longest([title], broken, fillvalue="")
        ]
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _metres(size: float | None) -> str:
    return "not known" if size is None else f"{size:.4g} m"


def _named(names: Sequence[str]) -> str:
    return ", ".join(name or f"band {number}" for number, name in enumerate(names, 1))


def _crs(crs: dict[str, Any] | None) -> str:
    if crs is None:
        return "none"
    code = f" (EPSG:{crs['epsg']})" if crs["epsg"] else ""
    return f"{crs['name']}{code}"


def _extent(extent: dict[str, float] | None) -> str:
    if extent is None:
        return "not known"
    x = f"{extent['left']:.10g} to {extent['right']:.10g}"
    return f"x {x}, y {extent['bottom']:.10g} to {extent['top']:.10g}"


def _option(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(_option, value))
    return "none" if value is None else str(value)
