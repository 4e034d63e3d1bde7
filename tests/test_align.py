"""The whole engine on scenes with known truth."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint

import scenes
from georeg.align import Alignment, align, apply_fit, measure
from georeg.errors import InputError, SettingsError
from georeg.fitfile import load_fit
from georeg.outgrid import OutputSettings
from georeg.settings import Settings

SHAPE = (400, 400)
STRIP = (100, 4000)
LONG_WAVES = scenes.waves(4.0, 1700, 5.0, -3.0)


def corrected(result: Alignment, gsd: float = 1.0) -> scenes.Warp:
    """Claimed -> true reference pixels by what was found."""
    fit = result.fit
    assert fit is not None
    base = Affine(gsd, 0, scenes.ORIGIN[0], 0, -gsd, scenes.ORIGIN[1])

    def mapping(xy: scenes.Array) -> scenes.Array:
        to_map = xy * [base.a, base.e] + [base.c, base.f]
        true = fit.frame.to_map(fit.transform.forward(fit.frame.to_pixel(to_map)))
        return np.asarray((true - [base.c, base.f]) / [base.a, base.e])

    return mapping


@pytest.mark.parametrize(
    ("truth", "model", "limit"),
    [
        (scenes.shift(5.3, -7.8), "shift", 0.1),
        (scenes.similarity(1.5, 1.01, 30, 20, SHAPE), "similarity", 0.15),
        (scenes.similarity(-8.0, 0.93, -10, 15, SHAPE), "similarity", 0.2),
        (scenes.waves(3.0, 300, 2.0, -3.0), "field", 0.15),
        (scenes.waves(3.0, 150, 2.0, -3.0), "field", 0.5),
    ],
)
def test_finds_the_truth(tmp_path: Path, truth: scenes.Warp, model: str, limit: float) -> None:
    pair = scenes.make_pair(tmp_path, truth, SHAPE)
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert result.fit is not None
    assert result.fit.transform.name == model
    assert np.median(pair.errors(corrected(result))) < limit


@pytest.mark.parametrize(
    ("noise", "goals"), [(0.05, ["track", "detail"]), (0.35, ["track", "detail", "refine"])]
)
def test_smaller_templates_only_where_they_tell(
    tmp_path: Path, noise: float, goals: list[str]
) -> None:
    def moving(image: scenes.Image) -> scenes.Image:
        return scenes.other_sensor(image, noise=noise)

    pair = scenes.make_pair(tmp_path, scenes.waves(2.0, 300, 2.0, -3.0), SHAPE, moving=moving)
    result = measure(pair.moving, pair.reference, Settings(working_resolution=1.0))
    levels = result.report["levels"]
    assert [level["goal"] for level in levels] == goals
    assert ("of the places agree" in levels[1]["note"]) is (noise > 0.1)
    assert len(result.matches) == levels[-1]["points"]


def test_a_large_scene_that_bends_by_more_than_is_searched(tmp_path: Path) -> None:
    """The coarse level must see the bend, or full resolution looks 12 px off on either side."""
    pair = scenes.make_pair(tmp_path, scenes.waves(8.0, 600, 2.0, -3.0), (1800, 1800))
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert {level["model"] for level in result.report["levels"]} == {"field"}
    assert [level["goal"] for level in result.report["levels"]] == ["track", "detail", "detail"]
    assert np.percentile(pair.errors(corrected(result)), 90) < 0.5
    # Where the coarse level was off by more than full resolution looks, it looks once more.
    assert pair.errors(corrected(result)).max() < 2


def test_a_short_budget_still_follows_what_bends(tmp_path: Path) -> None:
    """Sixteen tiles of 320 px leave wide gaps; smaller ones on as much ground don't."""
    pair = scenes.make_pair(tmp_path, scenes.waves(3.0, 600, 2.0, -3.0), (1500, 1500))
    result = measure(pair.moving, pair.reference, Settings(max_tiles=16))
    assert result.verdict.ok, result.verdict.reasons
    assert result.tiles is not None
    assert result.tiles[:, 2:].prod(axis=1).sum() <= 16 * 320**2
    assert len(result.tiles) > 30
    assert np.percentile(pair.errors(corrected(result)), 90) < 0.6


