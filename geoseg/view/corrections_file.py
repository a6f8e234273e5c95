"""The GeoPackage of corrections: a change adds or deletes one row, and all else in it stays."""

import shutil
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from geoseg.errors import LabelError, OutputError
from geoseg.files import atomic_file, check_not_open
from geoseg.legend import Legend
from geoseg.raster import Scene
from geoseg.vectors import list_layers, open_layer, read_vector
from geoseg.view.sources import check_same_crs

FIELDS = ("class", "class_id", "time", "author")
"""Fields of a correction: name and value of the class, UTC in ISO 8601, free text."""
_LAYER = "corrections"
"""Name of the layer of the corrections."""
_TRIGGER_FUNCTIONS = ("ST_IsEmpty", "ST_MinX", "ST_MaxX", "ST_MinY", "ST_MaxY")
"""Functions of GDAL in the triggers of a GeoPackage. SQLite must know them to change a field, but
calls them only if a geometry or a feature id changes."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A polygon, and the right class of its pixels."""

    geometry: Any
    """Polygon or multipolygon (shapely) in the CRS of the map."""
    class_id: int
    class_name: str
    time: str
    """UTC, as 2026-01-31T23:59:59Z."""
    author: str
    fid: int | None = None
    """Feature id in the file; None if it is not there."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values of all fields of a row that was deleted, by their names, as SQLite stores them."""


@dataclass(frozen=True, slots=True)
class CorrectionsFile:
    """A layer of corrections in a GeoPackage, which may have further layers and fields."""

    path: Path
    """It need not exist."""
    grid: Scene
    """The map."""
    legend: Legend
    """Classes of the map."""
    layer: str = _LAYER

    def append(self, correction: Correction) -> Correction:
        """Append a correction to the file, which is made if it does not exist.

        Returns:
            The correction with its feature id.

        Raises:
            OutputError: if the file cannot be written; it is then as before.
        """
        import geopandas  # takes a third of a second
        import pyogrio

        row = (correction.class_name, correction.class_id, correction.time, correction.author)
        columns = {name: [value] for name, value in zip(FIELDS, row, strict=True)}
        frame = geopandas.GeoDataFrame(columns, geometry=[correction.geometry], crs=self.grid.crs)
        with self._changed() as temporary:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
                # A layer that QGIS has made may be one of polygons.
                warnings.filterwarnings("ignore", "A geometry of type MULTI", RuntimeWarning)
                pyogrio.write_dataframe(
                    frame, temporary, layer=self.layer, geometry_type="MultiPolygon",
                    promote_to_multi=True, append=temporary.exists(),
                    layer_options={"GEOMETRY_NAME": "geom"},
                )  # fmt: skip
            with _database(temporary) as database:
                [(fid,)] = database.execute(f"SELECT max(rowid) FROM {_quoted(self.layer)}")  # noqa: S608 - quoted
                if correction.values:
                    names = ", ".join(f"{_quoted(name)} = ?" for name in correction.values)
                    database.execute(
                        f"UPDATE {_quoted(self.layer)} SET {names} WHERE rowid = ?",  # noqa: S608
                        (*correction.values.values(), fid),
                    )
                self._fill_class_ids(database)
        return replace(correction, fid=fid, values={})

    def delete(self, correction: Correction) -> Correction:
        """Delete a correction from the file.

        Returns:
            The correction with all values of its row, so that `append` can write it again.

        Raises:
            OutputError: if the file cannot be written; it is then as before.
            VectorError: if the file cannot be read any more.
        """
        layer, fid = _quoted(self.layer), (correction.fid,)
        with self._changed() as temporary:
            fields = open_layer(self.path, self.layer).fields
            names = ", ".join(map(_quoted, fields))
            with _database(temporary) as database:
                rows = database.execute(f"SELECT {names} FROM {layer} WHERE rowid = ?", fid)  # noqa: S608
                values = dict(zip(fields, next(rows, ()), strict=False))
                database.execute(f"DELETE FROM {layer} WHERE rowid = ?", fid)  # noqa: S608
                self._fill_class_ids(database)
                # GDAL then computes the extent again.
                database.execute(
                    "UPDATE gpkg_contents SET min_x = NULL, min_y = NULL, max_x = NULL, "
                    "max_y = NULL WHERE table_name = ?",
                    (self.layer,),
                )
        return replace(correction, fid=None, values=values)

    @contextmanager
    def _changed(self) -> Iterator[Path]:
        """Yield a copy of the file to change, which then takes its place."""
        check_not_open(self.path)
        # RuntimeError and ValueError are what pyogrio raises.
        errors = (OSError, RuntimeError, ValueError, sqlite3.Error)
        with atomic_file(self.path, errors=errors) as temporary:
            if self.path.exists():
                shutil.copyfile(self.path, temporary)
            yield temporary

    def _fill_class_ids(self, database: sqlite3.Connection) -> None:
        """Write the values of classes of which a row has the name only."""

        def value_of(name: object) -> int | None:
            known = None if name is None else self.legend.find(str(name))
            return None if known is None else known.value

        database.create_function("value_of", 1, value_of)
        database.execute(
            f'UPDATE {_quoted(self.layer)} SET "class_id" = value_of("class") '  # noqa: S608
            'WHERE "class_id" IS NULL'
        )


