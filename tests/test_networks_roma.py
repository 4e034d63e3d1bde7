"""RoMa's network: the weights' names, its parts against plain formulas, parity with the original.

The goldens are outputs of the published code with random weights that the recipe makes again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

import network_cases as cases
from georeg import matching
from georeg.errors import InputError
from georeg.matching.networks import roma
from georeg.matching.networks.dinov2 import DinoV2
from georeg.matching.networks.roma import RomaMatcher, RomaNet
from georeg.matching.networks.roma_decoder import GaussianProcess, anchors_to_warp
from georeg.matching.networks.roma_refiner import centres, local_correlation
from georeg.matching.pixels import valid_at
from georeg.matching.protocol import Device, Weights
from matcher_cases import batch_of, shifted
from network_cases import State, manifest

COARSE, FINE = 224, 288  # of the goldens
SMALL = 56  # the smallest side with several places on each of the network's scales
Outputs = dict[str, npt.NDArray[Any]]


def hollow(name: str) -> State:
    """Weights of the published names and shapes, without storage."""
    return {
        key: torch.empty(shape, dtype=getattr(torch, kind), device="meta")
        for key, (shape, kind) in manifest(name).items()
    }


def hollow_net(coarse: int = 112, fine: int = 144) -> RomaNet:
    states = hollow("roma"), hollow("dinov2_vitl14")
    return RomaNet.from_states(*states, Device("meta"), coarse=coarse, fine=fine)


@pytest.mark.parametrize(
    ("name", "kind"), [("roma", RomaMatcher), ("dinov2_vitl14", DinoV2)], ids=["roma", "dinov2"]
)
def test_names_and_shapes_are_the_published_ones(
    name: str, kind: type[RomaMatcher] | type[DinoV2]
) -> None:
    with torch.device("meta"):
        mine = kind().state_dict()
    there = {key: (tuple(shape), dtype) for key, (shape, dtype) in manifest(name).items()}
    assert {k: (tuple(v.shape), str(v.dtype)[6:]) for k, v in mine.items()} == there


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.pop("decoder.gps.16.pos_conv.bias"),
        lambda state: state.update(more=torch.empty(1, device="meta")),
        lambda state: state.update({"encoder.cnn.layers.0.bias": torch.empty(3, device="meta")}),
    ],
    ids=["missing", "unknown", "shape"],
)
def test_weights_of_another_network_are_refused(spoil: Any) -> None:
    state = hollow("roma")
    spoil(state)
    with pytest.raises(InputError, match=r"pos_conv|more|layers\.0\.bias"):
        RomaNet.from_states(state, hollow("dinov2_vitl14"), Device("meta"))


def test_shapes_of_the_outputs() -> None:
    first = torch.empty(2, 3, 90, 130, device="meta")
    warp, certainty = hollow_net().warp(first, torch.empty(2, 3, 200, 64, device="meta"))
    assert warp.shape == (2, 144, 288, 4)
    assert certainty.shape == (2, 144, 288)
    assert warp.dtype == certainty.dtype == torch.float32


def test_impossible_sides_and_images_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples"):
        hollow_net(coarse=100)
    with pytest.raises(ValueError, match="multiples"):
        hollow_net(fine=100)
    net, three = hollow_net(), torch.empty(1, 3, 64, 64, device="meta")
    for other in (three[:, :1], three[0], three.expand(2, -1, -1, -1)):
        with pytest.raises(ValueError, match="expected"):
            net.warp(three, other)


def test_the_interpolated_positions_of_the_trained_size_are_those_trained() -> None:
    torch.manual_seed(0)
    net = DinoV2(dim=8, depth=1, heads=2)
    net.pos_embed.data.normal_()
    assert net._positions(37, 37) is net.pos_embed
    assert net._positions(37, 40).shape == (1, 1 + 37 * 40, 8)
    assert net(torch.zeros(2, 3, 28, 42)).shape == (2, 8, 2, 3)


def test_local_correlation_is_that_of_shifted_features() -> None:
    """With the identity as the warp: products with the neighbours, 0 beyond the edges."""
    torch.manual_seed(1)
    here, there = torch.randn(2, 2, 5, 6, 7)  # (B, C, H, W) each
    identity = centres(6, 7, here.device).expand(2, -1, -1, -1)
    got = local_correlation(here, there, identity, 2)
    padded = torch.nn.functional.pad(there, (2, 2, 2, 2))
    for j in range(5):
        for i in range(5):
            want = (here * padded[:, :, j : j + 6, i : i + 7]).sum(dim=1) / math.sqrt(5)
            torch.testing.assert_close(got[:, 5 * j + i], want, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_posterior_is_that_of_the_inverse() -> None:
    torch.manual_seed(2)
    process = GaussianProcess()
    here, there = torch.randn(2, 2, 16, 4, 5)
    got = process(here, there)
    known = torch.cos(8 * math.pi * process.pos_conv(centres(4, 5, here.device)))
    known = known.flatten(2).transpose(1, 2).double()
    x, y = (f.double().flatten(2).transpose(1, 2) for f in (here, there))
    x, y = x / x.norm(dim=-1, keepdim=True), y / y.norm(dim=-1, keepdim=True)
    covariance = torch.exp((y @ y.mT - 1) / 0.2) + 0.1 * torch.eye(20)
    want = torch.exp((x @ y.mT - 1) / 0.2) @ torch.linalg.inv(covariance) @ known
    torch.testing.assert_close(got, want.mT.reshape(2, 512, 4, 5).float(), atol=1e-4, rtol=0)


def test_anchors_lie_row_by_row_and_neighbours_share() -> None:
    logits = torch.full((1, 4096, 1, 2), -100.0)
    logits[0, 64 * 10 + 20, 0, 0] = 0  # alone
    logits[0, [64 * 10 + 20, 64 * 11 + 20], 0, 1] = torch.tensor([0.1, 0.0])
    warp = anchors_to_warp(logits)[0, :, 0]
    share = 1 / (1 + math.exp(0.1))
    x, y, y_shared = ((2 * v + 1) / 64 - 1 for v in (20, 10, 10 + share))
    torch.testing.assert_close(warp, torch.tensor([[x, x], [y, y_shared]]), atol=1e-5, rtol=0)


def test_grid_is_regular_and_leaves_out_what_lies_outside() -> None:
    side = 12
    grid = centres(side, side, torch.device("cpu"))[0].permute(1, 2, 0)
    forward = torch.cat([grid, grid + 0.25], dim=-1)
    warp = torch.cat([forward, torch.full((side, side, 4), 9.0)], dim=1)  # right half: unused
    certainty = torch.arange(1.0, 1 + side * 2 * side).reshape(side, 2 * side) / 1000
    certainty[2, 6] = 0
    first, second, score = roma.sample_grid(warp, certainty, 4)
    pixels = roma.to_pixels(first, 120, 240)
    want = [(x, y) for y in (2, 6, 10) for x in (2, 6, 10) if (x, y) != (6, 2)]
    expected = torch.tensor([(20 * (x + 0.5), 10 * (y + 0.5)) for x, y in want])
    torch.testing.assert_close(pixels, expected)
    torch.testing.assert_close(second, first + 0.25)
    torch.testing.assert_close(score, torch.stack([certainty[y, x] for x, y in want]))


def test_grid_refuses_nonsense() -> None:
    warp, certainty = torch.zeros(4, 8, 4), torch.zeros(4, 8)
    with pytest.raises(ValueError, match="positive"):
        roma.sample_grid(warp, certainty, 0)
    with pytest.raises(ValueError, match="one pair"):
        roma.sample_grid(warp[None], certainty[None], 2)


def test_images_of_the_right_size_are_only_normalised() -> None:
    image = torch.rand(1, 3, 16, 16)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    back = roma.prepared(image, 16) * torch.tensor([0.229, 0.224, 0.225])[:, None, None] + mean
    torch.testing.assert_close(back, image)


# Parity: all of the following shares one set of weights, 1.7 GB.


@pytest.fixture(scope="module")
def golden() -> Outputs:
    return cases.recorded("roma")


@pytest.fixture(scope="module")
def states() -> tuple[State, State]:
    both = cases.golden_states("roma")
    return both["roma"], both["dinov2_vitl14"]


@pytest.fixture(scope="module")
def images(golden: Outputs) -> Tensor:
    both = np.stack([golden["imgA"], golden["imgB"]])
    return torch.from_numpy(both).permute(0, 3, 1, 2).float() / 255


def by_pil(golden: Outputs, side: int) -> Tensor:
    """As the published code resizes: in 8 bits."""
    pil = pytest.importorskip("PIL.Image", reason="the goldens' images were resized by Pillow")
    small = [
        np.asarray(pil.fromarray(golden[key]).resize((side, side), pil.Resampling.BICUBIC))
        for key in ("imgA", "imgB")
    ]
    return roma.prepared(torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2) / 255, side)


@pytest.fixture(scope="module")
def outputs(golden: Outputs, states: tuple[State, State]) -> Iterator[Outputs]:
    """Everything that the goldens know, by the goldens' names."""
    net = RomaNet.from_states(*states, coarse=COARSE, fine=FINE)
    seen: Outputs = {}

    def look(_: Any, inputs: Any, found: Any) -> None:
        number = 0 if inputs[2] is None else 1
        if not number:
            seen.update({f"pyr{s}": f.numpy() for s, f in inputs[0].items()})
        for stride, (flow, certainty) in found.items():
            seen[f"dec{number}_{stride}_flow"] = flow.numpy()
            seen[f"dec{number}_{stride}_certainty"] = certainty.numpy()

    def look_at_anchors(_: Any, __: Any, found: Any) -> None:
        seen["gm_cls"] = found[0].numpy()

    net.matcher.decoder.register_forward_hook(look)
    net.matcher.decoder.embedding_decoder.register_forward_hook(look_at_anchors)
    warp, certainty = net.warp_prepared(by_pil(golden, COARSE), by_pil(golden, FINE))
    seen |= {"warp": warp[0].numpy(), "cert": certainty[0].numpy()}
    yield seen
    seen.clear()


