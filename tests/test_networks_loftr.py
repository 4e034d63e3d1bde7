"""LoFTR against the official code's matches on the same random weights; what weights must be."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from kornia.feature import LoFTR
from kornia.feature.loftr.loftr import default_cfg

import network_cases as cases
from georeg.errors import InputError
from georeg.matching.networks.found import Found
from georeg.matching.networks.loftr import LoftrNet
from georeg.matching.networks.states import fill, made
from georeg.matching.protocol import Device
from georeg.matching.running import one_thread_each
from network_cases import Recorded, State

CASES = ["synth", "uneq", "masked"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in georeg's own runs; beside other work many threads are far slower than one."""
    with one_thread_each(Device()):
        yield


@pytest.fixture(scope="module")
def known() -> Recorded:
    return cases.recorded("loftr")


@pytest.fixture(scope="module")
def net() -> LoftrNet:
    return LoftrNet.from_state(cases.golden_states("loftr")["loftr"])


@pytest.fixture(scope="module", params=CASES)
def matched(request: pytest.FixtureRequest, known: Recorded, net: LoftrNet) -> tuple[str, Found]:
    """A recorded case, and what is found in it here."""
    (found,) = net.match(*cases.pair(known, request.param))
    return request.param, found


def test_matches_are_those_of_the_official_code(
    known: Recorded, matched: tuple[str, Found]
) -> None:
    case, found = matched
    cases.agrees(found, known, case)


def test_spread_is_that_of_the_official_heat_map(
    known: Recorded, matched: tuple[str, Found]
) -> None:
    """Recorded is the sum of the deviations along x and y, in halves of the window's side."""
    case, found = matched
    along_both = 4 * known[f"{case}/expec_f"][:, 2]
    ratio = found.spread / along_both
    assert ratio.min() > 1 / 2 - 1e-4
    assert ratio.max() < 1 / 2**0.5 + 1e-4


def test_pairs_of_a_batch_dont_disturb_each_other(known: Recorded, net: LoftrNet) -> None:
    """A whole pair after a masked one: matches are sorted to the pairs, masks, too."""
    whole, masked = cases.pair(known, "synth"), cases.pair(known, "masked")
    whole[1] = whole[3] = torch.ones_like(whole[0], dtype=torch.bool)
    together = net.match(*(torch.cat(side) for side in zip(masked, whole, strict=True)))
    for found, case in zip(together, ("masked", "synth"), strict=True):
        cases.agrees(found, known, case)


def test_one_mask_is_enough_and_holes_are_kept_clear(known: Recorded, net: LoftrNet) -> None:
    """The official code knows padding only; rasters have holes anywhere."""
    image0, _, image1, _ = cases.pair(known, "synth")
    mask = torch.ones_like(image1, dtype=torch.bool)
    mask[:, 96:136, 120:184] = False
    mask[:, :, :24] = False
    (found,) = net.match(image0, None, image1.where(mask, 0), mask)
    assert len(found.xy1) > 100
    cell = found.xy1 / 8  # the fine stage moves by half a cell at most
    # Columns 15 to 22 and rows 12 to 16 are invalid, columns 0 to 2, too.
    from_hole = np.abs(cell - [18.5, 14]) - [3.5, 2]
    assert from_hole.max(1).min() > 2.49
    assert cell[:, 0].min() > 2 + 2.49


# What follows needs no files.


@pytest.fixture(scope="module")
def random_state() -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return LoFTR(pretrained=None).state_dict()


@pytest.fixture(scope="module")
def random_net(random_state: State) -> LoftrNet:
    """With all mutual best matches, however unlikely."""
    return LoftrNet.from_state(random_state, threshold=0.0)


def noise(count: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).random((count, *shape), np.float32))


