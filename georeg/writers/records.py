"""From what a reader of tie points found to a table: every value checked, with words that help."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from georeg.errors import PointsError
from georeg.writers.points import PointTable

_TRUE = {"1", "true", "yes", "y", "t", "on"}
_FALSE = {"0", "false", "no", "n", "f", "off"}


def from_records(
    records: Sequence[tuple[str, Mapping[str, Any]]],
    path: str,
    crs: str | None,
    said: Mapping[str, str] | None = None,
) -> PointTable:
    """A table from what a reader found.

    Args:
        records: for every point where it stands ('line 7', for messages) and its values by name:
            moving_x, moving_y, and reference_x, reference_y or map_x, map_y; the rest optional.
        path: of the file, for messages.
        crs: of map_x, map_y.
        said: what the format calls our names, for messages.

    Raises:
        PointsError: a value is missing or makes no sense.
    """
    if not records:
        raise PointsError(f"{path} holds no tie points")
    rows = [_Record(f"{path}, {where}", values, said or {}) for where, values in records]
    points = [row.point(i + 1) for i, row in enumerate(rows)]
    numbers = np.array([p[1] for p in points], np.float64)
    flags = np.array([p[2] for p in points], np.bool_)
    return PointTable(
        tuple(p[0] for p in points),
        numbers[:, 0:2],
        numbers[:, 2:4],
        numbers[:, 4:6],
        numbers[:, 6],
        numbers[:, 7],
        numbers[:, 8:10],
        flags[:, 0],
        flags[:, 1],
        crs,
        None if np.isnan(numbers[:, 10]).all() else numbers[:, 10],
        float(numbers[:, 11].max()),
    )


def records_of(
    lines: Sequence[tuple[int, str]], columns: Sequence[str], delimiter: str, path: str
) -> list[tuple[str, dict[str, Any]]]:
    """Lines of a table as records for `from_records`.

    Args:
        lines: numbers of lines, and what they hold.
        columns: names of the columns.
        delimiter: between values.
        path: of the file, for messages.

    Raises:
        PointsError: a line has more values than there are columns, or can't be split.
    """
    records: list[tuple[str, dict[str, Any]]] = []
    for number, line in lines:
        values = split_line(line, delimiter, f"{path}, line {number}")
        if len(values) > len(columns) and any(v.strip() for v in values[len(columns) :]):
            raise PointsError(
                f"{path}, line {number}: {len(values)} values for {len(columns)} columns"
            )
        records.append((f"line {number}", dict(zip(columns, values, strict=False))))
    return records


def split_line(line: str, delimiter: str, where: str) -> list[str]:
    """The values of a line of CSV.

    Raises:
        PointsError: it can't be split; says where it stands.
    """
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error as error:
        raise PointsError(f"{where}: {error}") from None


def number_text(number: float) -> str:
    """A number to the last bit; nothing where it is unknown."""
    return repr(float(number)) if math.isfinite(number) else ""


def plain_name(text: str) -> str:
    """A point's name in one line and not like a comment, so that every format can hold it."""
    return " ".join(text.split()).lstrip("# ")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else text[:57] + "..."


@dataclass(frozen=True)
class _Record:
    """The values of one point, and where they stand."""

    where: str
    values: Mapping[str, Any]
    said: Mapping[str, str]

    def point(self, number: int) -> tuple[str, list[float], list[bool]]:
        """Its name, its twelve numbers and its two flags."""
        moving = [self.number("moving_x"), self.number("moving_y")]
        reference = [self.number("reference_x", math.nan), self.number("reference_y", math.nan)]
        on_map = [self.number("map_x", math.nan), self.number("map_y", math.nan)]
        if not (all(map(math.isfinite, reference)) or all(map(math.isfinite, on_map))):
            place = ", ".join(self.said.get(name, name) for name in ("map_x", "map_y"))
            if self.said:  # the format knows no reference pixels
                raise PointsError(f"{self.where}: {place} are missing")
            raise PointsError(
                f"{self.where}: neither reference_x, reference_y nor {place} are given"
            )
        score, sigma = self.number("score", 1.0), self.number("sigma_px", 1.0)
        if not 0 <= score <= 1:
            raise PointsError(f"{self.where}: score is {score:g}, not between 0 and 1")
        if not sigma > 0:
            raise PointsError(f"{self.where}: sigma_px is {sigma:g}, not above 0")
        residual = [self.number("residual_x_px", math.nan), self.number("residual_y_px", math.nan)]
        enabled = self.flag("enabled", True)
        flags = [self.flag("inlier", enabled), enabled]
        value = self.values.get("id")
        name = "" if value is None else plain_name(str(value))
        height = self.number("height", math.nan)
        apart = self.number("apart_px", 0.0)
        if apart < 0:
            raise PointsError(f"{self.where}: apart_px is {apart:g}, not 0 or above")
        numbers = [*moving, *reference, *on_map, score, sigma, *residual, height, apart]
        return name or str(number), numbers, flags

    def number(self, name: str, default: float | None = None) -> float:
        value = self.values.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            if default is None:
                raise PointsError(f"{self.where}: {self.said.get(name, name)} is missing")
            return default
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise PointsError(
                f"{self.where}: {self.said.get(name, name)} is '{_short(value)}', not a number"
            )
        return number

    def flag(self, name: str, default: bool) -> bool:
        value = self.values.get(name)
        text = "" if value is None else str(value).strip().lower().removesuffix(".0")
        if not text:
            return default
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise PointsError(f"{self.where}: {name} is '{_short(value)}', not 0 or 1")
