"""The matchers for like sensors through the whole engine, on scenes and on a real pair."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from affine import Affine

import scenes
from georeg.align import Alignment, measure
from georeg.settings import Settings

SHAPE = (400, 400)
SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parents[2] / "shared"))
MATCHERS = pytest.mark.parametrize("matcher", ["phase", "sift"])


def same_sensor(image: scenes.Image) -> scenes.Image:
    noise = np.random.default_rng(3).normal(size=image.shape)
    return np.clip(0.8 * image + 0.1 + 0.01 * noise, 0, 1).astype(np.float32)


def corrected(result: Alignment) -> scenes.Warp:
    """Claimed -> true reference pixels (of 1 m) by what was found."""
    fit = result.fit
    assert fit is not None
    scale, origin = np.array([1.0, -1.0]), np.array(scenes.ORIGIN)

    def mapping(xy: scenes.Array) -> scenes.Array:
        claimed = fit.frame.to_pixel(xy * scale + origin)
        return np.asarray((fit.frame.to_map(fit.transform.forward(claimed)) - origin) * scale)

    return mapping


@MATCHERS
@pytest.mark.parametrize(
    ("truth", "limit"),
    [
        (scenes.shift(5.25, -7.75), 0.1),
        (scenes.similarity(1.5, 1.01, 30, 20, SHAPE), 0.15),
        (scenes.waves(2.0, 300, 2.0, -3.0), 0.5),
    ],
    ids=["shift", "similarity", "waves"],
)
def test_aligns_a_scene(tmp_path: Path, matcher: str, truth: scenes.Warp, limit: float) -> None:
    pair = scenes.make_pair(tmp_path, truth, SHAPE, moving=same_sensor)
    result = measure(pair.moving, pair.reference, Settings(matcher=matcher))
    assert result.verdict.ok, result.verdict.reasons
    assert result.report["matcher"] == matcher
    assert np.median(pair.errors(corrected(result))) < limit


@MATCHERS
def test_refuses_unrelated_places(tmp_path: Path, matcher: str) -> None:
    one = scenes.make_pair(tmp_path / "1", scenes.shift(3, 2), SHAPE, seed=1, moving=same_sensor)
    two = scenes.make_pair(tmp_path / "2", scenes.shift(3, 2), SHAPE, seed=2, moving=same_sensor)
    verdict = measure(one.moving, two.reference, Settings(matcher=matcher)).verdict
    assert not verdict.ok
    assert verdict.reasons


@MATCHERS
@pytest.mark.parametrize("name", ["Coast/03"])
def test_a_real_pair(tmp_path: Path, matcher: str, name: str) -> None:
    """Visible against near infrared light: like sensors, nearly."""
    folder = SHARED / "data" / "pairs" / "crossmodal"
    if not (folder / "index.json").exists():
        pytest.skip(f"no real pairs in {folder}: set GEOREG_SHARED")
    index = json.loads((folder / "index.json").read_text())
    entry = next(p for p in index if f"{p['modality']}/{p['name']}" == f"nirvis_{name}")
    reference, moving = (
        cv2.imread(str(folder / entry[side]), cv2.IMREAD_GRAYSCALE)
        for side in ("reference", "moving")
    )
    shift = (11.0, -6.0)
    homography = np.linalg.inv(np.array(entry["moving_to_reference"])) @ np.array(
        [[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]
    )
    size = reference.shape[::-1]
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    displaced = cv2.warpPerspective(moving, homography, size, flags=flags)
    transform = Affine(1, 0, scenes.ORIGIN[0], 0, -1, scenes.ORIGIN[1])
    files = [
        scenes.write(tmp_path / f"{side}.tif", image, transform, nodata=0)
        for side, image in (("moving", displaced), ("reference", reference))
    ]
    result = measure(*files, Settings(matcher=matcher, transform="affine"))
    assert result.verdict.ok, result.verdict.reasons
    xy = scenes.pixels(reference.shape)[::5077] @ np.eye(2)
    away = np.hypot(*(corrected(result)(xy) - xy - shift).T)
    assert np.median(away) < 1.2


@pytest.mark.parametrize(("angle", "scale"), [(93.0, 0.8), (-140.0, 1.0)])
def test_key_points_find_any_rotation_when_asked(
    tmp_path: Path, angle: float, scale: float
) -> None:
    truth = scenes.similarity(angle, scale, 12, -9, SHAPE)
    pair = scenes.make_pair(tmp_path, truth, SHAPE, moving=same_sensor)
    result = measure(pair.moving, pair.reference, Settings(matcher="sift", search="wide"))
    assert result.verdict.ok, result.verdict.reasons
    assert np.nanmedian(pair.errors(corrected(result))) < 0.5


def test_both_ways_and_sub_pixel_places_through_the_engine(tmp_path: Path) -> None:
    pair = scenes.make_pair(tmp_path, scenes.shift(5.25, -7.75), SHAPE, moving=same_sensor)
    plain = measure(pair.moving, pair.reference, Settings(matcher="sift"))
    settings = Settings(matcher="sift", symmetric=True, subpixel=True)
    exact = measure(pair.moving, pair.reference, settings)
    assert exact.verdict.ok, exact.verdict.reasons
    assert exact.report["matcher"] == "sift"
    error = np.median(pair.errors(corrected(exact)))
    assert error < 0.05
    assert error <= np.median(pair.errors(corrected(plain))) + 0.02
    assert exact.verdict.accuracy is not None
    assert plain.verdict.accuracy is not None
    assert exact.verdict.accuracy.rmse_px < plain.verdict.accuracy.rmse_px
