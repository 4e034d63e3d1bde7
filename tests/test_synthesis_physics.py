"""Speckle, radar geometry, sensors, clouds: numbers that a physicist would check."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from georeg.synthesis import infrared, map, sar, season, sensor  # noqa: A004
from georeg.synthesis._cues import vegetation, water
from georeg.synthesis._jpeg import jpeg
from georeg.synthesis._speckle import gamma, speckled
from georeg.synthesis.warps import pixel_centres
from synthesis_cases import correlation, draws, edges, scenes


def looks_of(intensity: Tensor) -> Tensor:
    """(B, ...) -> (B,) equivalent number of looks: mean squared over variance."""
    flat = intensity.flatten(1)
    return flat.mean(1) ** 2 / flat.var(1)


@pytest.mark.parametrize("looks", [0.5, 1.0, 3.0, 4.4, 16.0])
@pytest.mark.parametrize("grain", [0.0, 0.2])
def test_speckle_has_the_asked_number_of_looks(looks: float, grain: float) -> None:
    power = torch.full((4, 1, 256, 256), 3.0)
    noisy = speckled(power, torch.full((4,), looks), torch.full((4,), grain), draws(4))
    assert torch.allclose(noisy.mean((1, 2, 3)), torch.full((4,), 3.0), rtol=0.03)
    assert torch.allclose(looks_of(noisy), torch.full((4,), looks), rtol=0.06)


def test_single_look_speckle_is_exponential() -> None:
    noise = gamma(torch.ones(1), draws(1), (200_000,))[0]
    shares = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95, 0.999])
    expected = -torch.log(1 - shares)
    assert torch.allclose(torch.quantile(noise, shares), expected, rtol=0.06)
    neighbours = torch.corrcoef(torch.stack([noise[1:], noise[:-1]]))[0, 1]
    assert neighbours.abs() < 0.015


def test_grain_correlates_neighbours() -> None:
    power = torch.ones(1, 1, 256, 256)
    noisy = speckled(power, torch.ones(1), torch.full((1,), 0.2), draws(1))[0, 0]
    near = torch.corrcoef(torch.stack([noisy[:, 1:].flatten(), noisy[:, :-1].flatten()]))[0, 1]
    far = torch.corrcoef(torch.stack([noisy[:, 4:].flatten(), noisy[:, :-4].flatten()]))[0, 1]
    expected = 2 * 0.2 * 0.6 / (0.6**2 + 2 * 0.2**2)
    assert abs(near - expected) < 0.03
    assert abs(far) < 0.03


@pytest.mark.parametrize("looks", [2.0, 6.0])
def test_a_flat_area_of_a_whole_radar_image_has_them_too(looks: float) -> None:
    """Behind land cover, slopes and scaling. Brightest pixels are clipped, as in any product."""
    flat = torch.full((6, 3, 128, 128), 0.4)
    out = sar.synthesise(
        flat, draws(6), looks=looks, scale="intensity", displaced=False, streaks=False
    )
    assert torch.allclose(looks_of(out.image), torch.full((6,), looks), rtol=0.15)


def test_planted_scatterers_are_where_the_radar_label_says() -> None:
    """Before speckle: each of these bright blobs is moved by relief, and its centroid found."""
    count = 12
    xy = pixel_centres((96, 96), 1, torch.zeros(()))
    place = torch.cartesian_prod(torch.arange(25.3, 80, 15), torch.arange(30.7, 80, 20))[:count]
    square = (xy - place[:, None]).square().sum(-1)
    power = torch.exp(-square / (2 * 1.5**2)).view(count, 1, 96, 96)
    heights = scenes(1, 96)[:, :1].expand(count, -1, -1, -1)
    warp = sar._relief(heights, torch.full((count,), 2.0), draws(count).uniform(0, 6.28))
    shown, _ = sar._foreshortened(power, torch.zeros_like(power), warp)
    weight = shown.flatten(1).double()
    centroid = weight @ xy[0].double() / weight.sum(1, keepdim=True)
    expected = warp.forward(place[:, None])[:, 0]
    assert (expected - place).norm(dim=1).max() > 0.8
    assert (centroid - expected).norm(dim=1).max() < 0.01


def test_radar_displacement_keeps_energy() -> None:
    power = torch.rand(4, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    power = torch.nn.functional.interpolate(power, (96, 96), mode="bicubic").clamp(0.05)
    heights = scenes(4, 96)[:, :1]
    warp = sar._relief(heights, torch.full((4,), 4.0), draws(4).uniform(0, 6.28))
    shown, _ = sar._foreshortened(power, torch.zeros_like(power), warp)
    points = pixel_centres((96, 96), 4, power)
    moved = warp.forward(points)
    assert (moved - points).norm(dim=-1).max() > 1
    assert (warp.inverse(moved) - points).abs().max() < 1e-3
    # Energy is kept: what leaves a patch of ground arrives at its image.
    inner = slice(12, -12)
    assert abs(shown[..., inner, inner].sum() / power[..., inner, inner].sum() - 1) < 0.06


def test_relief_moves_towards_the_sensor() -> None:
    y = torch.arange(120.0)[:, None]
    x = torch.arange(120.0)[None]
    hill = torch.exp(-((x - 60) ** 2 + (y - 60) ** 2) / 800)[None, None]
    warp = sar._relief(hill, torch.tensor([3.0]), torch.tensor([0.0]))  # looks to the right
    points = torch.tensor([[[60.0, 60.0], [5.0, 5.0]]])
    top, foot = (warp.forward(points) - points)[0]
    assert top[0] < foot[0] - 1.5
    assert top[1].abs() < 1e-5


def test_what_is_high_casts_a_shadow_away_from_the_sensor() -> None:
    tower = torch.zeros(1, 1, 40, 40)
    tower[..., 18:22, 18:22] = 6
    shadow = sar._shadow(tower, draws(1), torch.tensor([0.0]))[0, 0]
    assert shadow[20, 23] > 0.9
    assert shadow[:, :18].max() == 0
    assert shadow[10].max() == 0


def test_radar_masks_are_its_shadows() -> None:
    images = scenes(8, 96)
    out = sar.synthesise(images, draws(8), scale="amplitude", looks=16.0, displaced=False)
    hidden = ~out.mask
    assert 0 < hidden.float().mean() < 0.3
    assert out.image[:, 0][hidden].mean() < 0.6 * out.image[:, 0][out.mask].mean()


def test_clouds_are_white_and_masked_with_their_shadows() -> None:
    images = scenes(8, 128)
    bare = season.synthesise(images, draws(8), snow=False, clouds=False)
    assert bare.mask.all()
    out = season.synthesise(images, draws(8), snow=False, clouds=True)
    hidden = ~out.mask
    assert 0.03 < hidden.float().mean() < 0.9
    change = (out.image - bare.image).mean(1)
    assert change[out.mask].abs().max() < 0.25, "what is not masked is hardly touched"
    assert change[hidden].max() > 0.4, "clouds"
    assert change[hidden].min() < -0.1, "shadows"


def test_snow_is_white_on_open_ground() -> None:
    images = scenes(8, 96)
    out = season.synthesise(images, draws(8), snow=True, clouds=False).image
    without = season.synthesise(images, draws(8), snow=False, clouds=False).image
    assert (out.mean((1, 2, 3)) > without.mean((1, 2, 3)) + 0.1).sum() >= 6
    bright = out.mean(1) > 0.75
    spread = (out.amax(1) - out.amin(1))[bright]
    assert spread.mean() < 0.12, "white, not coloured"


def test_near_infrared_turns_vegetation_and_water_around() -> None:
    images = torch.full((4, 3, 64, 64), 0.5)
    images[:, :, :, :32] = torch.tensor([0.15, 0.3, 0.12])[:, None, None]  # woods: dark, green
    images[:, :, 44:] = torch.tensor([0.08, 0.12, 0.2])[:, None, None]  # a lake
    images = images + 0.01 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    images[:, :, :44] += 0.05 * torch.randn(
        (4, 1, 44, 64), generator=torch.Generator().manual_seed(1)
    )
    assert (
        vegetation(images)[..., 4:40, 4:28].mean()
        > vegetation(images)[..., 4:40, 36:60].mean() + 0.3
    )
    assert water(images)[..., 50:, :].mean() > water(images)[..., :40, :].mean() + 0.4
    near = infrared.synthesise(images, draws(4), kind="near").image
    assert (near[..., 4:40, 4:28].mean((1, 2, 3)) > near[..., 4:40, 36:60].mean((1, 2, 3))).all()
    lake = near[..., 50:, :].mean((1, 2, 3))
    assert (lake < 0.3).all()
    assert (lake < near[..., 4:40, 4:28].mean((1, 2, 3)) - 0.3).all()


def test_thermal_is_blurred() -> None:
    images = scenes(8, 96)
    thermal = infrared.synthesise(images, draws(8), kind="thermal").image
    near = infrared.synthesise(images, draws(8), kind="near").image

    def sharpness(pictures: Tensor) -> Tensor:
        steep = edges(pictures) / pictures.flatten(1).std(1)[:, None, None]
        return torch.quantile(steep.flatten(1), 0.98, dim=1)

    assert sharpness(thermal).mean() < 0.75 * sharpness(near).mean()


def test_a_perfect_sensor_changes_light_only() -> None:
    images = scenes(4, 64)
    out = sensor.synthesise(images, draws(4), factor=1, noise=0, quality=0, bits=8).image
    worse = sensor.synthesise(images, draws(4), factor=3, noise=0.05, quality=20, bits=8).image
    assert correlation(images.mean(1), out.mean(1)).min() > 0.9
    assert (out * 255 - (out * 255).round()).abs().max() < 1e-3
    assert correlation(out.mean(1), worse.mean(1)).max() < 0.98


def test_sensor_noise_bits_and_channels() -> None:
    flat = torch.full((6, 1, 64, 64), 0.5)
    noisy = sensor.synthesise(flat, draws(6), factor=1, noise=0.04, quality=0, bits=16).image
    calm = sensor.synthesise(flat, draws(6), factor=1, noise=0.0, quality=0, bits=16).image
    assert noisy.shape == flat.shape
    extra = (noisy - calm).std((1, 2, 3))
    assert torch.allclose(extra, torch.full((6,), 0.04), rtol=0.35)
    coarse = sensor.synthesise(scenes(2, 64), draws(2), factor=1, noise=0, quality=0, bits=3).image
    assert len(coarse.unique()) <= 8


@pytest.mark.parametrize("quality", [20, 50, 90])
@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_what_jpeg_loses(quality: int, channels: int) -> None:
    """As much as libjpeg does, by OpenCV, and much the same."""
    import cv2

    image = scenes(1, 96)[:, :channels]
    ours = (jpeg(image, torch.tensor([float(quality)])) * 255).round()[0].permute(1, 2, 0)
    pixels = (image[0].permute(1, 2, 0) * 255).round().numpy().astype(np.uint8)
    _, code = cv2.imencode(".jpg", pixels[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
    theirs = back.reshape(96, 96, channels)[..., ::-1].astype(np.float32)
    loss, reference = np.abs(ours.numpy() - pixels).mean(), np.abs(theirs - pixels).mean()
    assert 0.75 < loss / reference < 1.3
    assert np.abs(ours.numpy() - theirs).mean() < 0.75 * reference


def test_maps_are_flat_but_for_lines_and_names() -> None:
    out = map.synthesise(scenes(8, 128), draws(8), style=0, scanned=False).image
    steep = edges(out)
    assert (steep < 0.02).float().mean() > 0.35
    colours = (out * 31).round().long()
    codes = (colours[:, 0] * 32 + colours[:, 1]) * 32 + colours[:, 2]
    for code in codes:
        count = torch.bincount(code.flatten()).sort(descending=True).values
        assert count[:20].sum() > 0.55 * count.sum(), "a few colours fill it"
