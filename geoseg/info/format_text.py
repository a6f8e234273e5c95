"""Format a report as text."""

import textwrap
from collections.abc import Sequence
from typing import Any

from geoseg.errors import size_text
from geoseg.info.keras_summary import layer_lines
from geoseg.info.onnx import onnx_facts
from geoseg.info.run import InfoReport
from geoseg.info.training import Facts, percent, score_rows, training_facts
from geoseg.info.vectors import format_values
from geoseg.models import DEFAULT

_MASKS = {"alpha": "alpha band", "mask": "mask of the file", "nodata": "", "none": ""}
_WIDTH = 80
"""Width of the text (characters)."""
_SPLITS = {
    "train": "for training",
    "val": "for validation",
    "gap": "in the gap between them (not used)",
    "": "not yet split",
}


def as_text(report: InfoReport) -> str:
    """Format a report as text, at most 80 characters wide unless a name is longer."""
    formatters = {
        "model": _model, "onnx": _onnx, "tiles": _tiles, "parts": _parts, "labels": _labels,
        "scene": _scene, "product": _product, "vectors": _vectors,
    }  # fmt: skip
    text = "\n".join(formatters[report.kind](report.data))
    return text.encode("utf-8", "backslashreplace").decode()  # single surrogates in names of files


def _model(data: dict[str, Any]) -> list[str]:
    unet = data["unet"]
    path = "bundled" if data["bundled"] else data["path"]
    facts = [
        ("Model", f"{path}, {size_text(data['bytes'])}"),
        ("Hash", data["hash"]),
        ("Bands", f"{_band_list(data['bands'])} ({data['dtype']})"),
        ("Pixel size", _size_range(data["pixel_size_range"])),
        ("Encoder", _encoder(unet["encoder"])),
        ("Window", f"{unet['window']} x {unet['window']} px"),
        ("Scaling", f"{_value_range(unet['low'], unet['high'])} to 0..1"),
        ("Classes", ", ".join(f"{c['value']} {c['name']}" for c in data["classes"])),
        *training_facts(data["training"], unet["encoder"]),
    ]
    rows = score_rows(data["training"], [c["name"] for c in data["classes"]])
    head = ("Class", "IoU", "User's acc.", "Producer's acc.", "Pixels")
    table = ["", *_table(head, rows, left=(0,))] if rows else []
    return [*_two_columns(facts), *table, "", *layer_lines(data["layers"], data["trainable"])]


def _onnx(data: dict[str, Any]) -> list[str]:
    file = f"{data['path']}, {size_text(data['bytes'])}"
    return _two_columns([("ONNX file", file), ("Hash", data["hash"]), *onnx_facts(data)])


def _encoder(name: str) -> str:
    from geoseg.model import LAB  # loads torch, which other reports do not need

    return f"{name} (of the reference Keras U-Net)" if name == LAB else name


def _value_range(low: Sequence[float], high: Sequence[float]) -> str:
    pairs = [f"{a:g}..{b:g}" for a, b in zip(low, high, strict=True)]
    return pairs[0] if len(set(pairs)) == 1 else ", ".join(pairs)


def _tiles(data: dict[str, Any]) -> list[str]:
    counts = data["splits"]
    splits = (f"{counts[name]:,} {text}" for name, text in _SPLITS.items() if name in counts)
    facts = [
        ("Tile set", data["folder"]),
        ("Made by", "geoseg tile" if data["own"] else "hand (images/ and masks/)"),
        ("Tiles", f"{data['tiles']:,} of {data['size']} x {data['size']} px"),
        ("Splits", ", ".join(splits)),
        ("Scenes", f"{data['scenes']:,} (all images of one folder count as one scene)"),
        ("Bands", f"{_band_list(data['bands'])} ({data['dtype']})"),
        ("Pixel size", _size_range(data["pixel_size_range"])),
        ("CRS", _crs(data["crs"])),
        ("Extent", _extent(data["extent"])),
        ("Unlabelled", f"{data['unlabelled_pixels']:,} pixels"),
    ]
    return [*_two_columns(facts), "", *_class_lines(data["classes"], "Of labelled")]


def _parts(data: dict[str, Any]) -> list[str]:
    scene, done, total = data["scene"], data["done"], data["total"]
    options = ", ".join(f"{k} {_option(v)}" for k, v in data["options"].items())
    state = "all done, ready to assemble" if done == total else f"{total - done:,} to do"
    facts = [
        ("Parts", data["path"]),
        ("Chunks", f"{done:,} of {total:,} done ({percent(done / total)}), {state}"),
        ("Windows", f"{data['windows']:,} computed"),
        ("Size", size_text(data["bytes"])),
        ("Run", data["run"]),
        ("Model", data["model"]),
        ("Scene", f"{scene['height']:,} x {scene['width']:,} px, bands {_option(scene['bands'])}"),
        ("CRS", _crs(scene["crs"])),
        ("Options", options),
    ]
    return _two_columns(facts)


