"""XoFTR against recorded results of the official code, on random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import network_cases as cases
from georeg.matching.networks.xoftr import XoftrNet
from georeg.matching.networks.xoftr_blocks import with_positions

CASES = ("synth", "uneq")


@pytest.fixture(scope="module")
def recorded() -> dict[str, np.ndarray]:
    return cases.golden("xoftr")


@pytest.fixture(scope="module")
def state(recorded: dict[str, np.ndarray]) -> dict[str, Tensor]:
    found = cases.random_state("xoftr", recorded)
    cases.assert_same_state(found, recorded)
    return found


@pytest.fixture(scope="module")
def net() -> XoftrNet:
    return XoftrNet.from_state(cases.plausible(XoftrNet()))


def pair(recorded: dict[str, np.ndarray], case: str) -> tuple[Tensor, Tensor]:
    return cases.image(recorded[f"{case}/img0"]), cases.image(recorded[f"{case}/img1"])


@pytest.mark.parametrize("case", CASES)
def test_same_matches_as_the_official_code(
    state: dict[str, Tensor], recorded: dict[str, np.ndarray], case: str
) -> None:
    net = XoftrNet.from_state(state)
    image0, image1 = pair(recorded, case)
    ((xy0, xy1, confidence),) = net.match(image0, None, image1, None)
    cases.assert_same_matches(xy0, recorded[f"{case}/mkpts0_f"], 1e-3)
    cases.assert_same_matches(xy1, recorded[f"{case}/mkpts1_f"], 1e-3)
    np.testing.assert_allclose(confidence, recorded[f"{case}/mconf_f"], rtol=0, atol=1e-4)
    assert xy0.dtype == xy1.dtype == confidence.dtype == np.float64


@pytest.mark.parametrize("case", CASES)
def test_same_features_as_the_official_code(
    state: dict[str, Tensor], recorded: dict[str, np.ndarray], case: str
) -> None:
    net = XoftrNet.from_state(state)
    with torch.inference_mode():
        tokens = []
        for x in pair(recorded, case):
            plain = (x - x.mean()) / (x.std() + 1e-6)
            tokens.append(with_positions(net.backbone(plain[None])[2]).flatten(2).mT)
        full = [torch.ones_like(x[..., 0], dtype=torch.bool) for x in tokens]
        found = net.loftr_coarse(*tokens, *full)
    for number, x in enumerate(found):
        expected = recorded[f"{case}/fc{number}_slice"]
        np.testing.assert_allclose(x[0, ::37].numpy(), expected, rtol=0, atol=1e-4)


def test_matches_of_a_moved_image_are_where_it_moved_to(net: XoftrNet) -> None:
    """Random weights suffice, as equal places have equal features."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    ((xy0, xy1, _),) = net.match(image0, None, image1, None)
    off = np.abs(xy0 - xy1 - (16, 8)).max(1)
    assert len(off) > 100
    assert (off < 4).mean() > 0.8


def test_pairs_of_a_batch_do_not_know_of_each_other(net: XoftrNet) -> None:
    image0, image1 = cases.moved_pair(160, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    holed = mask.clone()
    holed[:, 96:] = False
    pairs = ((image0, holed, image1, mask), (image1, mask, image0, mask))
    both = net.match(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))
    for found, alone in zip(both, pairs, strict=True):
        ((xy0, xy1, confidence),) = net.match(*alone)
        cases.assert_same_matches(found[0], xy0, 1e-3)
        cases.assert_same_matches(found[1], xy1, 1e-3)
        np.testing.assert_allclose(found[2], confidence, rtol=0, atol=1e-4)


def test_nothing_is_matched_where_there_is_no_data(net: XoftrNet) -> None:
    """Nor within two cells of it; and what is there doesn't change the rest, NaN included."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    mask[:, :, 128:] = False
    noisy = image0.masked_fill(~mask, torch.nan)
    ((xy0, xy1, _),) = net.match(noisy, mask, image1, None)
    assert len(xy0) > 30
    # A window reaches 4 pixels, and a fraction, from its cell's first pixel.
    assert xy0[:, 0].max() < 128 - 3 * 8 + 5
    assert np.isfinite(xy1).all()
    none = torch.zeros_like(mask)
    ((nowhere, _, _),) = net.match(noisy, none, image1, None)
    assert nowhere.shape == (0, 2)


def test_brightness_and_contrast_do_not_matter(net: XoftrNet) -> None:
    image0, image1 = cases.moved_pair(160, 16, 8)
    ((xy0, xy1, _),) = net.match(image0, None, image1, None)
    ((changed0, changed1, _),) = net.match(image0 * 1000 + 5, None, image1, None)
    assert len(xy0) > 30
    cases.assert_same_matches(changed0, xy0, 1e-2)
    cases.assert_same_matches(changed1, xy1, 1e-2)


def test_official_names_of_the_weights() -> None:
    listed = {key: shape for key, (shape, _) in cases.manifest("xoftr").items()}
    assert cases.shapes(XoftrNet().state_dict()) == listed


@pytest.mark.parametrize("key", ["fine_matching.fine_proj.weight", "extra"])
def test_weights_of_something_else_are_refused(key: str) -> None:
    state = XoftrNet().state_dict()
    if key in state:
        del state[key]
    else:
        state[key] = torch.zeros(1)
    with pytest.raises(RuntimeError, match=key):
        XoftrNet.from_state(state)


def test_sides_that_the_strides_would_cut_are_refused() -> None:
    images = torch.zeros(1, 64, 68)
    with pytest.raises(ValueError, match="multiples of 8"):
        XoftrNet().match(images, None, images, None)
