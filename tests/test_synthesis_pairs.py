"""Random pairs: labels exact through warps and through what modalities displace."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import pairs
from georeg.synthesis.draws import Draws
from georeg.synthesis.pairs import CHAINS, WEIGHTS, Pair, random_pair
from georeg.synthesis.protocol import Synthetic
from georeg.synthesis.warps import Bend, Limits, Warp, pixel_centres, resample, unfolded
from synthesis_cases import scenes

SIZE = (96, 112)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bent(images: Tensor, draws: Draws, **options: Any) -> Synthetic:
    """A modality that keeps all colours, but puts everything elsewhere."""
    lattice = unfolded(draws.normal((2, 12, 12)) * 2, 16.0, 0.3)
    warp = Warp((Bend(lattice, 16.0),))
    out, mask = resample(images, warp, (images.shape[-2], images.shape[-1]))
    return Synthetic(out, mask, warp)


def coordinates(count: int, size: tuple[int, int]) -> Tensor:
    """(count, 3, H, W): x / 256, y / 256, 0.5."""
    xy = pixel_centres(size, count, torch.zeros(())).mT.reshape(count, 2, *size) / 256
    return torch.cat([xy, torch.full((count, 1, *size), 0.5)], 1)


def error(pair: Pair) -> Tensor:
    """(B, H, W) pixels between both ends of each label, of pairs that show coordinates."""
    count, _, height, width = pair.label.shape
    end = pixel_centres((height, width), count, pair.label).view(count, height, width, 2)
    end = end + pair.label.permute(0, 2, 3, 1)
    grid = 2 * end / torch.tensor([width, height]) - 1
    there = torch.nn.functional.grid_sample(pair.moving[:, :2], grid, align_corners=False)
    return (there - pair.reference[:, :2]).norm(dim=1) * 256


@pytest.mark.parametrize("kind", ["shift", "projective", "terrain"])
def test_labels_are_exact_where_both_sides_are_displaced(kind: str) -> None:
    chains = {"bent": (bent,), "plain": ()}
    limits = Limits(local=3, spacing=40, scale=0)  # bilinear look-up of a bent ramp has errors
    pair = random_pair(
        coordinates(8, (150, 160)), seeded(2), SIZE, chains, {"bent": 2, "plain": 1}, [kind],
        limits, channels=3,
    )  # fmt: skip
    assert {("bent", "bent"), ("bent", "plain"), ("plain", "bent")} <= set(pair.names)
    inner = pair.valid.clone()
    for dim in (1, 2):  # at edges interpolation sees repeated pixels
        inner.narrow(dim, 0, 10).fill_(False)
        inner.narrow(dim, inner.shape[dim] - 10, 10).fill_(False)
    assert inner.float().mean() > 0.4
    wrong = error(pair)[inner]
    assert wrong.median() < 0.002
    assert torch.quantile(wrong, 0.99) < 0.01


def test_planted_points_are_tracked() -> None:
    """Blobs in the reference, and their centroids in the moving image."""
    place = torch.cartesian_prod(torch.arange(40, 121, 20.0), torch.arange(40, 111, 20.0))
    xy = pixel_centres((150, 160), 1, place)
    blobs = [
        torch.exp(-(xy - p).square().sum(-1) / (2 * 1.6**2)).view(1, 1, 150, 160) for p in place
    ]
    limits = Limits(shift=6, local=2, spacing=40)
    for point, blob in zip(place, blobs, strict=True):
        pair = random_pair(blob, seeded(4), SIZE, {"plain": ()}, limits=limits)
        start = point - torch.tensor([24.0, 27.0])  # the middle 112 x 96 of 160 x 150
        column, row = (int(v) for v in start)
        here = start + pair.label[0, :, row - 1 : row + 1, column - 1 : column + 1].mean((1, 2))
        if ((here < 10) | (here > torch.tensor([102.0, 86.0]))).any():
            continue
        weight = pair.moving[0, 0].double()
        pixels = pixel_centres(SIZE, 1, weight)[0]
        centroid = (weight.flatten() @ pixels) / weight.sum()
        assert (centroid - here).norm() < 0.01


def test_shapes_ranges_and_names() -> None:
    pair = random_pair(scenes(6, 120), seeded(), (96, 96))
    for side in (pair.moving, pair.reference):
        assert side.shape == (6, 1, 96, 96)
        assert side.isfinite().all()
        assert side.min() >= 0
        assert side.max() <= 1
    assert pair.label.shape == (6, 2, 96, 96)
    assert pair.label.isfinite().all()
    for mask in (pair.moving_mask, pair.reference_mask, pair.valid):
        assert mask.shape == (6, 96, 96)
        assert mask.dtype == torch.bool
    assert not (pair.valid & ~pair.reference_mask).any()
    assert len(pair.names) == 6
    assert {name for names in pair.names for name in names} <= set(CHAINS)
    assert random_pair(scenes(1, 40), seeded(), channels=3).moving.shape == (1, 3, 40, 40)


def test_valid_labels_end_in_the_moving_image_on_unmasked_pixels() -> None:
    pair = random_pair(scenes(8, 96), seeded(2), limits=Limits(shift=20))
    end = pixel_centres((96, 96), 8, pair.label).view(8, 96, 96, 2) + pair.label.permute(0, 2, 3, 1)
    sure = end[pair.valid]
    assert sure.min() >= 0.5
    assert sure.max() <= 95.5
    number = torch.arange(8)[:, None, None].expand(8, 96, 96)[pair.valid]
    pixel = sure.long()
    assert pair.moving_mask[number, pixel[:, 1], pixel[:, 0]].all()
    assert 0.2 < pair.valid.float().mean() < 0.95


def test_nodata_of_the_source_is_masked_on_both_sides() -> None:
    masks = torch.ones(2, 96, 96, dtype=torch.bool)
    masks[:, :, :30] = False
    limits = Limits(shift=0, rotation=0, scale=0, shear=0, perspective=0, local=0)
    pair = random_pair(
        scenes(2, 96), seeded(), chains={"plain": ()}, limits=limits, warps=["shift"], masks=masks
    )
    assert not pair.reference_mask[:, :, :30].any()
    assert not pair.moving_mask[:, :, :30].any()
    assert pair.valid[:, 2:-2, 31:-2].all()
    assert torch.allclose(pair.label, torch.zeros(()), atol=1e-3)


def test_the_same_seed_gives_the_same_pairs_whatever_the_batch() -> None:
    images = scenes(5, 96)
    whole, again = (random_pair(images, seeded(3), (80, 80)) for _ in range(2))
    assert torch.equal(whole.moving, again.moving)
    assert torch.equal(whole.label, again.label)
    part = random_pair(images[:2], seeded(3), (80, 80))
    assert part.names == whole.names[:2]
    assert (part.label - whole.label[:2]).abs().max() < 1e-3
    for one, other in ((part.moving, whole.moving), (part.reference, whole.reference)):
        assert ((one - other[:2]).abs() > 1e-3).float().mean() < 3e-3
    assert not torch.equal(random_pair(images, seeded(4), (80, 80)).label, whole.label)


def test_every_chain_has_a_weight_and_is_drawn() -> None:
    assert set(WEIGHTS) == set(CHAINS)
    pair = random_pair(torch.rand(400, 1, 8, 8), seeded(), chains=dict.fromkeys(CHAINS, ()))
    drawn = [name for names in pair.names for name in names]
    total = sum(WEIGHTS.values())
    for name, weight in WEIGHTS.items():
        assert drawn.count(name) == pytest.approx(800 * weight / total, abs=35)


def test_sizes_and_weights_that_cant_be_are_refused() -> None:
    with pytest.raises(SettingsError, match="don't fit"):
        random_pair(scenes(1, 40), seeded(), (48, 40))
    with pytest.raises(SettingsError, match="modalities to choose"):
        random_pair(scenes(1, 40), seeded(), chains={})
    with pytest.raises(SettingsError, match="modalities to choose"):
        random_pair(scenes(1, 40), seeded(), weights=dict.fromkeys(CHAINS, 0))
    with pytest.raises(SettingsError, match="no modality 'radar'"):
        random_pair(scenes(1, 40), seeded(), chains={"radar": ("radar",)})


def test_labels_of_masks() -> None:
    masks = torch.ones(1, 10, 12, dtype=torch.bool)
    masks[0, 4, 6] = False
    label = torch.zeros(1, 2, 10, 12)
    label[:, 0] = 2.0
    seen = pairs.visible(masks, label)
    expected = torch.ones(10, 12, dtype=torch.bool)
    expected[:, 10:] = False
    expected[4, 4] = False
    assert torch.equal(seen[0], expected)