def _labels(data: dict[str, Any]) -> list[str]:
    tags = ", ".join(
        f"{k.removeprefix('GEOSEG_').lower()} {v}" for k, v in data["tags"].items() if v
    )
    facts = [
        ("Class raster", data["path"]),
        *_raster_facts(data),
        ("Made by", f"geoseg ({tags})" if tags else "not recorded"),
        ("Valid", f"{data['valid_pixels']:,} pixels"),
        ("No data", f"{data['nodata_pixels']:,} pixels"),
    ]
    return [*_two_columns(facts), "", *_class_lines(data["classes"], "Of valid")]


def _scene(data: dict[str, Any]) -> list[str]:
    facts = [("Scene", data["path"]), *_raster_facts(data), _window_fact(data)]
    rows = [
        (str(b["band"]), b["name"] or "-", b["dtype"], _or_dash(b["nodata"])) for b in data["bands"]
    ]
    rows += [(str(b["band"]), "transparency (alpha)", b["dtype"], "-") for b in data["alphas"]]
    if data["alphas"]:
        numbers = ",".join(str(b["band"]) for b in (*data["bands"], *data["alphas"]))
        alpha = f"band {data['alphas'][0]['band']} is transparency"
        facts.append(("Alpha", f"{alpha}, --bands {numbers} reads it as data"))
    head = ("Band", "Name", "Type", "No data")
    return [*_two_columns(facts), "", *_table(head, rows, left=(1, 2))]


def _product(data: dict[str, Any]) -> list[str]:
    facts = [
        ("Product", f"{data['path']}, {data['product']}"),
        ("Date", _date(data["date"])),
        *_grid_facts(data),
        _window_fact(data),
    ]
    bands = data["bands"]
    rows = [
        (
            str(band["band"]), band["name"], ", ".join(band["other_names"]) or "-",
            "-" if band["pixel_size"] is None else f"{band['pixel_size']:.3g} m", band["dtype"],
            f"{band['scale']:.6g}", f"{band['offset']:.6g}",
            _or_dash(band["nodata"]),
        )
        for band in bands
    ]  # fmt: skip
    head = ("Band", "Name", "Other names", "Pixels", "Type", "Scale", "Offset", "No data")
    files = [(str(band["band"]), _file_of(band, bands)) for band in bands]
    tables = _table(head, rows, left=(1, 2, 4)), _table(("Band", "File"), files, left=(1,))
    return [*_two_columns(facts), "", *tables[0], "", *tables[1]]


def _or_dash(value: float | str | None) -> str:
    return "-" if value is None else str(value)


def _date(text: str | None) -> str:
    """Format a date (ISO 8601, UTC) for reading, such as 2022-01-25 10:43:21 UTC."""
    return "not known" if text is None else text.replace("T", " ").replace("+00:00", " UTC")


def _file_of(band: dict[str, Any], bands: Sequence[dict[str, Any]]) -> str:
    """Return the name of the file of a band, with the band number if several bands are in it."""
    name = str(band["file"]).rpartition("/")[2]
    several = sum(other["file"] == band["file"] for other in bands) > 1
    return f"{name}, band {band['file_band']}" if several else name


def _window_fact(data: dict[str, Any]) -> tuple[str, str]:
    windows = data["windows"]
    overlap = f"with an overlap of {windows['overlap']} px (model {DEFAULT})"
    return "Windows", f"{windows['count']:,} of {windows['size']} px {overlap}"


def _vectors(data: dict[str, Any]) -> list[str]:
    size = "" if data["bytes"] is None else f", {size_text(data['bytes'])}"
    lines = _two_columns([("Vector file", f"{data['path']}{size}")])
    for layer in data["layers"]:
        types = [f"{number:,} {name}" for name, number in layer["geometry_types"].items()]
        if layer["without_geometry"]:
            types.append(f"{layer['without_geometry']:,} without geometry")
        facts = [
            ("Layer", layer["name"]),
            ("Features", f"{layer['features']:,}"),
            ("Geometry", ", ".join(types) or "none"),
            ("CRS", _crs(layer["crs"])),
            ("Extent", _extent(layer["extent"])),
        ]
        rows = [(f["name"], f["type"] or "-", f"{f['empty']:,}") for f in layer["fields"]]
        head = ("Field", "Type", "Empty", "Most frequent values")
        used = sum(max(len(row[i]) for row in [head, *rows]) + 2 for i in range(3))
        values = [format_values(field, _WIDTH - used) for field in layer["fields"]]
        table = [(*row, text) for row, text in zip(rows, values, strict=True)]
        lines += ["", *_two_columns(facts), "", *_table(head, table, left=(0, 1, 3))]
    return lines


