"""The manifest data set: a CSV (or TSV) of paths, one row a pair; anybody's pairs."""

from __future__ import annotations

import csv
import difflib
import gzip
import hashlib
import os
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from promptreg.datasets.base import PairSpec
from promptreg.naming import LONGEST, RULE, control_character, is_name

if TYPE_CHECKING:
    import numpy as np

    from promptreg.types import Grid, Image

REQUIRED = ("pair_id", "moving", "fixed")
ANNOTATIONS = ("moving_labels", "fixed_labels", "moving_landmarks", "fixed_landmarks")
SUBJECTS = ("moving_subject", "fixed_subject")
OPTIONAL = ("application", "dimension", *ANNOTATIONS, "label_names", *SUBJECTS, "source")
FLAT = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


class Manifest:
    """Pairs listed in a table with the columns pair_id, moving, fixed and, if wanted:

    application (the group in tables), dimension (2 or 3), moving_labels, fixed_labels, moving_landmarks,
    fixed_landmarks, label_names, such as "1 liver; 2 right kidney", moving_subject, fixed_subject (who was
    imaged; every image is a subject of its own if absent), and source (the public data set that the pair
    comes from). Other columns are ignored. Paths are relative to the table's folder. Listing reads the table
    alone (and headers, for a row without a dimension); a missing image is found when it is read, so that only
    its pairs fail.
    """

    def __init__(self, path: str | None) -> None:
        if path is None:
            msg = "the manifest reader needs a CSV: set `path` of the data set, or the top-level `manifest`"
            raise ValueError(msg)
        self.path = Path(path)

    def pairs(self) -> list[PairSpec]:
        """List the pairs in the table's order.

        Raises:
            FileNotFoundError: there is no such table.
            ValueError: a bad table; names the file, line and column.
        """
        return [self._spec(row) for row in self._rows]

    def stamp(self, reference: str) -> str:
        """Return size and modification time of an image or annotation, or "absent"."""
        try:
            status = self._locate(reference).stat()
        except OSError:
            return "absent"
        return f"{status.st_size}-{status.st_mtime_ns}"

    def image(self, image: str) -> Image:
        """Read an image by its id."""
        from promptreg.imageio import read_image

        return read_image(self._locate(image))

    def labels(self, reference: str, grid: Grid) -> np.ndarray:
        """Read the label map of the image on `grid`; (*grid.shape) int32."""
        from promptreg.imageio import read_labels

        return read_labels(self._locate(reference), grid)

    def landmarks(self, reference: str, grid: Grid) -> np.ndarray:
        """Read the landmarks of the image on `grid`; (N, ndim) world x, y(, z)."""
        from promptreg.imageio import read_landmarks

        return read_landmarks(self._locate(reference), grid)

    def label_names(self, pair: str) -> dict[int, str]:
        """Return what the labels of a pair are called; empty where the table does not say."""
        for row in self._rows:
            if row["pair_id"] == pair:
                return parse_label_names(row.get("label_names", ""))
        msg = f"{self.path}: no pair '{pair}'"
        raise ValueError(msg)

    def _spec(self, row: dict[str, str]) -> PairSpec:
        dimension = row.get("dimension") or guess_dimension(self.path.parent / row["fixed"])
        return PairSpec(
            pair=row["pair_id"],
            moving=self._ids[row["moving"]],
            fixed=self._ids[row["fixed"]],
            dimension=int(dimension),
            group=row.get("application") or "pairs",
            annotations={role: row[role] for role in ANNOTATIONS if row.get(role)},
            source=row.get("source", ""),
            **{role: row.get(role, "") for role in SUBJECTS},
        )

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        return read_table(self.path)

    @cached_property
    def _images(self) -> dict[str, str]:
        return {image: path for path, image in self._ids.items()}

    @cached_property
    def _ids(self) -> dict[str, str]:
        """The id of every image by its path as listed; one whose id another image has gets a longer one.

        Among a hundred thousand files of one name in as many folders some share eight digits.
        """
        owners: dict[str, str] = {}
        found = {}
        for path in (row[role] for row in self._rows for role in ("moving", "fixed")):
            normal, digits = os.path.normpath(path), 8
            while owners.setdefault(image_id(path, digits), normal) != normal:
                digits += 8
            found[path] = image_id(path, digits)
        return found

    def _locate(self, reference: str) -> Path:
        return self.path.parent / self._images.get(reference, reference)


def image_id(path: str, digits: int = 8) -> str:
    """Return a readable, safe id of an image file from its path in the table; equal for equal paths."""
    normal = os.path.normpath(path).replace(os.sep, "/")
    stem = re.sub(r"(\.nii|\.npy)?\.[^.]+$", "", normal.rpartition("/")[2])
    digest = hashlib.sha256(normal.encode()).hexdigest()[:digits]
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', stem)[:LONGEST]}-{digest}"


