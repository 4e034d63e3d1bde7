"""EfficientLoFTR against recorded results of the official code, on random weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import network_cases as cases
from georeg.errors import InputError
from georeg.matching.networks.eloftr import EloftrNet

CASES = ("synth", "uneq")


@pytest.fixture(scope="module")
def known() -> cases.Recorded:
    return cases.recorded("eloftr")


@pytest.fixture(scope="module")
def state() -> cases.State:
    return cases.golden_states("eloftr")["eloftr"]


@pytest.fixture(scope="module")
def net() -> EloftrNet:
    return EloftrNet.from_state(cases.tamed(cases.plausible(EloftrNet())))


@pytest.mark.parametrize(("fuse", "sure"), [(False, 1e-4), (True, 5e-4)])
@pytest.mark.parametrize("case", CASES)
def test_same_matches_as_the_official_code(
    state: cases.State, known: cases.Recorded, case: str, fuse: bool, sure: float
) -> None:
    """Recorded with the branches of the backbone; fused, roundings differ."""
    net = EloftrNet.from_state(state, fuse=fuse)
    with cases.plain_sums():
        (found,) = net.match(*cases.pair(known, case))
    cases.agrees(found, known, case, sure=sure)


@pytest.mark.parametrize("case", CASES)
def test_same_features_as_the_official_code(
    state: cases.State, known: cases.Recorded, case: str
) -> None:
    """With the branches of the backbone as they were trained."""
    net = EloftrNet.from_state(state, fuse=False)
    with torch.inference_mode(), cases.plain_sums():
        coarse = [net.backbone(x[None])[2] for x in cases.pair(known, case)[::2]]
        full = [torch.ones_like(x[:, 0], dtype=torch.bool) for x in coarse]
        found = net.loftr_coarse(*coarse, *full)
    plain = coarse[0][0].flatten(1).T.numpy()
    cases.assert_same_features(plain[::37], known[f"{case}/bb_c_slice"])
    for number, x in enumerate(found):
        tokens = x[0].flatten(1).T.numpy()
        cases.assert_same_features(tokens[::37], known[f"{case}/fc{number}_slice"])


def test_matches_of_a_moved_image_are_where_it_moved_to(net: EloftrNet) -> None:
    """Random weights suffice, as equal places have equal features."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    ((xy0, xy1, _, _),) = net.match(image0, None, image1, None)
    off = np.abs(xy0 - xy1 - (16, 8)).max(1)
    assert len(off) > 100
    assert (off < 1).mean() > 0.8


def test_pairs_of_a_batch_do_not_know_of_each_other(net: EloftrNet) -> None:
    image0, image1 = cases.moved_pair(160, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    holed = mask.clone()
    holed[:, 96:] = False
    pairs = [(image0, holed, image1, mask), (image1, mask, image0, mask)]
    cases.one_by_one(net, pairs, 0, 1e-3)


def test_nothing_is_matched_where_there_is_no_data(net: EloftrNet) -> None:
    """Nor within two cells of it; and what is there doesn't change the rest, NaN included."""
    image0, image1 = cases.moved_pair(192, 16, 8)
    mask = torch.ones_like(image0, dtype=torch.bool)
    mask[:, :, 128:] = False
    noisy = image0.masked_fill(~mask, torch.nan)
    ((xy0, xy1, _, _),) = net.match(noisy, mask, image1, None)
    assert len(xy0) > 30
    assert xy0[:, 0].max() < 128 - 16
    assert np.isfinite(xy1).all()
    none = torch.zeros_like(mask)
    ((nowhere, _, _, _),) = net.match(noisy, none, image1, None)
    assert nowhere.shape == (0, 2)


@pytest.mark.parametrize(("name", "fused"), [("eloftr", False), ("eloftr_reparam", True)])
def test_official_names_of_the_trained_and_of_the_fused_weights(name: str, fused: bool) -> None:
    listed = {key: shape for key, (shape, _) in cases.manifest(name).items()}
    assert cases.shapes(EloftrNet(fused).state_dict()) == listed


def test_fused_weights_load_as_trained_ones_do(net: EloftrNet) -> None:
    again = EloftrNet.from_state(net.state_dict()).state_dict()
    for key, value in net.state_dict().items():
        assert torch.equal(again[key], value)


@pytest.mark.parametrize("key", ["backbone.layer1.1.rbr_identity.weight", "extra"])
def test_weights_of_something_else_are_refused(key: str) -> None:
    state = EloftrNet().state_dict()
    if key in state:
        del state[key]
    else:
        state[key] = torch.zeros(1)
    with pytest.raises(InputError, match=key):
        EloftrNet.from_state(state)


def test_sides_that_the_strides_would_cut_are_refused() -> None:
    images = torch.zeros(1, 64, 72)
    with pytest.raises(ValueError, match="multiples of 32"):
        EloftrNet().match(images, None, images, None)
