"""Error matrices and areas in CSV files: reading and writing."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, LabelError, count_of
from geoseg.legend import Legend

_MAX_COUNT = 10**14
"""Largest count of a cell: even the sum of 255 x 255 such cells is a 64-bit number."""
_TOTALS = ("total", "totals", "sum", "sums")
"""Names of a row or a column of sums, in lower case."""


def read_matrix(path: str | Path) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Read an error matrix: the first column names the mapped class, the first row the reference.

    Returns:
        Names of the classes, those of rows first, and (classes, classes) counts.

    Raises:
        EvaluateError: if the file cannot be read, or is not such a matrix of whole numbers.
    """
    head, *rows = _read(path, "matrix")
    columns, names = head[1:], [row[0] for row in rows]
    _check_header(path, head, names)
    for kind, labels in (("columns", columns), ("rows", names)):
        if len(set(labels)) < len(labels) or "" in labels:
            raise EvaluateError(
                f"matrix {path} has {kind} without a name or with the same name, name all of them "
                "differently"
            )
    classes = tuple(dict.fromkeys([*names, *columns]))
    try:
        Legend.from_names(list(classes))
    except LabelError as error:
        raise EvaluateError(f"matrix {path}: {error}") from None
    counts = np.zeros((len(classes), len(classes)), np.int64)
    indices = [classes.index(name) for name in columns]
    for row in rows:
        if len(row) != len(head):
            raise EvaluateError(
                f"matrix {path} has {count_of(len(row) - 1, 'count')} for {row[0]!r} but "
                f"{count_of(len(columns), 'column')} of reference classes, complete it"
            )
        counts[classes.index(row[0]), indices] = [_count(path, row[0], cell) for cell in row[1:]]
    if not counts.sum():
        raise EvaluateError(f"matrix {path} has no counts above 0, check the file")
    for index, name in enumerate(classes):
        holds_sums = any((2 * t[index] == t.sum(0)).all() for t in (counts, counts.T))
        if holds_sums and name.casefold() in _TOTALS:
            raise EvaluateError(
                f"matrix {path} has the sums of the others in {name!r}, remove this row or column"
            )
    return classes, counts


def read_areas(path: str | Path, classes: Sequence[str]) -> NDArray[np.float64]:
    """Read the mapped area of each class (ha) from rows of name and area under a header.

    Args:
        path: path of the file.
        classes: names of the classes; a class that the file lacks has an area of 0.

    Returns:
        (classes,) areas (ha).

    Raises:
        EvaluateError: if the file cannot be read, names another class, or an area is not a number.
    """
    areas = dict.fromkeys(classes, 0.0)
    head, *rows = _read(path, "areas")
    if _is_number(head[1]):
        raise EvaluateError(
            f"areas {path} have the number {head[1]} in the first row, which must be a header: "
            "class,area_ha"
        )
    names = [row[0] for row in rows]
    repeated = [name for name in areas if names.count(name) > 1]
    if repeated:
        raise EvaluateError(
            f"areas {path} name {', '.join(repeated)} more than once, keep one area of each class"
        )
    unknown = [name for name in names if name not in areas]
    if unknown:
        raise EvaluateError(
            f"areas {path} name the classes {', '.join(names)}, of which "
            f"{', '.join(unknown)} are not in the matrix ({', '.join(classes)}), name both alike"
        )
    for row in rows:
        try:
            areas[row[0]] = float(row[1])
        except (IndexError, ValueError):
            raise EvaluateError(f"areas {path} have no number (ha) for {row[0]!r}") from None
        if not 0 <= areas[row[0]] < float("inf"):
            raise EvaluateError(f"areas {path} have {row[1]} ha for {row[0]!r}, correct it")
    return np.array(list(areas.values()))


def table_text(head: Sequence[str], names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return CSV with a header, and a name and cells in each row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([name, *cells] for name, cells in zip(names, rows, strict=True))
    return text.getvalue()


def _read(path: str | Path, kind: str) -> list[list[str]]:
    """Read the rows that are not empty, cells without surrounding blanks."""
    try:
        # newline="" keeps line breaks inside quotes.
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in csv.reader(file)]
    except (OSError, ValueError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise EvaluateError(f"cannot read {kind} {path}: {reason}, check the path") from None
    rows = [row for row in rows if any(row)]
    if len(rows) < 2 or len(rows[0]) < 2:
        raise EvaluateError(
            f"{kind} {path} has no table, give a CSV with a header and a row for each class"
        )
    return rows


def _check_header(path: str | Path, head: list[str], names: list[str]) -> None:
    """Refuse counts in place of class names.

    Names may be numbers (class codes) if rows and columns both have numbers and the first cell of
    the header is not a number.
    """
    columns = head[1:]
    codes, row_codes = (all(map(_is_number, labels)) for labels in (columns, names))
    if codes and (not row_codes or _is_number(head[0])):
        raise EvaluateError(
            f"matrix {path} has the numbers {', '.join(columns)} in the first row, where the names "
            "of the reference classes are expected, put a header like this above it: "
            f"map,{','.join([head[0], *names])}"
        )
    if row_codes and not codes:
        raise EvaluateError(
            f"matrix {path} has the numbers {', '.join(names)} in the first column, where the "
            "names of the mapped classes are expected, put a column of names before it"
        )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _count(path: str | Path, name: str, cell: str) -> int:
    try:
        count = int(cell)
    except ValueError:
        count = -1
    if count < 0:
        raise EvaluateError(f"matrix {path} has {cell!r} for {name!r}, not a count of points")
    if count > _MAX_COUNT:
        raise EvaluateError(
            f"matrix {path} has {cell} for {name!r}, which is more than {_MAX_COUNT:,} points, "
            "correct it"
        )
    return count
