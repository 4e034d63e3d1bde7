"""Networks as matchers: from tiles to points, with random weights and what is known of these."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import network_cases as cases
from georeg import choosing, matching
from georeg.errors import InputError, SettingsError
from georeg.matching import _network
from georeg.matching.networks.found import Found
from georeg.matching.networks.precision import Precision
from georeg.matching.networks.windows import moments
from georeg.matching.protocol import Device, TileBatch, TilePoints, Weights
from georeg.matching.running import one_thread_each
from matcher_cases import TRAINED, batch_of, displacement, subject, weights

DETECTOR_FREE = ["minima_loftr", "minima_xoftr", "minima_eloftr"]
SHIFT = (-16.0, -8.0)  # of the recorded pair, from the first image to the second


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As in georeg's own runs of small batches."""
    with one_thread_each(Device()):
        yield


def synth(layout: str, rows: int, columns: int) -> TileBatch:
    """The upper left corner of the recorded pair."""
    image0, _, image1, _ = cases.pair(cases.recorded(layout), "synth")
    pair = [x[0, :rows, :columns].numpy() for x in (image0, image1)]
    return batch_of([(pair[0], pair[1])], "track", 1000.0)


@pytest.mark.parametrize("name", [*DETECTOR_FREE, "minima_lightglue"])
def test_points_are_what_the_network_found_in_edge_convention(name: str) -> None:
    """Whose matches are the official code's, where pixels' centres are whole numbers."""
    one = subject(name)
    batch = replace(one.batch([one.pair()]), radius=1000.0)
    images = [torch.from_numpy(x) for x in (batch.moving, batch.reference)]
    (raw,) = one.matcher.net.match(images[0], None, images[1], None)
    found = one.matcher.match(batch)
    xy0, xy1 = raw.xy0 + 0.5, raw.xy1 + 0.5
    inside = ((xy0 >= 0) & (xy0 < one.side) & (xy1 >= 0) & (xy1 < one.side)).all(axis=1)
    assert inside.mean() > 0.95
    cases.assert_same_matches(found.moving_xy, xy0[inside], 1e-3)
    cases.assert_same_matches(found.reference_xy, xy1[inside], 1e-3)
    np.testing.assert_allclose(found.score, raw.score[inside], atol=1e-4)
    np.testing.assert_allclose(found.sigma, _network.sigma(raw.spread[inside]), atol=1e-3)


@pytest.mark.parametrize("name", DETECTOR_FREE)
def test_a_known_shift_through_padding_and_masks(name: str) -> None:
    """Sides that no stride divides, a hole here and a cut corner there."""
    batch = synth(name.removeprefix("minima_"), 141, 187)
    y, x = np.mgrid[:141, :187]
    one, two = (x - 60) ** 2 + (y - 90) ** 2 > 18**2, x + y < 270
    batch = replace(
        batch,
        moving=np.where(one, batch.moving, np.float32(0)),
        moving_mask=one[None],
        reference=np.where(two, batch.reference, np.float32(0)),
        reference_mask=two[None],
        radius=30.0,
    )
    found = subject(name).matcher.match(batch)
    assert len(found) > 30
    assert np.median(displacement(found), axis=0) == pytest.approx(SHIFT, abs=1.0)
    assert (np.abs(displacement(found) - SHIFT).max(axis=1) < 4).mean() > 0.8
    assert np.abs(displacement(found)).max() <= 30


def test_the_first_outdoor_weights_have_their_own_encoding() -> None:
    batch = synth("loftr", 128, 128)
    new, old = (
        matching.load("minima_loftr", Device(), weights("minima_loftr", options)).match(batch)
        for options in ((), ("old-encoding",))
    )
    assert len(new) > 30
    assert len(old) > 30
    same = len(new) == len(old) and np.allclose(new.reference_xy, old.reference_xy, atol=1e-3)
    assert not same


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", DETECTOR_FREE)
def test_half_precision_finds_much_the_same(name: str, dtype: str) -> None:
    one = replace(subject(name), side=128)  # on smaller tiles ELoFTR finds too few
    batch = one.batch([one.pair()])
    exact = one.matcher.match(batch)
    with cases.QuickHalves():
        rough = subject(name, Device(dtype=dtype)).matcher.match(batch)
    assert len(exact) >= 10
    assert len(rough) == pytest.approx(len(exact), rel=0.15)
    near = np.abs(rough.moving_xy[:, None] - exact.moving_xy[None]).max(axis=2) < 1
    near &= np.abs(rough.reference_xy[:, None] - exact.reference_xy[None]).max(axis=2) < 1
    assert near.any(axis=1).mean() > 0.8
    for values in (rough.moving_xy, rough.reference_xy, rough.score, rough.sigma):
        assert values.dtype == np.float64
        assert np.isfinite(values).all()


