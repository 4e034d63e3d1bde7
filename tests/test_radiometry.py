"""From bands to one image: what is guessed, what is stretched, and what the image must show."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window as Window_

import rasters
import scenes
from georeg.errors import InputError, SettingsError
from georeg.grid import Window
from georeg.imagery.echo import Echo
from georeg.radiometry import Radiometry, default_bands, fit_radiometry
from georeg.raster import Pixels, Raster
from looks import SHAPE, backscatter, look, terrain

SHARED = Path(os.environ.get("GEOREG_SHARED", Path(__file__).parent.parent.parent / "shared"))
# What is guessed


def test_guesses(tmp_path: Path) -> None:
    photo = scenes.texture(SHAPE)
    single, multi = backscatter(1), backscatter(4)
    kinds: dict[str, tuple[Any, str, str]] = {
        "uint8 photo": (np.rint(255 * photo), "uint8", "optical"),
        "16-bit photo": (np.rint(300 + 3000 * photo), "uint16", "optical"),
        "reflectance": (photo, "float32", "optical"),
        "signed reflectance": (np.rint(10000 * photo), "int16", "optical"),
        "single look amplitude": (np.rint(2000 * np.sqrt(single)), "uint16", "sar"),
        "single look intensity": (single, "float32", "sar"),
        "4 looks, intensity": (multi, "float32", "sar"),
        "4 looks, dB": (10 * np.log10(multi), "float32", "sar"),
        "DEM": (np.rint(terrain()), "int16", "dem"),
        "float DEM": (terrain(), "float32", "dem"),
        "temperature": (280 + 0.02 * terrain(), "float32", "optical"),
        "8-bit amplitude": (np.clip(np.rint(200 * np.sqrt(single)), 1, 255), "uint8", "optical"),
    }
    for number, (name, (pixels, dtype, expected)) in enumerate(kinds.items()):
        file = rasters.write(tmp_path / f"{number}.tif", pixels.astype(dtype)[None])
        assert look(file)[0].modality == expected, name


def test_guesses_complex_and_palette(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal = (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)) * scenes.texture(SHAPE)
    assert look(rasters.write(tmp_path / "a.tif", signal.astype("complex64")[None]))[
        0
    ].modality == ("sar")
    name = rasters.write(
        tmp_path / "b.tif", (rasters.ramp() % 7).astype(np.uint8), photometric="palette"
    )
    with rasterio.open(name, "r+") as file:
        file.write_colormap(1, {k: (30 * k, 255 - 20 * k, (97 * k) % 256, 255) for k in range(7)})
    fitted, image, _ = look(name)
    assert fitted.modality == "map"
    assert len(fitted.weights) == 3
    assert image.std() > 0.1


@pytest.mark.parametrize(
    ("unit", "description", "expected"),
    [
        ("m", None, "dem"),
        ("metre", "x", "dem"),
        (None, "Elevation above the ellipsoid", "dem"),
        ("dB", None, "sar"),
        (None, "Sigma0_VV", "sar"),
        (None, "sigma0 VV", "sar"),
        ("K", None, "infrared"),
        (None, "B10 thermal", "infrared"),
        (None, "demography", "optical"),
        ("W/m2", "red", "optical"),
    ],
)
def test_what_the_file_says(
    tmp_path: Path, unit: str | None, description: str | None, expected: str
) -> None:
    pixels = np.rint(300 + 3000 * scenes.texture((100, 100))).astype(np.uint16)
    name = rasters.write(tmp_path / "a.tif", pixels[None])
    with rasterio.open(name, "r+") as file:
        if unit:
            file.set_band_unit(1, unit)
        if description:
            file.set_band_description(1, description)
    assert look(name)[0].modality == expected


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("naip/naip_20140720.tif", "optical"),
        ("s2_virginia/s2_B08.tif", "optical"),
        ("l8_elkton/l8_B10.tif", "optical"),
        ("pleiades_reunion/img_01.tif", "optical"),
        ("pleiades_ventoux/srtm_utm31.tif", "dem"),
        ("srtm_dem/srtm_ref.tif", "dem"),
        ("spacenet6/sar_masked.tif", "sar"),
        ("rmnp/rgb.tif", "optical"),
        ("everest_l7/B4.tif", "optical"),
        ("lt5_thermal/B6.tif", "optical"),
        ("chicago_spot/UTM2GTIF.tif", "optical"),
    ],
)
def test_real_rasters(file: str, expected: str) -> None:
    path = SHARED / "data/pairs" / file
    if not path.exists():
        pytest.skip("no ../shared/data here: real rasters aren't part of the project")
    fitted, image, mask = look(str(path))
    assert fitted.modality == expected
    assert image[mask].std() > 0.05


# What the image shows


def test_stretch_ignores_outliers(tmp_path: Path) -> None:
    pixels = np.rint(1000 + 2000 * scenes.texture(SHAPE)).astype(np.uint16)
    pixels[::60, ::60] = 65535
    fitted, image, _ = look(rasters.write(tmp_path / "a.tif", pixels[None]))
    assert 2500 < fitted.high[0] < 3100
    assert image.std() > 0.15


def test_limits_hold_details_of_full_resolution(tmp_path: Path) -> None:
    """Averages of a large raster spread less than its pixels, which must not be cut off."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 200, (1, 4096, 4096)).astype(np.uint8)
    name = rasters.write(tmp_path / "a.tif", pixels, tiled=True)
    with Raster(name) as raster:
        fitted = fit_radiometry(raster, "optical")
    assert fitted.low[0] < 105
    assert fitted.high[0] > 195


