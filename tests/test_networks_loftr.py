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

from georeg.errors import InputError
from georeg.matching.networks.loftr import LoftrNet
from georeg.matching.networks.states import fill, strip
from georeg.matching.protocol import Device
from georeg.matching.running import one_thread_each
from golden_states import Golden, State, golden

CASES = ["synth", "uneq", "masked"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in georeg's own runs; beside other work many threads are far slower than one."""
    with one_thread_each(Device()):
        yield


@pytest.fixture(scope="module")
def known() -> Golden:
    return golden("loftr")


@pytest.fixture(scope="module")
def net(known: Golden) -> LoftrNet:
    return LoftrNet.from_state(
        {"state_dict": {f"matcher.{k}": v for k, v in known.state().items()}}
    )


def pair(known: Golden, case: str) -> list[np.ndarray | None]:
    """Images and masks in the order of `match`, without the batch."""
    arrays = known.arrays
    out: list[np.ndarray | None] = []
    for side in "01":
        out.append(arrays[f"{case}/img{side}"].astype(np.float32) / 255)
        mask = f"{case}/mask{side}"
        out.append(arrays[mask] > 0 if mask in arrays else None)
    return out


def batch(pairs: list[list[np.ndarray | None]]) -> list[np.ndarray | None]:
    return [None if side[0] is None else np.stack(side) for side in zip(*pairs, strict=True)]


def agrees(found: tuple[np.ndarray, np.ndarray, np.ndarray], known: Golden, case: str) -> None:
    xy0, xy1, confidence = found
    assert {a.dtype for a in found} == {np.dtype(np.float64)}
    # The official order, too: by cell of image 0.
    np.testing.assert_array_equal(xy0, known.arrays[f"{case}/mkpts0_f"])
    np.testing.assert_allclose(xy1, known.arrays[f"{case}/mkpts1_f"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(confidence, known.arrays[f"{case}/mconf"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("case", CASES)
def test_matches_are_those_of_the_official_code(known: Golden, net: LoftrNet, case: str) -> None:
    (found,) = net.match(*batch([pair(known, case)]))
    agrees(found, known, case)


def test_pairs_of_a_batch_dont_disturb_each_other(known: Golden, net: LoftrNet) -> None:
    """A whole pair after a masked one: matches are sorted to the pairs, masks, too."""
    whole = pair(known, "synth")
    whole[1] = whole[3] = np.ones(whole[0].shape, bool)
    masked = pair(known, "masked")
    found = net.match(*batch([masked, whole]))
    for result, case in zip(found, ("masked", "synth"), strict=True):
        agrees(result, known, case)


def test_one_mask_is_enough_and_holes_are_kept_clear(known: Golden, net: LoftrNet) -> None:
    """The official code knows padding only; rasters have holes anywhere."""
    image0, _, image1, _ = pair(known, "synth")
    mask = np.ones(image1.shape, bool)
    mask[96:136, 120:184] = False
    mask[:, :24] = False
    ((_, xy1, _),) = net.match(image0[None], None, np.where(mask, image1, 0)[None], mask[None])
    assert len(xy1) > 100
    cell = xy1 / 8  # the fine stage moves by half a cell at most
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


def noise(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(5).random((count, *shape), np.float32)


def test_it_is_set_up_as_minima_was_trained(random_state: State, random_net: LoftrNet) -> None:
    """The position encoding isn't among the weights, and kornia's default is the broken one."""
    config = copy.deepcopy(default_cfg)
    config["match_coarse"]["thr"] = 0.0
    image0, image1 = noise(2, 96, 128)
    ((xy0, _, confidence),) = random_net.match(image0[None], None, image1[None], None)
    assert len(xy0) > 3
    for mended in (True, False):
        config["coarse"]["temp_bug_fix"] = mended
        raw = LoFTR(pretrained=None, config=config).eval()
        raw.load_state_dict(dict(random_state))
        with torch.no_grad():
            out = raw(
                {f"image{i}": torch.tensor(a)[None, None] for i, a in enumerate((image0, image1))}
            )
        same = len(out["confidence"]) == len(confidence) and np.allclose(
            out["confidence"], confidence, atol=1e-6
        )
        assert same == mended


def test_batches_masks_and_sizes_without_files(random_net: LoftrNet) -> None:
    """Each pair of a batch gives what it gives alone."""
    images0, images1 = noise(3, 96, 128), noise(3, 104, 112)
    masks0, masks1 = np.ones(images0.shape, bool), np.ones(images1.shape, bool)
    masks0[1, :, 72:] = False
    masks1[2, :40] = False
    together = random_net.match(images0, masks0, images1, masks1)
    for k, found in enumerate(together):
        assert len(found[0]) > 2
        one = slice(k, k + 1)
        ((xy0, xy1, confidence),) = random_net.match(
            images0[one], masks0[one], images1[one], masks1[one]
        )
        np.testing.assert_array_equal(found[0], xy0)
        np.testing.assert_allclose(found[1], xy1, atol=1e-3)
        np.testing.assert_allclose(found[2], confidence, atol=1e-5)
    assert together[1][0][:, 0].max() <= 72 - 3 * 8
    assert together[2][1][:, 1].min() >= 40 + 2 * 8 - 4


def test_threads_share_a_net(random_net: LoftrNet) -> None:
    """Blocks are matched side by side; kornia's modules keep notes of what they did last."""
    pairs = [noise(2, side, 64 + side)[:, None] for side in (64, 72)] * 2

    def match(pair: np.ndarray) -> tuple[np.ndarray, ...]:
        (found,) = random_net.match(pair[0], None, pair[1], None)
        return found

    alone = list(map(match, pairs))
    assert min(len(found[0]) for found in alone) > 0
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(match, pairs), alone, strict=True):
            for one, other in zip(found, expected, strict=True):
                np.testing.assert_allclose(one, other, atol=1e-3)


def test_nothing_valid_no_matches(random_net: LoftrNet) -> None:
    images = np.zeros((2, 64, 64), np.float32)
    nothing = np.zeros(images.shape, bool)
    for masks0, masks1 in ((nothing, ~nothing), (~nothing, nothing), (nothing, nothing)):
        for xy0, xy1, confidence in random_net.match(images, masks0, images, masks1):
            assert xy0.shape == xy1.shape == (0, 2)
            assert confidence.shape == (0,)
    assert random_net.match(images[:0], None, images[:0], None) == []


def test_shapes_that_dont_fit_are_refused(random_net: LoftrNet) -> None:
    good = np.zeros((1, 64, 64), np.float32)
    with pytest.raises(ValueError, match="multiples of 8"):
        random_net.match(good[:, :60], None, good, None)
    with pytest.raises(ValueError, match="1 images 0, but 2"):
        random_net.match(good, None, np.repeat(good, 2, 0), None)
    with pytest.raises(ValueError, match="masks are"):
        random_net.match(good, good[:, :8] > 0, good, None)


def test_weights_stay_as_they_are_and_seeds_too(random_state: State) -> None:
    """Kornia renames the keys of the dictionary that it is given."""
    inner = {f"matcher.{k}": v for k, v in random_state.items()}
    before = list(inner)
    torch.manual_seed(4)
    LoftrNet.from_state({"state_dict": inner})
    after = torch.rand(1)
    torch.manual_seed(4)
    assert list(inner) == before
    assert torch.equal(after, torch.rand(1))


def test_wrong_weights_are_refused(random_state: State) -> None:
    state = random_state
    less = {k: v for k, v in state.items() if k != "loftr_fine.layers.1.norm2.bias"}
    with pytest.raises(InputError, match=r"LoFTR: 1 tensors missing \(loftr_fine.layers.1.norm2"):
        LoftrNet.from_state(less)
    with pytest.raises(InputError, match=r"1 unknown \(head\)"):
        LoftrNet.from_state({**state, "head": torch.zeros(1)})
    with pytest.raises(InputError, match=r"conv1.weight' is \[128, 3, 7, 7\], not \[128, 1, 7, 7"):
        LoftrNet.from_state({**state, "backbone.conv1.weight": torch.zeros(128, 3, 7, 7)})


ONE = torch.arange(2.0)


@pytest.mark.parametrize(
    "state",
    [
        {"a.b": ONE},
        {"state_dict": {"matcher.a.b": ONE}, "epoch": 3},
        {"model": {"module.a.b": ONE}},
        {"model": {"state_dict": {"module.matcher.a.b": ONE}}},
        {"matcher.module.a.b": ONE},
    ],
)
def test_wrappings_come_off(state: dict[str, object]) -> None:
    found = strip(state)
    assert list(found) == ["a.b"]
    assert torch.equal(found["a.b"], ONE)


def test_names_that_only_begin_alike_stay() -> None:
    assert list(strip({"modules.0": ONE, "matchers": ONE, "a.module.b": ONE, "model": ONE})) == [
        "modules.0",
        "matchers",
        "a.module.b",
        "model",
    ]


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({}, "no dictionary of tensors"),
        ({"state_dict": {}}, "no dictionary of tensors"),
        ([ONE], "no dictionary of tensors"),
        ({"a": ONE, "lr": 0.1}, "'lr', which is no tensor"),
        ({3: ONE}, "'3', which is no tensor"),
        ({"a": ONE, "matcher.a": ONE}, "'a' twice, once as 'matcher.a'"),
    ],
)
def test_files_without_weights_are_refused(state: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        strip(state)


def test_counters_may_be_absent_but_not_of_another_kind() -> None:
    norm = torch.nn.BatchNorm1d(2)
    given = {k: v + 1 for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    fill(norm, given, "norm")
    assert torch.equal(norm.running_var, torch.full((2,), 2.0))
    with pytest.raises(InputError, match=r"'weight' is torch.int64"):
        fill(norm, {**given, "weight": torch.ones(2, dtype=torch.int64)}, "norm")
