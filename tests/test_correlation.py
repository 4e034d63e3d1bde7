"""Correlation by FFT against the same thing spelled out, displacement by displacement."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from georeg.matching import correlation
from georeg.matching.correlation import correlate_blocks, correlate_scene

BLOCK, RADIUS = 6, 4


def features(
    seed: int, shape: tuple[int, int] = (26, 33), batch: int = 2, holes: float = 0.1
) -> tuple[torch.Tensor, torch.Tensor]:
    """(B, 3, h, w) random vectors, 0 where the (B, h, w) mask is."""
    rng = np.random.default_rng(seed)
    mask = (rng.uniform(size=(batch, *shape)) > holes).astype(np.float32)
    values = rng.normal(size=(batch, 3, *shape)).astype(np.float32) * mask[:, None]
    return torch.from_numpy(values), torch.from_numpy(mask)


def naive(
    moving: np.ndarray,
    moving_mask: np.ndarray,
    reference: np.ndarray,
    reference_mask: np.ndarray,
    row: int,
    column: int,
    side: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Masked normalised correlation and valid cells of one template at all displacements."""
    height, width = moving_mask.shape
    size = 2 * RADIUS + 1
    score, cells = np.zeros((size, size)), np.zeros((size, size))
    for dy in range(-RADIUS, RADIUS + 1):
        for dx in range(-RADIUS, RADIUS + 1):
            product = one = two = count = 0.0
            for y in range(row, row + side):
                for x in range(column, column + side):
                    v, u = y + dy, x + dx
                    if not (0 <= v < height and 0 <= u < width):
                        continue
                    if not (moving_mask[y, x] and reference_mask[v, u]):
                        continue
                    product += float(moving[:, y, x] @ reference[:, v, u])
                    one += float(moving[:, y, x] @ moving[:, y, x])
                    two += float(reference[:, v, u] @ reference[:, v, u])
                    count += 1
            place = dy + RADIUS, dx + RADIUS
            score[place] = product / (np.sqrt(one * two) + 2e-3 * side**2)
            cells[place] = count
    return score, cells


@pytest.mark.parametrize("product", [True, False], ids=["product", "fft"])
@pytest.mark.parametrize("size", [1, 2])
def test_agrees_with_the_definition(
    monkeypatch: pytest.MonkeyPatch, size: int, product: bool
) -> None:
    monkeypatch.setattr(correlation, "_PRODUCT", 1e9 if product else 0)
    one, two = features(0), features(1, holes=0.25)
    sums = correlate_blocks(*one, [two], BLOCK, RADIUS)[0].pooled(size)
    score, valid = sums.correlation(size, 0.5)
    rows, columns = 26 // BLOCK - size + 1, 33 // BLOCK - size + 1
    assert score.shape == (2, rows, columns, 2 * RADIUS + 1, 2 * RADIUS + 1)
    assert sums.radius == RADIUS
    arrays = [a.numpy() for a in (*one, *two)]
    side = size * BLOCK
    for b, i, j in ((0, 0, 0), (1, 1, 2), (0, rows - 1, columns - 1)):
        expected, cells = naive(*(a[b] for a in arrays), i * BLOCK, j * BLOCK, side)
        where = cells > 0.5 * side**2
        assert (valid[b, i, j].numpy() == where).all()
        assert score[b, i, j].numpy() == pytest.approx(np.where(where, expected, 0.0), abs=1e-4)


@pytest.mark.parametrize("radius", [3, 12, 30])
def test_both_ways_of_summing_agree(monkeypatch: pytest.MonkeyPatch, radius: int) -> None:
    """Windows within the scene, beyond its edges, and farther than anything lies."""
    one, two = features(5, (24, 33)), features(6, (24, 33), holes=0.4)
    found = []
    for product in (1e9, 0):
        monkeypatch.setattr(correlation, "_PRODUCT", product)
        found.append(correlate_blocks(*one, [two], BLOCK, radius)[0])
    for name in ("product", "moving_energy", "reference_energy", "cells"):
        ways = [getattr(sums, name) for sums in found]
        assert ways[0].shape == ways[1].shape
        assert torch.allclose(ways[0], ways[1], atol=1e-4), name


@pytest.mark.parametrize("product", [True, False], ids=["product", "fft"])
def test_blocks_without_data_change_nothing_of_the_others(
    monkeypatch: pytest.MonkeyPatch, product: bool
) -> None:
    """They take no part, and their sums are exactly 0."""
    monkeypatch.setattr(correlation, "_PRODUCT", 1e9 if product else 0)
    one, two = features(11, (36, 42)), features(12, (36, 42))
    bare = one[0].clone(), one[1].clone()
    for x in bare:
        x[..., :12, :] = 0  # the upper two rows of blocks of both scenes
        x[1, ..., 18:24] = 0  # and a column of the second one
    whole = correlate_blocks(*one, [two], BLOCK, RADIUS)[0]
    found = correlate_blocks(*bare, [two], BLOCK, RADIUS)[0]
    for name in ("product", "moving_energy", "reference_energy", "cells"):
        kept, of = getattr(found, name), getattr(whole, name)
        assert (kept[:, :2] == 0).all(), name
        assert (kept[1, :, 3] == 0).all(), name
        assert torch.allclose(kept[0, 2:], of[0, 2:], atol=1e-4), name
        assert torch.allclose(kept[1, 2:, :3], of[1, 2:, :3], atol=1e-4), name
        assert torch.allclose(kept[1, 2:, 4:], of[1, 2:, 4:], atol=1e-4), name
    for x in bare:
        x[0] = 0  # nothing at all
    found = correlate_blocks(*bare, [two], BLOCK, RADIUS)[0]
    assert not found.cells[0].any()
    assert found.cells[1].any()