def test_what_overflows_float16_is_matched_in_float32(caplog: pytest.LogCaptureFixture) -> None:
    """Features a million times as large, without a change of what comes out."""
    given = weights("minima_eloftr")
    state = dict(given.states["eloftr"])
    for key, gain in (("0.weight", 1e6), ("1.running_mean", 1e6), ("1.running_var", 1e12)):
        full = f"fine_preprocess.layer2_outconv2.{key}"
        state[full] = state[full] * gain
    given = Weights("large", {"eloftr": state})
    one = replace(subject("minima_eloftr"), side=64)
    image = one.pair()[1]
    flat = np.full_like(image, 0.5)
    batch = one.batch([(image, flat), (image, image)])
    expected = matching.load("minima_eloftr", Device(), given).match(batch)
    assert len(expected) >= 10
    half = matching.load("minima_eloftr", Device(dtype="float16"), given)
    with caplog.at_level(logging.WARNING), cases.QuickHalves():
        for _ in range(2):
            found = half.match(batch)
            for key in TilePoints.__dataclass_fields__:
                assert np.array_equal(getattr(found, key), getattr(expected, key))
    assert sum("float32" in record.message for record in caplog.records) == 1


def test_only_the_pairs_that_overflow_are_matched_again() -> None:
    """Two of three do, each with its own masks."""
    calls = []

    def run(images0: Tensor, masks0: Tensor | None, *_: Tensor | None) -> list[Found | None]:
        product = images0 @ images0.mT  # in the shorter type, where there is a choice
        calls.append((product.dtype, [int(x[0, 0]) for x in images0], masks0 is not None))
        large = product.flatten(1).amax(1).tolist()
        return [None if np.isinf(x) else some([[x, 0]], [[0, 0]]) for x in large]

    images = torch.stack([torch.full((4, 4), x) for x in (300.0, 2.0, 400.0)])
    precision = Precision(Device(dtype="float16"))
    found = precision.matched(run, images, images > 0, images, None)
    assert [pair.xy0[0, 0] for pair in found] == [4 * 300**2, 16, 4 * 400**2]
    assert calls == [
        (torch.float16, [300, 2, 400], True),
        (torch.float32, [300, 400], True),
    ]


def test_unknown_types_are_refused() -> None:
    with pytest.raises(SettingsError, match="'float8' is none of float32"):
        matching.load("minima_loftr", Device(dtype="float8"), weights("minima_loftr"))


@pytest.mark.skipif(not hasattr(torch.compiler, "set_stance"), reason="it takes torch 2.6")
@pytest.mark.parametrize("name", [*DETECTOR_FREE, "minima_lightglue"])
def test_compiling_changes_nothing(name: str) -> None:
    """Compiled is when it first runs; here torch is told to run such parts as they are."""
    one = subject(name)
    batch = one.batch([one.pair()])
    made = subject(name, Device(compiled=True)).matcher
    parts = [part for net in nets(made.net) for part in net.modules() if part._compiled_call_impl]
    assert parts
    with torch.compiler.set_stance("force_eager"):
        found = made.match(batch)
    assert np.array_equal(found.reference_xy, one.matcher.match(batch).reference_xy)


def nets(net: object) -> list[torch.nn.Module]:
    if isinstance(net, torch.nn.Module):
        return [net]
    return [part for part in vars(net).values() if isinstance(part, torch.nn.Module)]


@pytest.mark.parametrize("name", TRAINED)
def test_weights_of_something_else_are_refused(name: str) -> None:
    kind = matching.kind(name)
    wrong = {layout: {"a.weight": torch.zeros(2, 3)} for layout in kind.layouts}
    with pytest.raises(InputError, match="these are no weights of"):
        kind(Device(), Weights("wrong", wrong))
    with pytest.raises(InputError, match="have the layout other, not "):
        kind(Device(), Weights("wrong", {"other": {}}))