def test_it_is_set_up_as_minima_was_trained(
    random_state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position encoding isn't among the weights, and kornia's default is the broken one.

    In float64, where both give the same on every CPU: in float32 either is up to 2e-6 from that.
    """
    single = torch.Tensor.float
    monkeypatch.setattr(
        torch.Tensor, "float", lambda x: x if x.dtype == torch.float64 else single(x)
    )
    config = copy.deepcopy(default_cfg)
    config["match_coarse"]["thr"] = 0.0
    image0, image1 = noise(2, 104, 120).double()
    found = {}
    for mended in (True, False):
        net = LoftrNet.from_state(random_state, threshold=0.0, old=not mended).double()
        ((_, xy1, confidence, _),) = net.match(image0[None], None, image1[None], None)
        assert len(xy1) > 3
        config["coarse"]["temp_bug_fix"] = mended
        raw = LoFTR(pretrained=None, config=config).eval()
        raw.load_state_dict(dict(random_state))
        with torch.no_grad():
            out = raw.double()({f"image{i}": a[None, None] for i, a in enumerate((image0, image1))})
        np.testing.assert_allclose(out["keypoints1"], xy1, atol=1e-9)
        np.testing.assert_allclose(out["confidence"], confidence, atol=1e-12)
        found[mended] = confidence
    same = len(found[True]) == len(found[False])
    assert not (same and np.allclose(found[True], found[False], atol=1e-6))


def test_batches_masks_and_sizes_without_files(random_net: LoftrNet) -> None:
    """Each pair of a batch gives what it gives alone."""
    images0, images1 = noise(3, 96, 128), noise(3, 104, 112)
    masks0, masks1 = (torch.ones_like(x, dtype=torch.bool) for x in (images0, images1))
    masks0[1, :, 72:] = False
    masks1[2, :40] = False
    together = random_net.match(images0, masks0, images1, masks1)
    for k, found in enumerate(together):
        assert len(found[0]) > 2
        one = slice(k, k + 1)
        (alone,) = random_net.match(images0[one], masks0[one], images1[one], masks1[one])
        np.testing.assert_array_equal(found.xy0, alone.xy0)
        np.testing.assert_allclose(found.xy1, alone.xy1, atol=1e-3)
        np.testing.assert_allclose(found.score, alone.score, atol=1e-5)
    assert together[1][0][:, 0].max() <= 72 - 3 * 8
    assert together[2][1][:, 1].min() >= 40 + 2 * 8 - 4


def test_threads_share_a_net(random_net: LoftrNet) -> None:
    """Blocks are matched side by side; kornia's modules keep notes of what they did last."""
    pairs = [noise(2, side, 64 + side)[:, None] for side in (64, 72)] * 2

    def match(pair: torch.Tensor) -> tuple[np.ndarray, ...]:
        (found,) = random_net.match(pair[0], None, pair[1], None)
        return found

    alone = list(map(match, pairs))
    assert min(len(found[0]) for found in alone) > 0
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(match, pairs), alone, strict=True):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-3)


def test_nothing_valid_no_matches(random_net: LoftrNet) -> None:
    images = torch.zeros(2, 64, 64)
    nothing = torch.zeros_like(images, dtype=torch.bool)
    for masks0, masks1 in ((nothing, ~nothing), (~nothing, nothing), (nothing, nothing)):
        for found in random_net.match(images, masks0, images, masks1):
            assert found.xy0.shape == found.xy1.shape == (0, 2)
            assert found.score.shape == found.spread.shape == (0,)
    assert random_net.match(images[:0], None, images[:0], None) == []


def test_shapes_that_dont_fit_are_refused(random_net: LoftrNet) -> None:
    good = torch.zeros(1, 64, 64)
    with pytest.raises(ValueError, match="multiples of 8"):
        random_net.match(good[:, :60], None, good, None)
    with pytest.raises(ValueError, match="1 images 0, but 2"):
        random_net.match(good, None, good.repeat(2, 1, 1), None)
    with pytest.raises(ValueError, match="masks are"):
        random_net.match(good, good[:, :8] > 0, good, None)


def test_weights_stay_as_they_are_and_seeds_too(random_state: State) -> None:
    before = {name: value.clone() for name, value in random_state.items()}
    torch.manual_seed(4)
    LoftrNet.from_state(random_state)
    after = torch.rand(1)
    torch.manual_seed(4)
    assert torch.equal(after, torch.rand(1))
    assert list(random_state) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in random_state.items())


def test_wrong_weights_are_refused(random_state: State) -> None:
    state = random_state
    less = {k: v for k, v in state.items() if k != "loftr_fine.layers.1.norm2.bias"}
    with pytest.raises(InputError, match=r"LoFTR: 1 tensors missing \(loftr_fine.layers.1.norm2"):
        LoftrNet.from_state(less)
    with pytest.raises(InputError, match=r"1 unknown \(head\)"):
        LoftrNet.from_state({**state, "head": torch.zeros(1)})
    with pytest.raises(InputError, match=r"conv1.weight' is \[128, 3, 7, 7\], not \[128, 1, 7, 7"):
        LoftrNet.from_state({**state, "backbone.conv1.weight": torch.zeros(128, 3, 7, 7)})


def test_counters_may_be_absent_but_not_of_another_kind() -> None:
    norm = torch.nn.BatchNorm1d(2)
    given = {k: v + 1 for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    fill(norm, given, "norm")
    assert torch.equal(norm.running_var, torch.full((2,), 2.0))
    with pytest.raises(InputError, match=r"'weight' is torch.int64"):
        fill(norm, {**given, "weight": torch.ones(2, dtype=torch.int64)}, "norm")


def test_a_network_is_made_of_its_weights_alone() -> None:
    """The tensors themselves, and counters that a file lacks."""
    given = {k: v + 1 for k, v in torch.nn.BatchNorm1d(2).state_dict().items()}
    del given["num_batches_tracked"]
    net = made(lambda: torch.nn.BatchNorm1d(2), given, "norm").eval()
    assert net.weight.data_ptr() == given["weight"].data_ptr()
    assert net.num_batches_tracked.item() == 0
    assert torch.equal(net(torch.ones(1, 2)), torch.ones(1, 2))
    with pytest.raises(InputError, match=r"norm: 3 tensors missing \(weight, running"):
        made(lambda: torch.nn.BatchNorm1d(2), {"bias": given["bias"]}, "norm")