def _raster_facts(data: dict[str, Any]) -> Facts:
    """Facts on the size, the file and the georeference of a raster."""
    size_fact, *place_facts = _grid_facts(data)
    height, width = data["block"]
    size = "" if data["bytes"] is None else size_text(data["bytes"])
    overviews = ", ".join(f"1/{factor}" for factor in data["overviews"])
    stored = (
        size, data["format"], data["compression"], f"blocks of {height} x {width} px",
        overviews and f"overviews {overviews}",
    )  # fmt: skip
    return [
        size_fact,
        ("File", ", ".join(text for text in stored if text)),
        *place_facts,
        ("No data by", _nodata(data)),
    ]


def _grid_facts(data: dict[str, Any]) -> Facts:
    """Facts on the size of a raster in pixels, and where it lies."""
    return [
        ("Size", f"{data['height']:,} rows x {data['width']:,} columns, {data['dtype']}"),
        ("CRS", _crs(data["crs"])),
        ("Pixel size", _pixel_size(data)),
        ("Extent", _extent(data["extent"])),
    ]


def _pixel_size(data: dict[str, Any]) -> str:
    """Pixel size in CRS units and in metres on the ground."""
    if data["crs"] is None:
        return "not known"
    width, height = data["step"]
    size = f"{width:.6g} x {height:.6g} {data['crs']['unit'] or 'units'}"
    ground = data["pixel_size"]
    return size if ground is None else f"{size}, about {ground:.3g} m on the ground"


def _nodata(data: dict[str, Any]) -> str:
    values = {band["nodata"] for band in data.get("bands", ())}
    if len(values) > 1:
        return "a value of each band, see below"
    value = "" if data["nodata"] is None else f"the value {data['nodata']}"
    sources = [text for text in (_MASKS[data["mask"]], value) if text]
    return " and ".join(sources) or "nothing, every pixel has data"


def _class_lines(classes: list[dict[str, Any]], share_title: str) -> list[str]:
    """Lines of the class table, with areas if any is measured."""
    measured = any(c.get("area_m2") is not None for c in classes)
    head = ("Value", "Class", "Colour", "Pixels", share_title, *["Area (m²)"] * measured)
    rows = [
        (
            str(c["value"]), c["name"] or "-", c["color"] or "-", f"{c['pixels']:,}",
            percent(c["share"]), *([f"{c['area_m2']:,.2f}"] if measured else []),
        )
        for c in classes
    ]  # fmt: skip
    return _table(head, rows, left=(1, 2))


def _table(head: Sequence[str], rows: Sequence[tuple[str, ...]], left: Sequence[int]) -> list[str]:
    """Lines of a table; the columns in ``left`` are left-aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(f"{text:{'<' if i in left else '>'}{widths[i]}}" for i, text in enumerate(row))
        for row in [head, *rows]
    ]
    return [line.rstrip() for line in [lines[0], "  ".join("─" * w for w in widths), *lines[1:]]]


def _two_columns(facts: Facts) -> list[str]:
    """Lines of titles and texts in two columns, wrapped between words."""
    indent = 2 + max(len(title) for title, _ in facts)
    lines = []
    for title, text in facts:
        first = f"{title:<{indent}}"
        lines += textwrap.wrap(
            text, _WIDTH, initial_indent=first, subsequent_indent=" " * indent,
            break_long_words=False, break_on_hyphens=False,
        ) or [first]  # fmt: skip
    return lines


def _metres(size: float | None) -> str:
    return "not known" if size is None else f"{size:.4g} m"


def _size_range(sizes: Sequence[float] | None) -> str:
    low, high = (_metres(size) for size in sizes or (None, None))
    return low if low == high else f"{low.removesuffix(' m')} to {high}"


def _band_list(names: Sequence[str]) -> str:
    return ", ".join(name or f"band {number}" for number, name in enumerate(names, 1))


def _crs(crs: dict[str, Any] | None) -> str:
    if crs is None:
        return "none"
    return f"{crs['name']} (EPSG:{crs['epsg']})" if crs["epsg"] else crs["name"]


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