def test_what_bends_between_few_tiles_is_followed_by_what_coarser_levels_saw(
    tmp_path: Path,
) -> None:
    """Nine tiles of 320 px on 1 500 px, waves of 600 px: every second tile sees the same slope."""
    pair = scenes.make_pair(tmp_path, scenes.waves(3.0, 600, 2.0, -3.0), (1500, 1500))
    result = measure(pair.moving, pair.reference, Settings(max_tiles=9))
    assert result.verdict.ok, result.verdict.reasons
    assert np.percentile(pair.errors(corrected(result)), 90) < 0.8
    # Whoever looks at the points sees those that were matched on every pixel, and no others.
    assert len(result.matches) == result.report["levels"][-1]["points"]


def test_output_shows_the_reference(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(2.0, 300, 6.0, 4.0), SHAPE)
    out = str(tmp_path / "out.tif")
    report = str(tmp_path / "report.json")
    result = align(
        pair.moving,
        pair.reference,
        out,
        output_settings=OutputSettings(grid="reference"),
        report_path=report,
    )
    assert result.output == out
    with rasterio.open(out) as file, rasterio.open(pair.reference) as reference:
        assert file.transform == reference.transform
        got, valid = file.read(1).astype(float), file.read_masks(1) > 0
        assert file.tags(ns="GEOREG")["STATUS"] == "aligned"
    expected = scenes.other_sensor(pair.image)
    inner = np.zeros(SHAPE, bool)
    inner[30:-30, 30:-30] = True
    both = valid & inner
    assert both.sum() > 0.9 * inner.sum()
    assert np.corrcoef(got[both], expected[both])[0, 1] > 0.97
    stored = json.loads(Path(report).read_text())
    assert stored["verdict"]["ok"] is True
    assert stored["ladder"]
    assert stored["versions"]["georeg"]


def test_already_aligned_is_a_success(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(0.0, 0.0), SHAPE)
    verdict = measure(pair.moving, pair.reference, Settings()).verdict
    assert verdict.ok
    assert verdict.status == "already aligned"
    assert "already aligned within" in verdict.sentence()


def test_unrelated_places_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    one = scenes.make_pair(tmp_path / "one", scenes.shift(3, 2), SHAPE, seed=1)
    two = scenes.make_pair(tmp_path / "two", scenes.shift(3, 2), SHAPE, seed=2)
    before = sorted(tmp_path.rglob("*"))
    out = str(tmp_path / "out.tif")
    result = align(one.moving, two.reference, out, fit_path=str(tmp_path / "fit.json"))
    assert not result.verdict.ok
    assert result.output is None
    assert result.verdict.reasons
    assert sorted(tmp_path.rglob("*")) == before


def test_too_little_overlap_is_told(tmp_path: Path) -> None:
    """The advice was to name the modality of two clean rasters."""
    pair = scenes.make_pair(tmp_path, scenes.shift(2.4, -1.6), (36, 36))
    (reason,) = measure(pair.moving, pair.reference, Settings()).verdict.reasons
    assert reason.startswith("the overlap is too small: 36 x 36 working pixels; it takes 50 x 50")
    assert "modality" not in reason
    assert "--working-resolution" not in reason  # that was tried
    pair = scenes.make_pair(tmp_path, scenes.shift(2.4, -1.6), (64, 64))
    (reason,) = measure(pair.moving, pair.reference, Settings(working_resolution=1)).verdict.reasons
    assert reason.startswith("the overlap is too small: 64 x 64 working pixels; it takes about 100")


def test_too_long_a_strip_is_told(tmp_path: Path) -> None:
    """It was said to be too flat or mostly invalid."""
    pair = scenes.make_pair(tmp_path, scenes.shift(4, -2), (56, 14000))
    (reason,) = measure(pair.moving, pair.reference, Settings()).verdict.reasons
    assert reason.startswith("the overlap is a strip of 14000 x 56 working pixels")
    assert "cut MOVING into pieces of at most 100 times their width" in reason