def read_corrections(
    path: Path, grid: Scene, legend: Legend
) -> tuple[CorrectionsFile, list[Correction]]:
    """Read the layer "corrections" of a file, or its first layer if there is no such layer.

    Args:
        path: GeoPackage; it need not exist.
        grid: the map.
        legend: classes of the map. A row without a class value gets that of its class name.

    Returns:
        The file, and the corrections in their order; rows without a geometry are left out.

    Raises:
        OutputError: if the file holds no corrections, or cannot be changed.
        LabelError: if a correction has a class that the legend does not have.
        VectorError: if the file cannot be read, or has another CRS than the map.
    """
    if not path.exists():
        return CorrectionsFile(path, grid, legend), []
    import pandas as pd

    layers = list_layers(path)
    layer = open_layer(path, _LAYER if _LAYER in layers else layers[0])
    if not set(FIELDS) <= set(layer.fields):
        raise OutputError(
            f"{path} does not have the fields of corrections ({', '.join(FIELDS)}), give another "
            "name"
        )
    check_same_crs(str(path), layer.crs, grid)
    frame = read_vector(path, layer.layer)
    columns = (frame[name].tolist() for name in FIELDS)
    done = []
    for fid, geometry, name, class_id, time, author in zip(
        _feature_ids(path, layer.layer), frame.geometry, *columns, strict=True
    ):
        unknown_id = pd.isna(class_id)
        known = None if pd.isna(name) else legend.find(str(name))
        if known is None or not (unknown_id or class_id == known.value):
            raise LabelError(
                f"{path} has the class {name!r}{'' if unknown_id else f' ({class_id})'}, which the "
                "map does not have, give the file of corrections of this map, or its --legend"
            )
        if geometry is not None:
            when, who = ("" if pd.isna(text) else str(text) for text in (time, author))
            done.append(Correction(geometry, known.value, known.name, when, who, fid))
    return CorrectionsFile(path, grid, legend, layer.layer), done


def _feature_ids(path: Path, layer: str) -> list[int]:
    """Return the feature ids of a layer, in the order in which GDAL reads the features."""
    try:
        with _database(path) as database:
            rows = database.execute(f"SELECT rowid FROM {_quoted(layer)} ORDER BY rowid")  # noqa: S608
            return [fid for (fid,) in rows]
    except sqlite3.Error as error:
        raise OutputError(
            f"layer {layer!r} of {path} cannot be changed ({error}), give another name"
        ) from None


@contextmanager
def _database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a GeoPackage as a database, and write the changes at the end of the block."""
    with closing(sqlite3.connect(path)) as database:
        for name in _TRIGGER_FUNCTIONS:
            database.create_function(name, 1, lambda _: None)
        with database:
            yield database


def _quoted(name: str) -> str:
    """Return a name of a table or column as SQL."""
    return '"' + name.replace('"', '""') + '"'