@pytest.mark.parametrize(
    ("name", "file", "old"),
    [
        ("minima_loftr", "minima_loftr.ckpt", False),
        ("minima_loftr", "outdoor_ds.ckpt", True),
        ("minima_xoftr", "minima_xoftr.ckpt", False),
        ("minima_eloftr", "minima_eloftr.ckpt", False),
    ],
)
def test_a_file_as_the_official_ones_are(name: str, file: str, old: bool, tmp_path: Path) -> None:
    given = weights(name)
    (layout,) = given.states
    wrapped = {f"matcher.{k}": v for k, v in given.states[layout].items()}
    torch.save({"state_dict": wrapped}, tmp_path / file)
    loaded = choosing.loader(name, str(tmp_path / file))(Device())
    there, here = (m.net.state_dict() for m in (loaded, subject(name).matcher))
    assert there.keys() == here.keys()
    assert all(torch.equal(value, here[key]) for key, value in there.items())
    assert getattr(loaded.net, "old", False) == old


# What the matchers share, with a network that says what it is told to.


def told(batch: TileBatch, *found: Found, multiple: int = 1) -> tuple[TilePoints, list[Tensor]]:
    """The points, and what the network was given."""
    given: list[Tensor] = []

    def match(*sides: Tensor) -> list[Found]:
        given.extend(sides)
        return list(found)

    return _network.points(batch, match, torch.device("cpu"), multiple), given


def some(xy0: list[list[float]], xy1: list[list[float]]) -> Found:
    count = len(xy0)
    return Found(np.array(xy0), np.array(xy1), np.full(count, 0.5), np.linspace(0, 2, count))


def noise(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).random((rows, columns), np.float32)


def test_tiles_are_filled_up_and_points_outside_are_dropped() -> None:
    pair = noise(50, 61), noise(50, 61)
    found = some(
        [[0, 0], [60, 49], [62, 5], [5, 5], [5, 5]], [[0, 0], [60, 49], [60, 5], [5, 50], [-1, 5]]
    )
    points, given = told(batch_of([pair], radius=100.0), found, multiple=8)
    assert [tuple(x.shape) for x in given] == [(1, 56, 64)] * 4
    for image, mask, true in zip(given[::2], given[1::2], pair, strict=True):
        assert np.array_equal(image[0, :50, :61], true)
        assert mask[0, :50, :61].all()
        assert not mask[0, 50:].any()
        assert not mask[0, :, 61:].any()
        assert not image[~mask].any()
    np.testing.assert_array_equal(points.moving_xy, [[0.5, 0.5], [60.5, 49.5]])
    np.testing.assert_array_equal(points.reference_xy, [[0.5, 0.5], [60.5, 49.5]])


def test_points_by_the_edge_of_the_mask_and_beyond_the_radius_are_dropped() -> None:
    pair = noise(64, 64), noise(64, 64)
    one, two = np.ones((64, 64), bool), np.ones((64, 64), bool)
    one[:, 40:], two[:10] = False, False
    places = [[20, 30], [35, 30], [36, 30], [44, 30], [20, 14], [20, 13], [20, 5]]
    points, _ = told(batch_of([pair], masks=[(one, two)]), some(places, places))
    assert points.moving_xy.tolist() == [[20.5, 30.5], [35.5, 30.5], [20.5, 14.5]]
    moved = [[26, 30], [20, 24], [26.1, 30], [20, 23.9]]
    points, _ = told(batch_of([pair], radius=6.0), some([[20, 30]] * 4, moved))
    assert points.reference_xy.tolist() == [[26.5, 30.5], [20.5, 24.5]]


def test_tiles_that_show_nothing_are_not_shown() -> None:
    good, dull = noise(64, 64), np.full((64, 64), 0.5, np.float32)
    batch = batch_of([(good, dull), (good, good), (dull, good), (good, good)])
    points, given = told(batch, some([[20, 30]], [[20, 30]]), some([[7, 7]], [[7, 7]]))
    assert len(given[0]) == 2
    assert points.tile.tolist() == [1, 3]
    assert points.moving_xy.tolist() == [[20.5, 30.5], [7.5, 7.5]]
    nothing, given = told(batch.part(0, 1))
    assert not len(nothing)
    assert not given


def test_the_sharper_the_match_the_smaller_its_sigma() -> None:
    sigma = _network.sigma(np.array([0.0, 0.5, 2.0]))
    assert (np.diff(sigma) > 0).all()
    assert sigma[0] == pytest.approx(0.2)


def test_moments_of_a_window() -> None:
    """Of a point, of everything alike, and of two points alike."""
    heat = torch.zeros(3, 25)
    heat[0, 5 * 3 + 4] = 2.0  # scale doesn't matter
    heat[1] = 0.1
    heat[2, [5 * 2 + 1, 5 * 2 + 3]] = 0.5
    mean, spread = moments(heat, 5)
    np.testing.assert_allclose(mean, [[2, 1], [0, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(spread, [0, 2**0.5, 0.5**0.5], atol=1e-6)