@pytest.mark.parametrize("truth", [scenes.similarity(0.3, 1.002, 9, -7, STRIP), LONG_WAVES])
def test_a_strip_is_followed_to_its_ends(tmp_path: Path, truth: scenes.Warp) -> None:
    """Of strips of 24 and more times their width nothing was found."""
    pair = scenes.make_pair(tmp_path, truth, STRIP)
    result = measure(pair.moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert np.percentile(pair.errors(corrected(result)), 98) < 0.2


@pytest.mark.parametrize("length", [1800, 3600])
def test_a_strip_in_a_wider_reference(tmp_path: Path, length: int) -> None:
    """On the first level it was too narrow for a template, and nothing else was looked at."""
    image = scenes.texture((140, length + 100))
    x, y = scenes.ORIGIN
    seen = scenes.other_sensor(image)[40:100, 50 : 50 + length]
    moving = scenes.write(tmp_path / "m.tif", seen, Affine(1, 0, x + 50 - 9, 0, -1, y - 40 + 6))
    reference = scenes.write(tmp_path / "r.tif", image, Affine(1, 0, x, 0, -1, y))
    result = measure(moving, reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    claimed = np.array([[50.0, 40.0], [50.0 + length, 100.0]]) + [-9.0, -6.0]
    np.testing.assert_allclose(corrected(result)(claimed), claimed + [9.0, 6.0], atol=0.5)


def test_little_data_in_a_large_overlap_is_told(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(2, 1), (240, 240))
    with rasterio.open(pair.moving, "r+") as file:
        values = file.read(1)
        kept = np.zeros_like(values)
        kept[100:164, 80:144] = values[100:164, 80:144]
        file.write(kept, 1)
    (reason,) = measure(pair.moving, pair.reference, Settings(working_resolution=1)).verdict.reasons
    assert re.search(r"too small: 240 x 240 working pixels, \d% of it with data in MOVING", reason)
    assert "name the right nodata values" in reason


def test_force_writes_and_marks(tmp_path: Path) -> None:
    one = scenes.make_pair(tmp_path / "one", scenes.shift(3, 2), SHAPE, seed=1)
    two = scenes.make_pair(tmp_path / "two", scenes.shift(3, 2), SHAPE, seed=2)
    out = str(tmp_path / "out.tif")
    result = align(one.moving, two.reference, out, Settings(force=True))
    assert not result.verdict.ok
    if result.output is not None:
        with rasterio.open(out) as file:
            assert file.tags(ns="GEOREG")["NOT_TRUSTWORTHY"]


def test_one_fit_serves_other_files(tmp_path: Path) -> None:
    """Coordinates warped through a stored fit land where the truth says."""
    pair = scenes.make_pair(tmp_path, scenes.similarity(1.0, 1.005, 9, -6, SHAPE), SHAPE)
    fit_path = str(tmp_path / "fit.json")
    align(pair.moving, pair.reference, fit_path=fit_path)
    # Half the resolution of the same scene: a product of its own.
    shape = (200, 200)
    xy = scenes.pixels(shape) * 2
    bands = np.stack([xy[:, 0].reshape(shape), xy[:, 1].reshape(shape)]).astype(np.float32) + 100
    transform = Affine(2, 0, scenes.ORIGIN[0], 0, -2, scenes.ORIGIN[1])
    other = scenes.write(tmp_path / "other.tif", bands, transform, dtype="float32")
    out = str(tmp_path / "warped.tif")
    apply_fit(
        load_fit(fit_path), other, out, OutputSettings(grid="reference", resampling="bilinear")
    )
    with rasterio.open(out) as file:
        got, valid = file.read().astype(float) - 100, file.read_masks(1) > 0
    valid[:30], valid[-30:], valid[:, :30], valid[:, -30:] = False, False, False, False
    claimed = np.stack([got[0][valid], got[1][valid]], axis=1)
    true = scenes.pixels(SHAPE).reshape(*SHAPE, 2)[valid]
    assert len(claimed) > 80_000
    assert np.median(np.hypot(*(pair.truth(claimed) - true).T)) < 0.15


def test_same_bytes_twice(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(2.0, 300, 6.0, 4.0), SHAPE)
    files = []
    for name in ("a", "b"):
        out, fit = tmp_path / f"{name}.tif", tmp_path / f"{name}.json"
        align(pair.moving, pair.reference, str(out), fit_path=str(fit))
        files.append((out.read_bytes(), fit.read_bytes()))
    assert files[0] == files[1]


def test_shift_only_touches_no_pixel(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(7.0, -4.0), SHAPE)
    out = str(tmp_path / "out.tif")
    align(
        pair.moving,
        pair.reference,
        out,
        Settings(transform="shift"),
        OutputSettings(shift_only=True),
    )
    with rasterio.open(out) as file, rasterio.open(pair.moving) as moving:
        assert (file.read() == moving.read()).all()
        step = (file.transform.c - moving.transform.c, file.transform.f - moving.transform.f)
    assert step == pytest.approx((7.0, 4.0), abs=0.1)


def with_gcps(source: str, path: Path) -> str:
    """The same raster, placed by GCPs alone."""
    corners = [(0, 0), (400, 0), (0, 400), (400, 400)]
    with rasterio.open(source) as file:
        gcps = [GroundControlPoint(y, x, *(file.transform @ (x, y))) for x, y in corners]
        profile = {k: v for k, v in file.profile.items() if k != "transform"}
        with rasterio.open(path, "w", **profile, gcps=gcps) as copy:
            copy.write(file.read())
    return str(path)


@pytest.mark.parametrize(
    ("side", "wanted", "said"),
    [
        ("moving", OutputSettings(shift_only=True), r"gcps\.tif has GCPs and no geotransform"),
        ("moving", OutputSettings(grid="moving"), "--grid moving: .* no pixel grid"),
        ("reference", OutputSettings(grid="reference"), "--grid reference: .* no pixel grid"),
        ("", OutputSettings(grid="{folder}/gcps.tif"), r"gcps\.tif: that raster has no pixel grid"),
    ],
)
def test_grids_that_are_not_there_are_missed_before_the_work(
    tmp_path: Path, side: str, wanted: OutputSettings, said: str
) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(7.0, -4.0), SHAPE)
    sides = {"moving": pair.moving, "reference": pair.reference}
    name = with_gcps(sides[side or "moving"], tmp_path / "gcps.tif")
    if side:
        sides[side] = name
    wanted = replace(wanted, grid=wanted.grid.format(folder=tmp_path))
    steps: list[str] = []
    with pytest.raises(SettingsError, match=said):
        align(
            sides["moving"],
            sides["reference"],
            str(tmp_path / "out.tif"),
            output_settings=wanted,
            progress=lambda step, share: steps.append(step),
        )
    assert not steps


@pytest.mark.parametrize(
    "wanted", [OutputSettings(grid="moving"), OutputSettings(shift_only=True)], ids=str
)
@pytest.mark.parametrize("own", [None, "EPSG:32601"])
def test_a_crs_that_is_named_counts_for_the_output_too(
    tmp_path: Path, own: str | None, wanted: OutputSettings
) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(7.0, -4.0), SHAPE)
    with rasterio.open(pair.reference) as reference, rasterio.open(pair.moving) as moving:
        right, place = reference.crs, moving.transform
        path = scenes.write(tmp_path / "wrong.tif", moving.read(1), place, crs=own)
    out = str(tmp_path / "out.tif")
    settings = Settings(transform="shift", moving_crs=right.to_string())
    align(path, pair.reference, out, settings, wanted)
    with rasterio.open(out) as file:
        assert file.crs == right
        moved = (file.transform.c - place.c, file.transform.f - place.f)
    step = (7.0, 4.0) if wanted.shift_only else (0.0, 0.0)
    assert moved == pytest.approx(step, abs=0.1)