def test_statistics_never_read_the_full_raster(tmp_path: Path) -> None:
    """With overviews next to nothing is decoded: what only full resolution holds isn't seen."""
    side = 4096
    rng = np.random.default_rng(0)
    pixels = rng.integers(100, 200, (1, side, side)).astype(np.uint8)
    name = rasters.write(tmp_path / "a.tif", pixels, tiled=True)
    with rasterio.open(name, "r+") as file:
        file.build_overviews([8])
    seen: list[int] = []
    with Raster(name) as raster:
        read = raster.read

        def counted(window: Window, shape: Any = None, bands: Any = (1,)) -> Pixels:
            pixels = read(window, shape, bands)
            seen.append(pixels.mask.size)
            return pixels

        raster.read = counted  # type: ignore[method-assign]
        fit_radiometry(raster)
    assert sum(seen) < 0.03 * side * side


def test_a_few_valid_pixels_of_a_huge_raster(tmp_path: Path) -> None:
    """One pixel of the decimated read is taller than a window in full resolution."""
    name = str(tmp_path / "a.tif")
    profile = {"height": 140_000, "width": 40, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(
        name, "w", driver="GTiff", sparse_ok=True, crs="EPSG:32633",
        transform=rasters.TRANSFORM, **profile,
    ) as file:  # fmt: skip
        for row, value in ((5, 50), (60_100, 90), (120_030, 130)):
            file.write(np.full((1, 1, 3), value, np.uint8), window=Window_(5, row, 3, 1))
    with Raster(name) as raster:
        fitted = fit_radiometry(raster)
    assert fitted.zeros == 0
    assert 50 <= fitted.low[0] < fitted.high[0] <= 130


def test_bands(tmp_path: Path) -> None:
    texture = scenes.texture(SHAPE)
    bands = np.stack([255 * texture, 255 * (1 - texture), np.full(SHAPE, 9), 255 * texture])
    name = rasters.write(
        tmp_path / "a.tif", np.rint(bands).astype(np.uint8), photometric="minisblack"
    )
    one = look(name, bands=(1,))[1]
    two = look(name, bands=(2,))[1]
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] < -0.99
    fitted, image, _ = look(name, bands=(1, 3))
    assert fitted.weights == (1.0, 0.0)  # a constant band says nothing
    np.testing.assert_allclose(image, one, atol=1e-6)
    with Raster(name) as raster:
        with pytest.raises(SettingsError, match="no band 5"):
            fit_radiometry(raster, "auto", (5,))
        with pytest.raises(InputError, match="constant: every valid pixel holds 9"):
            fit_radiometry(raster, "auto", (3,))


def test_default_bands(tmp_path: Path) -> None:
    pixels = rasters.ramp(bands=4)
    plain = rasters.write(tmp_path / "a.tif", pixels)
    alpha = rasters.write(tmp_path / "b.tif", pixels[:2], photometric="minisblack", alpha="yes")
    mixed = rasters.write(tmp_path / "c.tif", pixels, photometric="minisblack")
    with rasterio.open(mixed, "r+") as file:
        names = ("blue", "green", "red", "undefined")
        file.colorinterp = [rasterio.enums.ColorInterp[n] for n in names]
    for name, expected in ((plain, (1, 2, 3)), (alpha, (1,)), (mixed, (3, 2, 1))):
        with Raster(name) as raster:
            assert default_bands(raster.header) == expected


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, -np.inf])
def test_nothing_to_see(tmp_path: Path, value: float) -> None:
    name = rasters.write(tmp_path / "a.tif", np.full((1, 50, 50), value, np.float32))
    for modality in ("auto", "sar", "dem", "optical"):
        with Raster(name) as raster, pytest.raises(InputError, match=r"constant|no valid pixel"):
            fit_radiometry(raster, modality)


def test_mostly_one_value(tmp_path: Path) -> None:
    pixels = np.full((1, 300, 300), 20, np.uint8)
    pixels[0, 140:150, 140:150] = 200
    fitted, image, _ = look(rasters.write(tmp_path / "a.tif", pixels))
    assert (fitted.low[0], fitted.high[0]) == (20, 200)
    assert image[145, 145] == 1
    pixels[pixels == 20] = 0
    sar = look(rasters.write(tmp_path / "b.tif", pixels), "sar")[1]
    assert sar[145, 145] > sar[5, 5] + 0.5


