"""Settings that make no sense, and what an output says about how it was made."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any

import pytest
from affine import Affine
from pyproj import CRS
from rasterio.enums import Resampling

from georeg import __version__
from georeg.batch.options import BatchOptions
from georeg.errors import SettingsError
from georeg.grid import Grid
from georeg.provenance import python_call, raster_tags, versions
from georeg.settings import OutputSettings, Settings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"search": "far"}, "search 'far'"),
        ({"matcher": "structual"}, "no matcher 'structual': did you mean structural"),
        ({"transform": "wobbly"}, "no transform 'wobbly'"),
        ({"max_shift_unit": "ft"}, "unit 'ft'"),
        ({"moving_modality": "x-ray"}, "modality 'x-ray'"),
        ({"reference_modality": ""}, "modality ''"),
        ({"max_shift": 0.0}, "--max-shift must be above 0"),
        ({"max_shift": math.inf}, "--max-shift"),
        ({"max_rmse": -1.0}, "--max-rmse must be above 0"),
        ({"max_rmse": math.nan}, "--max-rmse"),
        ({"working_resolution": 0.0}, "--working-resolution"),
        ({"max_tiles": 0}, "--max-tiles must be 1"),
        ({"threads": 0}, "--threads must be 1"),
        ({"threads": 10**12}, "--threads must be 1024 or less"),
        ({"memory": 8}, "--memory must be 16"),
    ],
)
def test_settings_without_sense(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings(**values)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"resampling": "best"}, "resampling 'best'"),
        ({"driver": "PNG"}, "format 'PNG'"),
        ({"resolution": (0.0,)}, "--resolution"),
        ({"resolution": (1.0, 2.0, 3.0)}, "--resolution"),
        ({"resolution": (math.nan,)}, "--resolution"),
        ({"bounds": (1.0, 0.0, 0.0, 1.0)}, "--bounds"),
        ({"bounds": (0.0, 0.0, math.inf, 1.0)}, "--bounds"),
        ({"shift_only": True, "dst_crs": "EPSG:4326"}, "--shift-only"),
        ({"shift_only": True, "resolution": (1.0,)}, "--shift-only"),
        ({"shift_only": True, "grid": "reference"}, "--shift-only keeps the pixel grid"),
        ({"shift_only": True, "dst_nodata": 0.0}, "--shift-only keeps all pixels"),
        ({"embed_gcps": True, "dst_nodata": 0.0}, "--embed-gcps keeps all pixels"),
    ],
)
def test_output_settings_without_sense(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        OutputSettings(**values)


@pytest.mark.parametrize("wait", [math.nan, -1.0, -math.inf])
def test_waiting_without_sense(wait: float) -> None:
    """Not a number waited for ever."""
    with pytest.raises(SettingsError, match="--wait must be 0 or more"):
        BatchOptions(wait=wait)
    assert BatchOptions(wait=math.inf).wait == math.inf


def test_settings_are_frozen_and_plain_json() -> None:
    settings = Settings(moving_bands=(3, 2, 1), max_shift=12.5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 1  # type: ignore[misc]
    data = json.loads(json.dumps(settings.to_dict()))
    assert data["moving_bands"] == [3, 2, 1]
    assert Settings(**{**data, "moving_bands": (3, 2, 1), "reference_bands": ()}) == settings


def test_versions_name_what_numbers_depend_on() -> None:
    found = versions()
    assert found["georeg"] == __version__
    assert {"numpy", "rasterio", "torch", "python"} <= set(found)


INFO = {
    "moving": "m.tif", "reference": "r.tif", "matcher": "structural", "transform": "affine",
    "seed": 7,
    "verdict": {"ok": True, "status": "aligned", "reasons": [],
                "accuracy": {"rmse_px": 0.51234, "rmse_m": 5.1234}},
}  # fmt: skip


def test_tags_say_how_a_raster_was_made() -> None:
    tags = raster_tags(INFO)
    assert tags["TIFFTAG_SOFTWARE"] == f"georeg {__version__}"
    assert (tags["MOVING"], tags["REFERENCE"]) == ("m.tif", "r.tif")
    assert (tags["TRANSFORM"], tags["SEED"], tags["STATUS"]) == ("affine", "7", "aligned")
    assert (tags["RMSE_PX"], tags["RMSE_M"]) == ("0.512", "5.123")
    assert "NOT_TRUSTWORTHY" not in tags


def test_tags_of_what_was_forced() -> None:
    verdict = {"ok": False, "status": "refused", "reasons": ["too few points", "folded"],
               "accuracy": None}  # fmt: skip
    tags = raster_tags({**INFO, "verdict": verdict})
    assert tags["NOT_TRUSTWORTHY"] == "too few points; folded"
    assert "RMSE_PX" not in tags


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"verdict": None},
        {"verdict": "fine"},
        {"verdict": {"accuracy": {}}},
        {"verdict": {"accuracy": {"rmse_px": None, "rmse_m": "x"}}},
        {"verdict": {"ok": False, "reasons": None}},
    ],
)
def test_tags_of_an_info_that_people_have_edited(info: dict[str, Any]) -> None:
    """The info of a fit file is for people; what is left of it must not stop a warp."""
    tags = raster_tags(info)
    assert tags["VERSION"] == __version__
    assert all(isinstance(value, str) and value for value in tags.values())


def test_the_call_that_repeats_a_run() -> None:
    plain = python_call("align", ("a.tif", "b 'c'.tif", None), Settings())
    assert plain == """georeg.align('a.tif', "b 'c'.tif")"""
    changed = python_call(
        "align", ("a.tif", "b.tif", "o.tif"), Settings(transform="affine", moving_bands=(1,)),
        OutputSettings(creation={"COMPRESS": "LZW"}),
    )  # fmt: skip
    assert changed == (
        "georeg.align('a.tif', 'b.tif', 'o.tif', "
        "settings=georeg.Settings(transform='affine', moving_bands=(1,)), "
        "output_settings=georeg.OutputSettings(creation={'COMPRESS': 'LZW'}))"
    )


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (Settings, {"threads": 1.5}, "--threads must be a whole number, not 1.5"),
        (Settings, {"threads": "2"}, "--threads must be a whole number, not '2'"),
        (Settings, {"memory": "512"}, "--memory must be a whole number, not '512'"),
        (Settings, {"memory": None}, "--memory must be a whole number, not None"),
        (Settings, {"max_tiles": "9"}, "--max-tiles must be a whole number, not '9'"),
        (Settings, {"seed": "a"}, "--seed must be a whole number, not 'a'"),
        (Settings, {"moving_nodata": "0"}, "--moving-nodata must be a number, not '0'"),
        (Settings, {"reference_crs": CRS(32633)}, "--reference-crs must be text such as"),
        (OutputSettings, {"dst_crs": 4326}, "--dst-crs must be text such as 'EPSG:32633', not int"),
        (OutputSettings, {"grid": None}, "--grid must be auto, reference, moving or the name of a"),
        (OutputSettings, {"grid": 10}, "name of a raster, or a Grid, not 10"),
        (OutputSettings, {"grid": ""}, "name of a raster, or a Grid, not ''"),
        (OutputSettings, {"dst_nodata": "0"}, "--dst-nodata must be a number, not '0'"),
        (OutputSettings, {"creation": "COMPRESS=LZW"}, "creation must be a dict such as"),
        (BatchOptions, {"timeout": "600"}, "--timeout must be a number, not '600'"),
        (BatchOptions, {"memory_limit": "2G"}, "--memory-limit must be a number, not '2G'"),
        (BatchOptions, {"workers": 1.5}, "--workers must be a whole number, not 1.5"),
        (BatchOptions, {"max_failures": "3"}, "--max-failures must be a whole number, not '3'"),
        (BatchOptions, {"retry": "yes"}, "--retry must be True or False, not 'yes'"),
        (BatchOptions, {"wait": "1h"}, "--wait must be a number, not '1h'"),
    ],
)
def test_values_of_a_wrong_type_get_one_line(kind: Any, values: Any, said: str) -> None:
    """They were found amid the work, as errors of Python."""
    with pytest.raises(SettingsError, match=re.escape(said)):
        kind(**values)


def test_resampling_may_be_named_as_rasterio_names_it() -> None:
    assert OutputSettings(resampling=Resampling.cubic).resampling == "cubic"  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="resampling 'gauss' is none of auto, nearest"):
        OutputSettings(resampling=Resampling.gauss)  # type: ignore[arg-type]


UTM = CRS(32633)


def test_a_grid_is_taken_apart_into_what_reports_and_batches_can_hold() -> None:
    grid = Grid((30, 41), Affine(2.5, 0.0, 500_000.3, 0.0, -5.0, 5_000_000.7), UTM)
    taken = OutputSettings(grid=grid)
    again = OutputSettings(**json.loads(json.dumps(dataclasses.asdict(taken))))
    assert again == taken
    assert taken.bounds is not None
    assert Grid.from_bounds(taken.bounds, taken.resolution, CRS(taken.dst_crs)) == grid  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("transform", "more", "said"),
    [
        (Affine(1, 0.1, 0, 0.1, -1, 0), {}, "the Grid must be north up"),
        (Affine(1, 0, 0, 0, 1, 0), {}, "the Grid must be north up"),
        (Affine(1, 0, 0, 0, -1, 0), {"dst_crs": "EPSG:4326"}, "a Grid says all: give no"),
        (Affine(1, 0, 0, 0, -1, 0), {"shift_only": True}, "--shift-only keeps the pixel grid"),
    ],
)
def test_grids_that_no_output_can_have(transform: Affine, more: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        OutputSettings(grid=Grid((9, 9), transform, UTM), **more)
