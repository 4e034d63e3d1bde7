"""The structural features: what they don't depend on, and what they do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

import scenes
from georeg.matching.mind import mind_features
from georeg.matching.orientation import orientation_features

Features = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

both = pytest.mark.parametrize("features", [mind_features, orientation_features])


def image(shape: tuple[int, int] = (96, 120), seed: int = 0) -> Tensor:
    return torch.from_numpy(scenes.texture(shape, seed))[None]


def whole(images: Tensor) -> Tensor:
    return torch.ones(images.shape, dtype=torch.bool)


def likeness(one: Tensor, two: Tensor) -> float:
    """Cosine of all features together."""
    return float((one * two).sum() / (one.norm() * two.norm()))


@both
def test_shapes_and_lengths(features: Features) -> None:
    pixels = torch.cat([image((96, 121), 0), image((96, 121), 1)])
    found, valid = features(pixels, whole(pixels))
    assert found.shape[0] == 2
    assert found.shape[2:] == (48, 60)
    assert valid.shape == (2, 48, 60)
    assert valid.min() == 1
    length = found.norm(dim=1)
    assert float(length.max()) <= 1.0
    assert float(length.median()) > 0.5


@both
def test_inverted_contrast_is_the_same_structure(features: Features) -> None:
    pixels = image()
    plain = features(pixels, whole(pixels))[0]
    assert torch.allclose(features(1 - pixels, whole(pixels))[0], plain, atol=1e-3)


@both
def test_gain_and_offset_dont_matter(features: Features) -> None:
    pixels = image()
    plain = features(pixels, whole(pixels))[0]
    assert likeness(features(0.3 * pixels + 0.4, whole(pixels))[0], plain) > 0.99


@both
def test_another_sensor_is_more_alike_than_another_place(features: Features) -> None:
    pixels = image()
    sensor = torch.from_numpy(scenes.other_sensor(pixels[0].numpy()))[None]
    plain, other = (features(i, whole(i))[0] for i in (pixels, sensor))
    place = features(image(seed=9), whole(pixels))[0]
    assert likeness(plain, other) > likeness(plain, place) + 0.3


@both
def test_features_move_with_the_ground(features: Features) -> None:
    """By whole cells of 2 px exactly, apart from the image's edge."""
    pixels = image((128, 128))
    found = features(pixels, whole(pixels))[0]
    part = pixels[:, 10:110, 6:100]
    moved = features(part, whole(part))[0]
    inner = moved[:, :, 4:-4, 4:-4]
    there = found[:, :, 5 + 4 : 5 + 50 - 4, 3 + 4 : 3 + 47 - 4]
    assert likeness(inner, there) > 0.999
    # Directions are the same; the typical length belongs to each image.
    assert likeness(inner, found[:, :, 5 + 4 + 3 : 5 + 50 - 4 + 3, 7 : 7 + 39]) < 0.9


@both
def test_features_near_invalid_pixels_are_invalid(features: Features) -> None:
    pixels = image()
    masks = whole(pixels)
    masks[0, 40:44, 60:66] = False
    found, valid = features(torch.where(masks, pixels, 0.0), masks)
    assert valid[0, 20:22, 30:33].max() == 0
    assert (found * (1 - valid[:, None])).abs().max() == 0
    assert 0.9 < float(valid.mean()) < 1
    # What is valid knows nothing of the values in the hole.
    values = torch.where(masks, pixels, 0.0)
    other = features(torch.where(masks, pixels, 7.0), masks)[0]
    assert torch.allclose(features(values, masks)[0], other, atol=1e-5)
    plain = features(pixels, whole(pixels))[0] * valid[:, None]
    assert likeness(found, plain) > 0.999


@both
def test_flat_and_invalid_images_have_no_features(features: Features) -> None:
    flat = torch.full((1, 64, 64), 0.4)
    assert features(flat, whole(flat))[0].abs().max() < 1e-3
    nothing = torch.zeros((1, 64, 64), dtype=torch.bool)
    found, valid = features(torch.zeros((1, 64, 64)), nothing)
    assert found.abs().max() == 0
    assert valid.max() == 0
    assert torch.isfinite(found).all()


@both
def test_an_image_means_the_same_in_any_batch(features: Features) -> None:
    pixels = torch.cat([image(seed=1), 0.1 * image(seed=2), torch.zeros_like(image())])
    together = features(pixels, whole(pixels))[0]
    for i in range(3):
        alone = features(pixels[i : i + 1], whole(pixels)[i : i + 1])[0]
        assert torch.allclose(together[i : i + 1], alone, atol=1e-5)


def test_orientation_is_modulo_pi_and_tells_directions_apart() -> None:
    """Stripes of four directions: opposite gradients agree, crossed edges are opposites."""
    y, x = np.mgrid[:64, :64]
    vectors = []
    for angle in (0, 45, 90, 135, 180):
        a = np.radians(angle)
        stripes = 0.5 + 0.4 * np.sin((x * np.cos(a) + y * np.sin(a)) / 3)
        pixels = torch.from_numpy(stripes.astype(np.float32))[None]
        vectors.append(orientation_features(pixels, whole(pixels))[0][0, :, 8:-8, 8:-8])
    cosine = [likeness(vectors[0], v) for v in vectors]
    assert cosine == pytest.approx([1, 0, -1, 0, 1], abs=0.05)
