"""SuperPoint and LightGlue against the official code on the same random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kornia.feature import LightGlue

import network_cases as cases
from georeg.errors import InputError
from georeg.matching.networks.found import Found
from georeg.matching.networks.lightglue import LightglueNet
from georeg.matching.networks.superpoint import SuperPoint
from georeg.matching.protocol import Device
from georeg.matching.running import one_thread_each
from georeg.models import recognise
from network_cases import Recorded, State

COUNT = 1024  # key points with which the outputs were made
Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in georeg's own runs; beside other work many threads are far slower than one."""
    with one_thread_each(Device()):
        yield


@pytest.fixture(scope="module")
def states() -> tuple[State, State]:
    """SuperPoint's and LightGlue's."""
    both = cases.golden_states("lightglue")
    return both["superpoint"], both["lightglue"]


@pytest.fixture(scope="module")
def known() -> Recorded:
    return cases.recorded("lightglue_superpoint")


@pytest.fixture(scope="module")
def images(known: Recorded) -> Pair:
    first, second = cases.pair(known, "synth")[::2]
    return first[0], second[0]


def build(states: tuple[State, State], **how: Any) -> LightglueNet:
    return LightglueNet.from_states(*states, count=COUNT, **{"side": None, **how})


def agrees(
    found: Found,
    known: Recorded,
    case: str,
    way: str = "adaptive",
) -> None:
    assert {a.dtype for a in found} == {np.dtype(np.float64)}
    index = known[f"{case}/{way}/matches"]
    expected = np.hstack([known[f"{case}/kpts{i}"][index[:, i]] for i in (0, 1)])
    order, true_order = np.lexsort(np.hstack(found[:2]).T), np.lexsort(expected.T)
    np.testing.assert_allclose(np.hstack(found[:2])[order], expected[true_order], atol=1e-3, rtol=0)
    scores = known[f"{case}/{way}/scores"][true_order]
    np.testing.assert_allclose(found[2][order], scores, atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", ["0", "1"])
def test_key_points_are_those_of_the_official_code(
    states: tuple[State, State], known: Recorded, images: Pair, side: str
) -> None:
    net = SuperPoint.from_state(states[0])
    with torch.no_grad():
        ((xy, score, descriptors),) = net.detect(images[int(side)][None], None, COUNT)
    expected = known[f"synth_rNone/kpts{side}"]
    order, true_order = np.lexsort(xy.numpy().T), np.lexsort(expected.T)
    np.testing.assert_array_equal(xy.numpy()[order], expected[true_order])
    assert (score[:-1] >= score[1:]).all()
    true = known[f"synth_rNone/desc{side}_f16"][true_order]
    np.testing.assert_allclose(descriptors.numpy()[order], true, atol=1e-4, rtol=0)
    if side == "0":
        true = known["synth_rNone/kscores0"][true_order]
        np.testing.assert_allclose(score.numpy()[order], true, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("case", "way", "how"),
    [
        ("synth_rNone", "adaptive", {}),
        ("synth_rNone", "full", {}),
        # The images are 320 pixels long.
        ("synth_r640", "adaptive", {"side": 640, "zoom": 3.0}),
        ("synth_r640", "adaptive", {"side": 1024, "zoom": 2.0}),
        ("synth_r640", "full", {"side": 640}),
    ],
)
def test_matches_are_those_of_the_official_code(
    states: tuple[State, State],
    known: Recorded,
    images: Pair,
    case: str,
    way: str,
    how: dict[str, Any],
) -> None:
    """As they are, zoomed to a side, and zoomed by no more than told."""
    net = build(states, adaptive=way == "adaptive", **how)
    (found,) = net.match(images[0][None], None, images[1][None], None)
    agrees(found, known, case, way)
    assert found.spread == pytest.approx(0.5 if how else 1.0)  # a pixel of the larger image


def test_pairs_of_a_batch_dont_disturb_each_other(
    states: tuple[State, State], known: Recorded, images: Pair
) -> None:
    """A good pair next to one without key points and one with masks that has fewer."""
    first = torch.stack([images[0], 0 * images[0], images[0]])
    second = torch.stack([images[1]] * 3)
    masks = torch.ones_like(first, dtype=torch.bool)
    masks[2, :, 160:] = False
    net = build(states)
    good, empty, masked = net.match(first, masks, second, None)
    agrees(good, known, "synth_rNone")
    assert [len(a) for a in empty] == [0, 0, 0, 0]
    (alone,) = net.match(first[2:], masks[2:], second[2:], None)
    for together, single in zip(masked, alone, strict=True):
        np.testing.assert_allclose(together, single, atol=1e-4)
    assert net.match(first[:0], None, second[:0], None) == []


def test_no_key_points_near_what_is_invalid() -> None:
    """At the image's edge and at the masks' the distance is the same: 4 pixels are left out."""
    net = SuperPoint.from_state(random_states()[0])
    image = torch.from_numpy(np.random.default_rng(5).random((1, 120, 163), np.float32))
    mask = torch.ones(image.shape, dtype=torch.bool)
    mask[:, 40:, 100:] = False
    with torch.no_grad():
        ((masked, _, _),) = net.detect(image, mask, 100_000)
        ((whole, _, _),) = net.detect(image, None, 100_000)
    clear = (whole[:, 0] < 96) | (whole[:, 1] < 36)
    assert 20 < clear.sum() < len(whole)
    assert {*map(tuple, masked.tolist())} == {*map(tuple, whole[clear].tolist())}
    assert (whole.amin(0) >= 4).all()
    assert (whole.amax(0) <= torch.tensor([160 - 5, 120 - 5])).all()


def test_half_precision_changes_nothing(states: tuple[State, State], images: Pair) -> None:
    """Other key points would match, and fits move."""
    sides = [image[None, :96, :96] for image in images]
    (expected,), (found,) = (
        LightglueNet.from_states(*states, how, COUNT, side=None).match(
            sides[0], None, sides[1], None
        )
        for how in (Device(), Device(dtype="float16"))
    )
    assert len(expected.score)
    for name in expected._fields:
        assert np.array_equal(getattr(found, name), getattr(expected, name))


def test_a_file_with_the_old_names_of_layers_and_a_prefix(
    states: tuple[State, State], known: Recorded, images: Pair, tmp_path: Path
) -> None:
    """As the official one is; in some versions without the constant thresholds."""
    old = {}
    for name, value in states[1].items():
        parts = name.split(".")
        if parts[0] == "transformers":
            parts = [parts[2], parts[1], *parts[3:]]
        old[f"matcher.{'.'.join(parts)}"] = value
    del old["matcher.confidence_thresholds"]
    assert any(name.startswith("matcher.self_attn.8.") for name in old)
    torch.save(old, tmp_path / "old.pth")
    net = build((states[0], recognise.load(tmp_path / "old.pth", "lightglue")))
    (found,) = net.match(images[0][None], None, images[1][None], None)
    agrees(found, known, "synth_rNone")


def test_wrong_weights_are_refused() -> None:
    points, glue = random_states()
    with pytest.raises(InputError, match="no weights of LightGlue"):
        LightglueNet.from_states(points, points)
    with pytest.raises(InputError, match="no weights of SuperPoint"):
        LightglueNet.from_states(glue, glue)
    less = {k: v for k, v in glue.items() if k != "transformers.3.cross_attn.to_v.bias"}
    with pytest.raises(InputError, match=r"1 tensors missing \(transformers.3.cross_attn.to_v"):
        LightglueNet.from_states(points, less)


def test_shapes_that_dont_fit_are_refused() -> None:
    net = LightglueNet.from_states(*random_states(), side=None)
    good = torch.zeros(1, 64, 64)
    with pytest.raises(ValueError, match="1 images 0, but 2"):
        net.match(good, None, good.repeat(2, 1, 1), None)
    with pytest.raises(ValueError, match="masks"):
        net.match(good, good[:, :8] > 0, good, None)
    with pytest.raises(ValueError, match="shorter than 8"):
        net.match(good[:, :7], None, good, None)


def test_building_leaves_seeds_and_switches_alone() -> None:
    """Kornia switches off flash attention for all of torch."""
    states = random_states()
    torch.backends.cuda.enable_flash_sdp(True)
    torch.manual_seed(4)
    LightglueNet.from_states(*states)
    after = torch.rand(1)
    torch.manual_seed(4)
    assert torch.equal(after, torch.rand(1))
    assert torch.backends.cuda.flash_sdp_enabled()


def random_states() -> tuple[State, State]:
    """They need no files; nothing that comes out of them means anything."""
    with torch.random.fork_rng(devices=[]):
        return SuperPoint().state_dict(), LightGlue(features=None, flash=False).state_dict()