def test_shift_only_refuses_more_than_a_shift(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.similarity(2.0, 1.0, 5, 5, SHAPE), SHAPE)
    out = str(tmp_path / "out.tif")
    wanted = OutputSettings(shift_only=True)
    with pytest.raises(SettingsError, match="shift"):
        align(pair.moving, pair.reference, out, Settings(transform="affine"), wanted)
    result = align(pair.moving, pair.reference, out, output_settings=wanted)
    assert not result.verdict.ok
    assert not Path(out).exists()


@pytest.mark.parametrize("turn", [0, 1, 2])
def test_finds_a_scan_without_georeference(tmp_path: Path, turn: int) -> None:
    image = scenes.texture((600, 600), seed=4)
    base = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    reference = scenes.write(tmp_path / "reference.tif", image, base)
    part = np.rot90(scenes.other_sensor(image[100:500, 150:550]), turn)
    scan = scenes.write(tmp_path / "scan.png", np.ascontiguousarray(part), crs=None, driver="PNG")
    result = measure(scan, reference, Settings(georef=False))
    assert result.verdict.ok, result.verdict.reasons
    fit = result.fit
    assert fit is not None
    corners = {0: (0, 0), 1: (0, 400), 2: (400, 400)}
    with rasterio.open(scan) as file:
        assert file.crs is None
    from georeg.raster import Raster

    with Raster(scan) as raster:
        at = fit.corrected(raster.header, scan, np.array([corners[turn]], float), fit.frame.crs)
    assert at[0] == pytest.approx((scenes.ORIGIN[0] + 150, scenes.ORIGIN[1] - 100), abs=0.5)