def read_table(path: Path) -> list[dict[str, str]]:
    """Read and check the rows of a manifest; cells without surrounding blanks."""
    if not path.is_file():
        msg = f"{path}: {'is a folder; name the CSV in it' if path.is_dir() else 'no such manifest'}"
        raise FileNotFoundError(msg)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error) as error:
        msg = f"{path}: not a CSV table in UTF-8: {error}"
        raise ValueError(msg) from None
    columns = lines[0][1] if lines else []
    _check_columns(path, columns)
    if len(lines) == 1:
        msg = f"{path}: no pairs; expected one row for each pair below the line of column names"
        raise ValueError(msg)
    return _checked_rows(path, columns, lines[1:])


def _check_columns(path: Path, columns: list[str]) -> None:
    for name in REQUIRED:
        if name not in columns:
            close = difflib.get_close_matches(name, columns, n=2, cutoff=0.4)
            hint = f"; did you mean it by {' or '.join(close)}?" if close else ""
            msg = f"{path}: line 1: no column '{name}'{hint} (required: {', '.join(REQUIRED)})"
            raise ValueError(msg)
    for name in OPTIONAL:
        close = [] if name in columns else difflib.get_close_matches(name, columns, n=1, cutoff=0.9)
        if close:
            msg = f"{path}: line 1: column '{close[0]}' would be ignored; did you mean '{name}'?"
            raise ValueError(msg)
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        msg = f"{path}: line 1: column '{repeated[0]}' stands there twice"
        raise ValueError(msg)


def _checked_rows(path: Path, columns: list[str], lines: list[tuple[int, list[str]]]) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    seen: dict[str, int] = {}
    for number, cells in lines:
        if len(cells) != len(columns):
            msg = f"{path}: line {number}: {len(cells)} cells; expected {len(columns)}, one for each column"
            raise ValueError(msg)
        row = dict(zip(columns, cells, strict=True))
        problem = _problem(row)
        if problem is None and row["pair_id"] in seen:
            problem = f"column 'pair_id': '{row['pair_id']}' is in line {seen[row['pair_id']]} already"
        if problem:
            msg = f"{path}: line {number}: {problem}"
            raise ValueError(msg)
        seen[row["pair_id"]] = number
        rows.append(row)
    return rows


def _problem(row: dict[str, str]) -> str | None:
    for name in REQUIRED:
        if not row[name]:
            return f"column '{name}' is empty"
    for name in (*REQUIRED, *OPTIONAL):
        if found := control_character(row.get(name, "")):
            return f"column '{name}' holds the control character {found}; rename the file, or write a space"
    if not is_name(row["pair_id"]):
        return f"column 'pair_id': '{row['pair_id']}' may hold only {RULE}"
    if row.get("dimension", "") not in ("", "2", "3"):
        return f"column 'dimension': '{row['dimension']}'; expected 2 or 3 (or nothing: read from the header)"
    return None


def guess_dimension(path: Path) -> int:
    """Return 2 or 3 from an image's header, or from its suffix where the file cannot be read."""
    name = path.name.lower()
    if name.endswith(FLAT):
        return 2
    try:
        shape = _array_shape(path) if name.endswith((".npy", ".npy.gz", ".npz")) else _header_shape(path)
    except (OSError, EOFError, ValueError, RuntimeError):
        return 3
    return 2 if sum(n > 1 for n in shape[:3]) == 2 else 3


def _header_shape(path: Path) -> tuple[int, ...]:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return tuple(reader.GetSize())


def _array_shape(path: Path) -> tuple[int, ...]:
    import numpy as np

    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return next(iter(arrays.values())).shape
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        names = {(1, 0): "read_array_header_1_0"}
        shape = getattr(np.lib.format, names.get(version, "read_array_header_2_0"))(stream)[0]
    return shape[:2] if len(shape) == 3 and shape[-1] <= 4 else shape


def parse_label_names(text: str) -> dict[int, str]:
    """Parse "1 liver; 2 right kidney"; "1-3 lobe" names a range, and a name without a number is label 1."""
    names: dict[int, str] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        match = re.match(r"(\d+)(?:\s*-\s*(\d+))?[\s:=]+(.+)", part)
        if match is None:
            names[1] = part
            continue
        first, last, name = int(match[1]), int(match[2] or match[1]), match[3].strip()
        for label in range(first, last + 1):
            names[label] = name if first == last else f"{name} {label}"
    return names