def test_far_from_zero(tmp_path: Path) -> None:
    """Contrast of a few units on a large offset survives float32."""
    pixels = (100000 + 3 * scenes.texture(SHAPE)).astype(np.float64)
    assert look(rasters.write(tmp_path / "a.tif", pixels[None]), "optical")[1].std() > 0.1


# SAR


def test_dark_ground_stays_calm_and_bright_targets_small(tmp_path: Path) -> None:
    """Speckle is weaker where it's dark, and a corner reflector doesn't darken the rest."""
    rng = np.random.default_rng(0)
    ground = np.repeat([5.0, 50.0, 200.0], 120)[None].repeat(300, 0)
    amplitude = ground * rng.rayleigh(0.8, ground.shape)
    amplitude[150, 300] = 60000
    name = rasters.write(tmp_path / "a.tif", np.rint(amplitude).astype(np.uint16)[None])
    fitted, image, _ = look(name)
    assert fitted.modality == "sar"
    parts = [image[:, 10 + 120 * k : 110 + 120 * k] for k in range(3)]
    means, spreads = [p.mean() for p in parts], [p.std() for p in parts]
    assert means[0] < means[1] < means[2]
    assert means[2] - means[1] > 0.3
    assert spreads[0] < spreads[1] < spreads[2] < 0.25
    raw = replace(fitted, echo=replace(fitted.echo, spread=(0.0,)))
    with Raster(name) as raster:
        harsh, _ = raw.image(raster.read(Window(0, 0, 360, 300)))
        assert spreads[1] < 0.5 * harsh[:, 130:230].std()
        # Averages of 4 x 4 pixels have looks enough: nothing is blurred further.
        few = raster.read(Window(0, 0, 360, 300), (75, 90))
        np.testing.assert_array_equal(
            fitted.image(few, (4.0, 4.0))[0], raw.image(few, (4.0, 4.0))[0]
        )


def test_decibels_are_turned_into_intensity(tmp_path: Path) -> None:
    intensity = backscatter(4)
    linear = rasters.write(tmp_path / "a.tif", intensity.astype(np.float32)[None])
    decibels = rasters.write(tmp_path / "b.tif", (10 * np.log10(intensity))[None].astype("float32"))
    one, two = look(linear, "sar"), look(decibels, "sar")
    assert not one[0].echo.decibels
    assert two[0].echo.decibels
    np.testing.assert_allclose(two[1], one[1], atol=1e-3)


def test_zeros_do_not_eat_the_contrast(tmp_path: Path) -> None:
    pixels = backscatter(4)
    pixels[:30] = 0
    _, image, _ = look(rasters.write(tmp_path / "a.tif", pixels.astype(np.float32)[None]), "sar")
    assert image[40:].std() > 0.12


def test_no_echo_at_all(tmp_path: Path) -> None:
    pixels = -scenes.texture(SHAPE) - 200
    name = rasters.write(tmp_path / "a.tif", pixels[None])
    with Raster(name) as raster, pytest.raises(InputError, match="no echo above 0"):
        fit_radiometry(raster, "sar")


def test_huge_values(tmp_path: Path) -> None:
    pixels = (1e18 * scenes.texture(SHAPE)).astype(np.float32)
    name = rasters.write(tmp_path / "a.tif", pixels[None])
    for modality in ("sar", "optical", "dem"):
        assert np.isfinite(look(name, modality)[1]).all()


# Cost


@pytest.mark.parametrize("modality", ["optical", "sar", "dem"])
def test_float32_all_the_way(modality: str) -> None:
    """No temporary in double precision: twice the memory, for nothing."""
    side = 1500
    rng = np.random.default_rng(0)
    data = rng.random((3, side, side), np.float32) + 1
    pixels = Pixels(data, np.ones((side, side), np.bool_))
    fitted = {
        "optical": Radiometry("optical", (1, 2, 3), (1.0,) * 3, (2.0,) * 3, (1 / 3,) * 3),
        "sar": Radiometry("sar", (1,), (0.0,), (1.0,), (1.0,), Echo((2.0,), (0.5,))),
        "dem": Radiometry("dem", (1,), (0.0,), (1.0,), (1.0,), to_ground=(1.0, 0.0, 0.0, -1.0)),
    }[modality]
    tracemalloc.start()
    image, _ = fitted.image(pixels)
    peak = tracemalloc.get_traced_memory()[1] / (4 * side * side)
    tracemalloc.stop()
    assert image.dtype == np.float32
    assert peak < {"optical": 3.5, "sar": 8.5, "dem": 9.5}[modality]  # images of this size