def test_other_crs_and_coarser_pixels(tmp_path: Path) -> None:
    """A geographic moving raster at twice the GSD of a projected reference."""
    pair = scenes.make_pair(tmp_path, scenes.shift(0, 0), (500, 500))
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    with rasterio.open(pair.moving) as file:
        data = file.read(1)
        transform, width, height = calculate_default_transform(
            file.crs, "EPSG:4326", file.width, file.height, *file.bounds, resolution=2.4e-5
        )
        out = np.zeros((height, width), np.uint8)
        moved = Affine.translation(6, -4) @ file.transform  # metres: the error to be found
        reproject(
            data,
            out,
            src_transform=moved,
            src_crs=file.crs,
            dst_transform=transform,
            dst_crs="EPSG:4326",
            src_nodata=0,
            resampling=Resampling.average,
        )
    moving = scenes.write(tmp_path / "geo.tif", out, transform, "EPSG:4326", nodata=0)
    result = measure(moving, pair.reference, Settings())
    assert result.verdict.ok, result.verdict.reasons
    assert result.verdict.displacement_m == pytest.approx(np.hypot(6, 4), abs=0.4)


def test_max_rmse_refuses(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.waves(3.0, 300, 2.0, -3.0), SHAPE)
    result = measure(pair.moving, pair.reference, Settings(max_rmse=0.01))
    assert not result.verdict.ok
    assert "max-rmse" in result.verdict.sentence()


def test_stated_error_is_honest(tmp_path: Path) -> None:
    """The held-out RMSE is neither far below nor far above the true one."""
    pair = scenes.make_pair(tmp_path, scenes.waves(3.0, 300, 2.0, -3.0), (500, 500))
    result = measure(pair.moving, pair.reference, Settings())
    accuracy = result.verdict.accuracy
    assert accuracy is not None
    true = float(np.sqrt(np.mean(pair.errors(corrected(result)) ** 2)))
    assert 0.7 * true < accuracy.rmse_px < 6 * true


def test_a_raster_that_changes_while_it_is_looked_at(tmp_path: Path) -> None:
    """A reference that another program just writes anew."""
    pair = scenes.make_pair(tmp_path, scenes.shift(1.0, 2.0), (200, 200))
    (tmp_path / "out").mkdir()

    def grow(step: str, share: float) -> None:
        with open(pair.reference, "ab") as file:
            file.write(b"more")

    with pytest.raises(InputError, match=r"reference\.tif was changed while it was read"):
        align(pair.moving, pair.reference, str(tmp_path / "out" / "a.tif"), progress=grow)
    assert not list((tmp_path / "out").iterdir())