@pytest.mark.parametrize("product", [True, False], ids=["product", "fft"])
@pytest.mark.parametrize("held", [1, 1_000_000], ids=["row by row", "at once"])
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("radius", [7, 40])
def test_a_scene_is_only_looked_at_where_there_is_something(
    monkeypatch: pytest.MonkeyPatch, product: bool, held: int, size: int, radius: int
) -> None:
    """All templates that can tell anything are there, once, and say the same."""
    monkeypatch.setattr(correlation, "_PRODUCT", 1e9 if product else 0)
    monkeypatch.setattr(correlation, "_HELD", held)
    one, two = features(21, (65, 71), 1), features(22, (65, 71), 1)
    for x in one:
        x[..., :20, :] = 0
        x[..., 40:] = 0
    for x in two:
        x[..., 33:, :] = 0
        x[..., :14] = 0
        x[..., 57:] = 0
    (whole,) = correlate_blocks(*one, [two], BLOCK, radius)
    expected, valid = whole.pooled(size).correlation(size, 0.35)
    score, seen = torch.zeros_like(expected), torch.zeros_like(valid)
    parts = 0
    for (row, column), sums in correlate_scene(one, two, BLOCK, size, radius):
        found, there = sums.pooled(size).correlation(size, 0.35)
        rows, columns = found.shape[1:3]
        assert not seen[:, row : row + rows].any()
        score[:, row : row + rows, column : column + columns] = found
        seen[:, row : row + rows, column : column + columns] = there
        parts += sums.cells.numel()
    assert (seen == valid).all()
    assert torch.allclose(score, expected, atol=1e-4)
    assert parts < whole.cells.numel() * size


def test_a_scene_that_meets_nowhere_has_templates_that_know_nothing() -> None:
    one, two = features(23, (40, 40), 1), features(24, (40, 40), 1)
    for x in one:
        x[..., 12:, :] = 0
    for x in two:
        x[..., :30, :] = 0
    for moving, reference in ((one, two), (one, [0 * x for x in two]), ([0 * x for x in one], two)):
        found = list(correlate_scene(tuple(moving), tuple(reference), BLOCK, 2, 3))
        assert len(found) == 1
        assert not found[0][1].pooled(2).correlation(2, 0.1)[1].any()


def test_a_shifted_copy_correlates_fully_where_it_lies() -> None:
    one, mask = features(3, (40, 40), 1, 0.0)
    dx, dy = 3, -2
    two = torch.roll(one, (dy, dx), (2, 3))
    score, valid = correlate_blocks(one, mask, [(two, mask)], 8, 5)[0].pooled(2).correlation(2, 0.5)
    inner = score[0, 1:-1, 1:-1].flatten(2)
    assert (inner.argmax(-1) == (5 + dy) * 11 + 5 + dx).all()
    assert inner.max(-1).values.min() > 0.95
    assert valid[0, 1:-1, 1:-1].all()


def test_scores_are_correlations() -> None:
    one, two = features(5), features(6)
    score, _ = correlate_blocks(*one, [two], BLOCK, RADIUS)[0].correlation(1, 0.1)
    assert float(score.abs().max()) <= 1.0


def test_nothing_valid_is_no_correlation() -> None:
    one = features(7)
    nothing = torch.zeros_like(one[0]), torch.zeros_like(one[1])
    score, valid = correlate_blocks(*one, [nothing], BLOCK, RADIUS)[0].correlation(1, 0.35)
    assert not valid.any()
    assert float(score.abs().max()) == 0.0


def test_a_template_that_looks_beyond_the_edge_sees_nothing_there() -> None:
    one, mask = features(8, (18, 18), 1, 0.0)
    sums = correlate_blocks(one, mask, [(one, mask)], 6, RADIUS)[0]
    cells = sums.cells[0, 0, 0].numpy().round()
    assert cells[RADIUS, RADIUS] == 36
    assert cells[0, 0] == (6 - RADIUS) ** 2
    assert cells[2 * RADIUS, 2 * RADIUS] == 36


def test_a_pair_means_the_same_in_any_batch() -> None:
    one, two = features(9, batch=3), features(10, batch=3)
    together = correlate_blocks(*one, [two], BLOCK, RADIUS)[0].product
    for b in range(3):
        part = [t[b : b + 1] for t in (*one, *two)]
        alone = correlate_blocks(part[0], part[1], [(part[2], part[3])], BLOCK, RADIUS)[0].product
        assert torch.allclose(together[b : b + 1], alone, atol=1e-4)
