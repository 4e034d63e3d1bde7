"""XoFTR against recorded results of the official code, on random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import network_cases as cases
from georeg.errors import InputError
from georeg.matching.networks.loftr_blocks import with_positions
from georeg.matching.networks.xoftr import XoftrNet

CASES = ("synth", "uneq")


@pytest.fixture(scope="module")
def known() -> cases.Recorded:
    return cases.recorded("xoftr")


@pytest.fixture(scope="module")
def state() -> cases.State:
    return cases.golden_states("xoftr")["xoftr"]


@pytest.fixture(scope="module")
def net() -> XoftrNet:
    return XoftrNet.from_state(cases.plausible(XoftrNet()))


@pytest.mark.parametrize("case", CASES)
def test_same_matches_as_the_official_code(
    state: cases.State, known: cases.Recorded, case: str
) -> None:
    net = XoftrNet.from_state(state)
    (found,) = net.match(*cases.pair(known, case))
    cases.agrees(found, known, case, first=1e-3, score="mconf_f")


@pytest.mark.parametrize("case", CASES)
def test_same_features_as_the_official_code(
    state: cases.State, known: cases.Recorded, case: str
) -> None:
    net = XoftrNet.from_state(state)
    with torch.inference_mode():
        tokens = []
        for x in cases.pair(known, case)[::2]:
            plain = (x - x.mean()) / (x.std() + 1e-6)
            tokens.append(with_positions(net.backbone(plain[None])[2]).flatten(2).mT)
        full = [torch.ones_like(x[..., 0], dtype=torch.bool) for x in tokens]
        found = net.loftr_coarse(*tokens, *full)
    for number, x in enumerate(found):
        expected = known[f"{case}/fc{number}_slice"]
        np.testing.assert_allclose(x[0, ::37].numpy(), expected, rtol=0, atol=1e-4)


def test_matches_of_a_moved_image_are_where_it_moved_to(net: XoftrNet) -> None:
    """Random weights suffice, as equal places have equal features."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    ((xy0, xy1, _, _),) = net.match(image0, None, image1, None)
    off = np.abs(xy0 - xy1 - (16, 8)).max(1)
    assert len(off) > 100
    assert (off < 4).mean() > 0.8


def test_pairs_of_a_batch_do_not_know_of_each_other(net: XoftrNet) -> None:
    image0, image1 = cases.moved_pair(160, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    holed = mask.clone()
    holed[:, 96:] = False
    pairs = [(image0, holed, image1, mask), (image1, mask, image0, mask)]
    cases.one_by_one(net, pairs, 1e-3, 1e-4)


def test_nothing_is_matched_where_there_is_no_data(net: XoftrNet) -> None:
    """Nor within two cells of it; and what is there doesn't change the rest, NaN included."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    mask[:, :, 128:] = False
    noisy = image0.masked_fill(~mask, torch.nan)
    ((xy0, xy1, _, _),) = net.match(noisy, mask, image1, None)
    assert len(xy0) > 30
    # A window reaches 4 pixels, and a fraction, from its cell's first pixel.
    assert xy0[:, 0].max() < 128 - 3 * 8 + 5
    assert np.isfinite(xy1).all()
    none = torch.zeros_like(mask)
    ((nowhere, _, _, _),) = net.match(noisy, none, image1, None)
    assert nowhere.shape == (0, 2)


def test_brightness_and_contrast_do_not_matter(net: XoftrNet) -> None:
    image0, image1 = cases.moved_pair(160, 16, 8)
    ((xy0, xy1, _, _),) = net.match(image0, None, image1, None)
    ((changed0, changed1, _, _),) = net.match(image0 * 1000 + 5, None, image1, None)
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
    with pytest.raises(InputError, match=key):
        XoftrNet.from_state(state)


def test_sides_that_the_strides_would_cut_are_refused() -> None:
    images = torch.zeros(1, 64, 68)
    with pytest.raises(ValueError, match="multiples of 8"):
        XoftrNet().match(images, None, images, None)
