"""What an algorithm asks for, as data: parameters, and the options of geoseg that they become."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    "raster", "vector", "layer", "file", "folder", "number", "integer", "choice", "flag", "text",
    "list", "words", "bands", "field", "extent", "crs", "new raster", "new vector", "new file",
    "new folder",
)  # fmt: skip
"""Kinds of parameters. layer: raster or vector. list: texts with commas between. words: a part of a
command line. The last four are outputs."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of an algorithm."""

    name: str
    """In scripts and models, such as MIN_AREA."""
    label: str
    """In the dialog."""
    kind: str
    """One of `KINDS`."""
    option: str = ""
    """Option of geoseg, such as --min-area; empty for an argument, and for words."""
    help: str = ""
    """What it is, with unit, range and default."""
    default: object = None
    """With this value the option is left out; that is what geoseg does without it."""
    choices: tuple[str, ...] = ()
    """Of a choice."""
    low: float | None = None
    """Smallest number."""
    high: float | None = None
    """Largest number."""
    optional: bool = False
    advanced: bool = False
    layer_option: str = ""
    """Option that takes the name of the layer in the file, such as --aoi-layer."""
    parent: str = ""
    """Of bands and fields: name of the parameter with their layer."""
    extension: str = ""
    """Of a new file, without the dot."""

    def __post_init__(self) -> None:
        """Check the kind.

        Raises:
            ValueError: if there is no such kind.
        """
        if self.kind not in KINDS:
            raise ValueError(f"{self.name} is of the unknown kind {self.kind!r}")

    @property
    def is_output(self) -> bool:
        """Whether geoseg writes it."""
        return self.kind.startswith("new ")


@dataclass(frozen=True)
class Algorithm:
    """An algorithm of QGIS: one command of geoseg."""

    name: str
    """Of the command."""
    label: str
    help: str
    """One or two sentences."""
    parameters: tuple[Parameter, ...]
    if_stopped: str
    """What becomes of the work if the user cancels; one sentence."""
    page: str = ""
    """Name of the page in the output folder, if there is one."""

    @property
    def outputs(self) -> tuple[Parameter, ...]:
        """The parameters that geoseg writes."""
        return tuple(p for p in self.parameters if p.is_output)


REPLACE = "Replace existing outputs"
"""Label of the parameter that replaces outputs; messages name it."""
STARTS_AGAIN = "Nothing was written; the algorithm starts again from the beginning."
LEGEND_FILES = "CSV (value,name,color) or QGIS palette (.qml, .txt, .clr)"
FURTHER_OPTIONS = Parameter(
    "OPTIONS", "Further options", "words", optional=True, advanced=True,
    help="Options of the geoseg command that have no field here, as on a command line, such as "
    "--verbose. Put values with spaces in quotes.",
)  # fmt: skip
MIN_AREA = Parameter(
    "MIN_AREA", "Smallest area of a polygon (m²)", "number", "--min-area", default=0.0, low=0,
    help="A smaller polygon is merged into the class with which it shares the longest border. 0: "
    "no limit.",
)  # fmt: skip
SIMPLIFY = Parameter(
    "SIMPLIFY", "Simplification of outlines (px)", "number", "--simplify", default=0.0, low=0,
    advanced=True, help="Tolerance in pixels, at least 0. 0: no simplification.",
)  # fmt: skip
SMOOTH = Parameter(
    "SMOOTH", "Smoothing of outlines (rounds)", "integer", "--smooth", default=0, low=0, high=3,
    advanced=True, help="Rounds of corner cutting, 0 to 3. 0: no smoothing.",
)  # fmt: skip
NODATA = Parameter(
    "NODATA", "Nodata value", "number", "--nodata", optional=True, advanced=True,
    help="Pixel value that means no data. Empty: the nodata value of the file.",
)  # fmt: skip
LEGEND = Parameter(
    "LEGEND", "Legend", "file", "--legend", optional=True, advanced=True,
    help=f"Names and colours of the classes: {LEGEND_FILES}. Empty: those of the map.",
)  # fmt: skip
DEVICE = Parameter(
    "DEVICE", "Device", "text", "--device", default="auto", advanced=True,
    help="auto, cpu, cuda, cuda:N or mps. auto: a GPU if there is one, else the CPU.",
)  # fmt: skip
SEED = Parameter(
    "SEED", "Random seed", "integer", "--seed", default=0, low=0, advanced=True,
    help="At least 0. The same seed gives the same result.",
)  # fmt: skip


def overwrite(help: str) -> Parameter:
    """Return the parameter that replaces outputs; ``help`` says what happens without it."""
    return Parameter("OVERWRITE", REPLACE, "flag", "--overwrite", help, default=False)


def workers(items: str, default: str) -> Parameter:
    """Return the parameter for the number of ``items`` that are computed at the same time."""
    return Parameter(
        "WORKERS", "Workers", "integer", "--workers", optional=True, low=1, advanced=True,
        help=f"Number of {items}, at least 1. Empty: {default}.",
    )  # fmt: skip