def slice_of(name: str, value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The part of an output that the goldens hold."""
    if name.startswith("pyr"):
        return value[0, :8, :6, :6]
    if name == "gm_cls":
        return value[0, :, 3, 4]
    every = max(1, value.shape[-1] // 12)
    return value[0, :, ::every, ::every]


@pytest.mark.roma
def test_parity_of_all_that_lies_between(golden: Outputs, outputs: Outputs) -> None:
    """Features to 1e-4, normalised flows to 1e-6, logits, up to 150 large, to 1e-5 of that."""
    names = {n.removesuffix("_slice") for n in golden if n.endswith("_slice")}
    assert names == outputs.keys() - {"warp", "cert"}
    for name in sorted(names):
        value = outputs[name]
        if f"{name}_shape" in golden:
            assert value.shape == tuple(golden[f"{name}_shape"])
        near = 1e-4 if name.startswith("pyr") else 1e-6 if name.endswith("flow") else 1e-3
        np.testing.assert_allclose(
            slice_of(name, value), golden[f"{name}_slice"], rtol=0, atol=near, err_msg=name
        )
        large = value.astype(np.float64)
        summary = [large.mean(), large.std(), large.min(), large.max(), np.abs(large).mean()]
        np.testing.assert_allclose(
            summary, golden[f"{name}_summary"], rtol=0, atol=near, err_msg=name
        )
    np.testing.assert_array_equal(outputs["gm_cls"].argmax(axis=1), golden["gm_argmax"])


@pytest.mark.roma
def test_parity_of_warp_and_certainty(golden: Outputs, outputs: Outputs) -> None:
    warp, certainty = outputs["warp"], outputs["cert"]
    np.testing.assert_allclose(warp[::4, ::4], golden["warp_sub"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(certainty[::4, ::4], golden["cert_sub"], rtol=0, atol=1e-5)
    points = torch.from_numpy(warp[::16, ::16].reshape(-1, 4))
    for part, name in ((points[:, :2], "pix0"), (points[:, 2:], "pix1")):
        pixels = roma.to_pixels(part, 240, 320).numpy()
        np.testing.assert_allclose(pixels, golden[name], rtol=0, atol=1e-3)


@pytest.mark.roma
def test_resizing_is_the_published_one_but_for_rounding(golden: Outputs, images: Tensor) -> None:
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    for side in (COARSE, FINE):
        apart = (roma.prepared(images, side) - by_pil(golden, side)) * deviation * 255
        assert apart.abs().max() < 1.5


@pytest.fixture(scope="module")
def small(states: tuple[State, State]) -> RomaNet:
    """The network, for small images."""
    return RomaNet.from_states(*states, coarse=SMALL, fine=SMALL)


Warped = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def both_ways(small: RomaNet, images: Tensor) -> tuple[Warped, Warped]:
    """Warp and certainty of a pair, and of the same the other way round."""
    return small.warp(images[:1], images[1:]), small.warp(images[1:], images[:1])


@pytest.mark.roma
def test_swapped_images_swap_the_halves(both_ways: tuple[Warped, Warped]) -> None:
    (warp, certainty), (swapped, sure) = both_ways
    there = torch.cat([swapped[:, :, SMALL:], swapped[:, :, :SMALL]], dim=2)[..., [2, 3, 0, 1]]
    torch.testing.assert_close(there, warp, atol=1e-4, rtol=0)
    torch.testing.assert_close(sure.roll(SMALL, dims=2), certainty, atol=1e-4, rtol=0)


@pytest.mark.roma
def test_pairs_of_a_batch_dont_disturb_each_other(
    small: RomaNet, both_ways: tuple[Warped, Warped], images: Tensor
) -> None:
    pairs = (images[:1], images[1:]), (images[1:], images[:1].flip(3))
    first, second = (torch.cat(side) for side in zip(*pairs, strict=True))
    warp, certainty = small.warp(first, second)
    for number, (alone, sure) in enumerate((both_ways[0], small.warp(*pairs[1]))):
        torch.testing.assert_close(warp[number], alone[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(certainty[number], sure[0], atol=1e-4, rtol=0)


@pytest.mark.roma
def test_half_precision_computes_and_returns_float32(
    states: tuple[State, State], images: Tensor
) -> None:
    net = RomaNet.from_states(*states, Device(dtype="bfloat16"), coarse=SMALL, fine=SMALL)
    with cases.QuickHalves():
        warp, certainty = net.warp(images[:1], images[1:])
    assert warp.dtype == certainty.dtype == torch.float32
    assert warp.isfinite().all()
    assert warp.abs().max() <= 1
    assert ((certainty >= 0) & (certainty <= 1)).all()


def shifting(side: int, x: float, y: float) -> Tensor:
    """The warp of a shift, both ways, in shares of the side."""
    grid = centres(side, side, torch.device("cpu"))[0].permute(1, 2, 0)
    there = 2 * torch.tensor([x, y])
    halves = torch.cat([grid, grid + there], 2), torch.cat([grid - there, grid], 2)
    return torch.cat(halves, dim=1)


def test_matches_of_a_warp_lie_on_a_grid_and_come_back() -> None:
    """In pixels of images of other sides, their centres whole numbers."""
    warp, certainty = shifting(64, 1 / 16, -1 / 8), torch.full((64, 128), 0.8)
    certainty[:16] = 0.01  # unsure above
    warp[:, 64 + 48 :, :2] += 0.5  # no way back from the right quarter
    found = roma.matches(warp, certainty, 8, (128, 192), (128, 192))
    # (0, 0) of the warp's 64 pixels is the outer corner.
    np.testing.assert_allclose((found.xy0 + 0.5) / [3, 2] % 8, 4.5, atol=1e-4)
    np.testing.assert_allclose(
        found.xy1 - found.xy0, np.tile([12, -16], (len(found.xy0), 1)), atol=1e-3
    )
    assert len(found.xy0) == 5 * 6
    assert found.xy0[:, 1].min() > 2 * 16
    assert found.xy1[:, 0].max() < 3 * 48
    np.testing.assert_allclose(found.spread, 0, atol=1e-3)
    np.testing.assert_allclose(found.score, 0.8)


def test_matches_spread_as_far_as_they_miss_their_start() -> None:
    warp, certainty = shifting(64, 0.0, 0.0), torch.ones(64, 128)
    warp[:, 64:, 0] += 2 * 1.5 / 64  # a pixel and a half, not more than is allowed
    found = roma.matches(warp, certainty, 16, (64, 64), (64, 64))
    assert len(found.xy0) == 16
    np.testing.assert_allclose(found.spread, 1.5, atol=1e-3)


@pytest.mark.roma
def test_the_matcher_runs_and_answers_for_what_is_valid(states: tuple[State, State]) -> None:
    """Tiles of an odd shape with a hole, and flat ones; random weights find little or nothing."""
    given = Weights("random", {"roma": states[0], "dinov2_vitl14": states[1]})
    matcher = matching.kind("minima_roma")(Device(), given, coarse=SMALL, fine=SMALL)
    hole = np.ones((90, 131), bool)
    hole[30:60, 40:80] = False
    image = shifted(shape=(90, 131))[1]
    flat = np.full_like(image, 0.5)
    masks = [(hole, hole)] * 2
    batch = batch_of([(image, flat), (image, image)], "track", 200.0, masks)
    points = matcher.match(batch)
    assert set(points.tile.tolist()) <= {1}
    assert valid_at(hole, points.moving_xy).all()
    assert valid_at(hole, points.reference_xy).all()
    assert ((points.score >= 0.05) & (points.score <= 1)).all()
    assert ((points.sigma >= 0.2) & (points.sigma < 2)).all()
