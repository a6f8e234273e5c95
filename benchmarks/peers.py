"""`geoseg classify` beside its peers: the same scene, weights and windows, one after another.

python benchmarks/peers.py WORK [--size PX | --scene FILE] [--images FOLDER] [--repeat N]
                                [--only PROGRAM ...] [--options TEXT ...]

The peers are a plain script (plain_script.py), MONAI (monai_script.py), both with the network of
geoseg as an eager PyTorch module, and the command of GeoDeep with the file of `geoseg export`. Each
peer has an environment of its own in WORK (peer_environments.py; versions in requirements.lock and
peers.lock). geoseg is not installed there. Its source is on the path, because the network needs
only torch, and the model file only safetensors. Peers run as their users run them: channels_last,
settings of malloc and batch normalisation folded into convolutions are left to geoseg. All run on
the CPU, and all that use torch have the same build of it.

There is one table for the same windows (model "lab", 128 px, stride 96) and one for what each
program does by default (model "default"). The rows of a table take turns; a time is the median of
the turns. Columns:

wall, CPU    seconds of the whole command, until the GeoTIFF is closed
start        seconds of wall time of the same command on a corner of 256 px, before the turns:
             imports, and reading the model
peak         memory of all processes of the command together
speed, less CPU
             wall time and CPU seconds of the best peer that blends windows, divided by those of
             the row
agreement    share of the valid pixels that have the class of a map without windows (one_pass.py)

geoseg has a row for each TEXT of options of `geoseg classify`, such as "--engine openvino". In it,
{model} stands for the model of the table.

If a program fails, its row has the last line of its log. Environments, scene, logs and maps stay in
WORK. The tables go to stdout, the progress to stderr.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np
import psutil
import rasterio
import rasterio.windows
from measure import Measured, measured
from peer_environments import make_environment, versions
from rasterio.errors import RasterioError
from scenes import mosaic, textured

from geoseg import GeosegError, Model, export_model

HERE = Path(__file__).parent
PROGRAMS = ("plain", "monai-constant", "monai-gaussian", "geodeep", "geoseg")
CORNER = 256
"""Side of the corner of the scene (px)."""
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent)}
COLUMNS = (
    "", "settings", "wall s", "start s", "CPU s", "Mpx/s", "peak GB", "speed", "less CPU",
    "agreement",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """What the rows of a table share."""

    name: str
    title: str
    model: str
    windows: tuple[int, int] | None
    """Side and overlap (px); None for the defaults of each program."""


SECTIONS = (
    Section("same", "The same windows: model lab, windows of 128 px, stride 96", "lab", (128, 32)),
    Section("defaults", "Defaults of each program: model default", "default", None),
)


@dataclass(slots=True)
class Row:
    """A program, how it is called, and what it took."""

    name: str
    blends: bool
    settings: str = ""
    command: tuple[object, ...] = ()
    """"SCENE" and "OUT" stand for the paths."""
    start: float = 0.0
    turns: list[Measured] = field(default_factory=list)
    agreement: float = 0.0
    failure: str = ""

    @property
    def wall(self) -> float:
        return median(turn.wall for turn in self.turns)

    @property
    def cpu(self) -> float:
        return median(turn.cpu for turn in self.turns)

    def run(self, scene: Path, out: Path) -> Measured:
        """Map a scene; what the command prints goes to the log beside the map."""
        out.unlink(missing_ok=True)
        paths = {"SCENE": scene, "OUT": out}
        command = [paths.get(str(part), part) for part in self.command]
        return measured(command, environment=ENVIRONMENT, log=out.with_suffix(".log"))

    @contextmanager
    def may_fail(self, log: Path) -> Iterator[None]:
        """Keep the reason of a failure instead of ending the benchmark."""
        try:
            yield
        except subprocess.CalledProcessError as error:
            lines = log.read_text(errors="replace").split("\n") if log.exists() else []
            written = [line.strip() for line in lines if line.strip()]
            code = error.returncode
            text = written[-1] if written else f"exit code {code}"
            self.fail(text if code > 0 else f"ended by signal {-code}")
        except (GeosegError, ImportError, LookupError, OSError, RasterioError, ValueError) as error:
            self.fail(str(error) or type(error).__name__)

    def fail(self, reason: str) -> None:
        self.failure = reason
        print(f"{self.name} failed: {reason}", file=sys.stderr)


def make_rows(section: Section, work: Path, only: list[str], options: list[str]) -> list[Row]:
    """The programs of a section; makes the environments and files that they need."""
    rows = []
    for program in only:
        if program == "geoseg":
            rows += [geoseg_row(section, text) for text in options]
            continue
        kind = program.split("-", 1)[0]
        row = Row(program, blends=kind != "geodeep")
        with row.may_fail(work / "environments" / f"{kind}.log"):
            programs = make_environment(kind, work / "environments")
            if kind == "geodeep":
                fill_geodeep(row, section, programs, work)
            else:
                fill_script(row, section, programs)
        rows.append(row)
    return rows


def fill_script(row: Row, section: Section, programs: Path) -> None:
    """The plain script and MONAI, whose overlap is a quarter of a window by default."""
    side = section.windows[0] if section.windows else Model.load(section.model).spec.window
    kind, _, mode = row.name.partition("-")
    own, settings = ["--overlap", side // 4], "batches of 32, squared sine"
    if kind == "monai":
        batch = 4 if section.windows else 1  # 4 as in the tutorials of MONAI, 1 is its default
        own = ["--overlap", 0.25, "--mode", mode, "--batch", batch]
        settings = f"{mode}, sw_batch_size {batch}"
    row.settings = f"{side} px, overlap {side // 4}, {settings}"
    row.command = (
        programs / "python", HERE / f"{kind}_script.py", "SCENE", "OUT",
        "--model", section.model, "--window", side, *own,
    )  # fmt: skip


def fill_geodeep(row: Row, section: Section, programs: Path, work: Path) -> None:
    """GeoDeep reads window and overlap from the exported file: those of the model, and 32 px."""
    import onnx

    path = work / f"{section.model}.onnx"
    export_model(section.model, path, overwrite=True)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    side, share = metadata["tile_size"], metadata["tiles_overlap"]
    row.settings = f"{side} px, overlap {share} %, no blending, median filter"
    # A resolution of 1 cm: it computes in the pixels of the scene, as the others do.
    row.command = (
        programs / "geodeep", "SCENE", path, "-t", "mask", "-o", "OUT", "-r", 1, "-q",
    )  # fmt: skip


def geoseg_row(section: Section, options: str) -> Row:
    """`geoseg classify` with these options; its settings are read from the map."""
    own = shlex.split(options.format(model=section.model))
    if section.windows:
        own = ["--window", str(section.windows[0]), "--overlap", str(section.windows[1]), *own]
    command = (
        sys.executable, "-m", "geoseg", "classify", "SCENE", "--out", "OUT", "-f",
        "--model", section.model, "--device", "cpu", *own,
    )  # fmt: skip
    return Row(f"geoseg {options}".strip(), blends=True, command=command)


def compare(section: Section, rows: list[Row], scene: Path, work: Path, repeat: int) -> str:
    """Run all programs of a section, and return what their maps are compared with, in words."""
    folder = work / section.name
    folder.mkdir(exist_ok=True)
    corner = cut_corner(scene, work / "corner.tif")
    whole = folder / "one-pass.tif"
    command = [sys.executable, HERE / "one_pass.py", scene, whole, "--model", section.model]
    measured(command, environment=ENVIRONMENT, log=whole.with_suffix(".log"))
    for row in without_failure(rows):
        with row.may_fail(log_of(folder, row)):
            row.start = row.run(corner, map_of(folder, row)).wall
    for turn in range(repeat):
        for row in without_failure(rows):
            with row.may_fail(log_of(folder, row)):
                row.turns.append(row.run(scene, map_of(folder, row)))
                wall = row.turns[-1].wall
                print(f"{section.name}, {turn + 1}: {row.name} {wall:.1f} s", file=sys.stderr)
    for row in without_failure(rows):
        with row.may_fail(log_of(folder, row)):
            row.agreement = agreement(scene, map_of(folder, row), whole)
            row.settings = row.settings or settings_of(map_of(folder, row))
    return whole.with_suffix(".log").read_text().strip()


def without_failure(rows: list[Row]) -> list[Row]:
    return [row for row in rows if not row.failure]


def map_of(folder: Path, row: Row) -> Path:
    return folder / f"{re.sub(r'[^a-z0-9]+', '-', row.name.lower())}.tif"


def log_of(folder: Path, row: Row) -> Path:
    return map_of(folder, row).with_suffix(".log")


def agreement(scene: Path, labels: Path, reference: Path) -> float:
    """Share of the valid pixels of a scene that have the same class in both maps.

    In both bundled models, the value of a class is the index of its channel, as the peers write it.
    """
    with (
        rasterio.open(scene) as source,
        rasterio.open(labels) as map_,
        rasterio.open(reference) as r,
    ):
        if map_.shape != source.shape:
            raise ValueError(f"the map has {map_.shape} px, the scene {source.shape}")
        valid = source.dataset_mask() > 0
        return float(np.mean(map_.read(1)[valid] == r.read(1)[valid]))


def settings_of(labels: Path) -> str:
    """Settings that `classify` wrote into a map."""
    with rasterio.open(labels) as source:
        tags = source.tags()
    window, overlap, blend, precision = (
        tags[f"GEOSEG_{key}"] for key in ("WINDOW", "OVERLAP", "BLEND", "PRECISION")
    )
    engine = tags.get("GEOSEG_ENGINE", "torch")
    return f"{window} px, overlap {overlap}, {blend}, {engine}, {precision}"


def cut_corner(scene: Path, out: Path) -> Path:
    """The first `CORNER` rows and columns of a scene, as a scene."""
    with rasterio.open(scene) as source:
        pixels = source.read(window=rasterio.windows.Window(0, 0, CORNER, CORNER))
        with rasterio.open(
            out, "w", driver="GTiff", count=source.count, height=CORNER, width=CORNER,
            dtype="uint8", crs=source.crs, transform=source.transform, nodata=source.nodata,
        ) as corner:  # fmt: skip
            corner.write(pixels)
    return out


def print_table(rows: list[Row], pixels: int) -> None:
    """Print the rows as Markdown."""
    blending = [row for row in without_failure(rows) if row.blends]
    peers = [row for row in blending if not row.name.startswith("geoseg")]
    wall, cpu = (min((getattr(r, name) for r in peers), default=0) for name in ("wall", "cpu"))
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for row in rows:
        if row.failure:
            cells = [f"failed: {row.failure[:150].replace('|', '/')}", *[""] * 8]
        else:
            cells = [
                row.settings, f"{row.wall:.1f}", f"{row.start:.1f}", f"{row.cpu:.1f}",
                f"{pixels / row.wall / 1e6:.3f}", f"{max(t.tree_peak for t in row.turns):.2f}",
                f"{wall / row.wall:.2f}" if wall else "", f"{cpu / row.cpu:.2f}" if cpu else "",
                f"{row.agreement:.4f}",
            ]  # fmt: skip
        print(f"| {' | '.join([row.name, *cells])} |")


def describe_machine(work: Path) -> str:
    """Processor, memory, load and versions, in one line."""
    info = Path("/proc/cpuinfo").read_text()
    name = info.split("model name", 1)[-1].split("\n", 1)[0].lstrip("\t: ")
    memory = psutil.virtual_memory().total / 2**30
    text = f"{len(os.sched_getaffinity(0))} cores of {name}, {memory:.0f} GiB, other load "
    text += f"{os.getloadavg()[0]:.2f}"
    pythons: dict[Path | str, tuple[str, ...]] = {sys.executable: ("geoseg", "torch")}
    environments = work / "environments"
    pythons[environments / "monai/bin/python"] = ("monai",)
    pythons[environments / "geodeep/bin/python"] = ("geodeep", "onnxruntime")
    names = [
        versions(python, packages) for python, packages in pythons.items() if Path(python).exists()
    ]
    return f"{text}; {', '.join(filter(None, names))}"


def make_scene(args: argparse.Namespace) -> Path:
    """The scene of the options, checked: uint8, three bands, no smaller than a window."""
    scene: Path = args.scene or args.work / f"scene-{args.size}.tif"
    if args.scene is None and args.images is None:
        textured(scene, args.size)
    elif args.scene is None:
        images = [p for p in sorted(args.images.rglob("*")) if p.suffix in (".jpg", ".tif")]
        if not images:
            sys.exit(f"peers.py: no .jpg or .tif in {args.images}, give a folder with images")
        mosaic(scene, args.size, images)
    with rasterio.open(scene) as source:
        if (source.count, source.dtypes[0]) != (3, "uint8") or min(source.shape) < CORNER:
            sys.exit(f"peers.py: {scene} is not a scene of three bands, uint8, {CORNER} px or more")
    return scene


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("work", type=Path, help="folder for environments, maps and logs")
    parser.add_argument("--size", type=int, default=4096, help="side of the made scene (px)")
    parser.add_argument("--scene", type=Path, help="RGB raster, uint8, instead of a made scene")
    parser.add_argument("--images", type=Path, help="folder of RGB images to make the scene from")
    parser.add_argument("--repeat", type=int, default=1, help="turns of each program")
    parser.add_argument("--only", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--options", nargs="+", default=[""], help="options of geoseg classify")
    return parser.parse_args()


def main() -> None:
    args = parse()
    args.work = args.work.resolve()
    args.work.mkdir(parents=True, exist_ok=True)
    scene = make_scene(args)
    with rasterio.open(scene) as source:
        height, width = source.shape
    for number, section in enumerate(SECTIONS):
        rows = make_rows(section, args.work, args.only, args.options)
        if number == 0:
            print(f"{height} x {width} px, turns: {args.repeat}. {describe_machine(args.work)}")
        reference = compare(section, rows, scene, args.work, args.repeat)
        print(f"\n### {section.title}\n")
        print_table(rows, height * width)
        print(f"\nAgreement with {reference}.", flush=True)


if __name__ == "__main__":
    main()
