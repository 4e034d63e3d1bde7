"""Labels: planted points are found where the label says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from georeg.errors import SettingsError
from georeg.synthesis import _bspline
from georeg.synthesis.warps import (
    KINDS,
    Bend,
    Limits,
    Projection,
    Warp,
    pixel_centres,
    random_warp,
    resample,
    unfolded,
)
from synthesis_cases import draws

SOURCE, SIZE = (150, 170), (120, 130)
GENTLE = Limits(shift=6, local=2.5, spacing=40)  # bends too little to shift a blob's centroid


def planted(xy: Tensor, size: tuple[int, int], sigma: float = 1.6) -> Tensor:
    """(1, N, 2) -> (1, N, H, W): a Gaussian blob at each position."""
    place = pixel_centres(size, 1, xy)
    square = (place[:, None] - xy[:, :, None]).square().sum(-1)
    return torch.exp(-square / (2 * sigma**2)).view(1, -1, *size)


def centroids(images: Tensor) -> Tensor:
    """(1, N, H, W) -> (1, N, 2)."""
    place = pixel_centres((images.shape[-2], images.shape[-1]), 1, images)
    flat = images.double().flatten(2)
    return ((flat @ place[0].double()) / flat.sum(2, keepdim=True)).float()


@pytest.mark.parametrize("kind", KINDS)
def test_planted_points_are_where_the_warp_says(kind: str) -> None:
    grid = torch.cartesian_prod(torch.linspace(35, 130, 5), torch.linspace(35, 115, 5))
    points = grid[None] + torch.rand((1, 25, 2), generator=torch.Generator().manual_seed(1)) * 4
    blobs = planted(points, SOURCE)
    for seed in range(3):
        warp, _ = random_warp(draws(1, seed), SOURCE, SIZE, [kind], GENTLE)
        out, _ = resample(blobs, warp, SIZE)
        expected = warp.forward(points)
        inside = ((expected > 12) & (expected < torch.tensor([118.0, 108.0]))).all(-1)
        error = (centroids(out) - expected).norm(dim=-1)[inside]
        assert len(error) >= 9
        assert error.max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_coordinates_come_back(kind: str) -> None:
    """An image that holds its own coordinates, warped: every pixel tells where it is from."""
    ramps = pixel_centres(SOURCE, 3, torch.zeros(())).mT.reshape(3, 2, *SOURCE) / 256
    limits = Limits(shift=8, local=5)
    warp, _ = random_warp(draws(3), SOURCE, SIZE, [kind], limits)
    out, mask = resample(ramps, warp, SIZE)
    told = out.flatten(2).mT * 256
    assert mask.float().mean() > 0.6
    landing = warp.forward(told)
    error = (landing - pixel_centres(SIZE, 3, told)).norm(dim=-1).view(3, *SIZE)
    # At the source's edge interpolation sees repeated pixels.
    sure = mask & ((told > 5).all(-1) & (told < torch.tensor([165.0, 145.0])).all(-1)).view_as(mask)
    assert error[sure].max() < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_inverse_agree(kind: str) -> None:
    warp, _ = random_warp(draws(6), SOURCE, SIZE, [kind], Limits(local=8, spacing=24))
    points = pixel_centres(SIZE, 6, torch.zeros(()))
    assert (warp.forward(warp.inverse(points)) - points).abs().max() < 1e-3


def test_kinds_are_what_they_are_called() -> None:
    square = torch.tensor([[[0.0, 0], [100, 0], [0, 100], [100, 100]]]).expand(20, -1, -1)
    sides = {}
    for kind in KINDS:
        warp, _ = random_warp(draws(20), (200, 200), (200, 200), [kind], Limits(local=4))
        out = warp.forward(square + 50)
        east, south = out[:, 1] - out[:, 0], out[:, 2] - out[:, 0]
        parallel = (out[:, 3] - out[:, 2] - east).norm(dim=1)
        sides[kind] = (east, south, parallel)
    east, south, parallel = sides["shift"]
    assert torch.allclose(east, torch.tensor([100.0, 0]), atol=1e-3)
    assert torch.allclose(south, torch.tensor([0, 100.0]), atol=1e-3)
    east, south, parallel = sides["similarity"]
    assert torch.allclose(east.norm(dim=1), south.norm(dim=1), atol=1e-2)
    assert (east * south).sum(1).abs().max() < 2
    assert east[:, 1].abs().min() < 4 < east[:, 1].abs().max(), "it turns"
    assert parallel.max() < 1e-2
    assert (sides["affine"][0].norm(dim=1) - sides["affine"][1].norm(dim=1)).abs().max() > 2
    assert sides["affine"][2].max() < 1e-2
    for kind in ("projective", "smooth", "terrain"):
        assert sides[kind][2].max() > 0.5, kind


def test_terrain_moves_along_one_direction_by_height() -> None:
    heights = torch.rand((1, 1, 4, 5), generator=torch.Generator().manual_seed(0))
    heights = torch.nn.functional.interpolate(heights, (160, 192), mode="bicubic")
    limits = Limits(shift=0, rotation=0, scale=0, shear=0, perspective=0, local=4)
    warp, _ = random_warp(draws(1), (160, 192), (160, 192), ["terrain"], limits, heights)
    points = pixel_centres((160, 192), 1, heights)
    moved = (warp.forward(points) - points)[0]
    values = torch.linalg.svdvals(moved - moved.mean(0))
    assert values[1] < 1e-3 * values[0]
    along = moved @ torch.linalg.svd(moved - moved.mean(0), full_matrices=False).Vh[0]
    assert torch.corrcoef(torch.stack([along, heights.flatten()]))[0, 1].abs() > 0.4


def test_no_warp_is_the_identity() -> None:
    points = torch.rand(2, 9, 2) * 50
    assert torch.equal(Warp().forward(points), points)
    image = torch.rand(2, 3, 20, 31)
    out, mask = resample(image, Warp(), (20, 31))
    assert torch.allclose(out, image, atol=1e-5)
    assert mask.all()


def test_masks_end_where_the_source_ends() -> None:
    matrix = torch.eye(3)[None].clone()
    matrix[:, 0, 2] = 7  # the source lies 7 px further right
    image = torch.ones(1, 1, 20, 30)
    holed = torch.ones(1, 20, 30, dtype=torch.bool)
    holed[0, 5, 10] = False
    _, mask = resample(image, Warp((Projection(matrix),)), (20, 30), holed)
    assert not mask[0, :, :7].any()
    expected = torch.ones(20, 23, dtype=torch.bool)
    expected[5, 10] = False
    assert torch.equal(mask[0, :, 7:], expected)


def test_shrinking_doesnt_alias() -> None:
    stripes = (torch.arange(200) % 2).float().expand(1, 1, 200, 200)
    matrix = torch.diag(torch.tensor([0.55, 0.55, 1.0]))[None]
    plain, _ = resample(stripes, Warp((Projection(matrix),)), (100, 100))
    smooth, _ = resample(
        stripes, Warp((Projection(matrix),)), (100, 100), finest=torch.tensor([0.55])
    )
    assert smooth[..., 10:-10, 10:-10].std() < 0.4 * plain[..., 10:-10, 10:-10].std()


def test_steep_lattices_are_flattened_until_nothing_folds() -> None:
    lattice = unfolded(
        torch.randn(4, 2, 9, 9, generator=torch.Generator().manual_seed(2)) * 50, 16, 0.5
    )
    bend = Bend(lattice, 16.0)
    points = pixel_centres((90, 90), 4, lattice)
    _, slope = _bspline.at(lattice, points, 16.0)
    assert slope.abs().max() < 0.501
    assert (bend.forward(bend.inverse(points)) - points).abs().max() < 1e-3


def test_spline_derivatives_are_those_of_its_values() -> None:
    lattice = torch.randn(2, 2, 7, 8, generator=torch.Generator().manual_seed(5)).double()
    points = (torch.rand(2, 50, 2, generator=torch.Generator().manual_seed(6)) * 70 + 3).double()
    _, slope = _bspline.at(lattice, points, 20.0)
    for axis in (0, 1):
        step = torch.zeros(2).double()
        step[axis] = 1e-4
        ahead, back = (_bspline.at(lattice, points + s, 20.0)[0] for s in (step, -step))
        assert torch.allclose((ahead - back) / 2e-4, slope[..., axis], atol=1e-6)
    whole = _bspline.surface(lattice, (60, 80), 20.0)
    same, _ = _bspline.at(lattice, pixel_centres((60, 80), 2, lattice), 20.0)
    assert torch.allclose(whole.flatten(2).mT, same, atol=1e-9)


@pytest.mark.parametrize("kinds", [[], ["shift", "twist"]])
def test_unknown_kinds_are_refused(kinds: list[str]) -> None:
    with pytest.raises(SettingsError, match="choose from shift"):
        random_warp(draws(1), (50, 50), (50, 50), kinds)
